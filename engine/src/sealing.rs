//! Personal data on its way into the vault: each subject has a data key of its own, made when it first appears.

use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::ids::{MerchantId, Token};
use eventlog::vault::{DataKey, Sealed, Vault, VaultError};
use eventlog::{EventLog, LogError};
use lru::LruCache;
use rustc_hash::FxBuildHasher;

use crate::batch::Draft;
use crate::work::Personal;

/// The most data keys kept in memory.
const CACHED_KEYS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

type SubjectName = (MerchantId, Token);

/// The data keys at hand. `None` stands for a subject that is known to have none so far.
pub(crate) struct Sealing {
    vault: Arc<Vault>,
    keys: LruCache<SubjectName, Option<(u64, DataKey)>, FxBuildHasher>,
}

impl Sealing {
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, keys: LruCache::with_hasher(CACHED_KEYS_MAX, FxBuildHasher) }
    }

    /// Makes sure that the keys of all these subjects are at hand, or known to be missing.
    pub(crate) async fn load(&mut self, log: &dyn EventLog, subjects: Vec<SubjectName>) -> Result<(), LogError> {
        let mut missing: Vec<_> = subjects.into_iter().filter(|subject| !self.keys.contains(subject)).collect();
        missing.sort_unstable();
        missing.dedup();
        if missing.is_empty() {
            return Ok(());
        }
        let found = log.find_subject_keys(&missing).await?;
        for ((merchant, subject), stored) in missing.into_iter().zip(found) {
            let key = match stored {
                None => None,
                Some(stored) => {
                    let key = self.vault.unwrap_subject_key(&merchant, &subject, &stored.wrapped);
                    Some((stored.id, key.map_err(|error| LogError::Damaged(error.to_string()))?))
                }
            };
            self.keys.put((merchant, subject), key);
        }
        Ok(())
    }

    /// Seals personal data, making the subject's key when it is its first; answers with the key's number.
    pub(crate) fn seal(
        &mut self,
        merchant: &MerchantId,
        order: &str,
        personal: &Personal,
        draft: &mut Draft,
    ) -> Result<(u64, Sealed), VaultError> {
        let name = (merchant.clone(), personal.subject);
        if let Some(Some((id, key))) = self.keys.get(&name) {
            return Ok((*id, self.vault.seal(key, order.as_bytes(), &personal.json)?));
        }
        let (key, wrapped) = self.vault.new_subject_key(merchant, &personal.subject)?;
        let sealed = self.vault.seal(&key, order.as_bytes(), &personal.json)?;
        let id = draft.subject_key(merchant.clone(), personal.subject, wrapped);
        self.keys.put(name, Some((id, key)));
        Ok((id, sealed))
    }
}
