//! Personal data on its way into the vault: each subject has a data key of its own, made when it first appears.

use std::num::NonZeroUsize;
use std::sync::Arc;

use domain::ids::{MerchantId, Token};
use eventlog::vault::{DataKey, Sealed, Vault, VaultError};
use eventlog::{LogError, SubjectKey};
use lru::LruCache;
use rustc_hash::{FxBuildHasher, FxHashMap};

use crate::batch::Draft;
use crate::writer::BATCH_MAX;

/// The most data keys kept in memory.
const CACHED_KEYS_MAX: NonZeroUsize = NonZeroUsize::new(100_000).expect("not zero");

/// What is made and not yet committed is nowhere but here, and must not be pushed out.
const _: () = assert!(CACHED_KEYS_MAX.get() > 8 * BATCH_MAX);

type SubjectName = (MerchantId, Token);

/// A subject's key with its number; `None` stands for a subject that is known to have none so far.
type KnownKey = Option<(u64, DataKey)>;

/// The data keys at hand. Those of the batch at hand lie outside the bounded cache.
pub(crate) struct Sealing {
    vault: Arc<Vault>,
    batch: FxHashMap<SubjectName, KnownKey>,
    cache: LruCache<SubjectName, KnownKey, FxBuildHasher>,
}

impl Sealing {
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        let cache = LruCache::with_hasher(CACHED_KEYS_MAX, FxBuildHasher);
        Self { vault, batch: FxHashMap::default(), cache }
    }

    /// Puts what was at hand into the cache, takes the keys of these subjects from it, and tells which of them must be looked up
    /// and then [learnt](Self::learn).
    pub(crate) fn at_hand(&mut self, subjects: impl Iterator<Item = SubjectName>) -> Vec<SubjectName> {
        for (subject, key) in self.batch.drain() {
            self.cache.put(subject, key);
        }
        self.also_at_hand(subjects)
    }

    /// As [`Self::at_hand`], beside those that are at hand already.
    pub(crate) fn also_at_hand(&mut self, subjects: impl Iterator<Item = SubjectName>) -> Vec<SubjectName> {
        let mut missing = Vec::new();
        for subject in subjects {
            if self.batch.contains_key(&subject) {
                continue;
            }
            match self.cache.pop(&subject) {
                Some(key) => drop(self.batch.insert(subject, key)),
                None => missing.push(subject),
            }
        }
        missing.sort_unstable();
        missing.dedup();
        missing
    }

    /// Takes in what was found of the missing ones, in their order.
    pub(crate) fn learn(&mut self, missing: &[SubjectName], found: Vec<Option<SubjectKey>>) -> Result<(), LogError> {
        for ((merchant, subject), stored) in missing.iter().zip(found) {
            let key = match stored {
                None => None,
                Some(stored) => {
                    let key = self.vault.unwrap_subject_key(merchant, subject, &stored.wrapped);
                    Some((stored.id, key.map_err(|error| LogError::Damaged(error.to_string()))?))
                }
            };
            self.batch.insert((merchant.clone(), *subject), key);
        }
        Ok(())
    }

    /// Seals personal data, making the subject's key when it is its first; answers with the key's number.
    pub(crate) fn seal(
        &mut self,
        merchant: &MerchantId,
        order: &str,
        subject: Token,
        personal: &[u8],
        draft: &mut Draft,
    ) -> Result<(u64, Sealed), VaultError> {
        let name = (merchant.clone(), subject);
        let known = self.batch.get(&name).expect("the keys of a batch are loaded before it is decided");
        if let Some((id, key)) = known {
            return Ok((*id, self.vault.seal(key, order.as_bytes(), personal)?));
        }
        let (key, wrapped) = self.vault.new_subject_key(merchant, &subject)?;
        let sealed = self.vault.seal(&key, order.as_bytes(), personal)?;
        let id = draft.subject_key(merchant.clone(), subject, wrapped);
        self.batch.insert(name, Some((id, key)));
        Ok((id, sealed))
    }
}
