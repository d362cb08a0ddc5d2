//! What shops were told, held against what the service says and against what the log holds.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use super::load::{Answered, Outcome, deliver_all};
use crate::support::process::PATIENCE;
use crate::support::service::Service;
use crate::support::shop::Shop;

/// All that was told so far.
#[derive(Default)]
pub(super) struct Ledger {
    acknowledged: BTreeMap<u64, Answered>,
    unknown: BTreeSet<u64>,
}

impl Ledger {
    /// Takes in what became of more orders.
    pub(super) fn take(&mut self, mut outcome: Outcome) {
        self.acknowledged.append(&mut outcome.acknowledged);
        self.unknown.append(&mut outcome.unknown);
    }

    /// A number that no order has so far.
    pub(super) fn next(&self) -> u64 {
        let last = [self.acknowledged.keys().next_back(), self.unknown.last()].into_iter().flatten().max();
        last.map_or(0, |last| last + 1)
    }

    /// How many orders were acknowledged.
    pub(super) fn acknowledged(&self) -> usize {
        self.acknowledged.len()
    }

    /// Sends every order again. The acknowledged ones get the answer that they had, as duplicates; the others are taken, whether
    /// or not they were before.
    #[track_caller]
    pub(super) fn repeat(&mut self, service: &Service) {
        let again = deliver_all(service, &self.acknowledged.keys().copied().collect::<Vec<_>>());
        for (number, then) in &self.acknowledged {
            let now = &again[number];
            assert_eq!(now.status, 200, "order {number} is lost: {now:?} after {then:?}");
            assert_eq!(now.body["duplicate"], true, "order {number} is lost: {now:?} after {then:?}");
            assert_eq!(now.body["order_id"], then.body["order_id"], "order {number}");
            assert_eq!(now.body["risk"], then.body["risk"], "order {number}");
        }
        let unknown: Vec<_> = std::mem::take(&mut self.unknown).into_iter().collect();
        self.acknowledged.extend(deliver_all(service, &unknown));
    }

    /// The order that was acknowledged last can be looked up, though perhaps not at once.
    #[track_caller]
    pub(super) fn look_up(&self, service: &Service) {
        let (_, last) = self.acknowledged.last_key_value().expect("orders were acknowledged");
        let order = last.body["order_id"].as_str().expect("an order has an id");
        let until = Instant::now() + PATIENCE;
        loop {
            let found = service.get(&format!("/v1/orders/{order}?after={}", last.position));
            if found.status == 200 {
                assert_eq!(found.json()["risk"]["state"], last.body["risk"]["state"]);
                return;
            }
            assert!(found.status == 503 && Instant::now() < until, "{found:?}");
        }
    }

    /// When nobody has the store open: the log has no gap and holds each acknowledged order once, and no other; and every decision
    /// in it is the one that it gives again.
    #[track_caller]
    pub(super) fn compare_with_log(&self, shop: &Shop) {
        assert!(self.unknown.is_empty(), "these were not repeated: {:?}", self.unknown);
        let mut placed: Vec<_> = shop
            .events()
            .into_iter()
            .filter(|event| &*event.event_type == "Placed")
            .map(|event| event.key.aggregate_id.to_string())
            .collect();
        placed.sort_unstable();
        let mut expected: Vec<_> =
            self.acknowledged.values().map(|answer| answer.body["order_id"].as_str().unwrap().to_owned()).collect();
        expected.sort_unstable();
        assert_eq!(placed, expected);
        shop.replay();
    }
}
