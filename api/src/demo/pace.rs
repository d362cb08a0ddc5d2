//! How fast the shop's day goes.

use std::time::Duration;

use domain::time::{Span, Timestamp};
use tokio::time::{Instant, sleep, sleep_until};

/// The shop's clock beside ours.
#[derive(Clone, Copy)]
pub(super) struct Pace {
    began: Instant,
    opens_at: Timestamp,
    ends_at: Timestamp,
    speed: u32,
}

impl Pace {
    /// The shop opens now.
    pub(super) fn begin(opens_at: Timestamp, ends_at: Timestamp, speed: u32) -> Self {
        Self { began: Instant::now(), opens_at, ends_at, speed: speed.max(1) }
    }

    /// How many times as fast as life.
    pub(super) const fn speed(self) -> u32 {
        self.speed
    }

    /// What the shop's clock shows.
    pub(super) fn now(self) -> Timestamp {
        let passed = self.began.elapsed().as_millis().saturating_mul(u128::from(self.speed));
        self.opens_at.plus(Span::from_millis(i64::try_from(passed).unwrap_or(i64::MAX / 2)))
    }

    /// Whether the shop is closed at a time, by its clock.
    pub(super) fn is_over(self, at: Timestamp) -> bool {
        at >= self.ends_at
    }

    /// Waits until the shop's clock shows a time; what comes after the day's end is not waited for.
    pub(super) async fn until(self, at: Timestamp) {
        let at = at.min(self.ends_at);
        sleep_until(self.began + self.real(at.since(self.opens_at))).await;
    }

    /// Waits while so much of the shop's time goes by.
    pub(super) async fn wait(self, span: Span) {
        sleep(self.real(span)).await;
    }

    /// How long something of the shop's takes by our clock.
    pub(super) fn real(self, span: Span) -> Duration {
        Duration::from_millis(span.millis().unsigned_abs()) / self.speed
    }
}
