//! `orderlight simulate`, `import` and `judge`: a made-up market, screened without its labels, and judged with them.

use std::path::Path;

use eventlog::RecordedEvent;
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

/// A statement that alters the last digit of a screening's score.
#[track_caller]
fn alter(screening: &RecordedEvent) -> String {
    let scored: Value = serde_json::from_str(&screening.payload).unwrap();
    let score = scored["Scored"]["score"].to_string();
    let (rest, last) = score.split_at(score.len() - 1);
    let other = if last == "0" { "1" } else { "0" };
    let [before, after] = [last, other].map(|digit| format!("{{\"Scored\":{{\"score\":{rest}{digit},"));
    assert!(screening.payload.starts_with(&before), "{}", screening.payload);
    let position = screening.position;
    format!("UPDATE log SET payload = replace(payload, '{before}', '{after}') WHERE position = {position}")
}

#[test]
fn a_replay_gives_a_whole_market_again_and_names_the_two_orders_whose_scores_were_altered() {
    let directory = tempdir().unwrap();
    let notices = directory.path().join("notices.ndjson");
    std::fs::write(&notices, simulate(13, &directory.path().join("labels.ndjson")).stdout).unwrap();
    let shop = Shop::embedded();
    shop.run(&["import", notices.to_str().unwrap()]).expect_code(0);
    shop.replay();

    let events = shop.events();
    // One that nothing but its placement has to do with, and one that another order made necessary.
    let middle = |said: &str| {
        let screenings = events.iter().filter(|event| &*event.event_type == "Scored" && event.payload.contains(said));
        let screenings: Vec<_> = screenings.collect();
        assert!(!screenings.is_empty(), "{said}");
        screenings[screenings.len() / 2]
    };
    let mut altered = [middle("\"cause\":\"placed\""), middle("\"trigger\":")];
    let placement = events.iter().find(|event| event.position + 1 == altered[0].position);
    assert!(placement.is_some_and(|event| event.key == altered[0].key && &*event.event_type == "Placed"));
    altered.sort_by_key(|screening| screening.position);
    let copy = shop.tampered_copy(&alter(altered[0])).tampered_copy(&alter(altered[1]));

    let found = copy.run(&["replay"]).expect_code(1);
    let named: Vec<_> = found.stdout.lines().filter(|line| line.contains(" at ")).collect();
    let names = altered.map(|screening| format!("{} at 0-{}", screening.key.aggregate_id, screening.position));
    assert_eq!(named, names, "{found:?}");
    assert!(found.stdout.lines().any(|line| line.ends_with(" 2 different")), "{found:?}");
    let [first, last] = altered.map(|screening| screening.position);
    let at = |position: u64| position.to_string();
    copy.run(&["replay", "--from", &at(first), "--to", &at(first)]).expect_code(1);
    copy.run(&["replay", "--from", &at(last), "--to", &at(last)]).expect_code(1);
    copy.run(&["replay", "--to", &at(first - 1)]).expect_code(0);
    copy.run(&["replay", "--from", &at(first + 1), "--to", &at(last - 1)]).expect_code(0);
    copy.run(&["replay", "--from", &at(last + 1)]).expect_code(0);
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
