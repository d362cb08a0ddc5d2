//! One run: senders, orders, a pace.
//!
//! In a closed loop latency counts from sending. At a fixed rate it counts from the moment the order was due, so that a
//! service that stalls is charged for the orders it kept from being sent (no coordinated omission).

use std::future::Future;
use std::iter::Enumerate;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::vec::IntoIter;

use anyhow::Context;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::figures::Figures;

/// How long answers may be overdue before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// When orders are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Pace {
    /// Each sender sends its next order when the last one is answered.
    Closed {
        /// For how long.
        duration: Duration,
    },
    /// Orders are due at equal distances.
    Fixed {
        /// How many in a second.
        per_second: u64,
    },
}

/// One client of what is measured, with one order under way at a time.
pub trait Sender: Send + 'static {
    /// What is sent, made before the clock starts.
    type Order: Send + 'static;

    /// Sends an order and waits for its durable answer.
    ///
    /// # Errors
    /// Why it does not count as taken.
    fn place(&mut self, order: Self::Order) -> impl Future<Output = Result<(), String>> + Send;

    /// Gets ready for another order after one that was not taken; false when that cannot be.
    fn recover(&mut self) -> impl Future<Output = bool> + Send {
        async { true }
    }
}

/// What the senders share.
struct Shared<O> {
    orders: Mutex<Enumerate<IntoIter<O>>>,
    /// One permit for each order that is due.
    due: Semaphore,
    started: Instant,
    pace: Pace,
}

/// Sends the orders, and tells what came of it. A closed loop ends early when there are no more orders.
///
/// # Errors
/// When a sender fails, or answers are still missing long after the run.
pub async fn run<S: Sender>(senders: Vec<S>, orders: Vec<S::Order>, pace: Pace) -> anyhow::Result<Figures> {
    let count = orders.len();
    let longest = match pace {
        Pace::Closed { duration } => duration,
        Pace::Fixed { per_second } => due_after(count, per_second),
    };
    let orders = Mutex::new(orders.into_iter().enumerate());
    let shared = Arc::new(Shared { orders, due: Semaphore::new(0), started: Instant::now(), pace });
    if let Pace::Fixed { per_second } = pace {
        let shared = shared.clone();
        std::thread::spawn(move || shared.let_go(count, per_second));
    }
    let mut workers = JoinSet::new();
    for sender in senders {
        workers.spawn(shared.clone().work(sender));
    }
    let mut figures = Figures::new()?;
    let all = async {
        while let Some(worked) = workers.join_next().await {
            figures.add(&worked.context("a sender failed")??);
        }
        anyhow::Ok(())
    };
    timeout(longest + PATIENCE, all).await.context("answers are still missing long after the run")??;
    figures.set_elapsed(shared.started.elapsed());
    Ok(figures)
}

impl<O: Send> Shared<O> {
    /// Sends until there is nothing more to send, or until the sender is of no more use.
    async fn work<S: Sender<Order = O>>(self: Arc<Self>, mut sender: S) -> anyhow::Result<Figures> {
        let mut figures = Figures::new()?;
        while let Some((order, since)) = self.next().await {
            match sender.place(order).await {
                Ok(()) => figures.answered(since.elapsed()),
                Err(trouble) => {
                    figures.failed(trouble);
                    if !sender.recover().await {
                        break;
                    }
                }
            }
        }
        Ok(figures)
    }

    /// The next order, when it is due, and the moment from which its latency counts.
    async fn next(&self) -> Option<(O, Instant)> {
        match self.pace {
            Pace::Closed { duration } => {
                let now = Instant::now();
                if now - self.started >= duration { None } else { self.take().map(|(_, order)| (order, now)) }
            }
            Pace::Fixed { per_second } => {
                self.due.acquire().await.ok()?.forget();
                self.take().map(|(number, order)| (order, self.started + due_after(number, per_second)))
            }
        }
    }

    fn take(&self) -> Option<(usize, O)> {
        self.orders.lock().unwrap_or_else(PoisonError::into_inner).next()
    }

    /// Lets each order go when it is due. In a thread of its own, for the runtime's timers are only exact to a millisecond.
    fn let_go(&self, count: usize, per_second: u64) {
        for number in 0..count {
            let due = self.started + due_after(number, per_second);
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
            self.due.add_permits(1);
        }
        // Who waits now finds that there is no order left.
        self.due.add_permits(Semaphore::MAX_PERMITS / 2);
    }
}

/// When an order is due after the start.
fn due_after(number: usize, per_second: u64) -> Duration {
    let nanos = number as u128 * 1_000_000_000 / u128::from(per_second);
    Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Takes an order if it is good.
    struct Picky;

    impl Sender for Picky {
        type Order = bool;

        async fn place(&mut self, is_good: bool) -> Result<(), String> {
            if is_good { Ok(()) } else { Err("refused".to_owned()) }
        }
    }

    #[tokio::test]
    async fn at_a_fixed_rate_an_order_that_is_sent_late_counts_from_when_it_was_due() {
        let stalled = Duration::from_secs(3);
        let shared = Shared {
            orders: Mutex::new(vec!["first", "second"].into_iter().enumerate()),
            due: Semaphore::new(2),
            started: Instant::now() - stalled,
            pace: Pace::Fixed { per_second: 2 },
        };
        for (order, due_ms) in [("first", 0), ("second", 500)] {
            let (next, since) = shared.next().await.unwrap();
            assert_eq!((next, since - shared.started), (order, Duration::from_millis(due_ms)));
            assert!(since.elapsed() >= stalled - Duration::from_millis(due_ms));
        }
    }

    #[tokio::test]
    async fn in_a_closed_loop_each_order_is_sent_once_and_refusals_are_told() {
        let pace = Pace::Closed { duration: Duration::from_secs(60) };
        let figures = run(vec![Picky, Picky], vec![true, false, true], pace).await.unwrap();
        assert!(figures.has_errors());
        assert!(figures.to_string().starts_with("orders=2 errors=1 "), "{figures}");
    }

    #[tokio::test]
    async fn at_a_fixed_rate_all_orders_are_sent_and_then_it_ends() {
        let figures = run(vec![Picky, Picky], vec![true; 50], Pace::Fixed { per_second: 100_000 }).await.unwrap();
        assert!(!figures.has_errors());
        assert!(figures.to_string().starts_with("orders=50 errors=0 "), "{figures}");
    }
}
