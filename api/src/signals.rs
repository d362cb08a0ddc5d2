//! Which signals merchants have, declared or from the beginning: a fold over the log that goes on from where it stood whenever
//! somebody asks, so it shows every commit that was answered before. Their values are the engine's matter alone.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::signal::{Declaration, Signal, SignalEvent, SignalName, SubjectKind, built_ins};
use eventlog::{EventLog, LogError, Position};
use tokio::sync::Mutex;

/// Events read at once.
const PAGE: u32 = 500;

/// A merchant's signals by name.
pub type Declared = BTreeMap<SignalName, Declaration>;

/// The signals of all merchants.
pub struct Signals {
    log: Arc<dyn EventLog>,
    partitions: Vec<Mutex<Folded>>,
}

/// The signals of a partition's merchants, as far as they were folded.
#[derive(Default)]
struct Folded {
    after: Position,
    merchants: HashMap<MerchantId, Declared>,
}

impl Signals {
    /// Of a log; nothing is read before somebody asks.
    pub fn new(log: Arc<dyn EventLog>) -> Self {
        let partitions = (0..log.partitions()).map(|_| Mutex::default()).collect();
        Self { log, partitions }
    }

    /// A merchant's signals, with everything that was committed so far; those of the beginning as they are until it declares them.
    ///
    /// # Errors
    /// When the log cannot be read, or holds what this version of the service cannot read.
    pub async fn of(&self, partition: u32, merchant: &MerchantId) -> Result<Declared, LogError> {
        let mut folded = self.partition(partition).lock().await;
        self.catch_up(partition, &mut folded).await?;
        let own = folded.merchants.get(merchant).into_iter().flatten();
        Ok(built_ins().chain(own.map(|(name, declaration)| (*name, declaration.clone()))).collect())
    }

    /// Whether a merchant's own model may give its orders their values of a signal. What was declared once is about the same for
    /// ever, so the log is asked only about those that declared it never.
    ///
    /// # Errors
    /// As [`Self::of`].
    pub async fn is_of_orders(
        &self,
        partition: u32,
        merchant: &MerchantId,
        name: &SignalName,
    ) -> Result<bool, LogError> {
        let mut folded = self.partition(partition).lock().await;
        if folded.subject(merchant, name).is_none() {
            self.catch_up(partition, &mut folded).await?;
        }
        Ok(folded.subject(merchant, name) == Some(SubjectKind::Order))
    }

    fn partition(&self, partition: u32) -> &Mutex<Folded> {
        &self.partitions[usize::try_from(partition).expect("a partition is an index")]
    }

    async fn catch_up(&self, partition: u32, folded: &mut Folded) -> Result<(), LogError> {
        loop {
            let page = self.log.read_type(partition, Signal::TYPE, folded.after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(()) };
            for event in &page {
                let damaged = |why: String| LogError::Damaged(why);
                let name = event.key.aggregate_id.parse().map_err(|_| damaged("not a signal's name".to_owned()))?;
                let SignalEvent::SignalDeclared(declaration) =
                    serde_json::from_str(&event.payload).map_err(|error| damaged(error.to_string()))?;
                let signals = folded.merchants.entry(event.key.merchant.clone()).or_default();
                signals.insert(name, declaration);
            }
            folded.after = last.position;
        }
    }
}

impl Folded {
    /// What a merchant's signal is about, as far as was folded.
    fn subject(&self, merchant: &MerchantId, name: &SignalName) -> Option<SubjectKind> {
        Some(self.merchants.get(merchant)?.get(name)?.subject)
    }
}
