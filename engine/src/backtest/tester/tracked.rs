//! The facts of orders, as far as they are at hand.

use std::collections::VecDeque;

use domain::order::{OrderEvent, Placed};
use domain::time::{Timestamp, window_time};
use eventlog::StreamId;
use rustc_hash::FxHashMap;

use super::super::outcome::Marks;
use super::super::step::is_somebodys_word;
use crate::correction::ASKED_FOR_MAX;
use crate::dense::Dense;
use crate::placement::Placement;

/// The most orders whose facts are kept; those of others are read again from the log, one by one, when they are needed. It
/// is many because orders speak about others that were placed a while before.
const TRACKED_MAX: usize = 100_000;
/// An order that is needed stays while so many others are taken in.
const STAYS_FOR: usize = TRACKED_MAX / 2;
/// The most orders of which reports wait for a placement. Of some it never comes.
const EARLY_MAX: usize = 100_000;
/// One message's corrections push out nothing that they need themselves.
const _: () = assert!(STAYS_FOR > 2 * ASKED_FOR_MAX);

/// An order of the merchant as far as it is needed.
pub(super) struct Tracked {
    pub(super) placement: Box<Placement>,
    recorded_at: Timestamp,
    pub(super) marks: Marks,
}

impl Tracked {
    /// With what was reported of it before.
    pub(super) const fn placed(placement: Box<Placement>, recorded_at: Timestamp, marks: Marks) -> Self {
        Self { placement, recorded_at, marks }
    }

    /// Takes in what happened to it after its placement.
    pub(super) fn follow(&mut self, event: &OrderEvent) {
        match event {
            OrderEvent::Amended(amended) => self.placement.facts.absorb(&amended.changes),
            OrderEvent::StatusReported(report) => self.marks.report(report.status, report.counted_at()),
            OrderEvent::Frozen(frozen) => self.marks.hold(is_somebodys_word(frozen.cause)),
            OrderEvent::FreezeConfirmed(_) => self.marks.hold(true),
            OrderEvent::Released(_) => self.marks.hold(false),
            _ => {}
        }
    }

    /// The time at which windows place it.
    pub(super) fn time(&self) -> Timestamp {
        let placed_at = self.placement.facts.placed_at.unwrap_or(self.recorded_at);
        window_time(placed_at, self.recorded_at)
    }
}

/// What the log tells of an order that may not be placed yet: reports may come before the placement.
#[derive(Default)]
pub(super) struct Told {
    pub(super) placed: Option<Tracked>,
    marks: Marks,
}

impl Told {
    pub(super) fn with(mut self, event: OrderEvent, recorded_at: Timestamp) -> Self {
        match (&mut self.placed, event) {
            (Some(tracked), event) => tracked.follow(&event),
            (None, OrderEvent::Placed(Placed { channel, as_of, facts, .. })) => {
                let placed = Box::new(Placement { channel, as_of, facts });
                self.placed = Some(Tracked::placed(placed, recorded_at, self.marks));
            }
            (None, OrderEvent::StatusReported(report)) => self.marks.report(report.status, report.counted_at()),
            (None, _) => {}
        }
        self
    }
}

/// What was reported of orders that are not placed yet: messages overtake each other. Beyond [`EARLY_MAX`] the one that waits longest
/// is forgotten.
#[derive(Default)]
pub(super) struct EarlyMarks {
    /// With how many reports the order's stream begins: where it has anything else before the placement, not all was noted.
    reported: FxHashMap<StreamId, (u64, Marks)>,
    /// The orders by their first report, those placed since included.
    queue: VecDeque<StreamId>,
}

impl EarlyMarks {
    /// Notes a report, with its place in the stream of an order that is not at hand.
    pub(super) fn note(&mut self, stream: StreamId, sequence: u64, mark: impl Fn(&mut Marks)) {
        if sequence == 1 {
            if self.queue.len() >= EARLY_MAX
                && let Some(first) = self.queue.pop_front()
            {
                self.reported.remove(&first);
            }
            self.queue.push_back(stream);
            self.reported.insert(stream, (0, Marks::default()));
        }
        if let Some((events, marks)) = self.reported.get_mut(&stream).filter(|(events, _)| *events + 1 == sequence) {
            *events = sequence;
            mark(marks);
        }
    }

    /// What was reported of an order that is placed now, by the event of this place in its stream; `None` where not all before it
    /// was noted.
    pub(super) fn take(&mut self, stream: StreamId, sequence: u64) -> Option<Marks> {
        if sequence == 1 {
            return Some(Marks::default());
        }
        self.reported.remove(&stream).filter(|(events, _)| *events + 1 == sequence).map(|(_, marks)| marks)
    }
}

/// Up to [`TRACKED_MAX`] of them. The one that was taken in first goes first.
#[derive(Default)]
pub(super) struct AtHand {
    /// In the order in which they were taken in; `None` where one was taken in anew.
    queue: VecDeque<Option<(StreamId, Tracked)>>,
    /// How many are before the queue.
    gone: u64,
    /// The how manyth each is.
    places: Dense<u64>,
}

impl AtHand {
    /// Takes an order in, and gives back the one that goes for it.
    pub(super) fn put(&mut self, stream: StreamId, tracked: Tracked) -> Option<Tracked> {
        let mut gone = None;
        if self.queue.len() >= TRACKED_MAX {
            if let Some((first, tracked)) = self.queue.pop_front().flatten() {
                self.places.remove(first);
                gone = Some(tracked);
            }
            self.gone += 1;
        }
        let place = self.gone + self.queue.len() as u64;
        if let Some(before) = self.places.insert(stream, place).and_then(|before| self.index(before)) {
            self.queue[before] = None;
        }
        self.queue.push_back(Some((stream, tracked)));
        gone
    }

    /// Whether an order is there. If it is, it stays while [`STAYS_FOR`] others are taken in.
    pub(super) fn keep(&mut self, stream: StreamId) -> bool {
        let Some(index) = self.places.get(stream).and_then(|place| self.index(place)) else { return false };
        let is_soon_gone = TRACKED_MAX - self.queue.len() + index < STAYS_FOR;
        if is_soon_gone && let Some((_, tracked)) = self.queue[index].take() {
            self.put(stream, tracked);
        }
        true
    }

    pub(super) fn get(&self, stream: StreamId) -> Option<&Tracked> {
        let index = self.index(self.places.get(stream)?)?;
        self.queue[index].as_ref().map(|(_, tracked)| tracked)
    }

    pub(super) fn get_mut(&mut self, stream: StreamId) -> Option<&mut Tracked> {
        let index = self.index(self.places.get(stream)?)?;
        self.queue[index].as_mut().map(|(_, tracked)| tracked)
    }

    fn index(&self, place: u64) -> Option<usize> {
        usize::try_from(place.checked_sub(self.gone)?).ok()
    }
}

#[cfg(test)]
mod tests {
    use domain::order::{Facts, Status};

    use super::super::super::outcome::Outcome;
    use super::*;

    fn take_in(at_hand: &mut AtHand, streams: std::ops::Range<u64>) {
        for stream in streams {
            let placement = Placement { channel: "web".parse().unwrap(), as_of: None, facts: Facts::default() };
            let recorded_at = Timestamp::from_millis(stream.cast_signed());
            at_hand.put(stream, Tracked::placed(Box::new(placement), recorded_at, Marks::default()));
        }
    }

    fn has(at_hand: &AtHand, stream: u64) -> bool {
        let tracked = at_hand.get(stream);
        assert!(tracked.is_none_or(|it| it.recorded_at.millis() == stream.cast_signed()), "it is another's");
        tracked.is_some()
    }

    fn noted(early: &mut EarlyMarks, stream: u64, sequence: u64, status: Status) {
        early.note(stream, sequence, |marks| marks.report(status, Timestamp::from_millis(sequence.cast_signed())));
    }

    #[test]
    fn what_was_reported_before_a_placement_is_known_where_all_of_it_was_noted() {
        let mut early = EarlyMarks::default();
        let outcome = |marks: Option<Marks>| marks.map(|marks| marks.outcome(Timestamp::LATEST, Timestamp::EARLIEST));
        assert_eq!(outcome(early.take(1, 1)), Some(Outcome::Open), "nothing was reported");
        assert!(early.take(1, 2).is_none(), "the first event was not noted");
        noted(&mut early, 1, 1, Status::Refunded);
        noted(&mut early, 1, 2, Status::Delivered);
        noted(&mut early, 2, 1, Status::Delivered);
        assert_eq!(outcome(early.take(1, 3)), Some(Outcome::Bad), "both count");
        assert_eq!(outcome(early.take(2, 2)), Some(Outcome::Good), "each has its own");
        assert!(early.take(1, 3).is_none(), "it is placed once");

        noted(&mut early, 3, 1, Status::Shipped);
        assert!(early.take(3, 3).is_none(), "something else was told between");
        noted(&mut early, 4, 1, Status::Paid);
        noted(&mut early, 4, 3, Status::Shipped);
        assert!(early.take(4, 4).is_none(), "one was missed");
    }

    #[test]
    fn beyond_the_limit_what_was_reported_first_is_forgotten_and_the_order_read_from_the_log() {
        let (mut early, max) = (EarlyMarks::default(), EARLY_MAX as u64);
        (0..=max).for_each(|stream| noted(&mut early, stream, 1, Status::Paid));
        assert!(early.take(0, 2).is_none());
        assert!(early.take(1, 2).is_some() && early.take(max, 2).is_some());
        assert_eq!((early.queue.len(), early.reported.len()), (EARLY_MAX, EARLY_MAX - 2));
    }

    #[test]
    fn beyond_the_limit_the_one_that_was_taken_in_first_goes_first() {
        let (mut at_hand, max) = (AtHand::default(), TRACKED_MAX as u64);
        take_in(&mut at_hand, 0..max);
        assert!(has(&at_hand, 0));
        take_in(&mut at_hand, max..max + 3);
        assert!(!has(&at_hand, 2) && has(&at_hand, 3) && has(&at_hand, max + 2));
        assert_eq!(at_hand.queue.len(), TRACKED_MAX);
    }

    #[test]
    fn one_that_is_needed_stays_while_as_many_as_a_correction_needs_are_taken_in() {
        let (mut at_hand, max, stays_for) = (AtHand::default(), TRACKED_MAX as u64, STAYS_FOR as u64);
        take_in(&mut at_hand, 0..max);
        let needed = [0, 1, stays_for - 1, stays_for, max - 1];
        assert!(needed.iter().all(|stream| at_hand.keep(*stream)));
        assert!(!at_hand.keep(max));
        take_in(&mut at_hand, max..max + stays_for);
        assert!(needed.iter().all(|stream| has(&at_hand, *stream)));
        assert!(!has(&at_hand, 2));

        take_in(&mut at_hand, max + stays_for..2 * max);
        assert!(needed.iter().all(|stream| !has(&at_hand, *stream)), "it goes in its turn");
        assert!(!at_hand.keep(0));
    }
}
