//! What a check claims of a rulebook is so: in examples, in the presets, and against random orders.

mod rulebook_given;

use domain::feature::{FeatureType, Value};
use domain::rulebook::check::{Report, WarningCode, check, check_bytes};
use domain::rulebook::{Findings, PRESETS, Rulebook, preset};
use proptest::prelude::*;
use rulebook_given::{changed, example, faults};
use serde_json::{Value as Json, json};

fn checked(book: &Json) -> Report {
    check(&Rulebook::from_json(book).expect("a rulebook"))
}

/// The kinds of warnings with the rules and the tier that they are about.
fn warned(report: &Report) -> Vec<(WarningCode, String)> {
    let about = |warning: &domain::rulebook::check::Warning| {
        let about: Vec<_> = warning.rules.iter().chain(&warning.tier).map(|id| &**id).collect();
        (warning.code, about.join(" "))
    };
    report.warnings.iter().map(about).collect()
}

fn book(rules: &[(&str, Json, Json)]) -> Json {
    let rules: Vec<_> =
        rules.iter().map(|(id, when, points)| json!({"id": id, "when": when, "points": points})).collect();
    json!({"name": "Any", "rules": rules, "tiers": [{"id": "freeze", "from": 80, "action": "freeze"}]})
}

fn orders(window: &str, op: &str, value: i64) -> Json {
    json!({"feature": "device.orders", "window": window, "op": op, "value": value})
}

#[test]
fn what_is_no_rulebook_has_its_faults_as_errors_and_nothing_is_claimed_of_it() {
    let book = changed("/rules/0/when/feature", json!("device.oders"));
    let report = check_bytes(book.to_string().as_bytes());
    let errors: Vec<_> = report.errors.into_iter().map(|fault| (fault.pointer, fault.detail)).collect();
    assert_eq!(errors, faults(&book));
    assert!(report.warnings.is_empty() && report.combinations.is_empty());
}

#[test]
fn three_flat_rules_of_fifty_thirty_and_forty_never_exceed_120() {
    let report = checked(&changed("/rules/0/points", json!(50)));
    assert_eq!(warned(&report), [(WarningCode::TierUnreachable, "freeze".to_owned())]);
    let stored = serde_json::to_value(&report).unwrap();
    assert_eq!(stored["warnings"][0]["code"], "tier_unreachable");
    assert_eq!(
        stored["combinations"],
        json!({"sms": [["device_burst", "virtual_phone"], ["device_burst", "address_changed"]],
               "call": [["device_burst", "address_changed", "virtual_phone"]], "freeze": []})
    );
}

#[test]
fn graded_points_count_at_the_most_they_can_give() {
    let report = checked(&example());
    assert_eq!(warned(&report), []);
    let sms: Vec<_> = report.combinations["sms"].iter().map(|rules| rules.join(" ")).collect();
    assert_eq!(sms, ["device_burst"]);
    let report = checked(&book(&[(
        "burst",
        json!({"all": [orders("5m", ">=", 5), orders("1h", "<", 8)]}),
        json!({"base": 50, "per": 10, "above": 5, "max": 90}),
    )]));
    assert_eq!(
        warned(&report),
        [(WarningCode::PointsMaxUnreachable, "burst".to_owned()), (WarningCode::TierUnreachable, "freeze".to_owned())]
    );
}

#[test]
fn contradictions_are_found_through_what_the_features_mean() {
    let unpaid = |op, value| json!({"feature": "device.unpaid", "window": "5m", "op": op, "value": value});
    let kind = |op, value| json!({"feature": "phone.kind", "op": op, "value": value});
    let counted = json!({"feature": "phone.orders", "window": "1h", "op": ">=", "value": 2});
    let new = json!({"feature": "customer.is_new", "op": "==", "value": true});
    let familiar = json!({"feature": "address.familiar", "op": "==", "value": true});
    for never in [
        json!({"all": [orders("5m", ">=", 5), orders("1h", "<", 5)]}),
        json!({"all": [unpaid(">", 3), orders("5m", "<=", 3)]}),
        json!({"all": [counted, kind("==", "privacy")]}),
        json!({"all": [new, familiar]}),
        json!({"all": [kind("==", "virtual"), kind("!=", "virtual")]}),
        json!({"feature": "order.hour", "op": ">", "value": 23}),
        json!({"feature": "ip24.unpaid_share", "window": "5m", "op": ">", "value": 1}),
        orders("5m", "<", 1),
    ] {
        let report = checked(&book(&[("never", never.clone(), json!(90))]));
        assert_eq!(warned(&report)[0], (WarningCode::RuleNeverFires, "never".to_owned()), "{never}");
        assert_eq!(warned(&report).last().unwrap().0, WarningCode::TierUnreachable, "{never}");
    }
}

#[test]
fn a_shorter_window_implies_a_longer_one_and_unknown_implies_nothing() {
    let report =
        checked(&book(&[("short", orders("5m", ">=", 5), json!(90)), ("long", orders("1h", ">=", 5), json!(0))]));
    assert_eq!(
        warned(&report),
        [] as [(WarningCode, String); 0],
        "the longer window may reach back to what is forgotten"
    );
    let report =
        checked(&book(&[("many", orders("5m", ">=", 9), json!(50)), ("some", orders("5m", ">=", 5), json!(30))]));
    assert_eq!(warned(&report), [(WarningCode::RuleImplied, "many some".to_owned())]);
    assert_eq!(report.combinations["freeze"].len(), 1);
}

#[test]
fn platform_numbers_are_no_evidence_and_rules_that_exclude_each_other_do_not_add_up() {
    let kind = |value| json!({"feature": "phone.kind", "op": "==", "value": value});
    let report = checked(&book(&[("privacy", kind("privacy"), json!(40)), ("virtual", kind("virtual"), json!(40))]));
    assert_eq!(
        warned(&report),
        [
            (WarningCode::RuleOnlyPlatformNumbers, "privacy".to_owned()),
            (WarningCode::TierUnreachable, "freeze".to_owned())
        ]
    );
}

#[test]
fn every_preset_checks_clean() {
    for (name, _) in PRESETS {
        let report = check(&preset(name).unwrap());
        assert_eq!(report.warnings, [], "{name}");
        assert!(report.combinations.values().all(|combinations| !combinations.is_empty()), "{name}");
    }
}

fn condition() -> impl Strategy<Value = Json> {
    let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let count = (prop::sample::select(vec!["5m", "1h"]), operator, 0..6_i64)
        .prop_map(|(window, op, value)| orders(window, op, value));
    let hour = (0..6_i64).prop_map(|hour| json!({"feature": "order.hour", "op": "<", "value": hour}));
    let kind = prop::sample::select(vec!["virtual", "privacy"])
        .prop_map(|kind| json!({"feature": "phone.kind", "op": "==", "value": kind}));
    prop_oneof![count, hour, kind].prop_recursive(3, 10, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({"all": parts})),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({"any": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

/// An order that can be: a shorter window holds no more than a longer one.
fn values(names: &[String], types: &[FeatureType], seeds: &[u8]) -> Vec<Option<Value>> {
    let mut values: Vec<_> = types
        .iter()
        .zip(seeds)
        .map(|(of, seed)| {
            (seed % 5 > 0).then(|| match of {
                FeatureType::Text => Value::Text(["virtual", "privacy", "mobile"][usize::from(seed / 5 % 3)].into()),
                _ => Value::Int(i64::from(seed / 5 % 7) + 1),
            })
        })
        .collect();
    let at = |name: &str| names.iter().position(|other| other == name);
    if let (Some(short), Some(long)) = (at("device.orders[5m]"), at("device.orders[1h]"))
        && let (Some(Value::Int(less)), Some(Value::Int(more))) = (values[short].clone(), values[long].clone())
        && less > more
    {
        values.swap(short, long);
    }
    values
}

proptest! {
    #[test]
    fn what_is_claimed_holds_for_every_order(
        rules in prop::collection::vec((condition(), -30..60_i64), 1..5),
        seeds in prop::collection::vec(prop::collection::vec(any::<u8>(), 4), 64),
    ) {
        let ids = ["a", "b", "c", "d"];
        let rules: Vec<_> = ids.into_iter().zip(rules).map(|(id, (when, points))| (id, when, json!(points))).collect();
        let rulebook = Rulebook::from_json(&book(&rules)).unwrap();
        let report = check(&rulebook);
        let evaluator = rulebook.compile(1);
        let names: Vec<_> = evaluator.features().iter().map(ToString::to_string).collect();
        let types: Vec<_> = evaluator.features().iter().map(|feature| feature.feature.spec().feature_type).collect();
        let combinations = &report.combinations["freeze"];
        for seeds in seeds {
            let mut findings = Findings::default();
            evaluator.evaluate(&values(&names, &types, &seeds), &mut findings);
            let fired: Vec<_> = findings.fired.iter().map(|fired| evaluator.rule_id(*fired)).collect();
            for warning in &report.warnings {
                match warning.code {
                    WarningCode::RuleNeverFires => prop_assert!(!fired.contains(&&warning.rules[0])),
                    WarningCode::RuleImplied => prop_assert!(!fired.contains(&&warning.rules[0]) || fired.contains(&&warning.rules[1])),
                    WarningCode::TierUnreachable => prop_assert!(findings.tier.is_none()),
                    _ => {}
                }
            }
            if findings.tier.is_some() {
                let adding = |id: &std::sync::Arc<str>| rules.iter().any(|(rule, _, points)| **id == **rule && points.as_i64() > Some(0));
                let smaller = |listed: &Vec<_>| listed.iter().filter(|id| adding(id)).all(|id| fired.contains(&id));
                prop_assert!(combinations.iter().any(smaller), "{fired:?} of {combinations:?}");
            }
        }
    }
}
