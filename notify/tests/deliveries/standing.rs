//! What keeps notifications going: lanes that break off, an outbox that is ahead of its log, and what is forgotten.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use domain::endpoint::Notification::OrderFrozen;
use domain::time::Span;
use notify::{Delivery, State, message_id};

use crate::given::{Backend, Given, Receiver, all, frozen, until};

on_both_stores! {
    what_was_settled_is_forgotten_after_thirty_days,
    an_outbox_that_is_ahead_of_its_log_says_so_and_goes_on_when_the_log_has_caught_up,
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

async fn an_outbox_that_is_ahead_of_its_log_says_so_and_goes_on_when_the_log_has_caught_up(on: Backend) {
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
    given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
    let stored = given.order("web:A1", &[frozen(), frozen(), frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", all(State::Delivered, 3)).await;
    assert_eq!(notifier.ahead(), BTreeMap::new());
    notifier.stop().await;

    given.lose_the_log().await;
    given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
    let notifier = given.notifier().await;
    ahead(&notifier, stored - 1).await;
    given.endpoint("e2", &receiver.url(), &[OrderFrozen]).await;
    ahead(&notifier, stored - 2).await;
    let last = given.order("web:B1", &[frozen(), frozen(), frozen()]).await;
    // Whoever was created meanwhile is told of what comes after the checkpoint.
    let found = until(&notifier, "e2", all(State::Delivered, 1)).await;
    assert_eq!(found[0].position, last);
    assert!(receiver.ids().contains(&message_id("e2", last)));
    ahead(&notifier, 0).await;
    notifier.stop().await;
}

/// Waits until a partition's outbox is ahead by so many events.
async fn ahead(notifier: &notify::Notifier, events: u64) {
    let expected = if events == 0 { BTreeMap::new() } else { BTreeMap::from([(0, events)]) };
    crate::given::so(|| notifier.ahead() == expected).await;
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
