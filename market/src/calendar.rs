//! When people order: by the hour of the day, and in the sale that begins at the last day's midnight.

use crate::random::Random;

pub(crate) const SECOND: i64 = 1_000;
pub(crate) const MINUTE: i64 = 60 * SECOND;
pub(crate) const HOUR: i64 = 60 * MINUTE;
pub(crate) const DAY: i64 = 24 * HOUR;

/// 2025-11-12T00:00 in China, where every run ends: the sale is that of 11 November. A fixed day, so that a seed gives the same bytes
/// tomorrow, and one that is past, so that no clock takes it for the future.
const END: i64 = 1_762_876_800_000;

/// Orders by the hour of an ordinary day, in proportion.
const HOURS: [u64; 24] = [30, 15, 8, 5, 4, 5, 10, 20, 35, 50, 60, 58, 55, 52, 55, 56, 54, 50, 52, 62, 75, 80, 72, 50];
/// Hours of the day at which limited goods are put on sale.
const SALES: [i64; 2] = [10, 20];
/// Of all orders, how many in a thousand come because the sale begins, and for how many minutes.
const RUSH_PER_MILLE: u64 = 80;
const RUSH_MINUTES: u64 = 60;

/// The days of a run, which begin and end at midnight in China.
#[derive(Clone, Copy)]
pub(crate) struct Calendar {
    days: i64,
    end: i64,
    /// What the rush adds to its first minute; its `n`th has an `n`th of that.
    rush: u64,
}

impl Calendar {
    pub(crate) fn new(days: u32) -> Self {
        let ordinary = 60 * HOURS.iter().sum::<u64>() * u64::from(days);
        let wanted = ordinary * RUSH_PER_MILLE / (1_000 - RUSH_PER_MILLE);
        let harmonic = (1..=RUSH_MINUTES).map(|minute| 1_000_000 / minute).sum::<u64>();
        Self { days: i64::from(days), end: END, rush: wanted * 1_000_000 / harmonic }
    }

    /// One day without a sale at midnight, that ends at some midnight.
    pub(crate) const fn ordinary_day(end: i64) -> Self {
        Self { days: 1, end, rush: 0 }
    }

    pub(crate) const fn start(self) -> i64 {
        self.end - self.days * DAY
    }

    pub(crate) const fn end(self) -> i64 {
        self.end
    }

    /// When the sale begins.
    pub(crate) const fn midnight(self) -> i64 {
        self.end - DAY
    }

    pub(crate) const fn minutes(self) -> i64 {
        self.days * DAY / MINUTE
    }

    /// How many orders come in a minute, in proportion: those of an ordinary day, and those of the rush.
    pub(crate) fn weight(self, minute: i64) -> (u64, u64) {
        let hour = usize::try_from(minute / 60 % 24).expect("an hour of the day");
        let since = self.start() + minute * MINUTE - self.midnight();
        let rush = u64::try_from(since / MINUTE).ok().filter(|minute| since >= 0 && *minute < RUSH_MINUTES);
        (HOURS[hour], rush.map_or(0, |minute| self.rush / (minute + 1)))
    }

    /// What comes from a minute on, in proportion.
    pub(crate) fn weight_from(self, minute: i64) -> u64 {
        (minute..self.minutes()).map(|minute| self.weight(minute)).map(|(ordinary, rush)| ordinary + rush).sum()
    }

    /// Some time of the first `days` days, as likely as people order then.
    pub(crate) fn by_day(self, random: &mut Random, days: i64) -> i64 {
        let day = random.between(0, days.clamp(1, self.days) - 1);
        loop {
            let minute = random.between(0, 24 * 60 - 1);
            let hour = usize::try_from(minute / 60).expect("an hour of the day");
            if random.below(80) < HOURS[hour] {
                return self.start() + day * DAY + minute * MINUTE + random.between(0, MINUTE - 1);
            }
        }
    }

    /// Just after limited goods were put on sale: at the rush more often than not, or at another sale of the run.
    pub(crate) fn at_sale(self, random: &mut Random, within: i64) -> i64 {
        let opens = if random.happens(550) {
            self.midnight()
        } else {
            self.start() + random.between(0, self.days - 1) * DAY + random.pick(&SALES) * HOUR
        };
        opens + random.between(0, within)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_rush_has_its_share_and_begins_at_the_last_midnight() {
        let calendar = Calendar::new(14);
        let rush: u64 = (0..calendar.minutes()).map(|minute| calendar.weight(minute).1).sum();
        let per_mille = rush * 1_000 / calendar.weight_from(0);
        assert!((78..=80).contains(&per_mille), "{per_mille}");
        let first = (0..calendar.minutes()).find(|minute| calendar.weight(*minute).1 > 0);
        assert_eq!(first, Some(13 * 24 * 60));
        let at = domain::time::Timestamp::from_millis(calendar.midnight());
        assert_eq!(at.to_string(), "2025-11-10T16:00:00.000Z", "midnight in China");
    }
}
