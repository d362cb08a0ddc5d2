//! `orderlight simulate`, `import` and `judge`: a made-up market, screened without its labels, and judged with them.

use std::path::Path;

use serde_json::Value;
use tempfile::tempdir;

use crate::support::process::{Finished, import, run, run_on};
use crate::support::shop::Shop;

fn simulate(seed: u64, labels: &Path) -> Finished {
    let (seed, labels) = (seed.to_string(), labels.to_str().expect("a path in Unicode"));
    run(["simulate", "--seed", &seed, "--orders", "3000", "--days", "3", "--labels", labels]).expect_code(0)
}

#[test]
fn the_same_seed_gives_the_same_notices_and_labels_and_another_one_others() {
    let directory = tempdir().unwrap();
    let made = |seed, name: &str| {
        let labels = directory.path().join(name);
        (simulate(seed, &labels).stdout, std::fs::read_to_string(labels).unwrap())
    };
    let first = made(5, "first");
    assert!(first == made(5, "second"));
    let other = made(6, "other");
    assert!(first.0 != other.0 && first.1 != other.1);
}

fn a_market_is_judged_by_its_labels_in(shop: &Shop) {
    let directory = tempdir().unwrap();
    let labels = directory.path().join("labels.ndjson");
    let notices = directory.path().join("notices.ndjson");
    std::fs::write(&notices, simulate(7, &labels).stdout).unwrap();
    let imported = shop.run(&["import", notices.to_str().unwrap()]).expect_code(0);
    assert_eq!((imported.count("orders"), imported.count("refused")), (3_000, 0), "{imported:?}");
    assert!(imported.count("duplicates") > 0, "some messages come twice: {imported:?}");

    let labels = labels.to_str().unwrap();
    let report: Value =
        serde_json::from_str(&shop.run(&["judge", "--json", "--labels", labels]).expect_code(0).stdout).unwrap();
    let of = |share: &Value| share["of"].as_u64().unwrap();
    assert_eq!((&report["orders"], &report["not_screened"]), (&3_000.into(), &0.into()), "{report:#}");
    let (honest, attacks) = (of(&report["honest"]["challenged"]), of(&report["attacks"]["caught"]));
    assert!(honest + attacks == 3_000 && (30..100).contains(&attacks), "{report:#}");
    let kinds = report["honest_kinds"].as_object().unwrap();
    assert_eq!(kinds.values().map(|row| of(&row["challenged"])).sum::<u64>(), honest, "{report:#}");
    // As import counted them: what reached a tier and was not exempted is somebody's work.
    let reached = ["sms", "call", "freeze"].map(|tier| imported.count(tier)).iter().sum::<u64>();
    assert!(reached > 0 && report["attacks"]["caught"]["count"].as_u64().unwrap() > 0, "{report:#}");
    let table = shop.run(&["judge", "--labels", labels]).expect_code(0).stdout;
    assert!(
        table.contains("gift_sender") && table.contains("segment_holder") && table.contains("manual share"),
        "{table}"
    );
}

#[test]
fn a_market_is_imported_without_its_labels_and_judged_by_them() {
    a_market_is_judged_by_its_labels_in(&Shop::embedded());
}

#[test]
fn a_market_in_a_database_is_judged_by_its_labels_as_well() {
    a_market_is_judged_by_its_labels_in(&Shop::on_postgres());
}

#[test]
fn a_replay_gives_a_whole_market_again_and_names_the_one_order_whose_score_was_altered() {
    let directory = tempdir().unwrap();
    let notices = directory.path().join("notices.ndjson");
    std::fs::write(&notices, simulate(13, &directory.path().join("labels.ndjson")).stdout).unwrap();
    let shop = Shop::embedded();
    shop.run(&["import", notices.to_str().unwrap()]).expect_code(0);
    shop.replay();

    let events = shop.events();
    let screenings: Vec<_> = events.iter().filter(|event| &*event.event_type == "Scored").collect();
    let altered = screenings[screenings.len() / 2];
    let scored: Value = serde_json::from_str(&altered.payload).unwrap();
    let score = scored["Scored"]["score"].to_string();
    let (rest, last) = score.split_at(score.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    let [before, after] = [last, other].map(|digit| format!("{{\"Scored\":{{\"score\":{rest}{digit},"));
    assert!(altered.payload.starts_with(&before), "{}", altered.payload);
    let position = altered.position;
    let copy = shop.tampered_copy(&format!(
        "UPDATE log SET payload = replace(payload, '{before}', '{after}') WHERE position = {position}"
    ));
    let found = copy.run(&["replay"]).expect_code(1);
    let named: Vec<_> = found.stdout.lines().filter(|line| line.contains(" at ")).collect();
    assert_eq!(named, [format!("{} at 0-{position}", altered.key.aggregate_id)], "{found:?}");
    assert!(found.stdout.lines().any(|line| line.ends_with(" 1 different")), "{found:?}");
    let [before, at, behind] = [position - 1, position, position + 1].map(|position| position.to_string());
    copy.run(&["replay", "--from", &at, "--to", &at]).expect_code(1);
    copy.run(&["replay", "--to", &before]).expect_code(0);
    copy.run(&["replay", "--from", &behind]).expect_code(0);
}

#[test]
fn labels_of_orders_that_are_not_in_the_store_are_told_and_no_success() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let empty = directory.path().join("nothing.ndjson");
    std::fs::write(&empty, "").unwrap();
    import(&data, &empty).expect_code(0);
    let labels = directory.path().join("labels.ndjson");
    simulate(8, &labels);
    let judged = run_on(&data, &["judge", "--labels", labels.to_str().unwrap()]).expect_code(1);
    assert!(judged.stdout.contains("3000 labelled orders not screened"), "{judged:?}");
}
