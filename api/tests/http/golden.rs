//! Outward shapes compared with plain files. `BLESS=1` writes them anew, for a person to look at the difference.

use std::path::Path;

/// Compares a text with the golden file of that name.
pub(crate) fn golden(name: &str, found: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden").join(name);
    if std::env::var_os("BLESS").is_some() {
        std::fs::write(&file, found).unwrap();
    }
    let expected = std::fs::read_to_string(&file).unwrap_or_default();
    let difference = expected.lines().zip(found.lines()).enumerate().find(|(_, (expected, found))| expected != found);
    assert!(
        expected == found,
        "{} differs ({} lines in place of {}); first at {difference:?}; if that is meant, run again with BLESS=1",
        file.display(),
        found.lines().count(),
        expected.lines().count(),
    );
}
