//! What a publication is expected to do, and whether it does.
//!
//! A forecast names the shares of orders that are expected to be challenged and frozen, and the factor by which each may
//! differ. A share lies outside its band only when chance does not explain that: when its Wilson score interval, at
//! [`DEVIATIONS`] standard deviations, lies wholly outside. All is computed in integers, so every replay finds it at the
//! same order.

use serde::{Deserialize, Serialize};

use crate::order::{Scored, ScoredCause};
use crate::rulebook::{Action, Rulebook};

/// A share of one, in parts per million.
pub const ONE_PPM: u32 = 1_000_000;
/// The smallest factor, in percent.
pub const FACTOR_PERCENT_MIN: u32 = 101;
/// The largest factor, in percent.
pub const FACTOR_PERCENT_MAX: u32 = 10_000;
/// The fewest orders that a share is told from.
pub const AFTER_ORDERS_MIN: u64 = 100;
/// The most orders that can be waited for.
pub const AFTER_ORDERS_MAX: u64 = 1_000_000;
/// How many orders are waited for when nobody says.
pub const AFTER_ORDERS: u64 = 200;
/// Whoever expects less than one in ten thousand is taken at this: no history tells smaller shares apart.
const EXPECTED_PPM_MIN: u32 = 100;
/// How many standard deviations the interval reaches to either side. It is looked at after every order, so it is wide: at
/// the edge of the band a single look errs three times in a hundred thousand.
pub const DEVIATIONS: u64 = 4;

/// What a publication is expected to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Forecast {
    /// The share of orders that are challenged, in parts per million.
    pub challenge_ppm: u32,
    /// The share of orders that are frozen, in parts per million.
    pub freeze_ppm: u32,
    /// By which factor either may differ, in percent.
    pub factor_percent: u32,
    /// From how many orders on it is looked at.
    pub after_orders: u64,
}

/// Why a version is not in force any more.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ForecastLeft {
    /// Which version.
    pub version: u32,
    /// Which share left its band.
    pub rate: Rate,
    /// What was expected of it, in parts per million.
    pub expected_ppm: u32,
    /// By which factor it might have differed, in percent.
    pub factor_percent: u32,
    /// How many of the orders it was by then.
    pub held: u64,
    /// How many orders there were by then.
    pub orders: u64,
}

/// A share of the orders.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Rate {
    /// Those whose customers are asked.
    Challenge,
    /// Those that are held.
    Freeze,
}

/// What became of the orders since a publication, each by its first screening.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Tally {
    /// All of them.
    pub orders: u64,
    /// Those whose customers are asked.
    pub challenged: u64,
    /// Those that are held.
    pub frozen: u64,
}

impl Tally {
    /// The share of the orders that some of them are, in millionths.
    pub fn ppm(self, some: u64) -> u64 {
        some.saturating_mul(1_000_000).checked_div(self.orders).unwrap_or(0)
    }

    /// Takes in a screening by a rulebook; those after the first of an order count nothing.
    pub fn take(&mut self, scored: &Scored, rulebook: &Rulebook) {
        if scored.cause != ScoredCause::Placed {
            return;
        }
        self.count(rulebook.tier(&scored.tier).filter(|_| scored.exemption.is_none()).map(|tier| tier.action));
    }

    /// Takes in what is done with an order; `None` where it is let go.
    pub const fn count(&mut self, action: Option<Action>) {
        self.orders += 1;
        match action {
            Some(Action::Challenge(_)) => self.challenged += 1,
            Some(Action::Freeze) => self.frozen += 1,
            None => {}
        }
    }
}

impl Forecast {
    /// Whether a version left it by now, the freezes first.
    pub fn left_by(&self, version: u32, tally: Tally) -> Option<ForecastLeft> {
        let Tally { orders, challenged, frozen } = tally;
        if orders < self.after_orders {
            return None;
        }
        let rates = [(Rate::Freeze, self.freeze_ppm, frozen), (Rate::Challenge, self.challenge_ppm, challenged)];
        let left = rates.into_iter().find(|(_, expected_ppm, held)| self.is_left(*expected_ppm, *held, orders));
        let factor_percent = self.factor_percent;
        left.map(|(rate, expected_ppm, held)| ForecastLeft {
            version,
            rate,
            expected_ppm,
            factor_percent,
            held,
            orders,
        })
    }

    fn is_left(&self, expected_ppm: u32, held: u64, orders: u64) -> bool {
        let (expected, factor) = (u64::from(expected_ppm), u64::from(self.factor_percent));
        let highest = (expected.max(EXPECTED_PPM_MIN.into()) * factor).div_ceil(100);
        let lowest = expected * 100 / factor;
        let share = u128::from(held) * u128::from(ONE_PPM);
        let at = |ppm: u64| u128::from(orders) * u128::from(ppm);
        (share > at(highest) && is_wholly_beside(held, orders, highest))
            || (share < at(lowest) && is_wholly_beside(held, orders, lowest))
    }
}

/// Whether the Wilson score interval of `held` of `orders` does not reach a share: with n orders, k of them held, the interval
/// is all u with |k − nu| ≤ z √(n u (1 − u)) (Wilson 1927).
fn is_wholly_beside(held: u64, orders: u64, ppm: u64) -> bool {
    let one = u128::from(ONE_PPM);
    let (held, orders, share) = (u128::from(held), u128::from(orders), u128::from(ppm).min(one));
    let distance = (held * one).abs_diff(orders * share);
    let deviations = u128::from(DEVIATIONS);
    distance * distance > deviations * deviations * orders * share * (one - share)
}

#[cfg(test)]
mod tests {
    use super::*;

    const EXPECTED: Forecast =
        Forecast { challenge_ppm: 20_000, freeze_ppm: 1_000, factor_percent: 200, after_orders: 200 };

    fn left(forecast: Forecast, orders: u64, challenged: u64, frozen: u64) -> Option<Rate> {
        forecast.left_by(2, Tally { orders, challenged, frozen }).map(|left| left.rate)
    }

    #[test]
    fn a_share_leaves_its_band_when_chance_does_not_explain_it() {
        for (orders, challenged, frozen, found) in [
            (199, 0, 199, None),
            (200, 4, 0, None),
            (200, 4, 2, None),
            (200, 4, 3, Some(Rate::Freeze)),
            (200, 19, 0, None),
            (200, 20, 0, Some(Rate::Challenge)),
            (200, 200, 200, Some(Rate::Freeze)),
            (10_000, 478, 20, None),
            (10_000, 479, 20, Some(Rate::Challenge)),
            (10_000, 200, 37, None),
            (10_000, 200, 38, Some(Rate::Freeze)),
            (10_000, 61, 10, None),
            (10_000, 60, 10, Some(Rate::Challenge)),
        ] {
            assert_eq!(left(EXPECTED, orders, challenged, frozen), found, "{challenged} and {frozen} of {orders}");
        }
    }

    #[test]
    fn where_none_is_expected_one_may_come_and_where_all_are_none_can_be_too_many() {
        let none = Forecast { challenge_ppm: 0, freeze_ppm: 0, ..EXPECTED };
        assert_eq!([0, 1, 2].map(|frozen| left(none, 1_000, 0, frozen)), [None, None, Some(Rate::Freeze)]);
        assert_eq!(left(none, 1_000_000, 0, 0), None, "fewer than none cannot be");
        let all = Forecast { challenge_ppm: ONE_PPM, freeze_ppm: 0, ..EXPECTED };
        assert_eq!([1_000, 0].map(|challenged| left(all, 1_000, challenged, 0)), [None, Some(Rate::Challenge)]);
    }

    #[test]
    fn no_number_of_orders_is_too_large_to_be_looked_at() {
        assert_eq!(left(EXPECTED, 1 << 40, 1 << 40, (1 << 40) / 1_000), Some(Rate::Challenge));
        assert_eq!(left(EXPECTED, 1 << 40, (1 << 40) / 50, (1 << 40) / 1_000), None);
    }
}
