//! Reading: exact bytes, pages, types, streams, look-ups.

use std::sync::{Arc, Mutex};

use domain::ids::Token;
use domain::time::Timestamp;
use eventlog::{EventLog, LogError, RecordedEvent, Wanted};

use super::{
    Fixture, PARTITION, after, append_order, append_stream, delivery, event, everything, key, merchant, order, places,
    positions, subject_key,
};

pub(crate) async fn exact_bytes_come_back<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let texts = [
        ("", ""),
        ("{ \"b\" : 1,\n\t\"a\": 1.0, \"a\": 2 }", "{\"z\":1,\"a\":2}  "),
        ("{\"text\":\"家人礼物 🎁 e\u{301} \u{feff}\"}", "{\"actor\":\"用户\\u0000\"}"),
        ("not json 'quoted' \"\" \\ %_?", "\r\n"),
        ("9007199254740993", "007"),
    ];
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    let name = key("acme", "order", "淘宝:订单 ①");
    batch.streams = vec![(1, name.clone())];
    for ((payload, metadata), sequence) in texts.into_iter().zip(1..) {
        let mut event = event(1, sequence);
        (event.payload, event.metadata) = (payload.into(), metadata.into());
        event.occurred_at = Timestamp::from_millis(-1);
        event.recorded_at = Timestamp::from_millis(i64::MAX);
        batch.events.push(event);
    }
    log.append(batch).await.unwrap();

    let events = everything(&log).await;
    let stored: Vec<_> = events.iter().map(|event| (&*event.payload, &*event.metadata)).collect();
    assert_eq!(stored, texts);
    let last = &events[4];
    assert_eq!((last.partition, last.position, last.stream, last.sequence), (PARTITION, 5, 1, 5));
    assert_eq!((&*last.event_type, &*last.event_version), ("Noted", "1"));
    assert_eq!((last.occurred_at.millis(), last.recorded_at.millis()), (-1, i64::MAX));
    assert_eq!(*last.key, name);
    assert_eq!(log.read_streams(&[1]).await.unwrap(), events, "each read gives the same");
    assert_eq!(log.read_type(PARTITION, "order", 0, 10).await.unwrap(), events);
}

pub(crate) async fn pages_follow_each_other_without_overlap<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    append_order(&log, 1, 3).await;
    append_order(&log, 2, 4).await;
    for (after, limit, expected) in [
        (0, 3, vec![1, 2, 3]),
        (3, 3, vec![4, 5, 6]),
        (6, 3, vec![7]),
        (7, 3, vec![]),
        (u64::from(u32::MAX), 3, vec![]),
        (0, 0, vec![]),
        (5, u32::MAX, vec![6, 7]),
    ] {
        let page = log.read(PARTITION, after, limit).await.unwrap();
        assert_eq!(page.iter().map(|event| event.position).collect::<Vec<_>>(), expected, "{limit} after {after}");
    }
}

pub(crate) async fn a_scan_shows_what_is_read_without_metadata<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1)), (2, key("other", "rulebook", "live")), (3, order(3))];
    batch.events = vec![event(1, 1), event(2, 1), event(1, 2), event(3, 1), event(2, 2), event(1, 3)];
    batch.events[2].payload = "{\"text\":\"家人礼物 🎁\"}".into();
    log.append(batch).await.unwrap();
    let all = everything(&log).await;
    let shows_all = async |log: &F::Log| {
        for (after, limit) in [(0, 10), (0, 3), (2, 3), (4, 2), (5, 1), (6, 3), (9, 3), (0, 0)] {
            let place = usize::try_from(after).unwrap().min(all.len());
            let expected = all[place..].iter().take(limit as usize).cloned();
            let expected = expected.map(|event| RecordedEvent { metadata: "".into(), ..event });
            let shown = scan(log, PARTITION, after, limit).await.unwrap();
            assert_eq!(shown, expected.collect::<Vec<_>>(), "{limit} after {after}");
        }
    };
    shows_all(&log).await;
    log.close().await;
    assert!(matches!(scan(&log, PARTITION, 0, 1).await, Err(LogError::Store(_))));
    shows_all(&fixture.open().await).await;
}

async fn scan(log: &impl EventLog, partition: u32, after: u64, limit: u32) -> Result<Vec<RecordedEvent>, LogError> {
    let shown = Arc::new(Mutex::new(Vec::new()));
    let kept = shown.clone();
    log.scan(partition, after, limit, Box::new(move |event| kept.lock().unwrap().push(event.kept()))).await?;
    let shown = std::mem::take(&mut *shown.lock().unwrap());
    Ok(shown)
}

pub(crate) async fn a_type_is_read_across_merchants_in_the_order_of_positions<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![
        (1, key("zeta", "rulebook", "live")),
        (2, key("acme", "order", "web:1")),
        (3, key("acme", "rulebook", "live")),
        (4, key("acme", "rulebooks", "live")),
    ];
    batch.events = vec![event(3, 1), event(2, 1), event(1, 1), event(4, 1), event(3, 2), event(1, 2)];
    log.append(batch).await.unwrap();

    let read = async |after, limit| log.read_type(PARTITION, "rulebook", after, limit).await.unwrap();
    let all = read(0, 10).await;
    assert_eq!(positions(&all), [1, 3, 5, 6]);
    assert_eq!(&*all[1].key.merchant.to_string(), "zeta");
    assert_eq!(positions(&read(0, 2).await), [1, 3]);
    assert_eq!(positions(&read(3, 2).await), [5, 6]);
    assert_eq!(positions(&read(5, 2).await), [6]);
    assert!(log.read_type(PARTITION, "rule", 0, 10).await.unwrap().is_empty());
}

pub(crate) async fn streams_are_read_whole_and_in_order<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1)), (2, order(2)), (3, order(3))];
    batch.events = vec![event(3, 1), event(1, 1), event(2, 1), event(3, 2), event(1, 2), event(3, 3)];
    log.append(batch).await.unwrap();

    let events = log.read_streams(&[3, 1, 9, 3]).await.unwrap();
    assert_eq!(places(&events), [(1, 1), (1, 2), (3, 1), (3, 2), (3, 3)]);
    assert_eq!(*events[2].key, order(3));
    assert!(log.read_streams(&[]).await.unwrap().is_empty());
    assert!(log.read_streams(&[u64::MAX, 0]).await.unwrap().is_empty());
}

pub(crate) async fn streams_are_found_in_the_order_asked_for<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let one = append_order(&log, 1, 1).await;
    let two = append_order(&log, 2, 1).await;
    let found = log.find_streams(&[order(2), order(9), order(1), order(2)]).await.unwrap();
    assert_eq!(found, [Some(two), None, Some(one), Some(two)]);
    assert!(log.find_streams(&[]).await.unwrap().is_empty());
}

pub(crate) async fn all_that_a_batch_needs_is_found_in_one_look_also_by_the_next_owner<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let (first, second) = (append_order(&log, 1, 2).await, append_order(&log, 2, 1).await);
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.deliveries = vec![delivery(7, second)];
    batch.subject_keys = vec![subject_key(1, 9)];
    log.append(batch).await.unwrap();

    let events = log.read_streams(&[first, second]).await.unwrap();
    let found_by = async |log: &F::Log| {
        let subject = |number: u8| (merchant("acme"), Token::new([number; 16]));
        let wanted = Wanted {
            partition: PARTITION,
            streams: vec![order(2), order(3), order(1)],
            deliveries: vec![delivery(8, second).key, delivery(7, second).key],
            subjects: vec![subject(9), subject(8)],
        };
        let found = log.look_up(Arc::new(wanted)).await.unwrap();
        assert_eq!(found.streams, [Some(second), None, Some(first)]);
        assert_eq!(found.events, events);
        assert_eq!(found.deliveries, [None, Some(delivery(7, second))]);
        assert_eq!(found.subject_keys, [Some(subject_key(1, 9)), None]);
    };
    found_by(&log).await;
    let nothing = log.look_up(Arc::new(Wanted::default())).await.unwrap();
    assert!(nothing.streams.is_empty() && nothing.events.is_empty());

    log.close().await;
    let log = fixture.open().await;
    found_by(&log).await;
    log.acquire(PARTITION).await.unwrap();
    // While the log goes through what it holds, and when it knows.
    for _ in 0..100 {
        found_by(&log).await;
    }

    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    let third = append_order(&log, 3, 1).await;
    let wanted = Wanted { partition: PARTITION, streams: vec![order(3)], ..Wanted::default() };
    assert_eq!(log.look_up(Arc::new(wanted)).await.unwrap().streams, [Some(third)]);
    // Another owner has followed.
    batch.deliveries = vec![delivery(8, second)];
    log.append(batch).await.unwrap_err();
    let wanted = Wanted { partition: PARTITION, deliveries: vec![delivery(8, second).key], ..Wanted::default() };
    assert_eq!(log.look_up(Arc::new(wanted)).await.unwrap().deliveries, [None], "what was refused is not there");
}

pub(crate) async fn names_that_differ_in_one_part_are_different_streams<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let names = [
        key("acme", "order", "web:a"),
        key("other", "order", "web:a"),
        key("acme", "review", "web:a"),
        key("acme", "order", "web:A"),
        key("acme", "order", "web:a "),
    ];
    let mut streams = Vec::new();
    for name in &names {
        streams.push(Some(append_stream(&log, name.clone(), 1).await));
    }
    assert_eq!(log.find_streams(&names).await.unwrap(), streams);
}

pub(crate) async fn many_streams_are_found_and_read_at_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = (1..=700).map(|number| (number, order(number))).collect();
    batch.events = (1..=700).map(|number| event(number, 1)).collect();
    log.append(batch).await.unwrap();

    let asked: Vec<_> = (1..=701).rev().map(order).collect();
    let found = log.find_streams(&asked).await.unwrap();
    assert_eq!(found[0], None);
    assert_eq!(found[1..], (1..=700).rev().map(Some).collect::<Vec<_>>());
    let read = log.read_streams(&(1..=700).rev().collect::<Vec<_>>()).await.unwrap();
    assert_eq!(places(&read), (1..=700).map(|number| (number, 1)).collect::<Vec<_>>());
}

pub(crate) async fn a_partition_that_is_not_there_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let beyond = log.partitions();
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.partition = beyond;
    assert!(matches!(log.append(batch).await, Err(LogError::Store(_))));
    assert!(matches!(log.acquire(beyond).await, Err(LogError::Store(_))));
    assert!(matches!(log.head(beyond).await, Err(LogError::Store(_))));
    assert!(matches!(log.read(beyond, 0, 1).await, Err(LogError::Store(_))));
    assert!(matches!(scan(&log, beyond, 0, 1).await, Err(LogError::Store(_))));
    assert!(matches!(log.read_type(beyond, "order", 0, 1).await, Err(LogError::Store(_))));
    assert!(log.watch(beyond).changed().await.is_err());
}
