//! Which reviews are being offered to somebody, so that reviewers who ask in the same moment are not all sent to the same one.
//!
//! The engine alone decides who gets an order. This only saves vain tries: each candidate is offered to one reviewer at a time, and one that
//! was just taken is passed over until the queue shows it. It is the memory of one process, and may be lost.

use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::{Mutex, MutexGuard, PoisonError};

use eventlog::{Position, StreamId};
use projections::ReviewRow;

/// How many reviews are remembered that were taken, or could not be.
const REMEMBERED_MAX: usize = 4_096;

/// The desk over which reviews are handed out.
#[derive(Default)]
pub struct Desk(Mutex<State>);

#[derive(Default)]
struct State {
    offered: HashSet<StreamId>,
    /// Of which rows it is known that more has happened: those at a position or before.
    stale: HashMap<StreamId, Position>,
    /// The same, oldest first.
    oldest: VecDeque<(StreamId, Position)>,
}

/// A candidate that nobody else is offered until this is dropped.
pub struct Offer<'a> {
    desk: &'a Desk,
    stream: StreamId,
    position: Position,
}

impl Desk {
    /// Offers a candidate; `None` when another reviewer is offered it now, or when more is known of it than its row says.
    pub fn offer(&self, row: &ReviewRow) -> Option<Offer<'_>> {
        let mut state = self.state();
        let is_stale = state.stale.get(&row.stream).is_some_and(|stale| row.position <= *stale);
        let is_free = !is_stale && state.offered.insert(row.stream);
        is_free.then(|| Offer { desk: self, stream: row.stream, position: row.position })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Offer<'_> {
    /// Passes the review over until its row says more: it was taken just now, or before its row knew.
    pub fn closed(self) {
        let mut state = self.desk.state();
        state.stale.insert(self.stream, self.position);
        state.oldest.push_back((self.stream, self.position));
        if state.oldest.len() > REMEMBERED_MAX
            && let Some((stream, position)) = state.oldest.pop_front()
            && state.stale.get(&stream) == Some(&position)
        {
            state.stale.remove(&stream);
        }
    }
}

impl Drop for Offer<'_> {
    fn drop(&mut self) {
        self.desk.state().offered.remove(&self.stream);
    }
}

#[cfg(test)]
mod tests {
    use domain::time::Timestamp;

    use super::*;

    fn row(stream: StreamId, position: Position) -> ReviewRow {
        ReviewRow {
            stream,
            order_id: "web:A1".parse().unwrap(),
            state: None,
            opened_for: None,
            opened_at: Timestamp::default(),
            deadline: None,
            open_since: None,
            escalated_at: None,
            reopened: 0,
            claim: None,
            score: 0,
            tier: "sms".into(),
            rules: vec![],
            amount: 0,
            payment_due_at: None,
            status: None,
            position,
        }
    }

    #[test]
    fn a_candidate_is_offered_to_one_reviewer_at_a_time() {
        let desk = Desk::default();
        let offer = desk.offer(&row(1, 5)).expect("nobody has it");
        assert!(desk.offer(&row(1, 5)).is_none());
        assert!(desk.offer(&row(2, 6)).is_some(), "another one");
        drop(offer);
        assert!(desk.offer(&row(1, 5)).is_some(), "it came to nothing");
    }

    #[test]
    fn what_was_taken_is_passed_over_until_the_queue_knows() {
        let desk = Desk::default();
        desk.offer(&row(1, 5)).expect("nobody has it").closed();
        assert!(desk.offer(&row(1, 5)).is_none());
        assert!(desk.offer(&row(1, 9)).is_some());
    }

    #[test]
    fn it_remembers_no_more_than_it_may() {
        let desk = Desk::default();
        for stream in 0..u64::try_from(REMEMBERED_MAX).unwrap() + 7 {
            desk.offer(&row(stream, 1)).expect("nobody has it").closed();
        }
        let state = desk.state();
        assert_eq!((state.stale.len(), state.oldest.len()), (REMEMBERED_MAX, REMEMBERED_MAX));
    }
}
