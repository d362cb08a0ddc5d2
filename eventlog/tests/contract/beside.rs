//! What is committed beside the events: deliveries, subject keys, vault rows.

use domain::ids::Token;
use eventlog::{DeliveryKey, EventLog, LogError, NewDelivery, SubjectKey, VaultRow};

use super::{
    Fixture, PARTITION, after, append_order, delivery, event, everything, merchant, order, subject_key, vault_row,
};

pub(crate) async fn a_delivery_is_taken_once<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 1).await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.deliveries = vec![delivery(1, stream)];
    log.append(batch.clone()).await.unwrap();

    batch.events = vec![event(stream, 2)];
    batch.deliveries = vec![delivery(2, stream), NewDelivery { body: [0; 16], ..delivery(1, stream) }];
    let refused = log.append(batch).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    let found = log.find_deliveries(&[delivery(1, 1).key, delivery(2, 1).key]).await.unwrap();
    assert_eq!(found, [Some(delivery(1, stream)), None], "the first stays as it was");
    assert_eq!(everything(&log).await.len(), 1);
}

pub(crate) async fn deliveries_are_found_in_the_order_asked_for<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 1).await;
    let numbered = |number: u16| {
        let mut key = [0; 16];
        key[..2].copy_from_slice(&number.to_be_bytes());
        NewDelivery { key: DeliveryKey(key), body: [7; 16], stream, sequence: u64::from(number) + 1 }
    };
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.deliveries = (0..600).filter(|number| number % 2 == 0).map(numbered).collect();
    log.append(batch).await.unwrap();

    let asked: Vec<_> = (0..600).rev().map(|number| numbered(number).key).collect();
    let expected: Vec<_> = (0..600).rev().map(|number| (number % 2 == 0).then(|| numbered(number))).collect();
    assert_eq!(log.find_deliveries(&asked).await.unwrap(), expected);
    assert!(log.find_deliveries(&[]).await.unwrap().is_empty());
}

pub(crate) async fn a_batch_of_deliveries_alone_moves_nothing<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 1).await;
    let mut watch = log.watch(PARTITION);
    watch.borrow_and_update();
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.deliveries = vec![delivery(1, stream)];
    log.append(batch).await.unwrap();
    assert_eq!(log.head(PARTITION).await.unwrap(), 1);
    assert!(!watch.has_changed().unwrap());
    assert_eq!(log.find_deliveries(&[delivery(1, 1).key]).await.unwrap(), [Some(delivery(1, stream))]);
}

pub(crate) async fn subject_keys_are_found_in_the_order_asked_for<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.subject_keys = vec![subject_key(1, 1), subject_key(2, 2)];
    assert_eq!(log.first_subject_key().await.unwrap(), None);
    log.append(batch).await.unwrap();
    assert_eq!(log.first_subject_key().await.unwrap(), Some(subject_key(1, 1)));

    let subject = |number: u8| (merchant("acme"), Token::new([number; 16]));
    let found = log.find_subject_keys(&[subject(2), subject(3), subject(1)]).await.unwrap();
    assert_eq!(found, [Some(subject_key(2, 2)), None, Some(subject_key(1, 1))]);
}

pub(crate) async fn a_subject_has_one_key<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.subject_keys = vec![subject_key(1, 1)];
    log.append(batch.clone()).await.unwrap();
    for taken in [subject_key(2, 1), subject_key(1, 2)] {
        batch.subject_keys = vec![taken];
        let refused = log.append(batch.clone()).await;
        assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    }
}

pub(crate) async fn a_subject_of_another_merchant_is_another_subject<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let other = SubjectKey { merchant: merchant("other"), ..subject_key(2, 1) };
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.subject_keys = vec![subject_key(1, 1), other.clone()];
    log.append(batch).await.unwrap();
    let asked = ["other", "third", "acme"].map(|name| (merchant(name), Token::new([1; 16])));
    assert_eq!(log.find_subject_keys(&asked).await.unwrap(), [Some(other), None, Some(subject_key(1, 1))]);
}

pub(crate) async fn vault_rows_come_back_with_the_key_that_opens_them<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1)), (2, order(2)), (3, order(3))];
    batch.events = vec![event(2, 1), event(1, 1), event(3, 1), event(1, 2)];
    batch.subject_keys = vec![subject_key(1, 1), subject_key(2, 2)];
    batch.vault_rows = vec![vault_row(4, 1), vault_row(2, 2), vault_row(1, 1)];
    log.append(batch).await.unwrap();

    let row = |position: u64, stream, subject_key| VaultRow {
        position,
        stream,
        subject_key,
        sealed: position.to_be_bytes().into(),
    };
    let of_one = [row(2, 1, subject_key(2, 2)), row(4, 1, subject_key(1, 1))];
    assert_eq!(log.read_vault(&[1]).await.unwrap(), of_one);
    let of_both = log.read_vault(&[2, 1, 2, 3, 9]).await.unwrap();
    assert_eq!(of_both.iter().map(|row| row.position).collect::<Vec<_>>(), [1, 2, 4]);
    assert!(log.read_vault(&[3]).await.unwrap().is_empty());
}

pub(crate) async fn a_vault_row_without_its_key_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    batch.vault_rows = vec![vault_row(1, 1)];
    let refused = log.append(batch).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    assert!(everything(&log).await.is_empty());
}

pub(crate) async fn a_vault_row_without_its_event_is_refused<F: Fixture>() {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    batch.subject_keys = vec![subject_key(1, 1)];
    for position in [0, 2] {
        batch.vault_rows = vec![vault_row(position, 1)];
        let refused = log.append(batch.clone()).await;
        assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    }
    assert!(everything(&log).await.is_empty());
}
