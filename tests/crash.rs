//! kill -9 at any moment: what was acknowledged is there, unchanged; what was not is taken on the next attempt.
//!
//! Each proof kills the program again and again and compares what is left with a store that was filled without a disturbance.
//! `faults/killed.rs` does so to a service that is sent single orders, on both back ends.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::{Value, json};
use tempfile::tempdir;

use crate::faults::rounds;
use crate::support::process::{Process, import, importing, run_on};
use crate::support::service::Service;
use crate::support::store;
use crate::support::traffic::{self, Random};

/// How often the import is killed.
const KILLS: u64 = 10;
/// How many orders the stream has for each round, of which hundreds are still answered after the kill; and how many the file has.
const STREAMED_A_ROUND: u64 = 500;
const IMPORTED: u64 = 2_000;
/// How often to look for an order of the log's head.
const LOOKS_MAX: u32 = 60;

/// Answers by the number of their line, counted from 0.
type Acknowledged = BTreeMap<usize, Value>;
/// Where orders stand, by their ids.
type Told = BTreeMap<String, Value>;

#[test]
fn a_service_killed_again_and_again_in_the_middle_of_a_stream_keeps_what_it_acknowledged() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let rounds = rounds();
    let lines = traffic::lines(11, STREAMED_A_ROUND * (rounds + 1));
    let mut random = Random::new(12);
    let mut acknowledged = Acknowledged::new();
    for round in 0..rounds {
        let begun = acknowledged.len();
        let left = u64::try_from(lines.len() - begun).unwrap();
        // On average an equal share, and something is always left to be cut off.
        let share = 1 + random.below(2 * left / (rounds + 3 - round));
        let last = begun + usize::try_from(share).unwrap();
        let mut service = Service::start(&data);
        service.stream(lines[begun..].to_vec(), |answer, process| {
            assert_eq!(answer["ok"], true, "{answer}");
            acknowledged.insert(acknowledged.len(), answer);
            if acknowledged.len() == last {
                process.signal(rustix::process::Signal::KILL);
            }
        });
        assert_eq!(service.kill().code, None, "it ended by a signal");
        let kept = store::events(&data).len();
        println!("round {round}: killed at line {last}, {} acknowledged, {kept} events kept", acknowledged.len());
        assert!(acknowledged.len() >= last, "the stream broke off before its time");
    }
    assert!(acknowledged.len() < lines.len(), "the last round was cut off as well");
    complete(directory.path(), &data, &lines, &acknowledged);
}

#[test]
fn an_import_killed_ten_times_is_completed_by_another() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let lines = traffic::lines(13, IMPORTED);
    let file = traffic::file(directory.path(), &lines);
    let mut random = Random::new(14);
    let (mut kept, mut told) = (Vec::new(), Told::new());
    for round in 0..KILLS {
        let written = || {
            ["log.sqlite", "log.sqlite-wal"].map(|name| std::fs::metadata(data.join(name)).map_or(0, |file| file.len()))
        };
        let mut process = Process::start(importing(&data, &file));
        // As often as these files change before the end comes.
        let mut commits = 1 + random.below(4);
        let mut before = written();
        let in_the_middle = process.until(|| {
            let now = written();
            if now != before {
                before = now;
                commits -= 1;
            }
            commits == 0
        });
        let killed = process.kill();
        assert!(in_the_middle && killed.code.is_none(), "round {round} ended before it was killed: {killed:?}");
        let events = store::events(&data);
        let now = look(&data, events.len());
        none_is_lost(&now, &told);
        told = now;
        println!("round {round}: {} events before, {} after, {} orders", kept.len(), events.len(), told.len());
        assert!(events.starts_with(&kept), "events are lost or changed");
        kept = events;
    }
    assert!(!told.is_empty() && told.len() < usize::try_from(IMPORTED).unwrap(), "{} orders", told.len());
    complete(directory.path(), &data, &lines, &Acknowledged::new());
    let events = store::events(&data);
    none_is_lost(&look(&data, events.len()), &told);
    assert!(events.starts_with(&kept), "events are lost or changed");
}

/// The decisions that a service tells on a log of so many events.
fn look(data: &Path, events: usize) -> Told {
    let service = Service::start(data);
    // A look-up waits for its read model, but not as long as that may take after a kill.
    let at_head = format!("/v1/orders?limit=1&after=0-{events}");
    assert!((0..LOOKS_MAX).any(|_| service.get(&at_head).status == 200), "the read model does not follow");
    let told = decisions(&service);
    service.stop().expect_code(0);
    told
}

/// Imports all of it again, twice, and compares the store with one that was never disturbed.
#[track_caller]
fn complete(directory: &Path, data: &Path, lines: &[String], acknowledged: &Acknowledged) {
    let total = u64::try_from(lines.len()).unwrap();
    let file = traffic::file(directory, lines);
    let kept = u64::try_from(acknowledged.len()).unwrap();
    let first = import(data, &file).expect_code(0);
    assert!(first.count("duplicates") >= kept, "{kept} lines were acknowledged; {first:?}");
    let second = import(data, &file).expect_code(0);
    assert_eq!((second.count("orders"), second.count("updates")), (0, 0), "{second:?}");
    assert_eq!(second.count("duplicates"), total, "{second:?}");

    let undisturbed = directory.join("undisturbed");
    import(&undisturbed, &file).expect_code(0);
    let stories = |data: &Path| {
        store::events(data)
            .into_iter()
            .filter(|event| &*event.key.aggregate_type == "order")
            .map(|event| (event.key.aggregate_id.clone(), event.sequence, decision(&event.event_type, &event.payload)))
            .collect::<Vec<_>>()
    };
    assert_eq!(stories(data), stories(&undisturbed), "the same events in the same order");
    let replayed = run_on(data, &["replay"]).expect_code(0);
    assert!(replayed.stdout.contains(" 0 different"), "{replayed:?}");
    let expected = look(&undisturbed, store::events(&undisturbed).len());
    repeat(data, lines, acknowledged, &expected);
}

/// What an event decides. Tokens differ from store to store, because their key does.
fn decision(event_type: &str, payload: &str) -> (String, Value) {
    let event: Value = serde_json::from_str(payload).unwrap();
    let event = event.get(event_type).unwrap_or(&event);
    let told = ["score", "tier", "hits", "features", "exemption", "cause", "status", "method"];
    (event_type.to_owned(), told.iter().map(|name| event[*name].clone()).collect())
}

/// Sends every acknowledged line again: each gets the answer that it had, as a duplicate, and each order is found as it is
/// expected after all lines: what one says about earlier orders corrects their decisions.
fn repeat(data: &Path, lines: &[String], acknowledged: &Acknowledged, expected: &Told) {
    let mut service = Service::start(data);
    let mut answers = Vec::new();
    let again = acknowledged.keys().map(|number| lines[*number].clone()).collect();
    service.stream(again, |answer, _| answers.push(answer));
    assert_eq!(answers.len(), acknowledged.len());
    for (now, then) in answers.iter().zip(acknowledged.values()) {
        assert_eq!((&now["order_id"], &now["risk"]), (&then["order_id"], &then["risk"]));
        assert_eq!((&now["ok"], &now["duplicate"]), (&json!(true), &json!(true)));
    }
    compare(&decisions(&service), expected);
    service.stop().expect_code(0);
}

/// An order that is only reported about so far has none.
fn decisions(service: &Service) -> Told {
    let orders = service.all_orders("").into_iter().filter(|order| !order["risk"].is_null());
    orders.map(|mut order| (id(&order), order["risk"].take())).collect()
}

/// Every order that was told of before is told of now.
#[track_caller]
fn none_is_lost(now: &Told, before: &Told) {
    let lost: Vec<&String> = before.keys().filter(|order| !now.contains_key(*order)).collect();
    assert!(lost.is_empty(), "{lost:?} are lost");
}

/// Every order stands as it is expected to.
#[track_caller]
fn compare(now: &Told, before: &Told) {
    for (order, then) in before {
        let risk = now.get(order).unwrap_or_else(|| panic!("{order} is lost"));
        for name in ["state", "score", "tier", "hits"] {
            assert_eq!(risk[name], then[name], "{name} of {order}");
        }
    }
}

fn id(order: &Value) -> String {
    order["order_id"].as_str().expect("an order has an id").to_owned()
}
