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
    let known = |is_so| json!({"feature": "device.known", "op": "==", "value": is_so});
    let known_for = |op, value| json!({"feature": "device.known_for", "op": op, "value": value});
    for never in [
        json!({"all": [orders("5m", ">=", 5), orders("1h", "<", 5)]}),
        json!({"all": [unpaid(">", 3), orders("5m", "<=", 3)]}),
        json!({"all": [counted, kind("==", "privacy")]}),
        json!({"all": [&new, familiar]}),
        json!({"all": [
            {"feature": "customer.age", "op": "<=", "value": "1d"},
            {"feature": "customer.age_known", "op": "==", "value": false},
        ]}),
        json!({"all": [&new, known(true)]}),
        json!({"all": [&new, known_for(">=", "1h")]}),
        json!({"all": [known(false), known_for(">", "0s")]}),
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
fn what_contradicts_itself_is_said_with_what_stands_against_each_other() {
    let hour = json!({"feature": "order.hour", "op": "<", "value": 6});
    let report =
        checked(&book(&[("never", json!({"all": [hour, orders("5m", ">=", 5), orders("1h", "<", 5)]}), json!(90))]));
    let details: Vec<_> = report.warnings.iter().map(|warning| (warning.code, &*warning.detail)).collect();
    assert_eq!(
        details[..2],
        [
            (
                WarningCode::RuleNeverFires,
                "never never fires: device.orders[5m] >= 5 and device.orders[1h] < 5 cannot be true at once"
            ),
            (
                WarningCode::ConditionContradictory,
                "never: device.orders[5m] >= 5 and device.orders[1h] < 5 contradict each other"
            ),
        ]
    );
}

#[test]
fn steps_that_overlap_or_leave_a_gap_are_named_with_the_values() {
    let from_to = |from: i64, to: i64| json!({"all": [orders("5m", ">=", from), orders("5m", "<=", to)]});
    let step = |from, to| from_to(from, to);
    let report = checked(&book(&[
        ("low", step(2, 5), json!(30)),
        ("middle", step(5, 8), json!(40)),
        ("high", orders("5m", ">", 9), json!(90)),
    ]));
    assert_eq!(
        warned(&report),
        [
            (WarningCode::RangesOverlap, "low middle".to_owned()),
            (WarningCode::RangesLeaveGap, "middle high".to_owned())
        ]
    );
    assert_eq!(report.warnings[0].detail, "low and middle both give points where device.orders[5m] is 5");
    assert_eq!(report.warnings[1].detail, "neither middle nor high fires where device.orders[5m] is 9");
    let clean = checked(&book(&[("low", step(2, 5), json!(30)), ("high", orders("5m", ">", 5), json!(90))]));
    assert_eq!(warned(&clean), []);
}

#[test]
fn what_leaves_out_the_ordinary_middle_or_asks_for_more_leaves_no_gap() {
    let hour = |op: &str, value: i64| json!({"feature": "order.hour", "op": op, "value": value});
    let night = checked(&book(&[("late", hour(">=", 23), json!(90)), ("early", hour("<", 6), json!(30))]));
    assert_eq!(warned(&night), []);
    let kind = json!({"feature": "phone.kind", "op": "==", "value": "virtual"});
    let other = json!({"all": [orders("5m", ">", 9), kind]});
    let few = json!({"all": [orders("5m", ">", 2), orders("5m", "<", 5)]});
    assert_eq!(warned(&checked(&book(&[("few", few, json!(10)), ("other", other, json!(90))]))), []);
}

#[test]
fn a_tier_that_every_score_jumps_over_is_named() {
    let mut stored = changed("/rules/0/points", json!(100));
    stored["tiers"][0]["from"] = 75.into();
    stored["tiers"][2] = json!({"id": "freeze", "from": 105, "action": "freeze"});
    stored["tiers"][1]["from"] = 101.into();
    let report = checked(&stored);
    assert_eq!(warned(&report), [(WarningCode::TierSkipped, "call".to_owned())]);
    assert_eq!(report.warnings[0].detail, "no sum of points lies from 101 to 104: every order jumps over call");
}

#[test]
fn a_witness_is_as_ordinary_as_an_order_of_its_tier_can_be() {
    let report = checked(&example());
    let witnesses = serde_json::to_value(&report.witnesses).unwrap();
    assert_eq!(
        witnesses["sms"],
        json!({"rules": ["device_burst"], "score": 80, "features": {"device.orders[5m]": 13}}),
        "50 + 4 a piece from the sixth on are 80 at the thirteenth"
    );
    assert_eq!(
        witnesses["freeze"],
        json!({"rules": ["device_burst", "address_changed", "virtual_phone"], "score": 124,
               "features": {"address.changed": true, "address.familiar": false, "device.orders[5m]": 6,
                            "phone.kind": "virtual"}})
    );
}

#[test]
fn every_witness_of_a_preset_reaches_its_tier() {
    for (name, _) in PRESETS {
        let rulebook = preset(name).unwrap();
        let (report, evaluator) = (check(&rulebook), rulebook.compile(1));
        for tier in rulebook.tiers() {
            let witness = &report.witnesses[&tier.id];
            let mut findings = Findings::default();
            evaluator.evaluate(&evaluator.values(&witness.features), &mut findings);
            assert_eq!(findings.score, witness.score, "{name} {}", tier.id);
            assert!(findings.score >= tier.threshold.score_min(), "{name} {}", tier.id);
        }
    }
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

/// Whether the number that a gap is about lies in it.
fn in_gap(warning: &domain::rulebook::check::Warning, names: &[String], values: &[Option<Value>]) -> bool {
    let (_, place) = warning.detail.split_once("fires where ").expect("a warning names where");
    let (name, range) = place.split_once(" is ").expect("a warning names where");
    let (low, high) = range.strip_prefix("from ").and_then(|range| range.split_once(" to ")).unwrap_or((range, range));
    let at = names.iter().position(|other| other == name).expect("a warning names where");
    match &values[at] {
        Some(Value::Int(value)) => {
            (low.parse().expect("a warning names where")..=high.parse().expect("a warning names where")).contains(value)
        }
        _ => false,
    }
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
        if let Some(witness) = report.witnesses.get("freeze") {
            let mut findings = Findings::default();
            evaluator.evaluate(&evaluator.values(&witness.features), &mut findings);
            let fired: Vec<_> = findings.fired.iter().map(|fired| evaluator.rule_id(*fired).clone()).collect();
            prop_assert_eq!((&fired, findings.score), (&witness.rules, witness.score));
            prop_assert!(findings.tier.is_some());
        }
        for warning in report.warnings.iter().filter(|warning| warning.code == WarningCode::RangesOverlap) {
            let alone: Vec<_> = rules.iter().filter(|(id, _, _)| warning.rules.iter().any(|rule| **rule == **id)).cloned().collect();
            let both = Rulebook::from_json(&book(&alone)).unwrap().compile(1);
            let fires = |low: i64| {
                let all: Vec<_> = both.features().iter().map(|feature| match feature.feature.spec().feature_type {
                    FeatureType::Text => Some(Value::Text("virtual".into())),
                    _ => Some(Value::Int(low)),
                }).collect();
                let mut findings = Findings::default();
                both.evaluate(&all, &mut findings);
                findings.fired.len()
            };
            prop_assert!(warning.detail.contains("both give points"));
            // Where they ask for nothing else, one value makes both fire.
            if both.features().len() == 1 {
                prop_assert!((0..9).any(|low| fires(low) == 2), "{warning:?}");
            }
        }
        for seeds in seeds {
            let mut findings = Findings::default();
            let seen = values(&names, &types, &seeds);
            evaluator.evaluate(&seen, &mut findings);
            let fired: Vec<_> = findings.fired.iter().map(|fired| evaluator.rule_id(*fired)).collect();
            for warning in &report.warnings {
                match warning.code {
                    WarningCode::RuleNeverFires => prop_assert!(!fired.contains(&&warning.rules[0])),
                    WarningCode::RuleImplied => prop_assert!(!fired.contains(&&warning.rules[0]) || fired.contains(&&warning.rules[1])),
                    WarningCode::TierUnreachable => prop_assert!(findings.tier.is_none()),
                    WarningCode::RangesLeaveGap => prop_assert!(
                        !in_gap(warning, &names, &seen) || !warning.rules.iter().any(|rule| fired.contains(&rule)),
                        "{warning:?} of {seen:?}"
                    ),
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
