//! Who may do what: merchants, keys and channels, a fold over the log in memory.
//!
//! * A key is found by the SHA-256 of its text; the text itself is nowhere.
//! * A merchant is read again from its own stream after every command, whatever its outcome and before its answer goes out, so
//!   a revoked key is refused from the next request on. What is known never gives way to an earlier state of the stream.
//! * Where several processes share a log, that holds for the one that writes the merchant's partition, to which every change goes. The others
//!   learn of it some 25 ms later, and within seconds where the word of it was lost.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, PoisonError, RwLock};
use std::time::Duration;

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::merchant::{Key, KeyStanding, Merchant, Role};
use domain::time::Timestamp;
use engine::Standing;
use eventlog::{EventLog, LogError, Position, RecordedEvent, StreamKey};
use sha2::{Digest, Sha256};
use tokio::sync::watch;

/// Events read at once.
const PAGE: u32 = 1_000;
/// How long events of another process are gathered before they are looked through.
const FOLLOW_PAUSE: Duration = Duration::from_millis(20);
/// The pause before a log is tried again that could not be read.
const RETRY_PAUSE: Duration = Duration::from_millis(500);

/// Who calls.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Caller {
    /// For which merchant.
    pub merchant: MerchantId,
    /// With which key.
    pub key: String,
    /// In which roles.
    pub roles: Vec<Role>,
}

/// All merchants with their keys and channels.
#[derive(Default)]
pub struct Directory {
    state: RwLock<State>,
    /// How far each partition was folded at the beginning.
    folded: Vec<Position>,
}

#[derive(Default)]
struct State {
    merchants: HashMap<MerchantId, Known>,
    keys: HashMap<[u8; 32], Entry>,
    bootstrap: Option<([u8; 32], Caller)>,
}

/// A merchant as of an event of its stream.
#[derive(Clone, Default)]
struct Known {
    merchant: Arc<Merchant>,
    sequence: u64,
}

struct Entry {
    caller: Caller,
    expires_at: Option<Timestamp>,
}

impl Directory {
    /// Folds the log.
    pub async fn open(log: &dyn EventLog) -> Result<Self, LogError> {
        let mut merchants: HashMap<MerchantId, Known> = HashMap::new();
        let mut folded = Vec::new();
        for partition in 0..log.partitions() {
            let mut after = 0;
            loop {
                let page = log.read_type(partition, Merchant::TYPE, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.position;
                for event in &page {
                    merchants.entry(event.key.merchant.clone()).or_default().fold(event)?;
                }
            }
            folded.push(after);
        }
        let directory = Self { folded, ..Self::default() };
        merchants.into_iter().for_each(|(id, known)| directory.learn(&id, known));
        Ok(directory)
    }

    /// Reads a merchant's stream again.
    ///
    /// # Errors
    /// When the log cannot be read; what was known stays.
    pub async fn refresh(&self, log: &dyn EventLog, id: &MerchantId) -> Result<(), LogError> {
        let Some(stream) = log.find_streams(&[stream_of(id)]).await?.into_iter().flatten().next() else {
            return Ok(());
        };
        let mut known = Known::default();
        for event in &log.read_streams(&[stream]).await? {
            known.fold(event)?;
        }
        self.learn(id, known);
        Ok(())
    }

    /// Learns of what other processes change in a partition, for as long as it is let. What is changed here is known at once;
    /// when the partition comes here, what was changed elsewhere before is learnt once more.
    pub async fn follow(&self, log: &dyn EventLog, partition: u32, mut standing: watch::Receiver<Standing>) {
        let mut head = log.watch(partition);
        let mut after = self.folded.get(usize::try_from(partition).unwrap_or(usize::MAX)).copied().unwrap_or_default();
        // Whether all that came before the partition came here is learnt.
        let mut is_level = false;
        loop {
            let is_here = *standing.borrow_and_update() == Standing::Here;
            head.borrow_and_update();
            if !(is_here && is_level) {
                match self.learn_after(log, partition, after).await {
                    Ok(reached) => (after, is_level) = (reached, is_here),
                    Err(error) => {
                        tracing::warn!(
                            partition,
                            error = &error as &dyn std::error::Error,
                            "merchants cannot be followed"
                        );
                        tokio::time::sleep(RETRY_PAUSE).await;
                        continue;
                    }
                }
            }
            tokio::select! {
                moved = head.changed() => if moved.is_err() { return },
                moved = standing.changed() => if moved.is_err() { return },
            }
            tokio::time::sleep(FOLLOW_PAUSE).await;
        }
    }

    async fn learn_after(&self, log: &dyn EventLog, partition: u32, mut after: Position) -> Result<Position, LogError> {
        loop {
            let page = log.read_type(partition, Merchant::TYPE, after, PAGE).await?;
            let Some(last) = page.last() else { return Ok(after) };
            after = last.position;
            let changed: BTreeSet<&MerchantId> = page.iter().map(|event| &event.key.merchant).collect();
            for merchant in changed {
                self.refresh(log, merchant).await?;
            }
        }
    }

    /// Takes a merchant's state in, with exactly the keys that it has, unless a later one is known.
    fn learn(&self, id: &MerchantId, known: Known) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let State { merchants, keys, .. } = &mut *state;
        if let Some(before) = merchants.get(id) {
            if before.sequence > known.sequence {
                return;
            }
            before.merchant.keys().iter().filter_map(stored_hash).for_each(|hash| drop(keys.remove(&hash)));
        }
        for key in known.merchant.keys().iter().filter(|key| key.standing == KeyStanding::Active) {
            let Some(hash) = stored_hash(key) else { continue };
            let roles = key.created.roles.clone();
            let caller = Caller { merchant: id.clone(), key: key.created.id.to_string(), roles };
            keys.insert(hash, Entry { caller, expires_at: key.created.expires_at });
        }
        merchants.insert(id.clone(), known);
    }

    /// Lets a token act as administrator and platform for a merchant, as long as the process lives.
    pub fn set_bootstrap(&self, merchant: MerchantId, token: &str) {
        let caller = Caller { merchant, key: "bootstrap".to_owned(), roles: vec![Role::Admin, Role::Platform] };
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        state.bootstrap = Some((hash_of(token), caller));
    }

    /// Who calls with that key; `None` when it does not count. The look-up is by hash, so its time tells nothing of the key.
    pub fn caller(&self, token: &str, at: Timestamp) -> Option<Caller> {
        let hash = hash_of(token);
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if let Some((bootstrap, caller)) = &state.bootstrap
            && *bootstrap == hash
        {
            return Some(caller.clone());
        }
        let entry = state.keys.get(&hash)?;
        entry.expires_at.is_none_or(|expires_at| at < expires_at).then(|| entry.caller.clone())
    }

    /// Whether a caller who was let in would be again: its key is neither revoked nor expired.
    pub fn counts(&self, caller: &Caller, at: Timestamp) -> bool {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        if state.bootstrap.as_ref().is_some_and(|(_, known)| known == caller) {
            return true;
        }
        let keys = state.merchants.get(&caller.merchant).map(|known| known.merchant.keys()).unwrap_or_default();
        keys.iter().any(|key| {
            *key.created.id == *caller.key
                && key.standing == KeyStanding::Active
                && key.created.expires_at.is_none_or(|expires_at| at < expires_at)
        })
    }

    /// A merchant, if it is registered.
    pub fn merchant(&self, id: &MerchantId) -> Option<Arc<Merchant>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        let merchant = &state.merchants.get(id)?.merchant;
        merchant.registered().is_some().then(|| Arc::clone(merchant))
    }
}

impl Known {
    fn fold(&mut self, event: &RecordedEvent) -> Result<(), LogError> {
        let change = serde_json::from_str(&event.payload).map_err(|error| LogError::Damaged(error.to_string()))?;
        Arc::make_mut(&mut self.merchant).apply(change);
        self.sequence = event.sequence;
        Ok(())
    }
}

/// The hash that a key is found by; `None` when it is none, so that the key counts nowhere.
fn stored_hash(key: &Key) -> Option<[u8; 32]> {
    let mut hash = [0; 32];
    hex::decode_to_slice(key.created.hash.as_bytes(), &mut hash).ok().map(|()| hash)
}

/// The one stream with what happened to a merchant.
pub fn stream_of(id: &MerchantId) -> StreamKey {
    StreamKey { merchant: id.clone(), aggregate_type: Merchant::TYPE.into(), aggregate_id: id.as_str().into() }
}

/// The hash a key is stored under.
pub fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

#[cfg(test)]
mod tests {
    use domain::merchant::{KeyCreated, KeyRevoked, MerchantEvent, MerchantRegistered};

    use super::*;

    fn known(id: &MerchantId, events: &[MerchantEvent]) -> (MerchantId, Known) {
        let mut merchant = Merchant::default();
        events.iter().for_each(|event| merchant.apply(event.clone()));
        let sequence = events.iter().zip(1..).last().map_or(0, |(_, sequence)| sequence);
        (id.clone(), Known { merchant: Arc::new(merchant), sequence })
    }

    fn history() -> [MerchantEvent; 4] {
        let registered =
            MerchantRegistered { name: "Shop".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
        let created = |id: &str, token: &str| {
            let (hash, roles) = (hex::encode(hash_of(token)).into(), vec![Role::Ingest]);
            MerchantEvent::KeyCreated(KeyCreated { id: id.into(), name: id.into(), hash, roles, expires_at: None })
        };
        [
            MerchantEvent::MerchantRegistered(registered),
            created("one", "olk_one"),
            created("two", "olk_two"),
            MerchantEvent::KeyRevoked(KeyRevoked { id: "one".into() }),
        ]
    }

    #[test]
    fn what_is_known_does_not_give_way_to_what_was_read_before_it() {
        let (directory, id) = (Directory::default(), "shop".parse().unwrap());
        let callers = || ["olk_one", "olk_two"].map(|token| directory.caller(token, Timestamp::EARLIEST).is_some());
        let learn = |events: &[MerchantEvent]| {
            let (id, known) = known(&id, events);
            directory.learn(&id, known);
        };
        let history = history();
        learn(&history[..2]);
        assert_eq!(callers(), [true, false]);
        learn(&history);
        assert_eq!(callers(), [false, true]);
        learn(&history[..3]);
        assert_eq!(callers(), [false, true], "a revoked key does not come back");
        assert_eq!(directory.merchant(&id).unwrap().keys().len(), 2);
    }

    #[test]
    fn a_merchants_keys_are_its_own() {
        let directory = Directory::default();
        let history = history();
        let (shop, known_shop) = known(&"shop".parse().unwrap(), &history);
        let (other, known_other) = known(&"other".parse().unwrap(), &history[..1]);
        directory.learn(&shop, known_shop);
        directory.learn(&other, known_other);
        let caller = directory.caller("olk_two", Timestamp::EARLIEST).unwrap();
        assert_eq!((caller.merchant, &*caller.key), (shop, "two"));
    }
}
