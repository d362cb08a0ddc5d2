//! What the handling of a score depends on beside the score: the merchant's settings, and how many customers were asked in the
//! last minute.

use std::collections::VecDeque;

use chrono::Timelike;
use chrono_tz::Tz;
use domain::ids::MerchantId;
use domain::merchant::MerchantRegistered;
use domain::order::{ChallengeMethod, DowngradeReason, OrderEvent};
use domain::screening::Ways;
use domain::settings::{HOLD_OUT_WHOLE, Settings};
use domain::time::{Span, Timestamp};
use eventlog::StreamId;

use super::Memory;
use crate::bytes::{Reader, Writer};

const MINUTE: Span = Span::from_mins(1);

/// See the module.
#[derive(Clone)]
pub(super) struct Handling {
    pub(super) settings: Settings,
    pub(super) zone: Tz,
    /// When customers were asked, the latest minute of it; kept for a way that has a limit.
    sms: VecDeque<Timestamp>,
    calls: VecDeque<Timestamp>,
}

impl Handling {
    pub(super) fn of(registered: &MerchantRegistered) -> Self {
        Self::by(Settings::in_zone(&registered.time_zone))
    }

    fn by(settings: Settings) -> Self {
        let zone = settings.time_zone.parse().unwrap_or(Tz::UTC);
        Self { settings, zone, sms: VecDeque::new(), calls: VecDeque::new() }
    }

    pub(super) fn change(&mut self, settings: &Settings) {
        let (sms, calls) = (std::mem::take(&mut self.sms), std::mem::take(&mut self.calls));
        *self = Self { sms, calls, ..Self::by(settings.clone()) };
    }

    /// Counts a question that was put to a customer.
    pub(super) fn count(&mut self, event: &OrderEvent, at: Timestamp) {
        let method = match event {
            OrderEvent::Challenged(challenged) => challenged.method,
            OrderEvent::ChallengeResent(_) => ChallengeMethod::Sms,
            OrderEvent::CallUnanswered(call) if call.attempts_left > 0 => ChallengeMethod::Call,
            _ => return,
        };
        let (asked, limit) = match method {
            ChallengeMethod::Sms => (&mut self.sms, self.settings.sms_per_minute),
            ChallengeMethod::Call => (&mut self.calls, self.settings.calls_per_minute),
        };
        while asked.front().is_some_and(|first| *first <= at.minus(MINUTE)) {
            asked.pop_front();
        }
        if limit.is_some() {
            asked.push_back(at);
        }
    }

    fn ways(&self, at: Timestamp) -> Ways {
        let is_full = |asked: &VecDeque<Timestamp>, limit: Option<u32>| {
            let recent = asked.iter().rev().take_while(|time| **time > at.minus(MINUTE));
            limit.is_some_and(|limit| recent.count() >= usize::try_from(limit).unwrap_or(usize::MAX))
        };
        let capacity = |is_full| if is_full { Err(DowngradeReason::Capacity) } else { Ok(()) };
        let clock = at.to_datetime().with_timezone(&self.zone);
        let minute = u16::try_from(clock.hour() * 60 + clock.minute()).unwrap_or_default();
        let is_quiet = self.settings.quiet_hours.is_some_and(|hours| hours.hold(minute));
        let call = if is_quiet {
            Err(DowngradeReason::QuietHours)
        } else {
            capacity(is_full(&self.calls, self.settings.calls_per_minute))
        };
        Ways { sms: capacity(is_full(&self.sms, self.settings.sms_per_minute)), call }
    }

    /// Whether an order is of the share that passes whatever it scores. Drawn by the number of its stream, which nobody who
    /// places an order chooses and which every replay finds again.
    pub(super) fn holds_out(&self, stream: StreamId) -> bool {
        let share = self.settings.hold_out_basis_points;
        // SplitMix64's finaliser, <https://prng.di.unimi.it/splitmix64.c>: neighbouring numbers come out unrelated.
        let mut mixed = stream.wrapping_add(0x9e37_79b9_7f4a_7c15);
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        share > 0 && (mixed ^ (mixed >> 31)) % u64::from(HOLD_OUT_WHOLE) < u64::from(share)
    }

    pub(super) fn write(&self, writer: &mut Writer) {
        writer.text(&serde_json::to_string(&self.settings).expect("plain data has a JSON form"));
        for asked in [&self.sms, &self.calls] {
            writer.count(asked.len());
            asked.iter().for_each(|at| writer.signed(at.millis()));
        }
    }

    pub(super) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut handling = Self::by(serde_json::from_str(reader.text()?).ok()?);
        for asked in [&mut handling.sms, &mut handling.calls] {
            for _ in 0..reader.count()? {
                asked.push_back(Timestamp::from_millis(reader.signed()?));
            }
        }
        Some(handling)
    }
}

impl Memory {
    /// A merchant's settings; `None` when it is not registered.
    pub(crate) fn settings(&self, merchant: &MerchantId) -> Option<&Settings> {
        self.merchants.get(merchant).map(|merchant| &merchant.handling.settings)
    }

    /// The ways in which a merchant's customers can be asked at a time; of one that is not registered all.
    pub(crate) fn ways(&self, merchant: &MerchantId, at: Timestamp) -> Ways {
        let merchant = self.merchants.get(merchant);
        merchant.map_or(Ways { sms: Ok(()), call: Ok(()) }, |merchant| merchant.handling.ways(at))
    }
}

#[cfg(test)]
mod tests {
    use domain::ids::ChallengeId;
    use domain::order::ChallengeResent;
    use domain::settings::QuietHours;

    use super::*;

    fn minute(minute: u32) -> Timestamp {
        Timestamp::from_millis(0).plus(Span::from_mins(minute))
    }

    #[test]
    fn no_more_are_asked_in_a_minute_than_can_be() {
        let settings = Settings { sms_per_minute: Some(2), ..Settings::in_zone("UTC") };
        let mut handling = Handling::by(settings);
        let challenge: ChallengeId = "0-1".parse().unwrap();
        let resent = OrderEvent::ChallengeResent(ChallengeResent { challenge, count: 1 });
        handling.count(&resent, minute(0));
        assert_eq!(handling.ways(minute(0)).sms, Ok(()));
        handling.count(&resent, minute(0));
        assert_eq!(handling.ways(minute(0)).sms, Err(DowngradeReason::Capacity));
        assert_eq!(handling.ways(minute(0)).call, Ok(()));
        assert_eq!(handling.ways(minute(1)).sms, Ok(()), "a minute later there is room again");
    }

    #[test]
    fn nobody_is_called_in_quiet_hours_of_the_merchants_own_clock() {
        let quiet_hours = Some(QuietHours { from: 22 * 60, to: 8 * 60 });
        let handling = Handling::by(Settings { quiet_hours, ..Settings::in_zone("Asia/Shanghai") });
        assert_eq!(handling.ways(minute(15 * 60)).call, Err(DowngradeReason::QuietHours), "23:00 in Shanghai");
        assert_eq!(handling.ways(minute(0)).call, Ok(()), "08:00 in Shanghai");
        assert_eq!(handling.ways(minute(15 * 60)).sms, Ok(()));
    }

    #[test]
    fn as_many_orders_are_held_out_as_was_asked_for() {
        let mut handling = Handling::by(Settings::in_zone("UTC"));
        assert_eq!((0..100_000).filter(|stream| handling.holds_out(*stream)).count(), 0);
        handling.settings.hold_out_basis_points = 100;
        let held_out = (0..100_000).filter(|stream| handling.holds_out(*stream)).count();
        assert!((900..1_100).contains(&held_out), "{held_out}");
        handling.settings.hold_out_basis_points = HOLD_OUT_WHOLE;
        assert!((0..100_000).all(|stream| handling.holds_out(stream)));
    }
}
