//! Appending: positions, epochs, uniqueness, all or nothing.

use std::sync::Arc;

use eventlog::{EventLog, LogError};

use super::{
    Fixture, PARTITION, after, append_order, delivery, event, everything, order, places, positions, subject_key,
    vault_row,
};

pub(crate) async fn positions_are_gapless_and_follow_the_order_of_commits<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1)), (2, order(2))];
    batch.events = vec![event(2, 1), event(1, 1), event(2, 2)];
    log.append(batch.clone()).await.unwrap();
    batch.streams.clear();
    (batch.after, batch.events) = (3, vec![event(1, 2)]);
    log.append(batch).await.unwrap();

    let events = everything(&log).await;
    assert_eq!(positions(&events), [1, 2, 3, 4]);
    assert_eq!(places(&events), [(2, 1), (1, 1), (2, 2), (1, 2)]);
    assert_eq!(log.head(PARTITION).await.unwrap(), 4);
}

pub(crate) async fn an_empty_log_has_head_zero_and_nothing_to_read<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    assert_eq!(log.head(PARTITION).await.unwrap(), 0);
    assert_eq!(*log.watch(PARTITION).borrow(), 0);
    assert!(everything(&log).await.is_empty());
    let acquired = log.acquire(PARTITION).await.unwrap();
    assert_eq!((acquired.head, acquired.last_stream, acquired.last_subject_key), (0, 0, 0));
}

pub(crate) async fn each_owner_gets_a_higher_epoch_and_learns_where_the_log_stands<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let first = log.acquire(PARTITION).await.unwrap();
    let mut batch = after(first);
    batch.streams = vec![(4, order(4)), (7, order(7))];
    batch.events = vec![event(7, 1), event(4, 1)];
    batch.subject_keys = vec![subject_key(3, 1)];
    log.append(batch).await.unwrap();

    let second = log.acquire(PARTITION).await.unwrap();
    assert!(second.epoch > first.epoch);
    assert_eq!((second.head, second.last_stream, second.last_subject_key), (2, 7, 3));

    log.close().await;
    let third = fixture.open().await.acquire(PARTITION).await.unwrap();
    assert!(third.epoch > second.epoch, "an epoch is durable");
}

pub(crate) async fn a_stale_writer_is_fenced_and_nothing_of_its_batch_is_there<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stale = log.acquire(PARTITION).await.unwrap();
    let owner = log.acquire(PARTITION).await.unwrap();

    let mut batch = after(stale);
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    batch.deliveries = vec![delivery(1, 1)];
    let refused = log.append(batch.clone()).await;
    assert!(matches!(refused, Err(LogError::Fenced { partition: PARTITION })), "{refused:?}");
    assert!(everything(&log).await.is_empty());
    assert_eq!(log.find_streams(&[order(1)]).await.unwrap(), [None]);
    assert_eq!(log.find_deliveries(&[delivery(1, 1).key]).await.unwrap(), [None]);

    batch.epoch = owner.epoch;
    log.append(batch).await.unwrap();
    assert_eq!(positions(&everything(&log).await), [1]);
}

pub(crate) async fn a_writer_that_believes_in_another_head_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 2).await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.events = vec![event(stream, 3)];
    for head in [0, 1, 3] {
        batch.after = head;
        let refused = log.append(batch.clone()).await;
        assert!(matches!(refused, Err(LogError::Conflict(_))), "{head}: {refused:?}");
    }
    assert_eq!(log.head(PARTITION).await.unwrap(), 2);
}

pub(crate) async fn a_sequence_is_taken_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 2).await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.events = vec![event(stream, 2)];
    let refused = log.append(batch).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    assert_eq!(places(&everything(&log).await), [(stream, 1), (stream, 2)]);
    assert_eq!(log.head(PARTITION).await.unwrap(), 2, "the head moved back with the batch");
}

pub(crate) async fn a_gap_in_a_stream_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    for events in [vec![event(1, 2)], vec![event(1, 1), event(1, 3)], vec![event(1, 1), event(1, 1)]] {
        batch.events = events;
        let refused = log.append(batch.clone()).await;
        assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    }
    assert!(everything(&log).await.is_empty());
}

pub(crate) async fn a_stream_name_is_taken_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 1).await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(stream + 1, order(1))];
    batch.events = vec![event(stream + 1, 1)];
    let refused = log.append(batch.clone()).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    batch.streams = vec![(stream, order(2))];
    batch.events = vec![event(stream, 1)];
    let refused = log.append(batch).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    assert_eq!(log.find_streams(&[order(1), order(2)]).await.unwrap(), [Some(stream), None]);
}

pub(crate) async fn an_event_of_an_unknown_stream_is_refused_with_its_batch<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1), event(2, 1)];
    let refused = log.append(batch).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    assert!(everything(&log).await.is_empty());
    assert_eq!(log.head(PARTITION).await.unwrap(), 0);
}

pub(crate) async fn a_batch_is_stored_wholly_or_not_at_all<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 1).await;
    let acquired = log.acquire(PARTITION).await.unwrap();
    let mut batch = after(acquired);
    batch.streams = vec![(stream + 1, order(2))];
    batch.events = vec![event(stream, 2), event(stream + 1, 1)];
    batch.deliveries = vec![delivery(1, stream), delivery(2, stream + 1), delivery(1, stream)];
    batch.subject_keys = vec![subject_key(1, 1)];
    batch.vault_rows = vec![vault_row(2, 1)];
    let refused = log.append(batch.clone()).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");

    assert_eq!(places(&everything(&log).await), [(stream, 1)]);
    assert_eq!(log.head(PARTITION).await.unwrap(), 1);
    assert_eq!(log.find_streams(&[order(2)]).await.unwrap(), [None]);
    assert_eq!(log.find_deliveries(&[delivery(1, 1).key, delivery(2, 1).key]).await.unwrap(), [None, None]);
    let subject = (super::merchant("acme"), subject_key(1, 1).subject);
    assert_eq!(log.find_subject_keys(&[subject]).await.unwrap(), [None]);
    assert!(log.read_vault(&[stream]).await.unwrap().is_empty());

    batch.deliveries.pop();
    log.append(batch).await.unwrap();
    assert_eq!(everything(&log).await.len(), 3);
    assert_eq!(log.read_vault(&[stream]).await.unwrap().len(), 1);
}

pub(crate) async fn a_large_batch_is_stored_whole<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = (1..=333).map(|number| (number, order(number))).collect();
    batch.events = (1..=1_000).map(|number| event((number - 1) / 3 % 333 + 1, (number - 1) % 3 + 1)).collect();
    batch.events[999] = event(333, 4);
    batch.events[999].payload = "x".repeat(1_000_000);
    log.append(batch.clone()).await.unwrap();

    let events = everything(&log).await;
    assert_eq!(positions(&events), (1..=1_000).collect::<Vec<_>>());
    for (stored, appended) in events.iter().zip(&batch.events) {
        assert_eq!((stored.stream, stored.sequence), (appended.stream, appended.sequence));
        assert_eq!(*stored.payload, *appended.payload);
        assert_eq!(*stored.key, order(stored.stream));
    }
}

pub(crate) async fn a_refused_batch_leaves_the_writer_usable<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let acquired = log.acquire(PARTITION).await.unwrap();
    let mut batch = after(acquired);
    for number in 1..=5 {
        batch.streams = vec![(number, order(number))];
        batch.events = vec![event(number, 1), event(99, 1)];
        assert!(log.append(batch.clone()).await.is_err());
        batch.events.pop();
        log.append(batch.clone()).await.unwrap();
        batch.after += 1;
    }
    assert_eq!(positions(&everything(&log).await), [1, 2, 3, 4, 5]);
}

pub(crate) async fn writers_at_the_same_time_never_share_a_position<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = Arc::new(fixture.open().await);
    let acquired = log.acquire(PARTITION).await.unwrap();
    let writers: Vec<_> = (1..=8)
        .map(|number| {
            let log = Arc::clone(&log);
            let mut batch = after(acquired);
            batch.streams = vec![(number, order(number))];
            batch.events = vec![event(number, 1), event(number, 2)];
            tokio::spawn(async move { log.append(batch).await })
        })
        .collect();
    let mut accepted = 0;
    for writer in writers {
        match writer.await.unwrap() {
            Ok(()) => accepted += 1,
            Err(error) => assert!(matches!(error, LogError::Conflict(_)), "{error:?}"),
        }
    }
    assert_eq!(accepted, 1);
    assert_eq!(positions(&everything(&*log).await), [1, 2]);
}

pub(crate) async fn the_head_is_announced_after_each_commit<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut watch = log.watch(PARTITION);
    assert_eq!(*watch.borrow_and_update(), 0);
    append_order(&log, 1, 2).await;
    watch.changed().await.unwrap();
    assert_eq!(*watch.borrow_and_update(), 2);

    let mut refused = after(log.acquire(PARTITION).await.unwrap());
    refused.events = vec![event(99, 1)];
    log.append(refused).await.unwrap_err();
    assert!(!watch.has_changed().unwrap(), "a refused batch announces nothing");

    log.close().await;
    assert_eq!(*fixture.open().await.watch(PARTITION).borrow(), 2, "a new handle starts at the head");
}

pub(crate) async fn what_was_appended_is_there_after_reopening<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 3).await;
    let before = everything(&log).await;
    log.close().await;

    let log = fixture.open().await;
    assert_eq!(everything(&log).await, before);
    assert_eq!(log.head(PARTITION).await.unwrap(), 3);
    assert_eq!(append_order(&log, 2, 1).await, stream + 1);
    assert_eq!(positions(&everything(&log).await), [1, 2, 3, 4]);
}

pub(crate) async fn a_closed_log_answers_with_errors<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let acquired = log.acquire(PARTITION).await.unwrap();
    log.close().await;
    log.close().await;
    assert!(matches!(log.append(after(acquired)).await, Err(LogError::Store(_))));
    assert!(matches!(log.acquire(PARTITION).await, Err(LogError::Store(_))));
    assert!(matches!(log.head(PARTITION).await, Err(LogError::Store(_))));
}
