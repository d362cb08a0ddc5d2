//! A share with how sure it is.

use serde::Serialize;

/// So many of so many, with the 95 % interval of Wilson (1927), "Probable inference, the law of succession, and statistical
/// inference", which stays inside 0 to 1 and is right where none was found.
#[derive(Clone, Copy, PartialEq, Debug, Serialize)]
pub struct Share {
    /// How many.
    pub count: u64,
    /// Of how many.
    pub of: u64,
    /// The share; 0 of none.
    pub share: f64,
    /// The interval's lower end.
    pub low: f64,
    /// The interval's upper end; 1 of none.
    pub high: f64,
}

/// The normal quantile of 97.5 %.
const Z: f64 = 1.959_963_984_540_054;

impl Share {
    /// `count` of `of`.
    #[expect(clippy::cast_precision_loss, reason = "counts of orders are far below 2^53")]
    pub fn new(count: u64, of: u64) -> Self {
        if of == 0 {
            return Self { count, of, share: 0.0, low: 0.0, high: 1.0 };
        }
        let (n, share) = (of as f64, count as f64 / of as f64);
        let middle = share + Z * Z / (2.0 * n);
        let reach = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
        let scale = 1.0 + Z * Z / n;
        let (low, high) = ((middle - reach) / scale, (middle + reach) / scale);
        Self { count, of, share, low: low.max(0.0), high: high.min(1.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn intervals_are_those_of_the_tables() {
        // The first four as the formula gives them elsewhere; the others are table I of Newcombe (1998), "Two-sided confidence
        // intervals for the single proportion", to its four places.
        for (count, of, low, high) in [
            (0, 10, 0.0, 0.277_532),
            (1, 10, 0.017_876, 0.404_150),
            (5, 10, 0.236_593, 0.763_407),
            (10, 10, 0.722_468, 1.0),
            (81, 263, 0.255_3, 0.366_2),
            (15, 148, 0.062_4, 0.160_5),
        ] {
            let share = Share::new(count, of);
            assert!((share.low - low).abs() < 5e-5, "{count} of {of}: {share:?}");
            assert!((share.high - high).abs() < 5e-5, "{count} of {of}: {share:?}");
        }
    }

    #[test]
    fn of_none_nothing_is_known() {
        assert_eq!(Share::new(0, 0), Share { count: 0, of: 0, share: 0.0, low: 0.0, high: 1.0 });
    }
}
