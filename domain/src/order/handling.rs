//! What is done about a score: asking the customer, holding the order, letting it go, and people's looks at it. As in
//! [`super::event`] names are the storage format.

use serde::{Deserialize, Serialize};

#[cfg(doc)]
use super::event::OrderEvent;
use super::others::PartOf;
use crate::ids::ChallengeId;
use crate::time::Timestamp;

/// See [`OrderEvent::Challenged`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Challenged {
    /// Its id.
    pub challenge: ChallengeId,
    /// How the customer is asked.
    pub method: ChallengeMethod,
    /// Until when the answer counts.
    pub expires_at: Timestamp,
    /// What a wrong answer leads to.
    pub on_fail: OnFail,
    /// What silence leads to.
    pub on_expire: OnExpire,
    /// What would have been done in its place, where that could not be or came to nothing.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instead_of: Option<Downgrade>,
}

/// A way to ask that was not gone, or was gone in vain.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Downgrade {
    /// The way.
    pub method: ChallengeMethod,
    /// Why not.
    pub reason: DowngradeReason,
}

/// Why a way to ask is not gone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DowngradeReason {
    /// Customers are not called at this time of day.
    QuietHours,
    /// As many are asked this way already as can be in a minute.
    Capacity,
    /// The customer was asked this way and did not answer.
    Unanswered,
}

/// How a customer is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ChallengeMethod {
    /// A code by SMS.
    Sms,
    /// A voice call.
    Call,
}

/// What a failed challenge leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnFail {
    /// The order is frozen.
    Freeze,
    /// A person looks.
    Review,
}

/// What an expired challenge leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum OnExpire {
    /// A person looks.
    Review,
    /// The order is frozen.
    Freeze,
    /// The order goes on.
    Release,
}

/// See [`OrderEvent::ChallengeResent`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ChallengeResent {
    /// Which challenge.
    pub challenge: ChallengeId,
    /// How often it was put again, this time among them.
    pub count: u8,
}

/// See [`OrderEvent::CodeRejected`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CodeRejected {
    /// Which challenge.
    pub challenge: ChallengeId,
    /// How many codes the customer may still try.
    pub attempts_left: u8,
}

/// See [`OrderEvent::CallUnanswered`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct CallUnanswered {
    /// Which challenge.
    pub challenge: ChallengeId,
    /// How often the customer will still be called.
    pub attempts_left: u8,
    /// The caller's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
}

/// See [`OrderEvent::Verified`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Verified {
    /// Which challenge.
    pub challenge: ChallengeId,
    /// By what.
    pub how: ChallengeMethod,
}

/// See [`OrderEvent::Frozen`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Frozen {
    /// Why.
    pub cause: FrozenCause,
    /// The reviewer, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Box<str>>,
    /// The reviewer's reason, or what the customer said to a call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<Box<str>>,
    /// The words of the reviewer, or of whoever called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
    /// The decision about many orders that it was part of, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<Box<PartOf>>,
    /// Until when no other reviewer can decide otherwise, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_until: Option<Timestamp>,
}

impl Frozen {
    /// Not by a person.
    pub const fn by_itself(cause: FrozenCause) -> Self {
        Self { cause, actor: None, reason_code: None, note: None, part_of: None, claim_until: None }
    }
}

/// Why an order was frozen.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrozenCause {
    /// Its score.
    Score,
    /// The customer denied it or could not answer.
    ChallengeFailed,
    /// The customer did not answer in time.
    ChallengeExpired,
    /// A reviewer.
    Reviewer,
}

/// See [`OrderEvent::FreezeConfirmed`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct FreezeConfirmed {
    /// The reviewer.
    pub actor: Box<str>,
    /// The reviewer's reason.
    pub reason_code: Box<str>,
    /// The reviewer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
    /// The decision about many orders that it was part of, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<Box<PartOf>>,
    /// Until when no other reviewer can decide otherwise; absent where it was decided before that was so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_until: Option<Timestamp>,
}

/// See [`OrderEvent::Released`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Released {
    /// Why.
    pub cause: ReleasedCause,
    /// The reviewer, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub actor: Option<Box<str>>,
    /// The reviewer's reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<Box<str>>,
    /// The reviewer's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
    /// The ways to ask that should have been gone first and could not be.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<Downgrade>,
    /// The decision about many orders that it was part of, if it was.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub part_of: Option<Box<PartOf>>,
    /// Until when no other reviewer can decide otherwise, when it was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub claim_until: Option<Timestamp>,
}

impl Released {
    /// Not by a person.
    pub const fn by_itself(cause: ReleasedCause) -> Self {
        Self {
            cause,
            actor: None,
            reason_code: None,
            note: None,
            instead_of: Vec::new(),
            part_of: None,
            claim_until: None,
        }
    }
}

/// Why an order was released.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReleasedCause {
    /// Its score reached no tier.
    Clean,
    /// The customer proved it.
    Verified,
    /// An exemption spared it.
    Exempt,
    /// A reviewer.
    Reviewer,
    /// Its score fell when it was screened again.
    Rescored,
    /// The challenge expired and its tier says to let go.
    ChallengeExpired,
}

/// See [`OrderEvent::ReviewOpened`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReviewOpened {
    /// The challenge that came to nothing, if there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeId>,
    /// Why.
    pub cause: ReviewCause,
    /// What the customer said to a call; of a wrong code, of silence and of all else there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason_code: Option<Box<str>>,
    /// The words of whoever called the customer.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub note: Option<Box<str>>,
    /// The ways to ask that should have been gone first and could not be, in their order.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub instead_of: Vec<Downgrade>,
}

impl ReviewOpened {
    /// For a cause that says all there is to say.
    pub const fn by_itself(challenge: Option<ChallengeId>, cause: ReviewCause) -> Self {
        Self { challenge, cause, reason_code: None, note: None, instead_of: Vec::new() }
    }
}

/// Why a review was opened.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReviewCause {
    /// The customer denied it or could not answer.
    ChallengeFailed,
    /// The customer did not answer in time.
    ChallengeExpired,
    /// There is no way to ask the customer now.
    NoChannel,
    /// It is frozen because of its score.
    Frozen,
    /// It left before its score reached a tier, or although it was held.
    Departed,
    /// It was called off and is not any more.
    Resumed,
}

/// See [`OrderEvent::ReviewClosed`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReviewClosed {
    /// The question that is put to the customer no more, if one was open.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub challenge: Option<ChallengeId>,
    /// Why.
    pub cause: ClosedCause,
}

/// Why there is nothing left to decide about an order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ClosedCause {
    /// It is called off.
    Cancelled,
    /// Its money went back.
    Refunded,
    /// It left the house.
    Shipped,
}

/// See [`OrderEvent::ReviewEscalated`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReviewEscalated {
    /// Since when it has waited for a person.
    pub opened_at: Timestamp,
}

/// See [`OrderEvent::ReviewReopened`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReviewReopened {
    /// Who.
    pub actor: Box<str>,
    /// Why.
    pub cause: ReopenCause,
    /// In words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub text: Option<Box<str>>,
}

/// Why a review is open again.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ReopenCause {
    /// The customer complains.
    Appeal,
    /// A reviewer wants it looked at once more.
    Reopened,
}

/// See [`OrderEvent::ReviewClaimed`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReviewClaimed {
    /// Who.
    pub reviewer: Box<str>,
    /// Until when.
    pub lease_until: Timestamp,
}

/// See [`OrderEvent::ReviewReturned`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct ReviewReturned {
    /// Who.
    pub reviewer: Box<str>,
}

/// See [`OrderEvent::Noted`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Noted {
    /// Who.
    pub author: Box<str>,
    /// What.
    pub text: Box<str>,
}

/// See [`OrderEvent::PersonalDataRevealed`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct PersonalDataRevealed {
    /// Who looked.
    pub actor: Box<str>,
    /// Why.
    pub reason: Box<str>,
}

/// See [`OrderEvent::StockReleaseDue`].
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StockReleaseDue {
    /// Why the order holds it.
    pub cause: StockCause,
    /// How many units, over all lines.
    pub units: u64,
}

/// Why an order holds stock that nobody pays for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum StockCause {
    /// Its payment is overdue.
    Unpaid,
    /// It is frozen.
    Frozen,
}
