//! What holds for every rulebook: its canonical form reads back, and compiling does not change what it means.

use std::cmp::Ordering;

use domain::feature::{CATALOGUE, FeatureSpec, FeatureType, Value};
use domain::rulebook::{Condition, Findings, Relation, Rulebook, Test};
use domain::time::Span;
use proptest::prelude::*;
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};

fn constant(spec: &'static FeatureSpec) -> BoxedStrategy<Json> {
    match spec.feature_type {
        FeatureType::Bool => any::<bool>().prop_map(Json::from).boxed(),
        FeatureType::Int => prop_oneof![(-3..6_i64), any::<i64>()].prop_map(Json::from).boxed(),
        FeatureType::Decimal => prop_oneof![
            (-30..60_i64, 0..3_u32).prop_map(|(digits, places)| json!(Decimal::new(digits, places).to_string())),
            (-99_999..99_999_i32).prop_map(|digits| json!(f64::from(digits) / 1000.0)),
            (-5..5_i64).prop_map(Json::from),
        ]
        .boxed(),
        FeatureType::Duration => (0..200_u32, prop::sample::select(vec!["ms", "s", "m", "h", "d"]))
            .prop_map(|(n, unit)| json!(format!("{n}{unit}")))
            .boxed(),
        FeatureType::Text if spec.values.is_empty() => {
            prop::sample::select(vec!["web", "store", "淘宝", "a\"b\\c"]).prop_map(Json::from).boxed()
        }
        FeatureType::Text => prop::sample::select(spec.values).prop_map(Json::from).boxed(),
    }
}

fn comparison() -> impl Strategy<Value = Json> {
    let spec = (0..CATALOGUE.len()).prop_map(|index| &CATALOGUE[index]);
    (spec, 1..2_592_000_u32, 0..8_usize).prop_flat_map(|(spec, window, operator)| {
        let ordered = !matches!(spec.feature_type, FeatureType::Bool | FeatureType::Text);
        let operators: &[&str] =
            if ordered { &["==", "!=", "<", "<=", ">", ">=", "in", "not_in"] } else { &["==", "!=", "in", "not_in"] };
        let operator = operators[operator % operators.len()];
        let value = if operator.ends_with("in") {
            prop::collection::vec(constant(spec), 1..4).prop_map(Json::from).boxed()
        } else {
            constant(spec)
        };
        value.prop_map(move |value| {
            let mut comparison = json!({"feature": spec.name, "op": operator, "value": value});
            if spec.takes_window() {
                comparison["window"] = json!(format!("{window}s"));
            }
            comparison
        })
    })
}

fn condition() -> impl Strategy<Value = Json> {
    comparison().prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({"all": parts})),
            prop::collection::vec(inner.clone(), 1..4).prop_map(|parts| json!({"any": parts})),
            inner.prop_map(|part| json!({"not": part})),
        ]
    })
}

fn stored_rulebook() -> impl Strategy<Value = Json> {
    let rule = (condition(), -100..100_i64, any::<bool>(), prop::option::of("[a-z 一-龥]{0,5}[a-z]"));
    let rules = prop::collection::vec(rule, 0..6).prop_map(|rules| {
        let rules = rules.into_iter().enumerate().map(|(index, (when, points, sweep, name))| {
            let name = name.map(|name| json!({"zh": name.trim()}));
            json!({"id": format!("rule-{index}"), "name": name, "when": when, "points": points, "sweep": sweep})
        });
        rules.collect::<Vec<_>>()
    });
    let challenge = json!({"challenge": "sms", "expires_in": "90s", "on_fail": "review", "on_expire": "release"});
    let action = prop::sample::select(vec![json!("freeze"), challenge]);
    let tiers = prop::collection::vec((1..50_i64, any::<bool>(), action), 0..4).prop_map(|tiers| {
        let mut from = -60;
        let tiers = tiers.into_iter().enumerate().map(|(index, (step, above, action))| {
            from += step + 1;
            let field = if above { "above" } else { "from" };
            json!({"id": format!("tier_{index}"), field: from, "action": action})
        });
        tiers.collect::<Vec<_>>()
    });
    let exemptions = prop::collection::vec(condition(), 0..3).prop_map(|exemptions| {
        let exemptions = exemptions.into_iter().enumerate();
        exemptions
            .map(|(index, when)| json!({"id": index.to_string(), "when": when, "action": "release"}))
            .collect::<Vec<_>>()
    });
    (rules, tiers, exemptions).prop_map(
        |(rules, tiers, exemptions)| json!({"name": "Any", "rules": rules, "tiers": tiers, "exemptions": exemptions}),
    )
}

fn some_value(feature_type: FeatureType, seed: u8) -> Option<Value> {
    let small = i64::from(seed / 8 % 8) - 2;
    (seed % 8 > 1).then(|| match feature_type {
        FeatureType::Bool => Value::Bool(small > 1),
        FeatureType::Int => Value::Int(small),
        FeatureType::Decimal => Value::Decimal(Decimal::new(small * 5, 1)),
        FeatureType::Text => Value::Text(["web", "store", "virtual", "privacy"][usize::from(seed / 8 % 4)].into()),
        FeatureType::Duration => Value::Duration(Span::from_secs(u32::from(seed / 8))),
    })
}

/// The definition of truth, as plainly as it can be said.
fn truth(condition: &Condition, value_of: &impl Fn(&str) -> Option<Value>) -> Option<bool> {
    match condition {
        Condition::Not(part) => truth(part, value_of).map(|truth| !truth),
        Condition::All(parts) => {
            let truths: Vec<_> = parts.iter().map(|part| truth(part, value_of)).collect();
            if truths.contains(&Some(false)) {
                Some(false)
            } else {
                truths.into_iter().collect::<Option<Vec<_>>>().map(|_| true)
            }
        }
        Condition::Any(parts) => {
            let truths: Vec<_> = parts.iter().map(|part| truth(part, value_of)).collect();
            if truths.contains(&Some(true)) {
                Some(true)
            } else {
                truths.into_iter().collect::<Option<Vec<_>>>().map(|_| false)
            }
        }
        Condition::Compare(comparison) => {
            value_of(&comparison.feature.to_string()).map(|value| match &comparison.test {
                Test::In(constants) => constants.contains(&value),
                Test::NotIn(constants) => !constants.contains(&value),
                Test::Is(Relation::Equal, constant) => value == *constant,
                Test::Is(Relation::NotEqual, constant) => value != *constant,
                Test::Is(Relation::Less, constant) => order(&value, constant) == Ordering::Less,
                Test::Is(Relation::AtMost, constant) => order(&value, constant) != Ordering::Greater,
                Test::Is(Relation::Greater, constant) => order(&value, constant) == Ordering::Greater,
                Test::Is(Relation::AtLeast, constant) => order(&value, constant) != Ordering::Less,
            })
        }
    }
}

fn order(value: &Value, constant: &Value) -> Ordering {
    match (value, constant) {
        (Value::Int(value), Value::Int(constant)) => value.cmp(constant),
        (Value::Decimal(value), Value::Decimal(constant)) => value.cmp(constant),
        (Value::Duration(value), Value::Duration(constant)) => value.cmp(constant),
        _ => panic!("{value:?} and {constant:?} have no order"),
    }
}

proptest! {
    #[test]
    fn the_canonical_form_reads_back_equal_and_is_the_same_again(stored in stored_rulebook()) {
        let read = Rulebook::from_json(&stored).unwrap();
        prop_assert_eq!(&Rulebook::read(stored.to_string().as_bytes()).unwrap(), &read);
        let canonical = read.to_json();
        let again = Rulebook::read(canonical.as_bytes()).unwrap();
        prop_assert_eq!(&again, &read);
        prop_assert_eq!(again.to_json(), canonical.clone());
        prop_assert_eq!(again.hash(), read.hash());
        prop_assert_eq!(serde_json::from_str::<Rulebook>(&canonical).unwrap(), read);
    }

    #[test]
    fn a_compiled_rulebook_means_what_its_conditions_say(stored in stored_rulebook(), seeds in prop::collection::vec(any::<u8>(), 64)) {
        let rulebook = Rulebook::from_json(&stored).unwrap();
        let evaluator = rulebook.compile(1);
        let names: Vec<_> = evaluator.features().iter().map(ToString::to_string).collect();
        prop_assert!(names.is_sorted_by(|left, right| left < right));
        let values: Vec<_> = evaluator.features().iter().zip(seeds.iter().cycle())
            .map(|(feature, seed)| some_value(feature.feature.spec().feature_type, *seed)).collect();
        let value_of = |name: &str| values[names.iter().position(|other| other == name).unwrap()].clone();
        let mut findings = Findings::default();
        evaluator.evaluate(&values, &mut findings);

        let fired: Vec<_> = rulebook.rules().iter().enumerate()
            .filter(|(_, rule)| truth(&rule.when, &value_of) == Some(true)).map(|(place, _)| place).collect();
        prop_assert_eq!(findings.fired.iter().map(|fired| fired.rule).collect::<Vec<_>>(), fired);
        let tier = rulebook.tiers().iter().rposition(|tier| findings.score >= tier.threshold.score_min());
        prop_assert_eq!(findings.tier, tier);
        let spared = rulebook.exemptions().iter().position(|exemption| truth(&exemption.when, &value_of) == Some(true));
        prop_assert_eq!(findings.exemption, tier.and(spared));
    }

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..64), text in "[\\[\\]{}\",:a-z0-9.eE+-]{0,40}") {
        prop_assert!(Rulebook::read(&bytes).is_err());
        prop_assert!(Rulebook::read(text.as_bytes()).is_err());
    }
}
