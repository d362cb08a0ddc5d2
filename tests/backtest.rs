//! `orderlight backtest`: a rulebook file tried on the orders of a store.

use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::support::process::{Finished, Process, import, orderlight};
use crate::support::shop::Shop;
use crate::support::traffic;

const EARLIEST: &str = "2000-01-01T00:00:00Z";
const LATEST: &str = "2099-01-01T00:00:00Z";

fn backtest(data: &Path, rulebook: &Path, more: &[&str]) -> Finished {
    let mut command = orderlight(["backtest", "--rulebook"]);
    command.arg(rulebook).arg("--data").arg(data).args(more);
    Process::start(command).wait()
}

fn a_file_is_tried_on_the_orders_of(shop: &Shop) {
    let directory = tempdir().unwrap();
    let lines = traffic::file(directory.path(), &traffic::lines(7, 300));
    let imported = shop.run(&["import", text(&lines)]).expect_code(0);
    assert_eq!(imported.count("orders"), 300);
    let growth = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src/rulebook/presets/growth.json");
    let backtest =
        |rulebook: &Path, more: &[&str]| shop.run(&[&["backtest", "--rulebook", text(rulebook)], more].concat());

    let live = backtest(&growth, &["--from", EARLIEST, "--to", LATEST, "--json"]).expect_code(0);
    let live: Value = serde_json::from_str(&live.stdout).unwrap();
    assert_eq!((&live["orders"], &live["unchanged"]), (&json!(300), &json!(300)));
    let stopped = live["actual"]["challenged"].as_u64().unwrap() + live["actual"]["frozen"].as_u64().unwrap();
    assert!(stopped > 0, "nothing was stopped, which tests nothing: {live}");

    let file = directory.path().join("lax.json");
    let lax = json!({
        "name": "Lax", "rules": [], "exemptions": [],
        "tiers": [{"id": "hold", "from": 1, "action": "freeze"}]
    });
    std::fs::write(&file, lax.to_string()).unwrap();
    let told = backtest(&file, &["--from", EARLIEST, "--to", LATEST]).expect_code(0);
    assert!(told.stdout.contains("300 orders") && told.stdout.contains("device_burst"), "{told:?}");
    assert!(told.stdout.contains(&format!("no longer hit: {stopped} orders")), "{told:?}");

    let nothing = backtest(&growth, &["--from", "2001-01-01T00:00:00Z", "--to", "2002-01-01T00:00:00Z"]);
    assert!(nothing.expect_code(0).stdout.contains("0 orders"));
    shop.replay();
}

#[test]
fn a_rulebook_file_is_tried_on_the_orders_of_an_embedded_store() {
    a_file_is_tried_on_the_orders_of(&Shop::embedded());
}

#[test]
fn a_rulebook_file_is_tried_on_the_orders_of_a_database() {
    a_file_is_tried_on_the_orders_of(&Shop::on_postgres());
}

fn text(path: &Path) -> &str {
    path.to_str().expect("the path of a test is a text")
}

/// The extracts of a data directory, as far as they have anything.
fn extracts(data: &Path) -> Vec<Vec<u8>> {
    let Ok(entries) = std::fs::read_dir(data.join("snapshots")) else { return Vec::new() };
    let files = entries.map(|entry| entry.unwrap().path());
    let extracts = files.filter(|path| path.extension().is_some_and(|it| it == "extract"));
    extracts.map(|path| std::fs::read(path).unwrap()).filter(|bytes| bytes.len() > 1_000).collect()
}

fn an_import_leaves_an_extract_and_a_service_makes_one_of(shop: &Shop) {
    let directory = tempdir().unwrap();
    let lines = traffic::file(directory.path(), &traffic::lines(7, 1_000));
    shop.run(&["import", text(&lines)]).expect_code(0);
    let [made] = <[_; 1]>::try_from(extracts(&shop.data())).expect("the orders are of one partition");
    let growth = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src/rulebook/presets/growth.json");
    let tried = || {
        let period = ["--from", EARLIEST, "--to", LATEST];
        let finished = shop.run(&[&["backtest", "--json", "--rulebook", text(&growth)], &period[..]].concat());
        let mut found: Value = serde_json::from_str(&finished.expect_code(0).stdout).unwrap();
        found["elapsed_ms"].take();
        found
    };
    let found = tried();
    assert_eq!((&found["orders"], &found["unchanged"]), (&json!(1_000), &json!(1_000)));
    std::fs::remove_dir_all(shop.data().join("snapshots")).unwrap();
    assert_eq!(tried(), found);
    assert_eq!(extracts(&shop.data()), [&made[..]], "a back-test leaves one too");
    std::fs::remove_dir_all(shop.data().join("snapshots")).unwrap();
    let mut service = shop.serve().into_process();
    assert!(service.until(|| extracts(&shop.data()) == [&made[..]]));
    drop(service);
    shop.replay();
}

#[test]
fn an_import_leaves_an_extract_and_a_service_makes_one_of_an_embedded_store() {
    an_import_leaves_an_extract_and_a_service_makes_one_of(&Shop::embedded());
}

#[test]
fn an_import_leaves_an_extract_and_a_service_makes_one_of_a_database() {
    an_import_leaves_an_extract_and_a_service_makes_one_of(&Shop::on_postgres());
}

#[test]
fn what_cannot_be_tried_is_refused_by_name() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    import(&data, &traffic::file(directory.path(), &traffic::lines(1, 5))).expect_code(0);
    let growth = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src/rulebook/presets/growth.json");
    let period = ["--from", EARLIEST, "--to", LATEST];

    backtest(&data, &growth, &["--from", LATEST, "--to", EARLIEST]).expect_code(2);
    backtest(&data, &growth, &["--from", "yesterday", "--to", LATEST]).expect_code(2);
    let bad = directory.path().join("bad.json");
    std::fs::write(&bad, r#"{"name": "Bad", "rules": 7, "tiers": []}"#).unwrap();
    assert!(backtest(&data, &bad, &period).expect_code(1).stderr.contains("/rules"));
    let other = backtest(&data, &growth, &[&period[..], &["--merchant", "north"]].concat()).expect_code(1);
    assert!(other.stderr.contains("there is no merchant north"), "{other:?}");
    let nowhere = directory.path().join("nowhere");
    assert!(backtest(&nowhere, &growth, &period).expect_code(1).stderr.contains("there is no store in"));
    assert!(!nowhere.exists(), "nothing was made");
}
