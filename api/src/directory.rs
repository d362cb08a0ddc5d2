//! Who may do what: merchants, keys and channels, a fold over the log in memory.
//!
//! A key is found by the SHA-256 of its text; the text itself is nowhere. What a command changed is applied before its answer
//! goes out, so a revoked key is refused from the next request on.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::merchant::{KeyStanding, Merchant, MerchantEvent, Role};
use domain::time::Timestamp;
use eventlog::{EventLog, LogError};
use sha2::{Digest, Sha256};

/// Events read at once.
const PAGE: u32 = 1_000;

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
}

#[derive(Default)]
struct State {
    merchants: HashMap<MerchantId, Arc<Merchant>>,
    keys: HashMap<[u8; 32], Entry>,
    bootstrap: Option<([u8; 32], Caller)>,
}

struct Entry {
    caller: Caller,
    expires_at: Option<Timestamp>,
}

impl Directory {
    /// Folds the log.
    pub async fn open(log: &dyn EventLog) -> Result<Self, LogError> {
        let directory = Self::default();
        for partition in 0..log.partitions() {
            let mut after = 0;
            loop {
                let page = log.read_type(partition, Merchant::TYPE, after, PAGE).await?;
                let Some(last) = page.last() else { break };
                after = last.position;
                for event in &page {
                    let read = serde_json::from_str(&event.payload);
                    let change = read.map_err(|error| LogError::Damaged(error.to_string()))?;
                    directory.apply(&event.key.merchant, change);
                }
            }
        }
        Ok(directory)
    }

    /// Takes what happened to a merchant in.
    pub fn apply(&self, id: &MerchantId, event: MerchantEvent) {
        let mut state = self.state.write().unwrap_or_else(PoisonError::into_inner);
        let merchant = Arc::make_mut(state.merchants.entry(id.clone()).or_default());
        merchant.apply(event);
        let merchant = merchant.clone();
        for key in merchant.keys() {
            let mut hash = [0; 32];
            if hex::decode_to_slice(key.created.hash.as_bytes(), &mut hash).is_err() {
                continue;
            }
            match key.standing {
                KeyStanding::Active => {
                    let roles = key.created.roles.clone();
                    let caller = Caller { merchant: id.clone(), key: key.created.id.to_string(), roles };
                    state.keys.insert(hash, Entry { caller, expires_at: key.created.expires_at });
                }
                KeyStanding::Revoked => {
                    state.keys.remove(&hash);
                }
            }
        }
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

    /// A merchant, if it is registered.
    pub fn merchant(&self, id: &MerchantId) -> Option<Arc<Merchant>> {
        let state = self.state.read().unwrap_or_else(PoisonError::into_inner);
        state.merchants.get(id).filter(|merchant| merchant.registered().is_some()).cloned()
    }
}

/// The hash a key is stored under.
pub fn hash_of(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}
