//! What keeps notifications going: lanes that break off, an outbox that was ahead of its log, and what is forgotten.

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::endpoint::Notification::OrderFrozen;
use domain::time::Span;
use notify::{Delivery, State, message_id};

use crate::given::{Backend, Given, Receiver, all, frozen, until};

on_both_stores! {
    what_was_settled_is_forgotten_after_thirty_days,
    after_an_older_log_was_restored_all_that_it_writes_is_told,
    what_the_restored_log_does_not_hold_is_not_told_of_any_more,
    a_lane_that_breaks_off_is_begun_again,
}

async fn what_was_settled_is_forgotten_after_thirty_days(on: Backend) {
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
    given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
    for number in 0..20 {
        given.order(&format!("web:A{number}"), &[frozen()]).await;
    }
    let notifier = given.notifier().await;
    until(&notifier, "e1", all(State::Delivered, 20)).await;
    given.later(Span::from_days(31));
    until(&notifier, "e1", <[Delivery]>::is_empty).await;
    assert_eq!(receiver.ids().len(), 20);
    notifier.stop().await;
}

/// Each position's state, the newest first.
fn states(found: &[Delivery]) -> Vec<(u64, State)> {
    found.iter().map(|delivery| (delivery.position, delivery.state)).collect()
}

async fn after_an_older_log_was_restored_all_that_it_writes_is_told(on: Backend) {
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
    given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
    given.order("web:A1", &[frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", all(State::Delivered, 1)).await;
    notifier.stop().await;
    let backup = given.copy_the_log();
    let lost = given.order("web:A2", &[frozen(), frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", all(State::Delivered, 3)).await;
    notifier.stop().await;

    given.restore(backup).await;
    let written = given.head;
    let notifier = given.notifier().await;
    // What was told of the events that are lost is forgotten, and nothing of before is told again.
    let found = until(&notifier, "e1", |found| found.len() == 1).await;
    assert_eq!(states(&found), [(written, State::Delivered)]);
    let first = given.order("web:B1", &[frozen()]).await;
    assert!(first < lost, "the outbox had seen more than this");
    until(&notifier, "e1", all(State::Delivered, 2)).await;
    let last = given.order("web:B2", &[frozen(), frozen(), frozen()]).await;
    until(&notifier, "e1", all(State::Delivered, 5)).await;
    notifier.stop().await;

    let told = [written, lost - 1, lost, first, last - 2, last - 1, last];
    assert_eq!(receiver.ids(), told.map(|position| message_id("e1", position)));
    let orders: Vec<String> = receiver.orders().into_iter().skip(3).collect();
    assert_eq!(orders, ["web:B1", "web:B2", "web:B2", "web:B2"]);
}

async fn what_the_restored_log_does_not_hold_is_not_told_of_any_more(on: Backend) {
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(503).await);
    given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
    let kept = given.order("web:A1", &[frozen()]).await;
    let backup = given.copy_the_log();
    // One waits for its next try and one for that one.
    given.order("web:A2", &[frozen(), frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", |found| found.iter().filter(|delivery| delivery.attempts == 1).count() == 2).await;
    notifier.stop().await;

    given.restore(backup).await;
    receiver.answer(200);
    given.later(Span::from_secs(1));
    let notifier = given.notifier().await;
    let found = until(&notifier, "e1", all(State::Delivered, 1)).await;
    assert_eq!(states(&found), [(kept, State::Delivered)]);
    assert_eq!(receiver.orders()[2..], ["web:A1"]);
    notifier.stop().await;
}

async fn a_lane_that_breaks_off_is_begun_again(on: Backend) {
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
    given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
    given.order("web:A1", &[frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", all(State::Delivered, 1)).await;
    // Nothing happens in the log, so it is the lane that looks at the clock.
    given.break_the_clock().await;
    given.order("web:A2", &[frozen()]).await;
    until(&notifier, "e1", all(State::Delivered, 2)).await;
    assert_eq!(receiver.ids().len(), 2);
    notifier.stop().await;
}

#[tokio::test]
async fn a_try_that_breaks_off_is_made_again() {
    let (mut given, receiver) = (Given::nothing(Backend::Sqlite).await, Receiver::answering(200).await);
    let breaks = Arc::new(AtomicBool::new(true));
    given.resolve = Arc::new(move |_| {
        let breaks = breaks.swap(false, Ordering::SeqCst);
        Box::pin(async move {
            assert!(!breaks, "breaks off, as it was told to");
            Ok(vec![IpAddr::V4(Ipv4Addr::LOCALHOST)])
        })
    });
    let url = format!("http://shop.example.com:{}/", receiver.address.port());
    given.endpoint("e1", &url, &[OrderFrozen]).await;
    given.order("web:A1", &[frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", |found| found.iter().any(|delivery| delivery.attempts == 1)).await;
    given.later(Span::from_secs(1));
    until(&notifier, "e1", all(State::Delivered, 1)).await;
    notifier.stop().await;
}
