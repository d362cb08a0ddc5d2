//! Messages that ask the customer something: they go while there is something to ask, and nowhere in the clear.

use std::net::{IpAddr, Ipv4Addr};

use domain::endpoint::Notification::{ChallengeResent, ChallengeSms, OrderFrozen, OrderReleased, OrderVerified};
use domain::order::OrderEvent;
use domain::time::Span;
use notify::{Delivery, Replay, State, Terms, message_id};
use serde_json::json;

use crate::given::{Backend, Given, Receiver, all, challenged, event, frozen, placed, released, resolving_to, until};

on_both_stores! {
    a_question_that_is_settled_before_it_could_be_sent_is_not_asked,
    a_question_does_not_leave_in_the_clear,
    what_could_not_be_sent_says_nothing_of_its_receiver,
}

/// What settles a question.
fn settled() -> Vec<OrderEvent> {
    vec![
        event(json!({"Verified": {"challenge": "c1", "how": "sms"}})),
        frozen(),
        released(),
        event(
            json!({"StatusReported": {"source": "api", "status": "cancelled", "occurred_at": "2026-11-11T00:00:01Z"}}),
        ),
        event(json!({"ReviewOpened": {"cause": "challenge_failed", "challenge": "c1"}})),
        challenged("c2"),
    ]
}

fn of(found: &[Delivery], position: u64) -> &Delivery {
    found.iter().find(|delivery| delivery.position == position).unwrap()
}

async fn a_question_that_is_settled_before_it_could_be_sent_is_not_asked(on: Backend) {
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(503).await);
    given.endpoint("e1", &receiver.url(), &[ChallengeSms, ChallengeResent, OrderVerified, OrderReleased]).await;
    let mut asked = Vec::new();
    for (number, _) in settled().iter().enumerate() {
        asked.push(given.order(&format!("web:A{number}"), &[placed(), challenged("c1")]).await);
    }
    let open = given.order("web:B1", &[placed(), challenged("c1")]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", |found| found.iter().filter(|delivery| delivery.attempts == 1).count() == asked.len() + 1)
        .await;

    // While the receiver is gone, the question of each order is put again, and then settled.
    let mut resent = Vec::new();
    for (number, settling) in settled().into_iter().enumerate() {
        let again = event(json!({"ChallengeResent": {"challenge": "c1", "count": 1}}));
        resent.push(given.order(&format!("web:A{number}"), &[again, settling]).await - 1);
    }
    receiver.answer(200);
    given.later(Span::from_secs(1));
    let told = [of_kind(0, &resent), of_kind(2, &resent), of_kind(5, &resent)];
    let is_done = |found: &[Delivery]| found.iter().all(|delivery| delivery.state != State::Pending);
    let found = until(&notifier, "e1", |found| found.len() == 2 * asked.len() + 1 + told.len() && is_done(found)).await;
    for (asked, resent) in asked.iter().zip(&resent) {
        let (asked, resent) = (of(&found, *asked), of(&found, *resent));
        assert_eq!((asked.state, asked.attempts), (State::Superseded, 1), "{asked:?}");
        assert_eq!((resent.state, resent.attempts), (State::Superseded, 0), "{resent:?}");
        assert!(resent.last_error.as_deref().is_some_and(|error| error.contains("settled")), "{resent:?}");
    }
    for delivered in told.iter().chain([&open]) {
        assert_eq!(of(&found, *delivered).state, State::Delivered, "{delivered}");
    }
    let after: Vec<String> = receiver.ids().into_iter().skip(asked.len() + 1).collect();
    assert_eq!(after.len(), told.len() + 1, "{after:?}");

    // A question that nobody settled is not asked either when its time is over, however it is asked for.
    given.later(Span::from_mins(10));
    assert_eq!(notifier.replay(0, "e1", Replay::At(vec![open])).await.unwrap(), 1);
    until(&notifier, "e1", |found| of(found, open).state == State::Superseded).await;
    assert_eq!(receiver.ids().iter().filter(|id| **id == message_id("e1", open)).count(), 2);
    notifier.stop().await;
}

/// The position of what settled the question of an order, which comes right after it was put again.
fn of_kind(number: usize, resent: &[u64]) -> u64 {
    resent[number] + 1
}

async fn a_question_does_not_leave_in_the_clear(on: Backend) {
    static LOOPBACK: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
    given.resolve = resolving_to(&LOOPBACK);
    // A name may lead to this machine now and to another later.
    let url = format!("http://sms.example.com:{}/", receiver.address.port());
    given.endpoint("e1", &url, &[ChallengeSms, OrderFrozen]).await;
    given.endpoint("e2", &receiver.url(), &[ChallengeSms]).await;
    let asked = given.order("web:A1", &[placed(), challenged("c1")]).await;
    let held = given.order("web:A2", &[frozen()]).await;
    let notifier = given.notifier().await;
    let is_done =
        |found: &[Delivery]| found.len() == 2 && found.iter().all(|delivery| delivery.state != State::Pending);
    let found = until(&notifier, "e1", is_done).await;
    assert_eq!((of(&found, asked).state, of(&found, held).state), (State::Parked, State::Delivered), "{found:?}");
    assert!(of(&found, asked).last_error.as_deref().is_some_and(|error| error.contains("https")), "{found:?}");
    until(&notifier, "e2", all(State::Delivered, 1)).await;
    let mut ids = receiver.ids();
    ids.sort();
    assert_eq!(ids, [message_id("e1", held), message_id("e2", asked)]);
    notifier.stop().await;
}

async fn what_could_not_be_sent_says_nothing_of_its_receiver(on: Backend) {
    static LOOPBACK: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
    let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(503).await);
    given.resolve = resolving_to(&LOOPBACK);
    given.terms = Terms { failures_max: 2, ..given.terms };
    let url = format!("http://sms.example.com:{}/", receiver.address.port());
    given.endpoint("e1", &url, &[ChallengeSms, OrderFrozen]).await;
    let notifier = given.notifier().await;
    let first = given.order("web:A1", &[frozen()]).await;
    until(&notifier, "e1", |found| found.len() == 1 && of(found, first).attempts == 1).await;
    // Between two failures comes a question that must not go there in the clear.
    let asked = given.order("web:B1", &[placed(), challenged("c1")]).await;
    until(&notifier, "e1", |found| found.len() == 2 && of(found, asked).state == State::Parked).await;
    let second = given.order("web:A2", &[frozen()]).await;
    until(&notifier, "e1", |found| found.len() == 3 && of(found, second).attempts == 1).await;

    // Two failures in a row: the receiver counts as down, so nothing is sent, and after a rest one message tries.
    receiver.hold();
    let mut waiting = Vec::new();
    for number in 0..6 {
        waiting.push(given.order(&format!("web:C{number}"), &[frozen()]).await);
    }
    until(&notifier, "e1", |found| found.len() == 9).await;
    given.later(Span::from_secs(5));
    receiver.until(|ids| ids.len() >= 3).await;
    receiver.let_go(1);
    until(&notifier, "e1", |found| of(found, waiting[0]).attempts == 1).await;
    assert_eq!(receiver.ids(), [first, second, waiting[0]].map(|position| message_id("e1", position)));
    receiver.answer(200);
    receiver.let_go(100);
    given.later(Span::from_secs(10));
    let is_done = |found: &[Delivery]| found.iter().all(|delivery| delivery.state != State::Pending);
    until(&notifier, "e1", is_done).await;
    assert_eq!(receiver.ids().len(), 3 + 8, "each of the eight that were left is taken at its next try");
    notifier.stop().await;
}
