//! What goes into a partition's mailbox, and what comes out of it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use domain::draft::{DraftRejection, Eyes};
use domain::forecast::Forecast;
use domain::ids::{ChallengeId, DraftId, MerchantId, OrderId, Token};
use domain::merchant::{MerchantCommand, MerchantEvent, MerchantRejection};
use domain::order::{
    CallOutcome, ChallengeState, Facts, Known, Order, PartOf, Rejection, ReleasedCause, ReopenCause, Review, Risk,
    RiskState, Scored, Status, StatusReported,
};
use domain::publication::RulebookRejection;
use domain::rulebook::Rulebook;
use domain::shadow::ShadowRejection;
use domain::signal::SignalRejection;
use domain::time::Timestamp;
use eventlog::{DeliveryKey, Position};
use tokio::sync::oneshot;

use crate::deadlines::Due;
use crate::signals::SignalWork;

/// Where a message came from; kept in the metadata of its events.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Origin {
    /// Who sent it: a key's id or a channel.
    pub actor: String,
    /// Which door it came through, such as `api` or `shopify`. Message ids are unique inside a source.
    pub source: String,
}

/// One piece of work for a writer.
pub(crate) enum Work {
    Notice(Box<NoticeWork>),
    Merchant(Box<Asked<MerchantCommand, MerchantReceipt>>),
    Draft(Box<Asked<DraftChange, DraftReceipt>>),
    Publication(Box<Asked<Publication, PublicationReceipt>>),
    Shadow(Box<Asked<ShadowWish, ShadowReceipt>>),
    Signal(Box<SignalWork>),
}

impl Work {
    /// Answers work that was not done.
    pub(crate) fn refuse(self, refusal: Refusal) {
        match self {
            Self::Notice(notice) => answer(notice.reply, Err(refusal)),
            Self::Merchant(asked) => answer(asked.reply, Err(refusal)),
            Self::Draft(asked) => answer(asked.reply, Err(refusal)),
            Self::Publication(asked) => answer(asked.reply, Err(refusal)),
            Self::Shadow(asked) => answer(asked.reply, Err(refusal)),
            Self::Signal(work) => answer(work.reply, Err(refusal)),
        }
    }
}

/// Sends an answer; a receiver that is gone has stopped caring.
pub(crate) fn answer<T>(reply: oneshot::Sender<T>, answer: T) {
    drop(reply.send(answer));
}

/// A command that is committed alone.
pub(crate) struct Asked<Command, Receipt> {
    pub(crate) merchant: MerchantId,
    pub(crate) origin: Origin,
    pub(crate) command: Command,
    pub(crate) reply: oneshot::Sender<Result<Receipt, Refusal>>,
}

/// What somebody wants of a draft. Who it is stands in the [`Origin`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum DraftChange {
    /// Begin a draft.
    Begin {
        /// Under a new id.
        draft: DraftId,
        /// What it says.
        rulebook: Rulebook,
        /// How many drafts the merchant has.
        drafts: usize,
    },
    /// Write a draft anew.
    Edit {
        /// Which.
        draft: DraftId,
        /// What it says from now on.
        rulebook: Rulebook,
        /// The revision that the writer saw.
        revision: u32,
    },
    /// Ask for a draft's publication.
    Submit {
        /// Which.
        draft: DraftId,
    },
}

/// What somebody wants to come into force. Who it is stands in the [`Origin`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Publication {
    /// A draft.
    OfDraft {
        /// Which.
        draft: DraftId,
        /// How many people it takes.
        eyes: Eyes,
        /// Why.
        note: Option<Box<str>>,
        /// What it is expected to do, where it is to be replaced by itself when it does something else.
        expected: Option<Forecast>,
        /// The hash of what it must say, where what is expected was found by trying it.
        tried: Option<Box<str>>,
    },
    /// What an earlier version said.
    RollBack {
        /// Which version.
        to_version: u32,
        /// What it said.
        rulebook: Rulebook,
        /// Who wrote that.
        author: Option<Box<str>>,
        /// Why.
        note: Option<Box<str>>,
    },
}

/// What somebody wants of a draft in the shadow. Who it is stands in the [`Origin`].
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ShadowWish {
    /// Evaluate the draft, as it is now, beside the live rulebook.
    Start(DraftId),
    /// Evaluate it no longer.
    End(DraftId),
    /// See how it compares so far.
    See(DraftId),
}

/// A notice without personal data in the clear, ready to be decided.
pub(crate) struct NoticeWork {
    pub(crate) message: Message,
    pub(crate) content: WorkContent,
    pub(crate) reply: oneshot::Sender<Result<Receipt, Refusal>>,
}

/// What a notice is about, and where it comes from.
pub(crate) struct Message {
    pub(crate) merchant: MerchantId,
    pub(crate) origin: Origin,
    pub(crate) order: OrderId,
    pub(crate) occurred_at: Option<Timestamp>,
    pub(crate) message_id: Option<String>,
    pub(crate) delivery: Option<Delivery>,
}

/// How a repeated delivery is recognised.
#[derive(Clone, Copy)]
pub(crate) struct Delivery {
    pub(crate) key: DeliveryKey,
    pub(crate) body: [u8; 16],
}

pub(crate) enum WorkContent {
    Placed(Facts, Option<Personal>),
    Amended(Facts, Option<Personal>),
    Status { source: Box<str>, status: Status, refunded: Option<i64> },
    Wish(OrderWish),
    Due(Due),
}

/// What a person, a customer or a provider wants of an order. Who it is stands in the [`Origin`]. It may hold a customer's code, so
/// it has no form that could be printed.
#[derive(Clone, PartialEq, Eq)]
pub enum OrderWish {
    /// The customer answers with a code.
    Answer {
        /// Which challenge.
        challenge: ChallengeId,
        /// What the customer says.
        code: Box<str>,
    },
    /// The customer was called.
    CallResult {
        /// For which challenge.
        challenge: ChallengeId,
        /// What came of it.
        outcome: CallOutcome,
        /// The caller's words.
        note: Option<Box<str>>,
    },
    /// The code is to be sent again.
    Resend {
        /// Of which challenge.
        challenge: ChallengeId,
    },
    /// A reviewer wants the order for as long as the merchant lets reviewers.
    Claim,
    /// A reviewer gives it back.
    Return,
    /// A reviewer decides.
    Decide {
        /// What.
        action: ReviewAction,
        /// Why, as a code.
        reason_code: Box<str>,
        /// In words.
        note: Option<Box<str>>,
        /// The decision about many orders that it is part of, if it is.
        part_of: Option<Box<PartOf>>,
    },
    /// Somebody writes something down.
    Note {
        /// What.
        text: Box<str>,
    },
    /// A frozen order is to be looked at once more.
    Reopen {
        /// Why.
        cause: ReopenCause,
        /// In words.
        text: Option<Box<str>>,
    },
    /// Somebody is about to look at the personal data.
    Reveal {
        /// Why.
        reason: Box<str>,
    },
}

/// What a reviewer decides.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReviewAction {
    /// The order goes on.
    Release,
    /// The order is held.
    Freeze,
}

/// Personal data on its way into the vault.
pub(crate) struct Personal {
    /// Whose data key seals it.
    pub(crate) subject: Token,
    /// What is sealed.
    pub(crate) json: Vec<u8>,
}

/// The durable answer to a notice.
#[derive(Clone, Debug)]
pub struct Receipt {
    /// Which order.
    pub order: OrderId,
    /// Where it stands; `None` while it is not placed.
    pub risk: Option<RiskView>,
    /// Whether a person has to look.
    pub review: Review,
    /// Its unified status; `None` while nothing was reported.
    pub status: Option<StatusReported>,
    /// The partition, and the position up to which its log holds what was decided.
    pub position: (u32, Position),
    /// What became of the notice.
    pub outcome: Outcome,
    /// How long the decision took, without waiting and without the commit.
    pub decided_in: Duration,
}

/// What became of a notice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// It placed the order.
    Created,
    /// It changed what was known of the order.
    Updated,
    /// The same delivery had been dealt with before; the answer is the one of that time.
    Duplicate,
    /// It was so already, and nothing was recorded.
    Unchanged,
    /// The code was wrong, which is recorded.
    CodeWrong {
        /// How many the customer may still try.
        attempts_left: u8,
    },
}

impl Outcome {
    /// Whether the notice said nothing new, and nothing was recorded.
    pub const fn is_duplicate(self) -> bool {
        matches!(self, Self::Duplicate | Self::Unchanged)
    }
}

/// Where an order stands.
#[derive(Clone, PartialEq, Debug)]
pub struct RiskView {
    /// Its risk state.
    pub state: RiskState,
    /// Its last screening.
    pub screening: Option<Scored>,
    /// The challenge that is open.
    pub challenge: Option<ChallengeState>,
    /// Why it was released, if it was.
    pub released: Option<ReleasedCause>,
}

impl RiskView {
    /// Of a placed order.
    pub fn of(order: &Known) -> Self {
        let (challenge, released) = match &order.risk {
            Risk::Challenged(challenge) => (Some(challenge.clone()).filter(|it| !it.is_over), None),
            Risk::Released(cause) => (None, Some(*cause)),
            Risk::Placed | Risk::Scored | Risk::Verified | Risk::Frozen(_) => (None, None),
        };
        Self { state: order.risk.state(), screening: order.screening.clone(), challenge, released }
    }
}

impl Receipt {
    pub(crate) fn new(
        order: OrderId,
        state: &Order,
        position: (u32, Position),
        outcome: Outcome,
        decided_in: Duration,
    ) -> Self {
        Self {
            order,
            risk: state.known().map(RiskView::of),
            review: state.known().map(|known| known.review.clone()).unwrap_or_default(),
            status: state.reports().current().cloned(),
            position,
            outcome,
            decided_in,
        }
    }
}

/// The durable answer to a command about a merchant.
#[derive(Clone, Debug)]
pub struct MerchantReceipt {
    /// What happened to the merchant; empty when it was so already.
    pub events: Vec<MerchantEvent>,
    /// The partition, and the position up to which its log holds it.
    pub position: (u32, Position),
}

/// The durable answer to a change of a draft.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DraftReceipt {
    /// The revision that it is at, from 1.
    pub revision: u32,
    /// The partition, and the position up to which its log holds it.
    pub position: (u32, Position),
}

/// The durable answer to a publication.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PublicationReceipt {
    /// The version that is in force, from 1.
    pub version: u32,
    /// Since when.
    pub since: InForce,
    /// The partition, and the position up to which its log holds it.
    pub position: (u32, Position),
}

/// The durable answer to a wish about the shadow.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ShadowReceipt {
    /// How the draft compares.
    pub comparison: Comparison,
    /// The partition, and the position up to which its log holds it.
    pub position: (u32, Position),
}

/// How many orders fell into which tier of the draft, by the tier of the live rulebook.
pub type Matrix = BTreeMap<Arc<str>, BTreeMap<Arc<str>, u64>>;

/// How a draft in the shadow compares with what was live beside it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Comparison {
    /// Which draft.
    pub draft: DraftId,
    /// The revision that is evaluated.
    pub revision: u32,
    /// Hex SHA-256 of its canonical form.
    pub hash: Box<str>,
    /// When it began.
    pub since: Timestamp,
    /// When it ended.
    pub until: Option<Timestamp>,
    /// Orders that were placed meanwhile, each counted by its first screening.
    pub orders: u64,
    /// The same by tiers.
    pub matrix: Matrix,
}

/// Since when a version is in force.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum InForce {
    /// Since the position of the receipt: for all after it.
    Now,
    /// Since before it was asked for.
    Before,
}

/// Why the engine did not do something. One variant per decision the caller can make.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Come back a little later.
    #[error("the partition's mailbox is full")]
    MailboxFull,
    /// The store cannot commit now; whether it was saved is unknown. Repeat with the same key.
    #[error("the event store cannot commit now; it is unknown whether this was saved, retry with the same key")]
    Unavailable,
    /// Another process writes the merchant's partition; nothing was saved here.
    #[error("another process writes this merchant's log, or is about to")]
    Elsewhere,
    /// There is no such merchant.
    #[error("the merchant is not registered")]
    UnknownMerchant,
    /// The message id stands for another message.
    #[error("the delivery key was used for another message")]
    DeliveryKeyReused,
    /// The order forbids it.
    #[error(transparent)]
    Order(#[from] Rejection),
    /// The merchant forbids it.
    #[error(transparent)]
    Merchant(#[from] MerchantRejection),
    /// The draft forbids it.
    #[error(transparent)]
    Draft(#[from] DraftRejection),
    /// The live rulebook forbids it.
    #[error(transparent)]
    Rulebook(#[from] RulebookRejection),
    /// The shadow forbids it.
    #[error(transparent)]
    Shadow(#[from] ShadowRejection),
    /// The signal forbids it.
    #[error(transparent)]
    Signal(#[from] SignalRejection),
}
