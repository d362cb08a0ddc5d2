//! What a merchant decides about how the service works for it.

use serde::{Deserialize, Serialize};

use crate::time::Span;

/// The most times that a customer is called, or may answer with a code.
pub const ATTEMPTS_MAX: u8 = 20;
/// The shortest time for which a reviewer can hold an order.
pub const REVIEW_LEASE_MIN: Span = Span::from_secs(10);
/// The longest time for which a reviewer can hold an order.
pub const REVIEW_LEASE_MAX: Span = Span::from_days(1);
/// The shortest time after which stock can be released.
pub const STOCK_RELEASE_AFTER_MIN: Span = Span::from_mins(1);
/// The longest time after which stock can be released.
pub const STOCK_RELEASE_AFTER_MAX: Span = Span::from_days(30);
/// The shortest time for which the answer to a call that follows an SMS can count.
pub const CALL_AFTER_SMS_MIN: Span = Span::from_mins(1);
/// The longest time for which the answer to a call that follows an SMS can count.
pub const CALL_AFTER_SMS_MAX: Span = Span::from_days(7);
/// The most codes, or calls, that a merchant can allow in a minute.
pub const PER_MINUTE_MAX: u32 = 100_000;
/// The shortest time after which a review is escalated.
pub const REVIEW_SLA_MIN: Span = Span::from_secs(10);
/// The longest time after which a review is escalated.
pub const REVIEW_SLA_MAX: Span = Span::from_days(30);
/// The whole, in the unit of [`Settings::hold_out_basis_points`].
pub const HOLD_OUT_WHOLE: u16 = 10_000;

/// A merchant's settings, each with a value.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Settings {
    /// Its time zone in the IANA database.
    pub time_zone: Box<str>,
    /// Whether a rulebook is submitted by one person and published by another.
    pub four_eyes: bool,
    /// How often a customer is called who does not answer.
    pub call_attempts: u8,
    /// How many codes a customer may try.
    pub code_attempts: u8,
    /// How often a code may be sent again.
    #[serde(default = "code_resends")]
    pub code_resends: u8,
    /// How long the answer to a call counts that follows an SMS nobody answered; none follows when it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub call_after_sms: Option<Span>,
    /// How many codes can be sent in a minute, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sms_per_minute: Option<u32>,
    /// How many customers can be called in a minute, where that is limited.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub calls_per_minute: Option<u32>,
    /// For how long a reviewer holds an order.
    pub review_lease: Span,
    /// After how long a review that nobody closed is escalated; never when it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub review_sla: Option<Span>,
    /// After how long the stock of an order that is held is to be released; never when it is not set.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stock_release_after: Option<Span>,
    /// When customers are not to be disturbed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub quiet_hours: Option<QuietHours>,
    /// The share of orders that pass whatever they score, so that it can be measured what rules do; of [`HOLD_OUT_WHOLE`].
    pub hold_out_basis_points: u16,
}

/// How often a code may be sent again where nobody said so; settings that were stored before could not.
const fn code_resends() -> u8 {
    2
}

/// A part of the day in the merchant's time zone; it may lie across midnight.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct QuietHours {
    /// The minute of the day it begins with.
    pub from: u16,
    /// The minute of the day it ends before.
    pub to: u16,
}

impl QuietHours {
    /// Whether a minute of the day lies in it.
    pub const fn hold(self, minute: u16) -> bool {
        if self.from < self.to {
            self.from <= minute && minute < self.to
        } else {
            self.from <= minute || minute < self.to
        }
    }
}

/// Settings to be changed; those that are `None` stay.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs, reason = "each is the one of Settings")]
pub struct SettingsChanges {
    pub time_zone: Option<Box<str>>,
    pub four_eyes: Option<bool>,
    pub call_attempts: Option<u8>,
    pub code_attempts: Option<u8>,
    pub code_resends: Option<u8>,
    pub call_after_sms: Option<Option<Span>>,
    pub sms_per_minute: Option<Option<u32>>,
    pub calls_per_minute: Option<Option<u32>>,
    pub review_lease: Option<Span>,
    pub review_sla: Option<Option<Span>>,
    pub stock_release_after: Option<Option<Span>>,
    pub quiet_hours: Option<Option<QuietHours>>,
    pub hold_out_basis_points: Option<u16>,
}

impl Settings {
    /// Those of a merchant who set nothing.
    pub fn in_zone(time_zone: &str) -> Self {
        Self {
            time_zone: time_zone.into(),
            four_eyes: false,
            call_attempts: 3,
            code_attempts: 5,
            code_resends: code_resends(),
            call_after_sms: None,
            sms_per_minute: None,
            calls_per_minute: None,
            review_lease: Span::from_mins(10),
            review_sla: None,
            stock_release_after: None,
            quiet_hours: None,
            hold_out_basis_points: 0,
        }
    }

    /// With some of them changed.
    #[must_use]
    pub fn with(self, changes: SettingsChanges) -> Self {
        Self {
            time_zone: changes.time_zone.unwrap_or(self.time_zone),
            four_eyes: changes.four_eyes.unwrap_or(self.four_eyes),
            call_attempts: changes.call_attempts.unwrap_or(self.call_attempts),
            code_attempts: changes.code_attempts.unwrap_or(self.code_attempts),
            code_resends: changes.code_resends.unwrap_or(self.code_resends),
            call_after_sms: changes.call_after_sms.unwrap_or(self.call_after_sms),
            sms_per_minute: changes.sms_per_minute.unwrap_or(self.sms_per_minute),
            calls_per_minute: changes.calls_per_minute.unwrap_or(self.calls_per_minute),
            review_lease: changes.review_lease.unwrap_or(self.review_lease),
            review_sla: changes.review_sla.unwrap_or(self.review_sla),
            stock_release_after: changes.stock_release_after.unwrap_or(self.stock_release_after),
            quiet_hours: changes.quiet_hours.unwrap_or(self.quiet_hours),
            hold_out_basis_points: changes.hold_out_basis_points.unwrap_or(self.hold_out_basis_points),
        }
    }
}
