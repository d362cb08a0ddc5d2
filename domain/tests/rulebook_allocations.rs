//! The promise of the decision path: evaluating an order allocates nothing.

use domain::feature::{FeatureType, Value};
use domain::rulebook::{Findings, PRESETS, preset};
use domain::time::Span;

#[test]
fn evaluating_an_order_allocates_nothing_once_the_findings_have_grown() {
    for (name, _) in PRESETS {
        let evaluator = preset(name).unwrap().compile(1);
        let value = |number: i64, feature_type| match feature_type {
            FeatureType::Bool => Value::Bool(number % 2 == 1),
            FeatureType::Int => Value::Int(number),
            FeatureType::Decimal => Value::Decimal(number.into()),
            FeatureType::Text => Value::Text("virtual".into()),
            FeatureType::Duration => Value::Duration(Span::from_millis(number)),
        };
        let orders: Vec<Vec<_>> = (0..200)
            .map(|number| {
                let types = evaluator.features().iter().map(|feature| feature.feature.spec().feature_type);
                types.map(|feature_type| (number % 7 > 0).then(|| value(number, feature_type))).collect()
            })
            .collect();
        let mut findings = Findings::default();
        let mut fired = 0;
        let mut evaluate_all = || {
            for values in &orders {
                evaluator.evaluate(values, &mut findings);
                fired += findings.fired.len();
            }
        };
        let first = allocation_counter::measure(&mut evaluate_all);
        let second = allocation_counter::measure(&mut evaluate_all);
        assert!(fired > orders.len(), "{name}: too few rules fire to prove anything");
        assert!(first.count_total > 0, "{name}: the counter sees the findings grow");
        assert_eq!(second.count_total, 0, "{name}");
    }
}
