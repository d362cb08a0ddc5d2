//! Dependencies point inward only: `api → engine, projections, channels, notify → eventlog → domain`, and `api → market → domain`.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use serde_json::{Value, json};

/// Which of our crates each may know. One that is not listed has no room in the house yet.
const ROOMS: [(&str, &[&str]); 8] = [
    ("domain", &[]),
    ("eventlog", &["domain"]),
    ("engine", &["eventlog", "domain"]),
    ("channels", &["eventlog", "domain"]),
    ("projections", &["eventlog", "domain"]),
    ("notify", &["eventlog", "domain"]),
    ("market", &["domain"]),
    ("api", &["engine", "channels", "projections", "notify", "market", "eventlog", "domain"]),
];

/// Crates that tests alone use, wherever they are. They know none of ours, so that they say nothing of what is tested.
const FOR_TESTS: [&str; 1] = ["test-postgres"];

/// What the pure core may not know: the outside world.
const OUTSIDE: [&str; 10] =
    ["tokio", "sqlx", "rusqlite", "hyper-util", "axum", "reqwest", "tracing", "log", "getrandom", "rand"];

#[test]
fn no_crate_depends_on_a_room_further_out() {
    assert_eq!(wrong_arrows(&packages(&metadata())), BTreeSet::new());
}

#[test]
fn the_domain_knows_nothing_of_the_outside_world() {
    let metadata = metadata();
    let packages = list(&metadata["packages"]);
    let domain = packages.iter().find(|package| package["name"] == "domain").expect("the domain is a crate");
    let dependencies = list(&domain["dependencies"]);
    assert!(dependencies.iter().any(|dependency| dependency["name"] == "serde"), "its dependencies were not read");
    // What its tests use does not come with it.
    let known = dependencies.iter().filter(|dependency| dependency["kind"].is_null()).map(name);
    let wrong: Vec<String> = known.filter(|known| OUTSIDE.contains(&known.as_str())).collect();
    assert_eq!(wrong, Vec::<String>::new());
}

#[test]
fn an_arrow_that_is_turned_round_is_found() {
    let packages = packages(&json!({"packages": [
        {"name": "domain", "dependencies": [{"name": "serde", "kind": null}, {"name": "api", "kind": "dev"}]},
        {"name": "engine", "dependencies": [{"name": "projections", "kind": null}, {"name": "domain", "kind": null}]},
        {"name": "api", "dependencies": [{"name": "engine", "kind": null}, {"name": "test-postgres", "kind": null}]},
        {"name": "projections", "dependencies": [{"name": "test-postgres", "kind": "dev"}]},
        {"name": "attic", "dependencies": [{"name": "domain", "kind": null}]},
        {"name": "test-postgres", "dependencies": [{"name": "domain", "kind": null}]},
    ]}));
    let expected =
        ["api → test-postgres", "attic has no room", "domain → api", "engine → projections", "test-postgres → domain"];
    let expected = expected.map(str::to_owned);
    assert_eq!(wrong_arrows(&packages), BTreeSet::from(expected));
}

fn metadata() -> Value {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let mut command = Command::new(cargo);
    command.args(["metadata", "--format-version", "1", "--no-deps", "--manifest-path"]).arg(manifest);
    let output = command.output().expect("cargo runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).expect("metadata is JSON");
    assert!(list(&metadata["packages"]).len() >= ROOMS.len(), "the workspace was not found");
    metadata
}

fn name(of: &Value) -> String {
    of["name"].as_str().expect("a name").to_owned()
}

fn list(of: &Value) -> Vec<Value> {
    of.as_array().expect("a list").clone()
}

/// The crates of the workspace with the names of all that they depend on, for whatever purpose but the one that a crate for tests
/// is there for.
fn packages(metadata: &Value) -> BTreeMap<String, BTreeSet<String>> {
    let counts = |to: &&Value| to["kind"] != "dev" || !FOR_TESTS.contains(&name(to).as_str());
    let package =
        |package: &Value| (name(package), list(&package["dependencies"]).iter().filter(counts).map(name).collect());
    list(&metadata["packages"]).iter().map(package).collect()
}

fn wrong_arrows(packages: &BTreeMap<String, BTreeSet<String>>) -> BTreeSet<String> {
    let mut wrong = BTreeSet::new();
    for (from, dependencies) in packages {
        let room = ROOMS.iter().find(|(room, _)| room == from).map(|(_, allowed)| *allowed);
        let for_tests = FOR_TESTS.contains(&from.as_str()).then_some(&[] as &[&str]);
        let Some(allowed) = room.or(for_tests) else {
            wrong.insert(format!("{from} has no room"));
            continue;
        };
        let ours = dependencies.iter().filter(|to| packages.contains_key(*to));
        wrong.extend(ours.filter(|to| !allowed.contains(&to.as_str())).map(|to| format!("{from} → {to}")));
    }
    wrong
}
