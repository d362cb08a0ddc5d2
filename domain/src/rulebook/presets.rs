//! Ready-made rulebooks.

use super::Rulebook;

/// The presets by name, each with its stored form.
pub const PRESETS: &[(&str, &str)] = &[
    ("starter", include_str!("presets/starter.json")),
    ("growth", include_str!("presets/growth.json")),
    ("enterprise", include_str!("presets/enterprise.json")),
];

/// The preset that a new merchant begins with.
pub const DEFAULT_PRESET: &str = "growth";

/// The preset of that name.
pub fn preset(name: &str) -> Option<Rulebook> {
    let (_, stored) = PRESETS.iter().find(|(preset, _)| *preset == name)?;
    Some(Rulebook::read(stored.as_bytes()).expect("a test reads every preset"))
}
