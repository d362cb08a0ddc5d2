//! What screening does, one row a case.

mod screening_given;

use std::sync::Arc;

use domain::feature::Value;
use domain::order::{ChallengeMethod, OnExpire, OnFail, Reading, ScoredCause};
use domain::rulebook::Rulebook;
use domain::screening::{ChallengeTerms, Disposition, screen};
use domain::time::Span;
use rust_decimal::Decimal;
use screening_given::screened;
use serde_json::{Value as Json, json};

#[derive(Clone, Copy, PartialEq, Debug)]
enum Truth {
    True,
    False,
    Unknown,
}
use Truth::{False, True, Unknown};

fn book(value: &Json) -> Rulebook {
    Rulebook::from_json(value).unwrap_or_else(|faults| panic!("{faults:#?}"))
}

/// A condition and its opposite: both silent is the mark of unknown.
fn truth(condition: &Json, known: &[(&str, Value)]) -> Truth {
    let rules = json!([
        {"id": "holds", "when": condition, "points": 1},
        {"id": "fails", "when": {"not": condition}, "points": 1},
    ]);
    let scored = screened(&book(&json!({"name": "Truth", "rules": rules, "tiers": []})), known).scored;
    match scored.hits.iter().map(|hit| &*hit.rule).collect::<Vec<_>>()[..] {
        ["holds"] => True,
        ["fails"] => False,
        [] => Unknown,
        _ => panic!("a condition and its opposite both fired"),
    }
}

fn int(value: i64) -> Value {
    Value::Int(value)
}

fn decimal(text: &str) -> Value {
    Value::Decimal(text.parse().expect("a decimal"))
}

fn text(text: &str) -> Value {
    Value::Text(text.into())
}

fn duration(text: &str) -> Value {
    Value::Duration(text.parse().expect("a duration"))
}

#[test]
fn a_comparison_is_true_false_or_unknown_for_every_operator_and_type() {
    let heat = |op: &str, value: Json| json!({"feature": "region.heat", "window": "1h", "op": op, "value": value});
    let plain = |feature: &str, op: &str, value: Json| json!({"feature": feature, "op": op, "value": value});
    let level = |op: &str, value: Json| plain("customer.level", op, value);
    let is_new = |op: &str, value: Json| plain("customer.is_new", op, value);
    let age = |op: &str, value: Json| plain("customer.age", op, value);
    let kind = |op: &str, value: Json| plain("phone.kind", op, value);
    let rows: Vec<(Json, Option<Value>, Truth)> = vec![
        (is_new("==", json!(true)), Some(Value::Bool(true)), True),
        (is_new("==", json!(true)), Some(Value::Bool(false)), False),
        (is_new("==", json!(false)), None, Unknown),
        (is_new("!=", json!(true)), Some(Value::Bool(false)), True),
        (is_new("!=", json!(true)), Some(Value::Bool(true)), False),
        (is_new("!=", json!(true)), None, Unknown),
        (is_new("in", json!([true])), Some(Value::Bool(true)), True),
        (is_new("in", json!([true])), Some(Value::Bool(false)), False),
        (is_new("not_in", json!([true])), Some(Value::Bool(false)), True),
        (is_new("not_in", json!([true, false])), None, Unknown),
        (level("==", json!(4)), Some(int(4)), True),
        (level("==", json!(4)), Some(int(5)), False),
        (level("!=", json!(4)), Some(int(5)), True),
        (level("!=", json!(4)), Some(int(4)), False),
        (level("<", json!(4)), Some(int(3)), True),
        (level("<", json!(4)), Some(int(4)), False),
        (level("<=", json!(4)), Some(int(4)), True),
        (level("<=", json!(4)), Some(int(5)), False),
        (level(">", json!(4)), Some(int(5)), True),
        (level(">", json!(4)), Some(int(4)), False),
        (level(">=", json!(4)), Some(int(4)), True),
        (level(">=", json!(4)), Some(int(3)), False),
        (level(">=", json!(i64::MIN)), Some(int(i64::MIN)), True),
        (level("<", json!(i64::MAX)), Some(int(i64::MAX)), False),
        (level("in", json!([1, 4])), Some(int(4)), True),
        (level("in", json!([1, 4])), Some(int(2)), False),
        (level("not_in", json!([1, 4])), Some(int(2)), True),
        (level("not_in", json!([1, 4])), Some(int(4)), False),
        (level("==", json!(4)), None, Unknown),
        (level("!=", json!(4)), None, Unknown),
        (level("<", json!(4)), None, Unknown),
        (level("<=", json!(4)), None, Unknown),
        (level(">", json!(4)), None, Unknown),
        (level(">=", json!(4)), None, Unknown),
        (level("in", json!([4])), None, Unknown),
        (level("not_in", json!([4])), None, Unknown),
        (heat("==", json!("2.5")), Some(decimal("2.50")), True),
        (heat("==", json!(2.5)), Some(decimal("2.5")), True),
        (heat("==", json!(0.1)), Some(decimal("0.1")), True),
        (heat("!=", json!("2.5")), Some(decimal("2.5001")), True),
        (heat("<", json!("2.5")), Some(decimal("2.4999")), True),
        (heat("<=", json!("2.5")), Some(decimal("2.5")), True),
        (heat(">", json!("2.5")), Some(decimal("2.5")), False),
        (heat(">=", json!(2)), Some(decimal("2")), True),
        (heat("in", json!(["0.3", 2])), Some(decimal("0.3")), True),
        (heat("not_in", json!(["0.3", 2])), Some(decimal("2.0")), False),
        (heat(">=", json!(2)), None, Unknown),
        (age("==", json!("60s")), Some(duration("1m")), True),
        (age("!=", json!("1m")), Some(duration("1m")), False),
        (age("<", json!("1m")), Some(duration("59999ms")), True),
        (age("<=", json!("1m")), Some(duration("60001ms")), False),
        (age(">", json!("1d")), Some(duration("25h")), True),
        (age(">=", json!("1d")), Some(duration("24h")), True),
        (age("in", json!(["1m", "1h"])), Some(duration("60m")), True),
        (age("not_in", json!(["1m", "1h"])), Some(duration("2h")), True),
        (age("<=", json!("30s")), None, Unknown),
        (kind("==", json!("virtual")), Some(text("virtual")), True),
        (kind("==", json!("virtual")), Some(text("privacy")), False),
        (kind("!=", json!("virtual")), Some(text("privacy")), True),
        (kind("in", json!(["mobile", "virtual"])), Some(text("mobile")), True),
        (kind("in", json!(["mobile", "virtual"])), Some(text("privacy")), False),
        (kind("not_in", json!(["mobile"])), Some(text("privacy")), True),
        (kind("!=", json!("virtual")), None, Unknown),
    ];
    for (condition, value, expected) in rows {
        let window = condition.get("window").map_or_else(String::new, |_| "[1h]".to_owned());
        let name = format!("{}{window}", condition["feature"].as_str().unwrap());
        let known: Vec<_> = value.iter().map(|value| (name.as_str(), value.clone())).collect();
        assert_eq!(truth(&condition, &known), expected, "{condition} with {value:?}");
    }
}

#[test]
fn conditions_are_joined_by_kleenes_logic() {
    let leaf = |feature: &str| json!({"feature": feature, "op": "==", "value": true});
    let (left, right) = (leaf("customer.is_new"), leaf("device.known"));
    let rows = [
        (True, True, True, True),
        (True, False, False, True),
        (True, Unknown, Unknown, True),
        (False, True, False, True),
        (False, False, False, False),
        (False, Unknown, False, Unknown),
        (Unknown, True, Unknown, True),
        (Unknown, False, False, Unknown),
        (Unknown, Unknown, Unknown, Unknown),
    ];
    for (first, second, all, any) in rows {
        let known: Vec<_> = [("customer.is_new", first), ("device.known", second)]
            .into_iter()
            .filter(|(_, truth)| *truth != Unknown)
            .map(|(name, truth)| (name, Value::Bool(truth == True)))
            .collect();
        assert_eq!(truth(&json!({"all": [left, right]}), &known), all, "all of {first:?} and {second:?}");
        assert_eq!(truth(&json!({"any": [left, right]}), &known), any, "any of {first:?} and {second:?}");
        let nested = json!({"not": {"any": [{"not": left}, {"not": right}]}});
        assert_eq!(truth(&nested, &known), all, "not any of not {first:?} and not {second:?}");
    }
}

/// The score is the level, so that every score can be reached.
fn tiers() -> Rulebook {
    let points = json!({"base": -5, "per": 1, "above": -5, "max": 1000});
    let terms =
        |method: &str| json!({"challenge": method, "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"});
    book(&json!({
        "name": "Tiers",
        "rules": [{"id": "level", "when": {"feature": "customer.level", "op": ">=", "value": -5}, "points": points}],
        "tiers": [
            {"id": "sms", "from": 80, "action": terms("sms")},
            {"id": "call", "from": 100, "action": terms("call")},
            {"id": "freeze", "above": 120, "action": "freeze"},
        ],
        "exemptions": [
            {"id": "first", "when": {"feature": "customer.is_new", "op": "==", "value": true}, "action": "release"},
            {"id": "second", "when": {"feature": "device.known", "op": "==", "value": true}, "action": "release"},
        ],
    }))
}

fn challenge(method: ChallengeMethod) -> Disposition {
    let expires_in = Span::from_mins(10);
    let (on_fail, on_expire) = (OnFail::Freeze, OnExpire::Review);
    Disposition::Challenge(ChallengeTerms { method, expires_in, on_fail, on_expire }, None)
}

#[test]
fn the_highest_tier_that_applies_wins() {
    let rows = [
        (-5, "pass", Disposition::Pass),
        (0, "pass", Disposition::Pass),
        (79, "pass", Disposition::Pass),
        (80, "sms", challenge(ChallengeMethod::Sms)),
        (99, "sms", challenge(ChallengeMethod::Sms)),
        (100, "call", challenge(ChallengeMethod::Call)),
        (120, "call", challenge(ChallengeMethod::Call)),
        (121, "freeze", Disposition::Freeze),
        (1000, "freeze", Disposition::Freeze),
    ];
    for (score, tier, disposition) in rows {
        let assessment = screened(&tiers(), &[("customer.level", int(score))]);
        assert_eq!((assessment.scored.score, &*assessment.scored.tier), (score, tier));
        assert_eq!(assessment.disposition, disposition, "score {score}");
    }
}

#[test]
fn an_exemption_spares_but_leaves_the_score_and_the_tier_on_record() {
    let rows = [
        (79, Some(true), Some(true), None::<&str>),
        (80, Some(true), Some(true), Some("first")),
        (80, Some(false), Some(true), Some("second")),
        (80, None, Some(true), Some("second")),
        (80, Some(false), Some(false), None),
        (80, None, None, None),
        (121, Some(true), None, Some("first")),
        (121, None, None, None),
    ];
    for (score, is_new, device_known, exemption) in rows {
        let mut known = vec![("customer.level", int(score))];
        known.extend(is_new.map(|value| ("customer.is_new", Value::Bool(value))));
        known.extend(device_known.map(|value| ("device.known", Value::Bool(value))));
        let assessment = screened(&tiers(), &known);
        let plain = screened(&tiers(), &known[..1]);
        assert_eq!(assessment.scored.exemption.as_deref(), exemption, "{known:?}");
        assert_eq!(assessment.disposition == Disposition::Exempt, exemption.is_some(), "{known:?}");
        assert_eq!(
            (assessment.scored.score, assessment.scored.tier, assessment.scored.hits),
            (plain.scored.score, plain.scored.tier, plain.scored.hits)
        );
    }
}

#[test]
fn graded_points_grow_with_the_first_comparison_between_base_and_max() {
    let orders = json!({"feature": "device.orders", "window": "5m", "op": ">=", "value": 1});
    let share = json!({"feature": "ip24.unpaid_share", "window": "30m", "op": ">=", "value": "0.1"});
    let is_new = json!({"feature": "customer.is_new", "op": "==", "value": true});
    let burst = json!({"base": 50, "per": 4, "above": 5, "max": 80});
    let shares = json!({"base": 20, "per": 100, "above": "0.3", "max": 60});
    let slow = json!({"base": 0, "per": "0.5", "above": 0, "max": 1_000_000});
    let either = json!({"any": [orders, is_new]});
    let (n, s) = ("device.orders[5m]", "ip24.unpaid_share[30m]");
    let new = ("customer.is_new", Value::Bool(true));
    let rows = vec![
        (&orders, &burst, vec![(n, int(1))], 50),
        (&orders, &burst, vec![(n, int(5))], 50),
        (&orders, &burst, vec![(n, int(6))], 54),
        (&orders, &burst, vec![(n, int(12))], 78),
        (&orders, &burst, vec![(n, int(13))], 80),
        (&orders, &burst, vec![(n, int(i64::MAX))], 80),
        (&orders, &slow, vec![(n, int(1))], 0),
        (&orders, &slow, vec![(n, int(3))], 1),
        (&orders, &slow, vec![(n, int(i64::MAX))], 1_000_000),
        (&share, &shares, vec![(s, decimal("0.3"))], 20),
        (&share, &shares, vec![(s, decimal("0.3099"))], 20),
        (&share, &shares, vec![(s, decimal("0.31"))], 21),
        (&share, &shares, vec![(s, decimal("0.9"))], 60),
        (&either, &burst, vec![new.clone()], 50),
        (&either, &burst, vec![new, (n, int(7))], 58),
    ];
    for (when, points, known, expected) in rows {
        let rules = json!([{"id": "graded", "when": when, "points": points}]);
        let scored = screened(&book(&json!({"name": "Graded", "rules": rules, "tiers": []})), &known).scored;
        assert_eq!(scored.score, expected, "{when} {points} {known:?}");
    }
}

#[test]
fn hits_stand_in_the_rulebooks_order_with_every_feature_their_condition_names() {
    let rulebook = book(&json!({
        "name": "Evidence",
        "rules": [
            {"id": "z", "points": 30, "when": {"all": [
                {"feature": "order.channel", "op": "==", "value": "web"},
                {"any": [
                    {"feature": "customer.age", "op": "<=", "value": "5m"},
                    {"feature": "customer.is_new", "op": "==", "value": true},
                ]},
                {"feature": "order.channel", "op": "!=", "value": "store"},
            ]}},
            {"id": "never", "points": 9, "when": {"feature": "order.channel", "op": "==", "value": "store"}},
            {"id": "a", "points": -10, "when": {"feature": "region.heat", "window": "3600s", "op": ">", "value": 1}},
        ],
        "tiers": [],
    }));
    let known = [
        ("order.channel", text("web")),
        ("customer.age", Value::Duration(Span::from_secs(90))),
        ("region.heat[1h]", Value::Decimal(Decimal::new(2500, 3))),
    ];
    let scored = screened(&rulebook, &known).scored;
    assert_eq!(scored.score, 20);
    assert_eq!(
        serde_json::to_value(&scored).unwrap(),
        json!({
            "score": 20, "tier": "pass", "cause": "placed",
            "hits": [
                {"rule": "z", "points": 30,
                 "evidence": {"order.channel": "web", "customer.age": "90s", "customer.is_new": null}},
                {"rule": "a", "points": -10, "evidence": {"region.heat[1h]": "2.5"}},
            ],
            "features": {
                "customer.age": "90s", "customer.is_new": null, "order.channel": "web", "region.heat[1h]": "2.5"
            },
            "rulebook_version": 7, "rulebook_hash": rulebook.hash(),
        })
    );
    let slots: Vec<_> = scored.features.0.iter().map(|(name, _)| &**name).collect();
    assert_eq!(slots, ["customer.age", "customer.is_new", "order.channel", "region.heat[1h]"]);
    let evidence: Vec<_> = scored.hits[0].evidence.0.iter().map(|(name, _)| &**name).collect();
    assert_eq!(evidence, ["order.channel", "customer.age", "customer.is_new"]);
    assert_eq!(scored.features.get("order.channel"), Some(&Reading::Text("web".into())));
}

#[test]
fn the_names_of_rules_tiers_and_features_are_shared_between_decisions() {
    let evaluator = tiers().compile(1);
    let values: Vec<_> = evaluator
        .features()
        .iter()
        .map(|feature| (feature.to_string() == "customer.level").then_some(Value::Int(90)))
        .collect();
    let [first, second] = [1, 2].map(|_| screen(&evaluator, &values, ScoredCause::Manual).scored);
    assert!(Arc::ptr_eq(&first.tier, &second.tier));
    assert!(Arc::ptr_eq(&first.rulebook_hash, &second.rulebook_hash));
    assert!(Arc::ptr_eq(&first.hits[0].rule, &second.hits[0].rule));
    assert!(Arc::ptr_eq(&first.hits[0].evidence.0[0].0, &second.features.0[1].0));
}

#[test]
fn negative_points_take_away() {
    let is = |feature: &str| json!({"feature": feature, "op": "==", "value": true});
    let rulebook = book(&json!({
        "name": "Trust",
        "rules": [
            {"id": "risk", "when": is("customer.is_new"), "points": 80},
            {"id": "trust", "when": is("device.known"), "points": -1},
        ],
        "tiers": [{"id": "held", "from": 80, "action": "freeze"}],
    }));
    let new = ("customer.is_new", Value::Bool(true));
    assert_eq!(screened(&rulebook, std::slice::from_ref(&new)).disposition, Disposition::Freeze);
    let known = screened(&rulebook, &[new, ("device.known", Value::Bool(true))]);
    assert_eq!((known.scored.score, known.disposition), (79, Disposition::Pass));
}

#[test]
#[should_panic(expected = "one value for each feature")]
fn values_of_another_rulebook_are_refused() {
    let evaluator = tiers().compile(1);
    screen(&evaluator, &[], ScoredCause::Placed);
}
