//! What would have let an order pass: in examples, and for any rulebook and any order.

#[expect(dead_code, reason = "one of its books is needed here, and nothing else")]
mod rulebook_given;

use domain::explain::{FactChange, Otherwise, explain_otherwise, would_pass_if};
use domain::feature::{FeatureRef, Value};
use domain::order::ScoredCause;
use domain::rulebook::{Evaluator, Findings, Relation, Rulebook, Test, preset};
use domain::screening::screen;
use proptest::prelude::*;
use rulebook_given::example;
use serde_json::{Value as Json, json};

fn named(evaluator: &Evaluator, known: &[(&str, Value)]) -> Vec<Option<Value>> {
    let names: Vec<_> = evaluator.features().iter().map(ToString::to_string).collect();
    for (name, _) in known {
        assert!(names.iter().any(|other| other == name), "{name} is none of {names:?}");
    }
    let value = |feature: &FeatureRef| known.iter().find(|(name, _)| *name == feature.to_string());
    evaluator.features().iter().map(|feature| value(feature).map(|(_, value)| value.clone())).collect()
}

fn found(rulebook: &Rulebook, values: &[Option<Value>]) -> Vec<Otherwise> {
    let evaluator = rulebook.compile(1);
    would_pass_if(rulebook, &evaluator, values, &|values, findings| evaluator.evaluate(values, findings))
}

/// The answers, each as its changes in short.
fn short(rulebook: &Rulebook, known: &[(&str, Value)]) -> Vec<String> {
    let one = |change: &FactChange| format!("{} {} {}", change.feature, change.to.symbol(), change.to.constant());
    let of = |otherwise: &Otherwise| otherwise.changes.iter().map(one).collect::<Vec<_>>().join(", ");
    found(rulebook, &named(&rulebook.compile(1), known)).iter().map(of).collect()
}

fn burst() -> Vec<(&'static str, Value)> {
    vec![
        ("device.orders[5m]", Value::Int(5)),
        ("address.changed", Value::Bool(true)),
        ("address.familiar", Value::Bool(false)),
        ("customer.level", Value::Int(2)),
    ]
}

#[test]
fn one_fact_is_enough_where_two_rules_reach_a_tier_together() {
    let rulebook = Rulebook::from_json(&example()).unwrap();
    assert_eq!(
        short(&rulebook, &burst()),
        ["device.orders[5m] <= 4", "customer.level >= 4", "address.changed == false", "address.familiar == true"]
    );
}

#[test]
fn an_order_that_passes_or_is_spared_needs_nothing() {
    let rulebook = Rulebook::from_json(&example()).unwrap();
    assert!(short(&rulebook, &burst()[1..]).is_empty());
    let mut vip = burst();
    vip[3].1 = Value::Int(4);
    assert!(short(&rulebook, &vip).is_empty());
}

#[test]
fn graded_points_need_only_go_as_far_as_the_tier() {
    let rulebook = Rulebook::from_json(&example()).unwrap();
    let many = [("device.orders[5m]", Value::Int(40)), ("customer.level", Value::Int(0))];
    assert_eq!(short(&rulebook, &many), ["device.orders[5m] <= 12", "customer.level >= 4"]);
}

#[test]
fn a_rule_that_counts_because_of_another_order_is_not_argued_away() {
    let rulebook = Rulebook::from_json(&example()).unwrap();
    let evaluator = rulebook.compile(1);
    let mut known = burst();
    known[0].1 = Value::Int(2);
    let swept = |values: &[Option<Value>], findings: &mut Findings| {
        evaluator.evaluate_swept(values, |rule| &**rule == "device_burst", findings);
    };
    let found = would_pass_if(&rulebook, &evaluator, &named(&evaluator, &known), &swept);
    let changed: Vec<_> = found.iter().map(|otherwise| otherwise.changes[0].feature.to_string()).collect();
    assert_eq!(changed, ["customer.level", "address.changed", "address.familiar"]);
}

#[test]
fn who_ordered_can_be_argued_with_where_a_rule_counts_because_of_another_order() {
    let mut book = example();
    book["rules"][0]["when"] =
        json!({"all": [book["rules"][0]["when"], {"feature": "device.known", "op": "==", "value": false}]});
    let rulebook = Rulebook::from_json(&book).unwrap();
    let evaluator = rulebook.compile(1);
    let mut known = burst();
    known[0].1 = Value::Int(2);
    known.push(("device.known", Value::Bool(false)));
    let swept = |values: &[Option<Value>], findings: &mut Findings| {
        evaluator.evaluate_swept(values, |rule| &**rule == "device_burst", findings);
    };
    let found = would_pass_if(&rulebook, &evaluator, &named(&evaluator, &known), &swept);
    let changed: Vec<_> = found.iter().map(|otherwise| otherwise.changes[0].feature.to_string()).collect();
    assert_eq!(changed, ["customer.level", "address.changed", "address.familiar", "device.known"]);
}

#[test]
fn what_is_unknown_may_become_known() {
    let rulebook = Rulebook::from_json(&example()).unwrap();
    let known = [
        ("device.orders[5m]", Value::Int(5)),
        ("address.changed", Value::Bool(true)),
        ("address.familiar", Value::Bool(false)),
        ("phone.kind", Value::Text("virtual".into())),
    ];
    assert_eq!(
        short(&rulebook, &known),
        [
            "device.orders[5m] <= 4",
            "customer.level >= 4",
            "address.changed == false, phone.kind != \"virtual\"",
            "address.familiar == true, phone.kind != \"virtual\"",
        ]
    );
}

#[test]
fn a_longer_window_is_not_emptied_without_the_shorter_one() {
    let count = |window: &str, value| json!({"feature": "device.orders", "window": window, "op": ">=", "value": value});
    let book = json!({
        "name": "Windows",
        "rules": [{"id": "hour", "when": count("1h", 5), "points": 50}, {"id": "day", "when": count("1d", 100), "points": 5}],
        "tiers": [{"id": "hold", "from": 50, "action": "freeze"}]
    });
    let rulebook = Rulebook::from_json(&book).expect("the book is a good one");
    let known = [("device.orders[1h]", Value::Int(9)), ("device.orders[24h]", Value::Int(9))];
    assert_eq!(short(&rulebook, &known), ["device.orders[1h] <= 4"]);
    let mut both = book;
    both["rules"][1]["points"] = json!(-60);
    both["rules"][1]["when"] = count("1d", 10);
    both["rules"][1]["when"]["op"] = "<".into();
    let rulebook = Rulebook::from_json(&both).unwrap();
    let known = [("device.orders[1h]", Value::Int(12)), ("device.orders[24h]", Value::Int(12))];
    assert_eq!(
        short(&rulebook, &known),
        ["device.orders[1h] <= 4"],
        "a day with fewer than 10 orders has no hour with 12, and an hour with 4 is enough"
    );
}

#[test]
fn an_age_that_is_not_told_may_become_known_and_its_being_known_is_no_fact_beside_it() {
    let shared = json!({"all": [
        {"feature": "device.customers", "window": "24h", "op": ">=", "value": 3},
        {"any": [
            {"all": [
                {"feature": "customer.age_known", "op": "==", "value": true},
                {"feature": "customer.age", "op": "<=", "value": "7d"}
            ]},
            {"all": [
                {"feature": "customer.is_new", "op": "==", "value": true},
                {"feature": "customer.age_known", "op": "==", "value": false}
            ]}
        ]}
    ]});
    let book = json!({"name": "Shared", "rules": [{"id": "shared", "when": shared, "points": 90}],
        "tiers": [{"id": "hold", "from": 80, "action": "freeze"}]});
    let rulebook = Rulebook::from_json(&book).unwrap();
    let mut known = vec![
        ("device.customers[24h]", Value::Int(3)),
        ("customer.is_new", Value::Bool(true)),
        ("customer.age_known", Value::Bool(false)),
    ];
    assert_eq!(
        short(&rulebook, &known),
        ["device.customers[24h] <= 2", r#"customer.age > "7d""#, "customer.is_new == false"]
    );
    known[2].1 = Value::Bool(true);
    known.push(("customer.age", Value::Duration("1h".parse().unwrap())));
    assert_eq!(short(&rulebook, &known), ["device.customers[24h] <= 2", r#"customer.age > "7d""#]);
}

#[test]
fn a_bound_is_worded_with_the_constant_of_the_rule() {
    let rulebook = preset("growth").unwrap();
    let known = [
        ("customer.age", Value::Duration("4s".parse().unwrap())),
        ("order.channel", Value::Text("web".into())),
        ("phone.kind", Value::Text("virtual".into())),
    ];
    let evaluator = rulebook.compile(1);
    let values = named(&evaluator, &known);
    let scored = screen(&evaluator, &values, ScoredCause::Placed).scored;
    let explained: Vec<_> =
        found(&rulebook, &values).iter().map(|it| explain_otherwise(it, &scored.features)).collect();
    let zh: Vec<_> = explained.iter().map(|it| &*it.zh).collect();
    let en: Vec<_> = explained.iter().map(|it| &*it.en).collect();
    assert_eq!(
        zh,
        [
            "如果注册到下单的时长超过 30 秒（当时为 4 秒），订单就会直接放行。",
            "如果客户等级至少为 4 级（当时未知），订单就会直接放行。",
            "如果下单渠道为 shopify、store、woocommerce 之一（当时为 web），订单就会直接放行。",
            "如果手机号不是虚拟运营商号码，订单就会直接放行。",
            "如果 1 天内同一收货地址的客户数不超过 5 位（当时未知），并且1 小时内该客户使用的设备数不超过 2 台（当时未知），\
             并且1 天内同一设备的客户数不超过 2 位（当时未知），\
             并且该客户首次使用此设备到本单的时长至少为 1 天（当时未知），订单就会直接放行。",
        ]
    );
    assert_eq!(
        en,
        [
            "The order would have passed if the time from registration to order had been more than 30 seconds instead of 4 seconds.",
            "The order would have passed if the customer's level at the merchant had been at least 4 (it was not known).",
            "The order would have passed if the channel it was placed on had been shopify or store or woocommerce instead of web.",
            "The order would have passed if the phone number had not been a virtual operator's number.",
            "The order would have passed if customers who ordered to this delivery address within 1 day had been at most 5 (it was not known), \
             and devices this customer used within 1 hour had been at most 2 (it was not known), \
             and customers on this device within 1 day had been at most 2 (it was not known), \
             and the time since the customer first used the device had been at least 1 day (it was not known).",
        ]
    );
}

#[test]
fn what_is_true_or_false_is_worded_as_a_clause() {
    let rulebook = Rulebook::from_json(&example()).unwrap();
    let evaluator = rulebook.compile(1);
    let values = named(&evaluator, &burst());
    let scored = screen(&evaluator, &values, ScoredCause::Placed).scored;
    let last = found(&rulebook, &values).pop().unwrap();
    let explained = explain_otherwise(&last, &scored.features);
    assert_eq!(explained.zh, "如果该客户至少有两单在此地址顺利收货，订单就会直接放行。");
    assert_eq!(
        explained.en,
        "The order would have passed if at least two earlier orders of the customer to the address had gone well."
    );
}

fn comparison() -> impl Strategy<Value = Json> {
    let operator = prop::sample::select(vec!["==", "!=", "<", "<=", ">", ">="]);
    let count = (prop::sample::select(vec!["device.orders", "ip.orders"]), operator, 1..7_i64)
        .prop_map(|(feature, op, value)| json!({"feature": feature, "window": "5m", "op": op, "value": value}));
    let known = any::<bool>().prop_map(|value| json!({"feature": "device.known", "op": "==", "value": value}));
    let kind = (
        prop::sample::select(vec!["in", "not_in"]),
        prop::sample::subsequence(vec!["virtual", "privacy", "mobile"], 1..3),
    )
        .prop_map(|(op, kinds)| json!({"feature": "phone.kind", "op": op, "value": kinds}));
    prop_oneof![3 => count, 1 => known, 1 => kind]
}

fn condition() -> impl Strategy<Value = Json> {
    comparison().prop_recursive(2, 6, 3, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| json!({"all": parts})),
            prop::collection::vec(inner.clone(), 1..3).prop_map(|parts| json!({"any": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

fn rulebook() -> impl Strategy<Value = Rulebook> {
    let flat = (condition(), -40..60_i64).prop_map(|(when, points)| (when, json!(points)));
    let graded = (1..6_i64, 1..20_i64).prop_map(|(from, per)| {
        let when = json!({"feature": "ip.orders", "window": "5m", "op": ">=", "value": from});
        (when, json!({"base": 10, "per": per, "above": from, "max": 70}))
    });
    let rules = prop::collection::vec(prop_oneof![4 => flat, 1 => graded], 1..5);
    (rules, prop::option::of(condition())).prop_map(|(rules, exemption)| {
        let rules = rules.into_iter().enumerate();
        let rules: Vec<_> = rules
            .map(|(place, (when, points))| json!({"id": format!("r{place}"), "when": when, "points": points}))
            .collect();
        let exemptions: Vec<_> =
            exemption.into_iter().map(|when| json!({"id": "e", "when": when, "action": "release"})).collect();
        let tiers = json!([{"id": "hold", "from": 30, "action": "freeze"}]);
        let book = json!({"name": "Any", "rules": rules, "tiers": tiers, "exemptions": exemptions});
        Rulebook::from_json(&book).expect("the book is a good one")
    })
}

/// Everything that a feature of these rulebooks can be, as far as they tell it apart.
fn domain(feature: &FeatureRef) -> Vec<Value> {
    match feature.to_string().as_str() {
        "device.known" => [false, true].map(Value::Bool).to_vec(),
        "phone.kind" => {
            ["mobile", "virtual", "privacy", "landline", "foreign", "unknown"].map(|it| Value::Text(it.into())).to_vec()
        }
        _ => (1..=12).map(Value::Int).collect(),
    }
}

/// An evaluator, and whether the first rule fired for another order in whose window this one lies.
#[derive(Clone, Copy)]
struct Asked<'a>(&'a Evaluator, bool);

impl Asked<'_> {
    fn evaluate(&self, values: &[Option<Value>], findings: &mut Findings) {
        self.0.evaluate_swept(values, |rule| self.1 && &**rule == "r0", findings);
    }
}

fn passes(asked: Asked<'_>, values: &[Option<Value>]) -> bool {
    let mut findings = Findings::default();
    asked.evaluate(values, &mut findings);
    findings.tier.is_none() || findings.exemption.is_some()
}

/// Whether the order passes with some, or with all, of the values that are allowed to these features.
fn with(asked: Asked<'_>, values: &[Option<Value>], allowed: &[(usize, Vec<Value>)], all: bool) -> bool {
    let Some(((slot, choices), rest)) = allowed.split_first() else { return passes(asked, values) };
    let mut tried = choices.iter().map(|choice| {
        let mut values = values.to_vec();
        values[*slot] = Some(choice.clone());
        with(asked, &values, rest, all)
    });
    if all { tried.all(|passes| passes) } else { tried.any(|passes| passes) }
}

fn allows(test: &Test, value: &Value) -> bool {
    match test {
        Test::In(constants) => constants.contains(value),
        Test::NotIn(constants) => !constants.contains(value),
        Test::Is(relation, constant) => {
            let order = match (value, constant) {
                (Value::Int(value), Value::Int(constant)) => value.cmp(constant),
                (value, constant) if value == constant => std::cmp::Ordering::Equal,
                _ => std::cmp::Ordering::Less,
            };
            match relation {
                Relation::Equal => order.is_eq(),
                Relation::NotEqual => order.is_ne(),
                Relation::Less => order.is_lt(),
                Relation::AtMost => order.is_le(),
                Relation::Greater => order.is_gt(),
                Relation::AtLeast => order.is_ge(),
            }
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(400))]

    #[test]
    fn every_answer_passes_no_part_of_one_does_and_none_is_left_out(
        rulebook in rulebook(),
        seeds in prop::collection::vec(any::<u8>(), 4),
        is_swept in any::<bool>(),
    ) {
        let evaluator = rulebook.compile(1);
        let asked = Asked(&evaluator, is_swept);
        let features = evaluator.features();
        let values: Vec<_> = features.iter().zip(&seeds).map(|(feature, seed)| {
            let domain = domain(feature);
            (seed % 6 > 0).then(|| domain[usize::from(seed / 6) % domain.len().min(8)].clone())
        }).collect();
        let answers = would_pass_if(&rulebook, &evaluator, &values, &|values, findings| asked.evaluate(values, findings));
        if passes(asked, &values) {
            prop_assert_eq!(answers, vec![]);
            return Ok(());
        }
        let slot = |feature: &FeatureRef| features.iter().position(|other| other == feature).unwrap();
        for answer in &answers {
            let mut nearest = values.clone();
            for change in &answer.changes {
                prop_assert_eq!(&change.from, &values[slot(&change.feature)]);
                prop_assert_ne!(change.from.as_ref(), Some(&change.nearest));
                prop_assert!(allows(&change.to, &change.nearest), "{:?}", change);
                nearest[slot(&change.feature)] = Some(change.nearest.clone());
            }
            prop_assert!(passes(asked, &nearest), "{answer:?}");
            let said: Vec<_> = answer.changes.iter().map(|change| {
                let domain = domain(&change.feature).into_iter().filter(|value| allows(&change.to, value));
                (slot(&change.feature), domain.collect::<Vec<_>>())
            }).collect();
            prop_assert!(said.iter().all(|(_, choices)| !choices.is_empty()));
            prop_assert!(with(asked, &values, &said, true), "everything that is said to pass does: {answer:?}");
            for change in &answer.changes {
                let (Some(Value::Int(now)), Value::Int(to)) = (&change.from, &change.nearest) else { continue };
                let mut nearer = nearest.clone();
                for between in (to.min(now) + 1)..*to.max(now) {
                    nearer[slot(&change.feature)] = Some(Value::Int(between));
                    prop_assert!(!passes(asked, &nearer), "{between} is nearer: {answer:?}");
                }
            }
        }
        // Every choice of features, and whether any values of them pass.
        let choices: Vec<Vec<usize>> = (1..1_usize << features.len())
            .map(|mask| (0..features.len()).filter(|slot| mask >> slot & 1 == 1).collect()).collect();
        let could = |slots: &Vec<usize>| {
            let all: Vec<_> = slots.iter().map(|slot| (*slot, domain(&features[*slot]))).collect();
            with(asked, &values, &all, false)
        };
        let enough: Vec<_> = choices.into_iter().filter(could).collect();
        let mut smallest: Vec<_> = enough.iter()
            .filter(|slots| !enough.iter().any(|other| other.len() < slots.len() && other.iter().all(|slot| slots.contains(slot))))
            .cloned().collect();
        let mut told: Vec<Vec<usize>> =
            answers.iter().map(|answer| answer.changes.iter().map(|change| slot(&change.feature)).collect()).collect();
        prop_assert!(told.is_sorted_by_key(Vec::len), "fewest facts first");
        smallest.sort();
        told.sort();
        prop_assert_eq!(told, smallest);
    }
}
