//! `docs/SAFETY.md` names a test for whatever it promises.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

/// Where tests are.
const ROOMS: [&str; 8] = ["domain", "eventlog", "engine", "channels", "projections", "notify", "api", "tests"];
/// Names with so many underscores are sentences, and so tests.
const SENTENCE: usize = 3;
/// How deep folders lie in each other at most.
const DEPTH_MAX: usize = 8;

#[test]
fn every_test_that_the_safety_paper_names_is_there() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap();
    let paper = fs::read_to_string(root.join("docs/SAFETY.md")).unwrap();
    let named: BTreeSet<&str> =
        paper.split('`').skip(1).step_by(2).filter(|name| name.matches('_').count() >= SENTENCE).collect();
    assert!(named.len() > 40, "{named:?}");
    let mut sources = String::new();
    for room in ROOMS {
        gather(&root.join(room), DEPTH_MAX, &mut sources);
    }
    // A promise of a contract is a test by its name in the list of the contract.
    let is_there = |name: &&&str| {
        let is_test = ["#[test]", "#[tokio::test]"]
            .iter()
            .any(|mark| ["", "async "].iter().any(|word| sources.contains(&format!("{mark}\n{word}fn {name}("))));
        let is_promise = ["<", "("].iter().any(|end| sources.contains(&format!("fn {name}{end}")));
        is_test || (is_promise && sources.contains(&format!("\n{name},\n")))
    };
    let missing: Vec<_> = named.iter().filter(|name| !is_there(name)).collect();
    assert!(missing.is_empty(), "{missing:#?}");
}

fn gather(folder: &Path, depth: usize, sources: &mut String) {
    assert!(depth > 0, "{} lies too deep", folder.display());
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() && !path.ends_with("target") {
            gather(&path, depth - 1, sources);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            // Tests inside of modules are indented.
            sources.extend(fs::read_to_string(path).unwrap().lines().flat_map(|line| [line.trim_start(), "\n"]));
        }
    }
}
