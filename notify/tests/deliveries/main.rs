//! What becomes of events on both stores: told in order, tried again, parked, told again, and to nobody who must not be reached.

#[cfg(test)]
#[macro_use]
mod given;
#[cfg(test)]
mod misbehaving;
#[cfg(test)]
mod questions;
#[cfg(test)]
mod standing;

#[cfg(test)]
mod tests {
    use std::net::{IpAddr, Ipv4Addr};
    use std::time::Duration;

    use domain::endpoint::Notification::{OrderFrozen, OrderReleased};
    use domain::time::Span;
    use notify::{Delivery, Replay, State, Terms, message_id};
    use serde_json::{Value, json};
    use standardwebhooks::Webhook;

    use crate::given::{Backend, Given, Receiver, SECRET, all, frozen, released, resolving_to, until};

    on_both_stores! {
        an_endpoint_is_told_of_what_it_asks_for_from_its_creation_on,
        a_message_that_fails_holds_back_its_order_and_no_other,
        a_receiver_that_hangs_holds_back_nobody_else,
        what_fails_for_three_days_is_parked_and_told_again_when_it_is_asked_for,
        a_receiver_that_is_gone_is_told_nothing_until_it_is_asked_for,
        a_removed_endpoint_is_told_nothing_more,
        a_name_that_leads_to_a_private_address_is_not_connected_to,
        what_was_delivered_is_not_told_again_after_a_restart,
        what_is_replayed_goes_before_what_waits_of_its_order_and_never_beside_it,
    }

    async fn an_endpoint_is_told_of_what_it_asks_for_from_its_creation_on(on: Backend) {
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
        given.order("web:A1", &[frozen()]).await;
        given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
        let at = given.order("web:A2", &[frozen(), released()]).await - 1;
        let notifier = given.notifier().await;
        until(&notifier, "e1", all(State::Delivered, 1)).await;
        let [(id, headers, body)] = &receiver.got()[..] else { panic!("{:?}", receiver.ids()) };
        assert_eq!(*id, message_id("e1", at));
        let said: Value = serde_json::from_slice(body).unwrap();
        assert_eq!(said["type"], "order.frozen");
        assert_eq!((&said["data"]["order_id"], &said["data"]["cause"]), (&json!("web:A2"), &json!("score")));
        assert!(!String::from_utf8_lossy(body).contains("a word"), "what people wrote stays here");
        // The clock of this test does not run, so the signature is made again in place of being checked against the time.
        let seconds: i64 = headers["webhook-timestamp"].to_str().unwrap().parse().unwrap();
        let signature = Webhook::new(SECRET).unwrap().sign(id, seconds, body).unwrap();
        assert_eq!(headers["webhook-signature"], signature);
        notifier.stop().await;
    }

    async fn a_message_that_fails_holds_back_its_order_and_no_other(on: Backend) {
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(500).await);
        given.endpoint("e1", &receiver.url(), &[OrderFrozen, OrderReleased]).await;
        let second = given.order("web:A1", &[frozen(), released()]).await;
        let other = given.order("web:A2", &[frozen()]).await;
        let notifier = given.notifier().await;
        let found =
            until(&notifier, "e1", |found| found.iter().filter(|delivery| delivery.attempts == 1).count() == 2).await;
        let waiting: Vec<u64> = found.iter().filter(|delivery| delivery.attempts == 0).map(|d| d.position).collect();
        assert_eq!(waiting, [second]);
        assert!(found.iter().all(|delivery| delivery.state == State::Pending));
        receiver.answer(200);
        given.later(Span::from_secs(1));
        until(&notifier, "e1", all(State::Delivered, 3)).await;
        let ids = receiver.ids();
        let place = |position| ids.iter().rposition(|id| *id == message_id("e1", position)).unwrap();
        assert!(place(second - 1) < place(second), "{ids:?}");
        assert_eq!(ids.iter().filter(|id| **id == message_id("e1", other)).count(), 2, "a try again has the same id");
        notifier.stop().await;
    }

    async fn a_receiver_that_hangs_holds_back_nobody_else(on: Backend) {
        let (mut given, hanging) = (Given::nothing(on).await, Receiver::answering(200).await);
        let well = Receiver::answering(200).await;
        // It hangs for as long as this test may last.
        given.terms.answer_within = Duration::from_secs(3_600);
        let at_once = given.terms.at_once_max;
        hanging.hold();
        given.endpoint("hanging", &hanging.url(), &[OrderFrozen]).await;
        for order in 0..=at_once {
            given.order(&format!("web:A{order}"), &[frozen()]).await;
        }
        let notifier = given.notifier().await;
        hanging.until(|ids| ids.len() == at_once).await;
        given.endpoint("well", &well.url(), &[OrderFrozen]).await;
        for order in 0..=at_once {
            given.order(&format!("web:B{order}"), &[frozen()]).await;
        }
        until(&notifier, "well", all(State::Delivered, at_once + 1)).await;
        let waiting = notifier.deliveries("hanging", None, None, 200).await.unwrap();
        assert_eq!((waiting.len(), hanging.ids().len()), (2 * (at_once + 1), at_once));
        assert!(
            waiting.iter().all(|delivery| (delivery.state, delivery.attempts) == (State::Pending, 0)),
            "{waiting:?}"
        );
        notifier.stop().await;
    }

    async fn what_fails_for_three_days_is_parked_and_told_again_when_it_is_asked_for(on: Backend) {
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(503).await);
        given.terms = Terms { pause_last: Span::from_mins(1), ..given.terms };
        given.endpoint("e1", &receiver.url(), &[OrderFrozen, OrderReleased]).await;
        let last = given.order("web:A1", &[frozen(), released()]).await;
        let notifier = given.notifier().await;
        until(&notifier, "e1", |found| found.iter().any(|delivery| delivery.attempts == 1)).await;
        let last_minute = Span::from_mins(1);
        given.later(Span::from_millis(Span::from_days(3).millis() - last_minute.millis()));
        let found = until(&notifier, "e1", |found| found.iter().any(|delivery| delivery.attempts > 1)).await;
        assert!(found.iter().all(|delivery| delivery.state == State::Pending), "a minute is left: {found:?}");
        given.later(last_minute);
        let found = until(&notifier, "e1", |found| found.iter().any(|delivery| delivery.state == State::Parked)).await;
        let parked = found.iter().find(|delivery| delivery.state == State::Parked).unwrap();
        assert_eq!((parked.position, parked.last_status, parked.next_at), (last - 1, Some(503), None));
        // The next one of the order has its own three days.
        until(&notifier, "e1", |found| found.iter().any(|d| d.position == last && d.attempts >= 1)).await;
        given.later(Span::from_days(3));
        until(&notifier, "e1", all(State::Parked, 2)).await;

        receiver.answer(200);
        let before = receiver.ids().len();
        assert_eq!(notifier.replay(0, "e1", Replay::Parked).await.unwrap(), 2);
        until(&notifier, "e1", all(State::Delivered, 2)).await;
        let ids = [message_id("e1", last - 1), message_id("e1", last)];
        assert_eq!(receiver.ids()[before..], ids);
        assert_eq!(notifier.replay(0, "e1", Replay::At(vec![last])).await.unwrap(), 1);
        assert_eq!(notifier.replay(0, "e1", Replay::From(last + 1)).await.unwrap(), 0);
        until(&notifier, "e1", all(State::Delivered, 2)).await;
        notifier.stop().await;
    }

    async fn a_receiver_that_is_gone_is_told_nothing_until_it_is_asked_for(on: Backend) {
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(410).await);
        given.endpoint("e1", &receiver.url(), &[OrderFrozen, OrderReleased]).await;
        given.order("web:A1", &[frozen(), released()]).await;
        let notifier = given.notifier().await;
        let found = until(&notifier, "e1", all(State::Parked, 2)).await;
        let tried = found.last().map(|delivery| (delivery.attempts, delivery.last_status));
        assert_eq!((tried, receiver.ids().len()), (Some((1, Some(410))), 1), "{found:?}");
        let since = notifier.disabled_since("e1").await.unwrap();
        assert!(since.is_some());

        given.later(Span::from_hours(1));
        given.order("web:A2", &[frozen()]).await;
        given.order("web:A1", &[frozen()]).await;
        until(&notifier, "e1", all(State::Parked, 4)).await;
        notifier.stop().await;
        let notifier = given.notifier().await;
        given.order("web:A3", &[frozen()]).await;
        until(&notifier, "e1", all(State::Parked, 5)).await;
        assert_eq!(receiver.ids().len(), 1, "nothing is sent, after a restart neither");
        assert_eq!(notifier.disabled_since("e1").await.unwrap(), since);

        receiver.answer(200);
        assert_eq!(notifier.replay(0, "e1", Replay::Parked).await.unwrap(), 5);
        until(&notifier, "e1", all(State::Delivered, 5)).await;
        assert_eq!(notifier.disabled_since("e1").await.unwrap(), None);
        given.order("web:A4", &[frozen()]).await;
        until(&notifier, "e1", all(State::Delivered, 6)).await;
        notifier.stop().await;
    }

    async fn a_removed_endpoint_is_told_nothing_more(on: Backend) {
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(500).await);
        let other = Receiver::answering(200).await;
        given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
        given.order("web:A1", &[frozen()]).await;
        let notifier = given.notifier().await;
        until(&notifier, "e1", |found| found.iter().any(|delivery| delivery.attempts == 1)).await;
        given.removed("e1").await;
        given.endpoint("e2", &other.url(), &[OrderFrozen]).await;
        given.order("web:A2", &[frozen()]).await;
        until(&notifier, "e1", <[Delivery]>::is_empty).await;
        until(&notifier, "e2", all(State::Delivered, 1)).await;
        notifier.stop().await;
    }

    async fn a_name_that_leads_to_a_private_address_is_not_connected_to(on: Backend) {
        static LOOPBACK: [IpAddr; 1] = [IpAddr::V4(Ipv4Addr::LOCALHOST)];
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
        given.resolve = resolving_to(&LOOPBACK);
        given.terms.allow_private = false;
        let port = receiver.address.port();
        // Created while it was allowed, or while the name led elsewhere.
        given.endpoint("e1", &format!("http://shop.example.com:{port}/"), &[OrderFrozen]).await;
        given.endpoint("e2", &receiver.url(), &[OrderFrozen]).await;
        given.order("web:A1", &[frozen()]).await;
        let notifier = given.notifier().await;
        for endpoint in ["e1", "e2"] {
            let found = until(&notifier, endpoint, |found| found.iter().any(|delivery| delivery.attempts >= 1)).await;
            let error = found[0].last_error.as_deref().unwrap_or_default();
            assert!(error.contains("not public"), "{endpoint}: {error}");
        }
        assert_eq!(receiver.ids(), Vec::<String>::new());
        notifier.stop().await;
    }

    async fn what_was_delivered_is_not_told_again_after_a_restart(on: Backend) {
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
        given.endpoint("e1", &receiver.url(), &[OrderFrozen]).await;
        given.order("web:A1", &[frozen()]).await;
        let notifier = given.notifier().await;
        until(&notifier, "e1", all(State::Delivered, 1)).await;
        notifier.stop().await;
        given.order("web:A2", &[frozen()]).await;
        let notifier = given.notifier().await;
        until(&notifier, "e1", all(State::Delivered, 2)).await;
        assert_eq!(receiver.ids().len(), 2);
        notifier.stop().await;
    }

    async fn what_is_replayed_goes_before_what_waits_of_its_order_and_never_beside_it(on: Backend) {
        let (mut given, receiver) = (Given::nothing(on).await, Receiver::answering(200).await);
        given.endpoint("e1", &receiver.url(), &[OrderFrozen, OrderReleased]).await;
        let later = given.order("web:A1", &[frozen(), released()]).await;
        let earlier = later - 1;
        let notifier = given.notifier().await;
        until(&notifier, "e1", all(State::Delivered, 2)).await;
        let arrived = async |position, times| {
            let id = message_id("e1", position);
            receiver.until(|ids| ids.iter().filter(|arrived| **arrived == id).count() == times).await;
        };

        receiver.hold();
        assert_eq!(notifier.replay(0, "e1", Replay::At(vec![later])).await.unwrap(), 1);
        arrived(later, 2).await;
        // While the later one is under way, the earlier one is asked for, and waits for its end.
        assert_eq!(notifier.replay(0, "e1", Replay::At(vec![earlier])).await.unwrap(), 1);
        let other = given.order("web:A2", &[frozen()]).await;
        arrived(other, 1).await;
        receiver.answer(500);
        receiver.let_go(2);
        arrived(earlier, 2).await;
        let waits = |found: &[Delivery]| {
            found.iter().any(|d| (d.position, d.state, d.attempts, d.next_at) == (later, State::Pending, 1, None))
        };
        until(&notifier, "e1", waits).await;
        receiver.let_go(1);
        until(&notifier, "e1", |found| found.iter().any(|d| (d.position, d.attempts) == (earlier, 1))).await;
        // However much time passes, the one that failed before waits for the one that fails now.
        given.later(Span::from_mins(1));
        arrived(earlier, 3).await;
        until(&notifier, "e1", waits).await;
        receiver.answer(200);
        receiver.let_go(100);
        until(&notifier, "e1", |found| all(State::Delivered, 3)(found)).await;
        let of_order: Vec<String> = receiver.ids().into_iter().filter(|id| *id != message_id("e1", other)).collect();
        assert_eq!(
            of_order,
            [earlier, later, later, earlier, earlier, later].map(|position| message_id("e1", position))
        );
        assert_eq!(receiver.together_max(), 1, "of one order one message is under way at a time");
        notifier.stop().await;
    }

    /// From the tests of the Standard Webhooks libraries (`libraries/python/tests`).
    #[test]
    fn the_official_vector_is_signed_as_it_was_published() {
        let webhook = Webhook::new("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").unwrap();
        let signature =
            webhook.sign("msg_p5jXN8AQM9LWM0D4loKWxJek", 1_614_265_330, br#"{"test": 2432232314}"#).unwrap();
        assert_eq!(signature, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=");
    }
}
