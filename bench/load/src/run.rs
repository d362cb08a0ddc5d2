//! One run: bodies, connections, a pace.
//!
//! In a closed loop latency counts from sending. At a fixed rate it counts from the moment the order was due, so that a
//! service that stalls is charged for the orders it kept from being sent (no coordinated omission).

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::connection::{Connection, Target};
use crate::figures::Figures;

/// How long answers may be overdue before the run is given up.
const PATIENCE: Duration = Duration::from_secs(30);

/// When orders are sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Pace {
    /// Each connection sends its next order when the last one is answered.
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

/// What is to be done.
pub(crate) struct Run {
    pub(crate) target: Target,
    pub(crate) bodies: Vec<Bytes>,
    pub(crate) connections: u16,
    pub(crate) pace: Pace,
}

/// What the connections share.
struct Shared {
    bodies: Vec<Bytes>,
    next: AtomicUsize,
    /// One permit for each order that is due.
    due: Semaphore,
    started: Instant,
    pace: Pace,
}

impl Run {
    /// Runs, and tells what came of it.
    pub(crate) async fn go(self) -> anyhow::Result<Figures> {
        let mut connections = Vec::with_capacity(usize::from(self.connections));
        for _ in 0..self.connections {
            connections.push(self.target.connect().await?);
        }
        let longest = match self.pace {
            Pace::Closed { duration } => duration,
            Pace::Fixed { per_second } => due_after(self.bodies.len(), per_second),
        };
        let shared = Arc::new(Shared {
            bodies: self.bodies,
            next: AtomicUsize::new(0),
            due: Semaphore::new(0),
            started: Instant::now(),
            pace: self.pace,
        });
        if let Pace::Fixed { per_second } = shared.pace {
            let shared = shared.clone();
            std::thread::spawn(move || shared.let_go(per_second));
        }
        let mut workers = JoinSet::new();
        for connection in connections {
            workers.spawn(shared.clone().work(connection));
        }
        let mut figures = Figures::new()?;
        let all = async {
            while let Some(worked) = workers.join_next().await {
                figures.add(&worked.context("a sender failed")??);
            }
            anyhow::Ok(())
        };
        timeout(longest + PATIENCE, all).await.context("answers are still missing long after the run")??;
        figures.elapsed = shared.started.elapsed();
        Ok(figures)
    }
}

impl Shared {
    /// Sends until there is nothing more to send, or until the service cannot be reached.
    async fn work(self: Arc<Self>, mut connection: Connection) -> anyhow::Result<Figures> {
        let mut figures = Figures::new()?;
        while let Some((body, since)) = self.next().await {
            match connection.place(body).await {
                Ok(()) => figures.answered(since.elapsed()),
                Err(trouble) => {
                    figures.failed(trouble);
                    connection = match connection.again().await {
                        Ok(connection) => connection,
                        Err(_) => break,
                    };
                }
            }
        }
        Ok(figures)
    }

    /// The next order, when it is due, and the moment from which its latency counts.
    async fn next(&self) -> Option<(Bytes, Instant)> {
        match self.pace {
            Pace::Closed { duration } => {
                let now = Instant::now();
                if now - self.started >= duration {
                    return None;
                }
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                self.bodies.get(number).map(|body| (body.clone(), now))
            }
            Pace::Fixed { per_second } => {
                self.due.acquire().await.ok()?.forget();
                let number = self.next.fetch_add(1, Ordering::Relaxed);
                self.bodies.get(number).map(|body| (body.clone(), self.started + due_after(number, per_second)))
            }
        }
    }

    /// Lets each order go when it is due. In a thread of its own, for the runtime's timers are only exact to a millisecond.
    fn let_go(&self, per_second: u64) {
        for number in 0..self.bodies.len() {
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
