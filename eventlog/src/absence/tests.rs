use std::path::Path;

use domain::time::Timestamp;

use super::*;
use crate::{EventLog, NewDelivery, NewEvent, SubjectKey};

fn key(number: u64) -> DeliveryKey {
    let mut bytes = [0; 16];
    bytes[8..].copy_from_slice(&number.to_be_bytes());
    DeliveryKey(bytes)
}

#[test]
fn nothing_that_was_inserted_is_absent_and_little_else_may_be_there() {
    let mut known = Known::default();
    let inserted = 6 * u64::try_from(FIRST_LAYER).unwrap();
    (0..inserted).for_each(|number| known.insert(Thing::delivery(&key(number))));
    assert_eq!(known.layers.len(), 3);
    assert!((0..inserted).all(|number| known.holds(Thing::delivery(&key(number)))));
    let wrong = (inserted..2 * inserted).filter(|number| known.holds(Thing::delivery(&key(*number)))).count();
    assert!(u64::try_from(wrong).unwrap() < inserted / 100, "{wrong}");
}

/// A store with one delivery, whose pages wait for a word.
struct OneDelivery {
    word: Notify,
    end: End,
}

impl OneDelivery {
    fn ending(end: End) -> Self {
        Self { word: Notify::new(), end }
    }
}

#[async_trait]
impl Rows for OneDelivery {
    async fn end(&self, _: u32) -> Result<End, LogError> {
        Ok(self.end)
    }

    async fn page(&self, place: Place) -> Result<Page, LogError> {
        if place.kind != Kind::Deliveries {
            return Ok(Page::default());
        }
        self.word.notified().await;
        Ok(Page { rows: vec![Stored { id: 1, thing: Thing::delivery(&key(1)) }], next: None })
    }
}

#[tokio::test]
async fn it_speaks_for_a_partition_once_its_rows_were_gone_through_since_it_was_last_acquired() {
    let (absence, store) = (Absence::default(), OneDelivery::ending([1; 32]));
    let wanted = Wanted { deliveries: vec![key(1), key(2)], ..Wanted::default() };
    let looked_for = || absence.narrow(&wanted).deliveries;
    assert_eq!(looked_for(), [0, 1], "nothing is known of a partition that is not ours");

    absence.acquired(0, 1, &store).await;
    let through = absence.go_through(&store);
    let acquired_again = async {
        tokio::task::yield_now().await;
        absence.doubt(0);
        absence.acquired(0, 1, &store).await;
        store.word.notify_one();
    };
    tokio::join!(through, acquired_again).0.unwrap();
    assert_eq!(looked_for(), [0, 1], "what was gone through is older than the last owner");

    store.word.notify_one();
    absence.go_through(&store).await.unwrap();
    assert_eq!(looked_for(), [0]);
    let narrowed = absence.narrow(&wanted);
    assert_eq!(narrowed.wanted(&wanted).deliveries, [key(1)]);
    assert!(absence.narrow(&Wanted { deliveries: vec![key(2)], ..Wanted::default() }).is_empty());

    let delivery = NewDelivery { key: key(2), body: [0; 16], stream: 1, sequence: 1 };
    absence.remember(&Batch { deliveries: vec![delivery], ..Batch::default() });
    assert_eq!(looked_for(), [0, 1], "what is on its way may be there");

    absence.doubt(0);
    assert_eq!(looked_for(), [0, 1]);
}

/// Appends more than two pages hold of each kind.
pub(crate) async fn fill(log: &impl EventLog) -> Batch {
    let acquired = log.acquire(0).await.unwrap();
    let merchant: MerchantId = "acme".parse().unwrap();
    let named = |number: u64| StreamKey {
        merchant: merchant.clone(),
        aggregate_type: "order".into(),
        aggregate_id: format!("web:{number}").into(),
    };
    let subject = |number: u64| SubjectKey {
        id: number,
        merchant: merchant.clone(),
        subject: Token::new(key(number).0),
        wrapped: [7; 40].into(),
    };
    let event = |stream: u64| NewEvent {
        stream,
        sequence: 1,
        event_type: "Placed",
        event_version: "1",
        payload: "{}".into(),
        metadata: "{}".into(),
        occurred_at: Timestamp::from_millis(1),
        recorded_at: Timestamp::from_millis(1),
    };
    let numbers = 1..=u64::from(ROWS_MAX) * 5 / 2;
    let batch = Batch {
        epoch: acquired.epoch,
        streams: numbers.clone().map(|number| (number, named(number))).collect(),
        events: numbers.clone().map(event).collect(),
        // Not in the order of their keys.
        deliveries: numbers
            .clone()
            .map(|number| NewDelivery { key: key(number.reverse_bits()), body: [0; 16], stream: number, sequence: 1 })
            .collect(),
        subject_keys: numbers.map(subject).collect(),
        ..Batch::default()
    };
    log.append(batch.clone()).await.unwrap();
    batch
}

/// Going through the rows of a store meets all that [`fill`] put there.
pub(crate) async fn all_is_met(rows: &impl Rows, filled: &Batch) {
    let absence = Absence::default();
    absence.acquired(0, 1, rows).await;
    absence.go_through(rows).await.unwrap();
    let (streams, deliveries) = (filled.streams.iter(), filled.deliveries.iter());
    let subjects = filled.subject_keys.iter().map(|key| (key.merchant.clone(), key.subject));
    let wanted = Wanted {
        partition: 0,
        streams: streams.map(|(_, key)| key.clone()).collect(),
        deliveries: deliveries.map(|delivery| delivery.key).collect(),
        subjects: subjects.collect(),
    };
    let narrowed = absence.narrow(&wanted);
    let all: Vec<usize> = (0..wanted.streams.len()).collect();
    assert_eq!((&narrowed.streams, &narrowed.deliveries, &narrowed.subjects), (&all, &all, &all));
    assert!(absence.narrow(&Wanted { deliveries: vec![key(0)], ..Wanted::default() }).is_empty(), "it speaks");
}

/// What an absence that begins with a file looks for, of what a store with one delivery may hold.
async fn looked_for_after(file: &Path, epoch: u64, end: End) -> Vec<usize> {
    let absence = Absence::default();
    absence.keep_in(file.to_owned());
    absence.acquired(0, epoch, &OneDelivery::ending(end)).await;
    absence.narrow(&Wanted { deliveries: vec![key(1), key(2)], ..Wanted::default() }).deliveries
}

#[tokio::test]
async fn what_a_run_knew_at_its_end_the_next_knows_and_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("data").join("absence.filter");
    let (absence, store) = (Absence::default(), OneDelivery::ending([1; 32]));
    absence.keep_in(file.clone());
    absence.acquired(0, 7, &store).await;
    store.word.notify_one();
    absence.go_through(&store).await.unwrap();
    absence.leave(absence.marks(&store).await).await;

    let bytes = std::fs::read(&file).unwrap();
    assert_eq!(looked_for_after(&file, 8, [1; 32]).await, [0], "key 2 is certainly not there");
    assert_eq!(looked_for_after(&file, 8, [1; 32]).await, [0, 1], "it served one start");
    for epoch in [7, 9] {
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(looked_for_after(&file, epoch, [1; 32]).await, [0, 1], "another wrote before epoch {epoch}");
        assert_eq!(looked_for_after(&file, 8, [1; 32]).await, [0, 1], "nor does it go with a log that was put back");
    }
    std::fs::write(&file, &bytes).unwrap();
    assert_eq!(looked_for_after(&file, 8, [2; 32]).await, [0, 1], "another log");

    let but = |at: usize| bytes.iter().enumerate().map(|(n, byte)| if n == at { !byte } else { *byte }).collect();
    let cut = bytes[..bytes.len() - 1].to_vec();
    for (name, bytes) in [("cut off", cut), ("changed", but(200)), ("of another format", but(20)), ("empty", vec![])] {
        std::fs::write(&file, bytes).unwrap();
        assert_eq!(looked_for_after(&file, 8, [1; 32]).await, [0, 1], "{name}");
    }
}

#[tokio::test]
async fn who_acquires_nothing_leaves_the_file_as_it_is_and_who_knows_nothing_leaves_none() {
    let directory = tempfile::tempdir().unwrap();
    let (file, store) = (directory.path().join("absence.filter"), OneDelivery::ending([1; 32]));
    std::fs::write(&file, "of another run").unwrap();
    let absence = Absence::default();
    absence.keep_in(file.clone());
    absence.leave(absence.marks(&store).await).await;
    assert_eq!(std::fs::read(&file).unwrap(), b"of another run");

    let absence = Absence::default();
    absence.keep_in(file.clone());
    absence.acquired(0, 1, &store).await;
    absence.leave(absence.marks(&store).await).await;
    assert!(!file.exists(), "its rows were not gone through");
}

/// Bits in files were set so. Where this fails, the format of the file is to be raised.
#[test]
fn a_thing_sets_the_same_bits_from_one_build_to_the_next() {
    let order = Thing::stream("order", "acme", "web:1");
    let things = [order, Thing::delivery(&key(1)), Thing::subject("acme", &Token::new([7; 16]))];
    let mut layer = Layer::with_room_for(3);
    for thing in things {
        layer.filter.insert_hash(thing.0);
    }
    assert_eq!(
        things.map(|thing| thing.0),
        [11_728_226_165_473_169_120, 17_384_555_410_926_973_745, 8_109_141_467_490_112_333]
    );
    assert_eq!(layer.filter.as_slice(), [8_589_677_099_045_359_747]);
}

/// Waits until it speaks for the partition that was filled.
pub(crate) async fn await_complete(absence: &Absence) {
    let complete = async {
        while !absence.known().complete.contains_key(&0) {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), complete).await.expect("the rows are gone through");
}

/// A log that was filled, closed and opened again says at once what is not there.
pub(crate) async fn is_kept(log: &impl EventLog, absence: &Absence) {
    log.acquire(0).await.unwrap();
    assert!(absence.known().waiting.is_empty(), "nothing is gone through");
    let looked_for = |key| absence.narrow(&Wanted { deliveries: vec![key], ..Wanted::default() }).deliveries;
    assert!(looked_for(key(0)).is_empty());
    assert_eq!(looked_for(key(1_u64.reverse_bits())), [0]);
}
