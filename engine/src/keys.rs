//! What merchants' messages are made unreadable with, kept because deriving it costs more than using it.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError, RwLock};

use domain::ids::MerchantId;
use eventlog::vault::{MerchantDigester, MerchantTokeniser, Vault};
use rustc_hash::FxBuildHasher;

/// The most merchants whose keys are kept; with one more, all are derived anew when they are needed.
const MERCHANTS_MAX: usize = 10_000;

/// One merchant's.
pub(crate) struct Keys {
    pub(crate) tokeniser: MerchantTokeniser,
    pub(crate) digester: MerchantDigester,
}

/// Those of all merchants that sent something.
pub(crate) struct MerchantKeys {
    vault: Arc<Vault>,
    known: RwLock<HashMap<MerchantId, Arc<Keys>, FxBuildHasher>>,
}

impl MerchantKeys {
    pub(crate) fn new(vault: Arc<Vault>) -> Self {
        Self { vault, known: RwLock::default() }
    }

    pub(crate) fn of(&self, merchant: &MerchantId) -> Arc<Keys> {
        if let Some(keys) = self.known.read().unwrap_or_else(PoisonError::into_inner).get(merchant) {
            return Arc::clone(keys);
        }
        let (tokeniser, digester) = (self.vault.tokeniser(merchant), self.vault.digester(merchant));
        let keys = Arc::new(Keys { tokeniser, digester });
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MERCHANTS_MAX {
            known.clear();
        }
        known.insert(merchant.clone(), Arc::clone(&keys));
        keys
    }
}
