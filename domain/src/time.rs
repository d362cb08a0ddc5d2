//! Points in time and lengths of time, both in whole milliseconds.
//!
//! The log stores text: a [`Timestamp`] is RFC 3339 in UTC with exactly three decimals, a [`Span`] is a whole number with
//! the largest unit that divides it (`90s`, `5m`, `24h`, `7d`). Both forms are canonical, so equal values have equal bytes.

use std::fmt;
use std::str::FromStr;

use chrono::{DateTime, NaiveDate, SecondsFormat, Utc};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// A point in time, in milliseconds since 1970-01-01T00:00:00Z.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The earliest time a message may carry: 2000-01-01T00:00:00Z.
    pub const EARLIEST: Self = Self(946_684_800_000);
    /// The latest time a message may carry: 2100-01-01T00:00:00Z.
    pub const LATEST: Self = Self(4_102_444_800_000);

    /// From milliseconds since the epoch.
    pub const fn from_millis(millis: i64) -> Self {
        Self(millis)
    }

    /// Milliseconds since the epoch.
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// The same instant for calendar arithmetic.
    pub fn to_datetime(self) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(self.0).unwrap_or_default()
    }

    /// `self + span`, saturating.
    #[must_use]
    pub const fn plus(self, span: Span) -> Self {
        Self(self.0.saturating_add(span.0))
    }

    /// `self - span`, saturating.
    #[must_use]
    pub const fn minus(self, span: Span) -> Self {
        Self(self.0.saturating_sub(span.0))
    }

    /// The time from `earlier` to `self`; zero when `earlier` is later.
    pub const fn since(self, earlier: Self) -> Span {
        let millis = self.0.saturating_sub(earlier.0);
        Span(if millis < 0 { 0 } else { millis })
    }
}

impl From<DateTime<Utc>> for Timestamp {
    fn from(time: DateTime<Utc>) -> Self {
        Self(time.timestamp_millis())
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_datetime().to_rfc3339_opts(SecondsFormat::Millis, true))
    }
}

/// Why a text is no [`Timestamp`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimestampError {
    /// Not RFC 3339 at all.
    #[error("expected an RFC 3339 time with a zone, such as 2026-11-11T00:00:01.250+08:00")]
    Format,
    /// Outside [`Timestamp::EARLIEST`] to [`Timestamp::LATEST`].
    #[error("expected a time between 2000-01-01 and 2100-01-01")]
    Range,
}

impl FromStr for Timestamp {
    type Err = TimestampError;

    /// Parses what a message says: RFC 3339 with any offset; what is finer than a millisecond is cut off.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let time = read(text)?;
        if (Self::EARLIEST..=Self::LATEST).contains(&time) { Ok(time) } else { Err(TimestampError::Range) }
    }
}

fn read(text: &str) -> Result<Timestamp, TimestampError> {
    if let Some(time) = stored(text.as_bytes()) {
        return Ok(time);
    }
    let time = DateTime::parse_from_rfc3339(text).map_err(|_| TimestampError::Format)?;
    Ok(Timestamp(time.timestamp_millis()))
}

/// Reads the one form in which times are stored, digit by digit: a log has several in each event.
fn stored(text: &[u8]) -> Option<Timestamp> {
    let &[
        y0,
        y1,
        y2,
        y3,
        b'-',
        m0,
        m1,
        b'-',
        d0,
        d1,
        b'T',
        h0,
        h1,
        b':',
        min0,
        min1,
        b':',
        s0,
        s1,
        b'.',
        f0,
        f1,
        f2,
        b'Z',
    ] = text
    else {
        return None;
    };
    let number = |digits: &[u8]| {
        digits.iter().try_fold(0, |number, digit| digit.is_ascii_digit().then(|| number * 10 + u32::from(digit - b'0')))
    };
    let year = number(&[y0, y1, y2, y3])?.cast_signed();
    let date = NaiveDate::from_ymd_opt(year, number(&[m0, m1])?, number(&[d0, d1])?)?;
    let time =
        date.and_hms_milli_opt(number(&[h0, h1])?, number(&[min0, min1])?, number(&[s0, s1])?, number(&[f0, f1, f2])?)?;
    Some(time.and_utc().into())
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Reads what is stored, whatever the clock was when it was written: the range is a matter of messages alone.
impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        read(&text).map_err(serde::de::Error::custom)
    }
}

/// The most that an event may lie ahead of our clock before windows use the time of its recording instead.
pub const FUTURE_TOLERANCE: Span = Span::from_mins(5);

/// Whether an event's own time lies too far ahead of the clock to be believed.
pub const fn is_future_dated(occurred_at: Timestamp, recorded_at: Timestamp) -> bool {
    occurred_at.0 > recorded_at.0.saturating_add(FUTURE_TOLERANCE.0)
}

/// The time at which windows place an event: its own, unless that is too far ahead of our clock.
pub const fn window_time(occurred_at: Timestamp, recorded_at: Timestamp) -> Timestamp {
    if is_future_dated(occurred_at, recorded_at) { recorded_at } else { occurred_at }
}

/// A length of time in milliseconds, never negative.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Span(i64);

const UNITS: [(&str, i64); 5] = [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)];

impl Span {
    /// From whole milliseconds; a negative number is taken as zero.
    pub const fn from_millis(millis: i64) -> Self {
        Self(if millis < 0 { 0 } else { millis })
    }

    /// From whole seconds.
    pub const fn from_secs(secs: u32) -> Self {
        Self(secs as i64 * 1_000)
    }

    /// From whole minutes.
    pub const fn from_mins(mins: u32) -> Self {
        Self(mins as i64 * 60_000)
    }

    /// From whole hours.
    pub const fn from_hours(hours: u32) -> Self {
        Self(hours as i64 * 3_600_000)
    }

    /// From days of 24 hours.
    pub const fn from_days(days: u32) -> Self {
        Self(days as i64 * 86_400_000)
    }

    /// Whole milliseconds.
    pub const fn millis(self) -> i64 {
        self.0
    }
}

impl fmt::Display for Span {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.0 == 0 {
            return f.write_str("0s");
        }
        // One day is written as rules mostly write it.
        let fits = |(unit, size): &(&str, i64)| self.0 % size == 0 && (*unit != "d" || self.0 > *size);
        let (unit, size) = UNITS.into_iter().find(fits).unwrap_or(("ms", 1));
        write!(f, "{}{unit}", self.0 / size)
    }
}

/// Why a text is no [`Span`].
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error("expected a duration such as \"90s\", \"5m\", \"24h\" or \"7d\"")]
pub struct SpanError;

impl FromStr for Span {
    type Err = SpanError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let digits = text.len() - text.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        let (number, unit) = text.split_at(digits);
        let number: i64 = number.parse().map_err(|_| SpanError)?;
        let (_, size) = UNITS.into_iter().find(|(name, _)| *name == unit).ok_or(SpanError)?;
        number.checked_mul(size).map(Self).ok_or(SpanError)
    }
}

impl Serialize for Span {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Span {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_written_in_utc_with_milliseconds() {
        let time: Timestamp = "2026-11-11T00:00:01.2509+08:00".parse().expect("a time");
        assert_eq!(time.to_string(), "2026-11-10T16:00:01.250Z");
        assert_eq!(serde_json::to_string(&time).expect("json"), "\"2026-11-10T16:00:01.250Z\"");
    }

    #[test]
    fn a_time_without_a_zone_or_out_of_range_is_refused() {
        assert_eq!("2026-11-11 00:00:01".parse::<Timestamp>(), Err(TimestampError::Format));
        assert_eq!("1999-12-31T23:59:59Z".parse::<Timestamp>(), Err(TimestampError::Range));
        assert_eq!("9999-12-31T23:59:59Z".parse::<Timestamp>(), Err(TimestampError::Range));
    }

    #[test]
    fn a_stored_time_is_readable_whatever_the_clock_was() {
        for text in ["1970-01-01T00:00:01.000Z", "2100-01-01T00:00:00.001Z", "9999-12-31T23:59:59.999Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(TimestampError::Range));
            let stored = format!("\"{text}\"");
            let time: Timestamp = serde_json::from_str(&stored).expect("readable");
            assert_eq!(serde_json::to_string(&time).expect("json"), stored);
        }
        assert!(serde_json::from_str::<Timestamp>("\"2026-11-11 00:00:01\"").is_err());
    }

    #[test]
    fn the_stored_form_is_read_like_any_other() {
        for text in ["0000-01-01T00:00:00.000Z", "2024-02-29T23:59:59.999Z", "2026-11-10T16:00:01.250Z"] {
            let time = DateTime::parse_from_rfc3339(text).expect("a time");
            assert_eq!(stored(text.as_bytes()), Some(Timestamp(time.timestamp_millis())), "{text}");
        }
        let leap = "2016-12-31T23:59:60.000Z";
        let time = DateTime::parse_from_rfc3339(leap).expect("a leap second");
        assert_eq!((stored(leap.as_bytes()), read(leap)), (None, Ok(Timestamp(time.timestamp_millis()))));
        for text in [
            "2026-02-29T00:00:00.000Z",
            "2026-00-10T00:00:00.000Z",
            "2026-11-10T24:00:00.000Z",
            "2026-11-10T00:60:00.000Z",
            "2026-11-1:T00:00:00.000Z",
            "2026-11-10T00:00:00.00/Z",
        ] {
            assert_eq!(read(text), Err(TimestampError::Format), "{text}");
        }
    }

    #[test]
    fn a_span_is_written_in_its_largest_unit_and_one_day_in_hours() {
        let days = [("24h", "24h"), ("1d", "24h"), ("48h", "2d")];
        for (text, canonical) in
            [("90s", "90s"), ("300s", "5m"), ("1500ms", "1500ms"), ("0d", "0s")].into_iter().chain(days)
        {
            let span: Span = text.parse().expect("a span");
            assert_eq!(span.to_string(), canonical);
        }
        for text in ["", "5", "m", "-5m", "5 m", "5w", "9223372036854775807d", "1.5h"] {
            assert_eq!(text.parse::<Span>(), Err(SpanError), "{text}");
        }
    }
}
