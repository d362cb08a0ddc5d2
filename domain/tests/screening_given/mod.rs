//! Screens an order of which only some features are known.

use domain::feature::{Feature, FeatureRef, Value};
use domain::order::ScoredCause;
use domain::rulebook::Rulebook;
use domain::screening::{Assessment, screen};

/// Screens with the named features known, written as in evidence, and all others unknown.
pub(crate) fn screened(rulebook: &Rulebook, known: &[(&str, Value)]) -> Assessment {
    for (name, value) in known {
        let (base, window) = name.split_once('[').map_or((*name, None), |(base, window)| (base, Some(window)));
        let feature = Feature::named(base).unwrap_or_else(|| panic!("{base} is no feature"));
        let window = window.map(|window| window.trim_end_matches(']').parse().expect("a window"));
        assert_eq!(FeatureRef { feature, window }.to_string(), *name, "evidence writes it in its canonical form");
        let spec = feature.spec();
        assert_eq!((spec.takes_window(), spec.feature_type), (window.is_some(), value.feature_type()), "{name}");
    }
    let evaluator = rulebook.compile(7);
    let values: Vec<_> = evaluator
        .features()
        .iter()
        .map(|feature| known.iter().find(|(name, _)| *name == feature.to_string()).map(|(_, value)| value.clone()))
        .collect();
    screen(&evaluator, &values, ScoredCause::Placed)
}
