//! Extracts: a back-test finds the same with them, without them, and where they are damaged or of another log.

mod support;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use domain::rulebook::{Rulebook, preset};
use domain::time::Timestamp;
use engine::{Backtested, Trial, WhenFull, backtest};
use eventlog::EventLog;
use eventlog::sqlite::SqliteLog;
use serde_json::json;
use support::{Shop, notice, origin, placed, second, status};

/// More than two pages of a log, which extracts are made of, and less than three.
const ORDERS: u32 = 1_300;

/// A shop with so many orders more, of few devices, each third of them paid, half of these before they are placed, and some told to be
/// of another device and customer than was said at first.
async fn sell(shop: &Shop, orders: std::ops::Range<u32>) {
    let mut pending = Vec::new();
    for number in orders {
        shop.set_clock(second(number));
        let order_no = format!("A{number}");
        let mut line = placed(&order_no, number);
        line["order"]["device"] = json!({"id": format!("d-{}", number % 90)});
        let paid = (number % 3 == 0).then(|| status(&order_no, "paid", number));
        let corrected =
            json!({"device": {"id": format!("d-{}", number % 7)}, "customer": {"id": format!("u-{}", number % 50)}});
        let amended = (number % 150 == 0)
            .then(|| json!({"kind": "amended", "order_id": format!("web:{order_no}"), "order": corrected}));
        let in_turn = if number % 6 == 0 { [paid, Some(line), amended] } else { [Some(line), paid, amended] };
        for line in in_turn.into_iter().flatten() {
            pending.push(
                shop.engine
                    .submit(&shop.merchant, origin(), notice(line), WhenFull::Wait)
                    .await
                    .expect("what a test sets up holds"),
            );
        }
    }
    for pending in pending {
        pending.receipt().await.expect("what a test sets up holds");
    }
}

async fn shop() -> Shop {
    let shop = Shop::open().await;
    sell(&shop, 0..ORDERS).await;
    shop
}

/// A draft that finds other things than what was live.
fn draft() -> Rulebook {
    preset("growth").expect("what a test sets up holds")
}

async fn tried(log: Arc<dyn EventLog>, directory: Option<&Path>) -> Backtested {
    let trial = Trial {
        merchant: "default".parse().expect("what a test sets up holds"),
        rulebook: draft(),
        from: Timestamp::EARLIEST,
        to: Timestamp::LATEST,
    };
    let mut last = None;
    let found = backtest(log, 0, trial, directory, |done, total| last = Some((done, total)))
        .await
        .expect("what a test sets up holds");
    assert!(last.is_some_and(|(done, total)| done == total), "it goes to the end of the log");
    found
}

fn extract(directory: &Path) -> Vec<u8> {
    fs::read(directory.join("partition-0.extract")).expect("what a test sets up holds")
}

/// A copy of a shop's log whose first events cannot be read any more: who finds something in it has not read them.
async fn unreadable(shop: &Shop, directory: &Path) -> Arc<dyn EventLog> {
    let copy = directory.join("copy.sqlite");
    let original = rusqlite::Connection::open(shop.log_file()).expect("what a test sets up holds");
    original
        .execute("VACUUM INTO ?", (copy.to_str().expect("what a test sets up holds"),))
        .expect("what a test sets up holds");
    let raw = rusqlite::Connection::open(&copy).expect("what a test sets up holds");
    raw.execute_batch("DROP TRIGGER log_refuses_update").expect("what a test sets up holds");
    raw.execute("UPDATE log SET payload = '{}' WHERE position < 3000 AND event_type = 'Placed'", ())
        .expect("what a test sets up holds");
    drop(raw);
    Arc::new(SqliteLog::open(&copy).await.expect("what a test sets up holds"))
}

#[tokio::test]
async fn a_back_test_reads_what_the_one_before_has_read_from_the_extract() {
    let (shop, directory) = (shop().await, tempfile::tempdir().unwrap());
    let extracts = directory.path().join("extracts");
    let plain = tried(shop.log.clone(), None).await;
    assert_ne!(plain.unchanged, plain.orders);
    assert_eq!(tried(shop.log.clone(), Some(&extracts)).await, plain);
    let made = extract(&extracts);
    assert_eq!(tried(shop.log.clone(), Some(&extracts)).await, plain);
    assert_eq!(extract(&extracts), made, "there was nothing to be added");
    let copy = unreadable(&shop, directory.path()).await;
    assert_eq!(tried(copy, Some(&extracts)).await, plain);
}

#[tokio::test]
async fn what_was_appended_since_is_read_from_the_log_and_added() {
    let (shop, directory) = (shop().await, tempfile::tempdir().unwrap());
    tried(shop.log.clone(), Some(directory.path())).await;
    let before = extract(directory.path());
    sell(&shop, ORDERS..2 * ORDERS).await;
    let plain = tried(shop.log.clone(), None).await;
    assert_eq!(plain.orders, u64::from(2 * ORDERS));
    assert_eq!(tried(shop.log.clone(), Some(directory.path())).await, plain);
    let after = extract(directory.path());
    assert!(after.starts_with(&before) && after.len() > before.len());
    assert_eq!(tried(shop.log.clone(), Some(directory.path())).await, plain);
}

#[tokio::test]
async fn damaged_and_torn_extracts_are_made_anew_from_there_on() {
    let (shop, directory) = (shop().await, tempfile::tempdir().unwrap());
    let plain = tried(shop.log.clone(), Some(directory.path())).await;
    let (file, whole) = (directory.path().join("partition-0.extract"), extract(directory.path()));
    let altered = |place: usize| {
        let mut bytes = whole.clone();
        bytes[place] ^= 1;
        bytes
    };
    let torn = |length: usize| whole[..length].to_vec();
    let longer = [&whole[..], &[7; 90]].concat();
    let damages = [
        ("no extract", altered(3)),
        ("another format", altered(21)),
        ("the length of the first block", altered(28)),
        ("the first block", altered(5_000)),
        ("the last block", altered(whole.len() - 40)),
        ("torn in the header", torn(20)),
        ("torn in the last block", torn(whole.len() - 1)),
        ("torn in the first block", torn(2_000)),
        ("empty", torn(0)),
        ("something behind it", longer),
    ];
    for (what, damaged) in damages {
        fs::write(&file, damaged).unwrap();
        assert_eq!(tried(shop.log.clone(), Some(directory.path())).await, plain, "{what}");
        assert_eq!(tried(shop.log.clone(), Some(directory.path())).await, plain, "{what}");
        assert!(extract(directory.path()) == whole, "{what}: it is whole again");
    }
}

#[tokio::test]
async fn the_extract_of_another_log_is_not_used() {
    let (one, other, directory) = (shop().await, Shop::open().await, tempfile::tempdir().unwrap());
    tried(one.log.clone(), Some(directory.path())).await;
    sell(&other, 100..ORDERS + 100).await;
    let plain = tried(other.log.clone(), None).await;
    assert_eq!(tried(other.log.clone(), Some(directory.path())).await, plain);
    assert_eq!(tried(other.log.clone(), Some(directory.path())).await, plain);
    // Nor that of a log which goes on from where this one ends.
    let short = Shop::open().await;
    sell(&short, 0..10).await;
    assert_eq!(tried(short.log.clone(), Some(directory.path())).await, tried(short.log.clone(), None).await);
}

#[tokio::test]
async fn back_tests_beside_each_other_find_the_same_and_leave_one_whole_extract() {
    let (shop, directory) = (shop().await, tempfile::tempdir().unwrap());
    let plain = tried(shop.log.clone(), None).await;
    let (one, other) =
        tokio::join!(tried(shop.log.clone(), Some(directory.path())), tried(shop.log.clone(), Some(directory.path())));
    assert_eq!((&one, &other), (&plain, &plain));
    let copy = unreadable(&shop, directory.path()).await;
    assert_eq!(tried(copy, Some(directory.path())).await, plain);
}

#[tokio::test]
async fn where_no_extract_can_be_written_the_log_is_read() {
    let (shop, directory) = (shop().await, tempfile::tempdir().unwrap());
    let in_the_way = directory.path().join("file");
    fs::write(&in_the_way, "").unwrap();
    assert_eq!(tried(shop.log.clone(), Some(&in_the_way)).await, tried(shop.log.clone(), None).await);
}
