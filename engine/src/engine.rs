//! The handle that the rest of the process holds: finds the partition, prepares the work, waits for the durable answer.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use domain::ids::{MerchantId, OrderId};
use domain::merchant::MerchantCommand;
use domain::notice::{Content, Notice, Tokeniser, subject, tokenise};
use domain::order::Facts;
use domain::rulebook::Rulebook;
use domain::signal::{OrderScore, SignalName};
use eventlog::vault::Vault;
use eventlog::{EventLog, LogError, delivery_key, partition_of};
use tokio::sync::{mpsc, oneshot, watch};
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::timeout;

use crate::keeper::{self, Partition, Standing};
use crate::keys::MerchantKeys;
use crate::signals::{SignalChange, SignalReceipt, SignalWork};
use crate::work::{
    Asked, Delivery, DraftChange, DraftReceipt, MerchantReceipt, Message, NoticeWork, OrderWish, Origin, Personal,
    Publication, PublicationReceipt, Receipt, Refusal, ShadowReceipt, ShadowWish, Work, WorkContent,
};
use crate::writer::{Clock, OpenError, Tools, Writer};

/// Work that can wait in front of one writer; past it, [`Refusal::MailboxFull`].
pub const MAILBOX_MAX: usize = 4_096;

/// How long an answer is waited for. Where a store neither answers nor fails, nothing is known by then, as after a failed commit.
const ANSWER_MAX: Duration = Duration::from_secs(30);

/// The engine: one writer for each partition of the log that is this process's.
pub struct Engine {
    partitions: Vec<Arc<Partition>>,
    mailboxes: Vec<mpsc::Sender<Work>>,
    keepers: Vec<JoinHandle<()>>,
    /// Keeps the shares fair; ends with the engine.
    balance: JoinSet<()>,
    keys: MerchantKeys,
}

/// What is in a mailbox; its answer comes after the commit.
pub struct Pending<R = Receipt>(oneshot::Receiver<Result<R, Refusal>>);

impl<R> Pending<R> {
    /// Waits for the commit, though not for ever: the answer is "unknown" then, and what was sent may still be committed.
    pub async fn receipt(self) -> Result<R, Refusal> {
        answered(self.0).await
    }
}

async fn answered<T>(answer: oneshot::Receiver<Result<T, Refusal>>) -> Result<T, Refusal> {
    match timeout(ANSWER_MAX, answer).await {
        Ok(Ok(answer)) => answer,
        Ok(Err(_)) | Err(_) => Err(Refusal::Unavailable),
    }
}

/// What to do while a mailbox is full.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum WhenFull {
    /// Refuse, so that the sender comes back later.
    Refuse,
    /// Wait: for senders that are slowed down by waiting, such as a stream or an import.
    Wait,
}

impl Engine {
    /// Takes a fair share of the partitions over and folds their logs; all of them where no other process has the log open.
    /// `first_rulebook` is what a new merchant starts with. `snapshots` is the directory in which snapshots of what writers
    /// remember are kept; without it every start folds whole logs.
    pub async fn open(
        log: Arc<dyn EventLog>,
        vault: Arc<Vault>,
        clock: Clock,
        first_rulebook: Rulebook,
        snapshots: Option<PathBuf>,
    ) -> Result<Self, OpenError> {
        let keys = MerchantKeys::new(vault.clone());
        let tools = Tools { log: log.clone(), vault, clock, first_rulebook: Arc::new(first_rulebook), snapshots };
        let (mut partitions, mut mailboxes, mut keepers) = (vec![], vec![], vec![]);
        let mut room = keeper::first_share(&*log).await?;
        for number in 0..log.partitions() {
            let writer = match room.checked_sub(1) {
                None => None,
                Some(less) => match Writer::open(tools.clone(), number).await {
                    Ok(writer) => {
                        room = less;
                        Some(writer)
                    }
                    Err(OpenError::Log(LogError::Owned { .. })) => None,
                    Err(error) => return Err(error),
                },
            };
            let partition = Arc::new(Partition::new(number, writer.is_some()));
            let (mailbox, work) = mpsc::channel(MAILBOX_MAX);
            keepers.push(tokio::spawn(keeper::keep(partition.clone(), tools.clone(), writer, work)));
            partitions.push(partition);
            mailboxes.push(mailbox);
        }
        let mut balance = JoinSet::new();
        if !log.members().await?.is_empty() {
            balance.spawn(keeper::balance(partitions.clone(), log));
        }
        Ok(Self { partitions, mailboxes, keepers, balance, keys })
    }

    /// Whether every partition that is wanted here has its writer at work.
    pub fn is_healthy(&self) -> bool {
        let at_work = self.partitions.iter().all(|partition| partition.standing() != Standing::Opening);
        at_work && self.keepers.iter().all(|keeper| !keeper.is_finished())
    }

    /// The partition of a merchant.
    pub fn partition_of(&self, merchant: &MerchantId) -> u32 {
        partition_of(merchant, u32::try_from(self.partitions.len()).expect("a partition's number fits 32 bits"))
    }

    /// How a partition stands here, now and from now on.
    pub fn standing(&self, partition: u32) -> watch::Receiver<Standing> {
        self.partitions[usize::try_from(partition).expect("a partition is an index")].watch()
    }

    /// Work that waits, over all partitions.
    pub fn waiting(&self) -> usize {
        self.mailboxes.iter().map(|mailbox| mailbox.max_capacity() - mailbox.capacity()).sum()
    }

    /// Puts a notice into its partition's mailbox. Notices of one sender are decided in the order of these calls.
    ///
    /// The notice must be valid ([`domain::notice::validate`]).
    pub async fn submit(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        notice: Notice,
        when_full: WhenFull,
    ) -> Result<Pending, Refusal> {
        self.submit_scored(merchant, origin, notice, None, when_full).await
    }

    /// As [`Self::submit`], with what the merchant's own model said of the order that is placed. It is recorded with the facts,
    /// and is no part of what tells deliveries apart: a model may say something else the next time.
    pub async fn submit_scored(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        notice: Notice,
        score: Option<OrderScore>,
        when_full: WhenFull,
    ) -> Result<Pending, Refusal> {
        let (reply, answer) = oneshot::channel();
        let mut work = self.prepare(merchant, origin, notice, reply);
        if let WorkContent::Placed(facts, _) = &mut work.content {
            facts.score = score;
        }
        let work = Work::Notice(Box::new(work));
        self.send(merchant, work, when_full).await?;
        Ok(Pending(answer))
    }

    /// Decides a command about a merchant, durably.
    pub async fn command(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        command: MerchantCommand,
    ) -> Result<MerchantReceipt, Refusal> {
        self.ask(merchant, origin, command, Work::Merchant).await
    }

    /// Decides a change of a draft, durably.
    pub async fn change_draft(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        change: DraftChange,
    ) -> Result<DraftReceipt, Refusal> {
        self.ask(merchant, origin, change, Work::Draft).await
    }

    /// Puts a rulebook in force, durably.
    pub async fn publish(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        publication: Publication,
    ) -> Result<PublicationReceipt, Refusal> {
        self.ask(merchant, origin, publication, Work::Publication).await
    }

    /// Lets a draft run in the shadow, ends it, or sees how it compares, after all that was sent before.
    pub async fn shadow(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        wish: ShadowWish,
    ) -> Result<ShadowReceipt, Refusal> {
        self.ask(merchant, origin, wish, Work::Shadow).await
    }

    async fn ask<Command, Receipt>(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        command: Command,
        work: fn(Box<Asked<Command, Receipt>>) -> Work,
    ) -> Result<Receipt, Refusal> {
        let (reply, answer) = oneshot::channel();
        let asked = Asked { merchant: merchant.clone(), origin, command, reply };
        self.send(merchant, work(Box::new(asked)), WhenFull::Refuse).await?;
        answered(answer).await
    }

    /// Decides what somebody wants of an order, durably.
    pub async fn wish(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        order: OrderId,
        wish: OrderWish,
    ) -> Result<Receipt, Refusal> {
        let (reply, answer) = oneshot::channel();
        let merchant_id = merchant.clone();
        let message =
            Message { merchant: merchant_id, origin, order, occurred_at: None, message_id: None, delivery: None };
        let work = NoticeWork { message, content: WorkContent::Wish(wish), reply };
        self.send(merchant, Work::Notice(Box::new(work)), WhenFull::Refuse).await?;
        answered(answer).await
    }

    /// Puts a change of a signal into its partition's mailbox, as [`Self::submit`] does a notice.
    pub async fn signal(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        name: SignalName,
        change: SignalChange,
        when_full: WhenFull,
    ) -> Result<Pending<SignalReceipt>, Refusal> {
        let (reply, answer) = oneshot::channel();
        let keys = self.keys.of(merchant);
        let work = SignalWork { merchant: merchant.clone(), origin, name, change, keys, reply };
        self.send(merchant, Work::Signal(Box::new(work)), when_full).await?;
        Ok(Pending(answer))
    }

    /// Lets the writers finish what waits, and ends them.
    pub async fn close(mut self) {
        self.balance.shutdown().await;
        drop(self.mailboxes);
        for keeper in self.keepers {
            if let Err(error) = keeper.await {
                tracing::error!(error = &error as &dyn std::error::Error, "writer ended badly");
            }
        }
    }

    async fn send(&self, merchant: &MerchantId, work: Work, when_full: WhenFull) -> Result<(), Refusal> {
        let index = usize::try_from(self.partition_of(merchant)).expect("a partition is an index");
        if self.partitions[index].standing() == Standing::Elsewhere {
            return Err(Refusal::Elsewhere);
        }
        let mailbox = &self.mailboxes[index];
        match when_full {
            WhenFull::Refuse => mailbox.try_send(work).map_err(|error| match error {
                mpsc::error::TrySendError::Full(_) => Refusal::MailboxFull,
                mpsc::error::TrySendError::Closed(_) => Refusal::Unavailable,
            }),
            WhenFull::Wait => mailbox.send(work).await.map_err(|_| Refusal::Unavailable),
        }
    }

    /// Everything that needs no memory of the partition is done here, beside the writer.
    fn prepare(
        &self,
        merchant: &MerchantId,
        origin: Origin,
        notice: Notice,
        reply: oneshot::Sender<Result<Receipt, Refusal>>,
    ) -> NoticeWork {
        let keys = self.keys.of(merchant);
        let delivery = message_id(&notice).map(|id| Delivery {
            key: delivery_key(merchant, &origin.source, &id),
            body: keys.digester.digest(&canonical(&notice)),
        });
        let tokens = &keys.tokeniser;
        let Notice { order, occurred_at, message_id, content } = notice;
        let content = match content {
            Content::Placed(facts) => {
                let (facts, personal) = split(&facts, tokens, order.as_str());
                WorkContent::Placed(facts, personal)
            }
            Content::Amended(facts) => {
                let (facts, personal) = split(&facts, tokens, order.as_str());
                WorkContent::Amended(facts, personal)
            }
            Content::Status { source, status, refunded } => {
                let source = source.unwrap_or_else(|| origin.source.clone()).into();
                WorkContent::Status { source, status, refunded }
            }
        };
        let message = Message { merchant: merchant.clone(), origin, order, occurred_at, message_id, delivery };
        NoticeWork { message, content, reply }
    }
}

/// The number by which a repeated message is recognised. A placement without one is recognised by its order; amendments
/// and statuses without one need none, for facts and reports that are known already change nothing.
fn message_id(notice: &Notice) -> Option<String> {
    match (&notice.message_id, &notice.content) {
        (Some(id), _) => Some(format!("={id}")),
        (None, Content::Placed(_)) => Some(format!("placed:{}", notice.order)),
        (None, Content::Amended(_) | Content::Status { .. }) => None,
    }
}

/// What a message says, in one form whatever its spelling.
fn canonical(notice: &Notice) -> Vec<u8> {
    let (facts, status) = match &notice.content {
        Content::Placed(facts) | Content::Amended(facts) => (Some(facts), None),
        Content::Status { source, status, refunded } => (None, Some((source, status, refunded))),
    };
    let said = (notice.content.kind(), &notice.order, notice.occurred_at, facts, status);
    serde_json::to_vec(&said).expect("plain data has a JSON form")
}

/// Facts for the log, and personal data for the vault.
fn split(facts: &domain::notice::OrderFacts, tokens: &dyn Tokeniser, order: &str) -> (Facts, Option<Personal>) {
    let (mut facts, personal) = tokenise(facts, tokens);
    let personal = personal.map(|personal| {
        let json = serde_json::to_string(&personal).expect("plain data has a JSON form");
        facts.personal = Some(tokens.token("personal", &json));
        Personal { subject: subject(&facts, tokens.token("order", order)), json: json.into_bytes() }
    });
    (facts, personal)
}
