//! Whether an endpoint is worth trying. One that failed again and again is left alone for a while, then a single message tries
//! whether it is back.

use domain::time::Timestamp;

use crate::terms::Terms;

#[derive(Debug, Default)]
pub(crate) struct Breaker {
    /// Failures since the last success.
    failures: u32,
    /// How often in a row it was found down.
    downs: u32,
    /// Until when it is left alone; `None` while it counts as well.
    rests_until: Option<Timestamp>,
}

impl Breaker {
    /// How many messages may be under way.
    pub(crate) fn room(&self, now: Timestamp, terms: &Terms) -> usize {
        match self.rests_until {
            None => terms.at_once_max,
            Some(until) if now < until => 0,
            Some(_) => 1,
        }
    }

    /// Until when nothing may be sent, if so.
    pub(crate) fn rests_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.rests_until.filter(|until| now < *until)
    }

    pub(crate) const fn is_open(&self) -> bool {
        self.rests_until.is_some()
    }

    pub(crate) fn succeeded(&mut self) {
        *self = Self::default();
    }

    /// Answers whether the endpoint counts as down from now on, or still.
    pub(crate) fn failed(&mut self, now: Timestamp, terms: &Terms) -> bool {
        self.failures = self.failures.saturating_add(1);
        // What was under way when it was found down says nothing new.
        if self.failures < terms.failures_max || self.rests_until(now).is_some() {
            return false;
        }
        self.downs = self.downs.saturating_add(1);
        self.rests_until = Some(now.plus(terms.rest(self.downs)));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_that_fails_again_and_again_rests_longer_each_time_and_one_success_is_enough() {
        let terms = Terms { failures_max: 3, ..Terms::default() };
        let second = |seconds: i64| Timestamp::from_millis(1_794_355_200_000 + seconds * 1_000);
        let mut breaker = Breaker::default();
        assert!(!breaker.failed(second(0), &terms));
        breaker.succeeded();
        assert_eq!([0, 0, 0, 0].map(|at| breaker.failed(second(at), &terms)), [false, false, true, false]);
        assert_eq!([0, 4, 5].map(|at| breaker.room(second(at), &terms)), [0, 0, 1]);
        assert!(breaker.failed(second(5), &terms));
        assert_eq!([14, 15].map(|at| breaker.room(second(at), &terms)), [0, 1]);
        breaker.succeeded();
        assert_eq!(breaker.room(second(15), &terms), terms.at_once_max);
    }
}
