//! Signals that every merchant has from the beginning: those that the presets read.

use super::{Declaration, SignalName, SubjectKind};

/// Name and description of each. All are about a region, from 0 to 1.
const BUILT_IN: [(&str, &str); 2] = [
    ("logistics_pressure", "物流拥堵的程度 / how congested parcels are"),
    ("weather", "天气影响配送的程度 / how much the weather hinders delivery"),
];

/// What a signal is of which the merchant has not said it; `None` of one that is not there before it is declared.
pub fn built_in(name: SignalName) -> Option<Declaration> {
    built_ins().find(|(built_in, _)| *built_in == name).map(|(_, declaration)| declaration)
}

/// All of them, by name.
pub fn built_ins() -> impl Iterator<Item = (SignalName, Declaration)> {
    BUILT_IN.into_iter().map(|(name, description)| {
        let declaration =
            Declaration { subject: SubjectKind::Region, unit: "0..1".into(), description: description.into() };
        (name.parse().expect("a test reads every name"), declaration)
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::rulebook::{PRESETS, preset};

    #[test]
    fn they_are_the_signals_that_presets_read() {
        let read: BTreeSet<_> =
            PRESETS.iter().flat_map(|(name, _)| preset(name).expect("a preset").signals()).collect();
        assert_eq!(built_ins().map(|(name, _)| name).collect::<Vec<_>>(), Vec::from_iter(read), "by name");
        assert_eq!(built_in("blocked".parse().expect("a name")), None);
    }
}
