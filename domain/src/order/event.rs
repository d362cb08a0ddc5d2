//! What can happen to an order; what is done about its score stands in [`super::handling`]. Variant names and field names are the storage format: `domain/tests/golden` pins them.
//!
//! Nothing here is personal: people, devices, addresses and numbers appear as [`Token`]s, as coarse facts, and as a
//! commitment to the vault row that holds the rest.

use std::sync::Arc;

use serde::{Deserialize, Serialize};

use super::handling::{
    CallUnanswered, ChallengeResent, Challenged, CodeRejected, FreezeConfirmed, Frozen, Noted, PersonalDataRevealed,
    Released, ReviewClaimed, ReviewClosed, ReviewEscalated, ReviewOpened, ReviewReopened, ReviewReturned,
    StockReleaseDue, Verified,
};
use super::others::{Swept, Trigger};
use crate::ids::{Channel, OrderNo, Token};
use crate::phone::PhoneKind;
use crate::shadow::Shadowed;
use crate::signal::OrderScore;
use crate::time::Timestamp;

/// What happened to an order.
#[expect(clippy::large_enum_variant, reason = "an event lives for moments; a box would cost each order an allocation")]
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum OrderEvent {
    /// The order became known with its facts.
    Placed(Placed),
    /// A later message added or corrected facts.
    Amended(Amended),
    /// A source reported how far the order is.
    StatusReported(StatusReported),
    /// The order was screened.
    Scored(Scored),
    /// The customer was asked.
    Challenged(Challenged),
    /// The question was put once more.
    ChallengeResent(ChallengeResent),
    /// The customer answered with a wrong code.
    CodeRejected(CodeRejected),
    /// The customer did not answer a call.
    CallUnanswered(CallUnanswered),
    /// The customer proved it.
    Verified(Verified),
    /// The order is held.
    Frozen(Frozen),
    /// A reviewer looked at an order that was held already, and leaves it so.
    FreezeConfirmed(FreezeConfirmed),
    /// The order may go on.
    Released(Released),
    /// The customer could not be asked, or a challenge came to nothing, or the order is held: a person has to look.
    ReviewOpened(ReviewOpened),
    /// The order left or is off: nobody is asked any more, and nobody has to look.
    ReviewClosed(ReviewClosed),
    /// A person should have looked by now.
    ReviewEscalated(ReviewEscalated),
    /// A review that was closed is open again.
    ReviewReopened(ReviewReopened),
    /// A reviewer holds the order for a while.
    ReviewClaimed(ReviewClaimed),
    /// A reviewer gave the order back.
    ReviewReturned(ReviewReturned),
    /// Somebody wrote something down.
    Noted(Noted),
    /// Somebody looked at the personal data.
    PersonalDataRevealed(PersonalDataRevealed),
    /// The order has held stock for long enough without being paid, or while it is frozen.
    StockReleaseDue(StockReleaseDue),
}

/// See [`OrderEvent::Placed`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Placed {
    /// Where.
    pub channel: Channel,
    /// Its number there.
    pub order_no: OrderNo,
    /// The time the facts are from, where that is not the time of placement.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub as_of: Option<Timestamp>,
    /// What is known.
    pub facts: Facts,
    /// Hex SHA-256 of salt and vault row, when there was personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<Box<str>>,
}

/// See [`OrderEvent::Amended`].
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Amended {
    /// The time the facts are from.
    pub as_of: Timestamp,
    /// What changed, and nothing else.
    pub changes: Facts,
    /// Facts that differ from newer ones that are already known; kept for the record, without effect.
    #[serde(default, skip_serializing_if = "Facts::is_empty")]
    pub superseded: Facts,
    /// Hex SHA-256 of salt and vault row, when there was personal data.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub vault: Option<Box<str>>,
}

/// Facts of an order without personal data. An absent one is not known.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Facts {
    /// When it was placed, by the channel's clock.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub placed_at: Option<Timestamp>,
    /// The number people see, where it is not the order number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_no: Option<Box<str>>,
    /// ISO 4217.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub currency: Option<Box<str>>,
    /// In minor units.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub amount: Option<i64>,
    /// What was bought.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lines: Option<Vec<Line>>,
    /// Who bought it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub customer: Option<CustomerFacts>,
    /// Where it goes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryFacts>,
    /// The device it was placed with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub device: Option<Token>,
    /// The address it was placed from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpFacts>,
    /// Until when it must be paid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub payment_due_at: Option<Timestamp>,
    /// Stands for the personal data as a whole, so that a change that no other fact shows is still a change.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub personal: Option<Token>,
    /// What the merchant's own model said of it when it came.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub score: Option<OrderScore>,
}

impl Facts {
    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }

    /// The number that `phone.` features look at: the buyer's, or the recipient's where that is unknown.
    pub fn phone(&self) -> Option<PhoneFacts> {
        self.customer.as_ref().and_then(|c| c.phone).or_else(|| self.delivery.as_ref().and_then(|d| d.phone))
    }
}

/// One line of an order.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Line {
    /// The merchant's stock keeping unit.
    pub sku: Box<str>,
    /// What it is called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub title: Option<Box<str>>,
    /// Units, at least one.
    pub quantity: u32,
    /// Minor units a unit.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unit_price: Option<i64>,
}

/// What is known of the buyer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct CustomerFacts {
    /// Stands for the merchant's customer id.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub token: Option<Token>,
    /// The buyer's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneFacts>,
    /// The merchant's own level, 0 and up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub level: Option<u32>,
    /// Since when the customer is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub registered_at: Option<Timestamp>,
}

/// What is known of where it goes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DeliveryFacts {
    /// Stands for the whole normalised address: follows from country, province, city, district and street, see
    /// [`address`](super::address()).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub address: Option<Token>,
    /// The recipient's number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phone: Option<PhoneFacts>,
    /// ISO 3166 alpha-2.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub country: Option<Box<str>>,
    /// The province, Chinese ones under their full official name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub province: Option<Box<str>>,
    /// The city.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub city: Option<Box<str>>,
    /// Stands for the normalised district.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub district: Option<Token>,
    /// Stands for the normalised street and number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub street: Option<Token>,
}

/// A phone number without the number.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PhoneFacts {
    /// Stands for the normalised number.
    pub token: Token,
    /// What kind of number it is.
    pub kind: PhoneKind,
}

/// An IP address without the address.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct IpFacts {
    /// Stands for the address.
    pub token: Token,
    /// Stands for its /24 (IPv4) or /48 (IPv6).
    pub net: Token,
}

/// See [`OrderEvent::StatusReported`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StatusReported {
    /// Who says so: a channel or a system of the merchant.
    pub source: Box<str>,
    /// What they say.
    pub status: Status,
    /// When it happened, by the source's clock.
    pub occurred_at: Timestamp,
    /// From when it counts, where its own time lies too far ahead of our clock.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub counts_from: Option<Timestamp>,
    /// How much the source has paid back so far, in minor units, where it says how much and that is not all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refunded: Option<i64>,
}

impl StatusReported {
    /// The time that puts it in order with other reports.
    pub fn counted_at(&self) -> Timestamp {
        self.counts_from.unwrap_or(self.occurred_at)
    }
}

/// How far an order is, as its channel sees it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// Paid for.
    Paid,
    /// Some of it has left.
    PartiallyShipped,
    /// All of it has left.
    Shipped,
    /// It arrived.
    Delivered,
    /// The channel closed it as done.
    Completed,
    /// Called off.
    Cancelled,
    /// The customer wants the money back.
    RefundRequested,
    /// The customer got some of the money back.
    PartiallyRefunded,
    /// The customer got the money back.
    Refunded,
}

/// See [`OrderEvent::Scored`]. A function of the log before it and of the order's facts, byte for byte.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Scored {
    /// The sum of the hits' points.
    pub score: i64,
    /// `pass` or the id of the tier that the score reaches.
    pub tier: Arc<str>,
    /// The rules that fired, in the rulebook's order.
    pub hits: Vec<Hit>,
    /// Every feature that the rulebook reads, in the order of the names; `null` is unknown.
    pub features: Readings,
    /// The version of the rulebook that was in force.
    pub rulebook_version: u32,
    /// Its hash.
    pub rulebook_hash: Arc<str>,
    /// The exemption that was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exemption: Option<Arc<str>>,
    /// Why it was screened.
    pub cause: ScoredCause,
    /// Which other order made the screening necessary, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trigger: Option<Trigger>,
    /// Rules that count as fired because they fired for another order whose window holds this one. They are among the hits;
    /// a rule that fires for this order itself is not listed here.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub swept: Vec<Swept>,
    /// What the draft in the shadow found, where one runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub shadow: Option<Box<Shadowed>>,
}

/// One rule that fired.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Hit {
    /// The rule's id.
    pub rule: Arc<str>,
    /// What it added.
    pub points: i64,
    /// The features its condition names, with their values.
    pub evidence: Readings,
}

/// Why an order was screened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ScoredCause {
    /// It was placed.
    Placed,
    /// Its facts changed.
    Amended,
    /// Another order arrived late and changed what its windows hold.
    LateEvidence,
    /// A sweeping rule fired for another order of the same window.
    Sibling,
    /// Somebody asked for it.
    Manual,
}

/// Feature names with the values that were read, in the stored form; written as a JSON object.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Readings(pub Vec<(Arc<str>, Option<Reading>)>);

/// A feature's value as the log stores it. Decimals and durations are texts (`"1.25"`, `"90s"`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[serde(untagged)]
pub enum Reading {
    /// A truth value.
    Bool(bool),
    /// A whole number.
    Int(i64),
    /// A text, a decimal or a duration.
    Text(Arc<str>),
}
