//! What becomes of an order after it was placed, as its channel and the warehouse report it.

use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::purchase::PAYMENT_DUE;
use crate::random::Random;

/// The most reports of one order.
const STEPS_MAX: usize = 4;

/// The reports of one order in the order of their time, those that are left.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Course {
    steps: [Option<Step>; STEPS_MAX],
    next: usize,
}

/// One report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Step {
    Paid(i64),
    Shipped(i64),
    Delivered(i64),
    Completed(i64),
    Cancelled(i64),
    Refunded(i64),
}

impl Step {
    pub(crate) const fn at(self) -> i64 {
        let (Self::Paid(at)
        | Self::Shipped(at)
        | Self::Delivered(at)
        | Self::Completed(at)
        | Self::Cancelled(at)
        | Self::Refunded(at)) = self;
        at
    }

    pub(crate) const fn status(self) -> &'static str {
        match self {
            Self::Paid(_) => "paid",
            Self::Shipped(_) => "shipped",
            Self::Delivered(_) => "delivered",
            Self::Completed(_) => "completed",
            Self::Cancelled(_) => "cancelled",
            Self::Refunded(_) => "refunded",
        }
    }

    pub(crate) const fn source(self) -> &'static str {
        match self {
            Self::Shipped(_) | Self::Delivered(_) => "wms",
            Self::Paid(_) | Self::Completed(_) | Self::Cancelled(_) | Self::Refunded(_) => "shop",
        }
    }
}

impl Iterator for Course {
    type Item = Step;

    fn next(&mut self) -> Option<Step> {
        let step = *self.steps.get(self.next)?;
        self.next += 1;
        step
    }
}

impl Course {
    fn new(steps: &[Step]) -> Self {
        let mut course = Self::default();
        for (place, step) in course.steps.iter_mut().zip(steps) {
            *place = Some(*step);
        }
        course
    }

    /// Paid after so long, delivered in a few days, and seldom sent back.
    pub(crate) fn bought(random: &mut Random, at: i64, pays_in: i64) -> Self {
        let paid = at + pays_in;
        let shipped = paid + random.between(6 * HOUR, 30 * HOUR);
        let delivered = shipped + random.between(DAY, 3 * DAY);
        let mut steps = vec![Step::Paid(paid)];
        // Not every warehouse tells when a parcel leaves.
        if random.happens(200) {
            steps.push(Step::Shipped(shipped));
        }
        steps.push(Step::Delivered(delivered));
        if random.happens(25) {
            steps.push(Step::Refunded(delivered + random.between(DAY, 3 * DAY)));
        }
        Self::new(&steps)
    }

    /// As most customers do: pays within a minute or two, and sometimes lets it be.
    pub(crate) fn usual(random: &mut Random, at: i64) -> Self {
        if random.happens(60) {
            return Self::lapsed(at);
        }
        let pays_in = human_payment(random);
        Self::bought(random, at, pays_in)
    }

    /// Paid with somebody else's means, who wants them back.
    pub(crate) fn charged_back(random: &mut Random, at: i64) -> Self {
        let paid = at + random.between(5 * SECOND, 40 * SECOND);
        Self::new(&[Step::Paid(paid), Step::Refunded(paid + random.between(6 * HOUR, 2 * DAY))])
    }

    /// Paid at a till and taken along.
    pub(crate) fn taken_along(at: i64) -> Self {
        Self::new(&[Step::Paid(at + 2 * SECOND), Step::Completed(at + 3 * SECOND)])
    }

    /// Never paid: the channel calls it off when payment is overdue.
    pub(crate) fn lapsed(at: i64) -> Self {
        Self::new(&[Step::Cancelled(at + PAYMENT_DUE)])
    }

    /// Called off by who placed it.
    pub(crate) fn cancelled(at: i64, after: i64) -> Self {
        Self::new(&[Step::Cancelled(at + after)])
    }
}

/// How long people take to pay.
pub(crate) fn human_payment(random: &mut Random) -> i64 {
    match random.below(100) {
        0..70 => random.between(6 * SECOND, 45 * SECOND),
        70..94 => random.between(45 * SECOND, 4 * MINUTE),
        _ => random.between(4 * MINUTE, 25 * MINUTE),
    }
}
