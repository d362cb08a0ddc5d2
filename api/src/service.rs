//! Everything a running service holds, put together from a data directory and taken apart again.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use domain::ids::MerchantId;
use domain::merchant::{KeyCreated, MerchantCommand, MerchantRegistered, Role};
use domain::notice::{Content, Notice};
use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use engine::{Engine, MerchantReceipt, Origin, Refusal};
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use eventlog::{EventLog, LogError};
use projections::{Place, ReadModels};

use crate::clock;
use crate::directory::{Directory, hash_of, stream_of};

/// The merchant that a new store starts with.
pub const DEFAULT_MERCHANT: &str = "default";

/// The event log's file in a data directory.
const LOG_FILE: &str = "log.sqlite";

/// The read models' file in a data directory.
pub const READ_MODELS_FILE: &str = "read.sqlite";

/// A store of events with its vault, not yet worked on.
pub struct Store {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The vault's keys.
    pub vault: Arc<Vault>,
}

impl Store {
    /// Opens the embedded store in a directory; when there is none, fails and makes nothing. Otherwise as [`Store::open`].
    pub async fn open_existing(data: &Path, master_key: Option<&str>) -> anyhow::Result<Self> {
        if !data.join(LOG_FILE).exists() {
            anyhow::bail!("there is no store in {}", data.display());
        }
        Self::open(data, master_key).await
    }

    /// Opens the embedded store in a directory, making it when it is not there. `master_key` is 64 hexadecimal digits;
    /// without it the key is a file in the directory.
    pub async fn open(data: &Path, master_key: Option<&str>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot make the data directory {}", data.display()))?;
        let log = SqliteLog::open(&data.join(LOG_FILE)).await.context("cannot open the event log")?;
        let vault = match master_key {
            Some(hex) => Vault::from_hex(hex).context("ORDERLIGHT_MASTER_KEY is no master key")?,
            None => Self::key_file(&data.join("master.key"), &log).await?,
        };
        if let Some(key) = log.first_subject_key().await.context("cannot read the vault")? {
            vault
                .unwrap_subject_key(&key.merchant, &key.subject, &key.wrapped)
                .context("this master key is not the one that the store was made with")?;
        }
        Ok(Self { log: Arc::new(log), vault: Arc::new(vault) })
    }

    /// Whether the log holds a merchant.
    pub async fn has_merchant(&self, merchant: &MerchantId) -> Result<bool, LogError> {
        Ok(self.log.find_streams(&[stream_of(merchant)]).await?.iter().any(Option::is_some))
    }

    /// The key in a file, which is made for a new store alone: under another key nothing that is stored would be found again.
    async fn key_file(path: &Path, log: &SqliteLog) -> anyhow::Result<Vault> {
        let is_new = log.head(0).await.context("cannot read the event log")? == 0;
        if !is_new && !path.exists() {
            anyhow::bail!("the store has events, but its master key {} is missing; bring it back", path.display());
        }
        Vault::open_or_create(path).context("cannot open the master key")
    }
}

/// A running service.
pub struct Service {
    /// Decides.
    pub engine: Engine,
    /// Answers look-ups.
    pub models: ReadModels,
    /// Knows who may do what.
    pub directory: Directory,
    /// The log itself, for histories.
    pub log: Arc<dyn EventLog>,
    /// Tokens and personal data.
    pub vault: Arc<Vault>,
}

impl Service {
    /// Starts writers and projections on the store of a data directory; a new store gets the merchant `default`.
    pub async fn start(data: &Path, store: Store, first_rulebook: Rulebook) -> anyhow::Result<Self> {
        let Store { log, vault } = store;
        let directory = Directory::open(&*log).await.context("cannot read the merchants")?;
        let engine = Engine::open(log.clone(), vault.clone(), clock::system(), first_rulebook)
            .await
            .context("cannot start the engine")?;
        let place = Place::File(data.join(READ_MODELS_FILE));
        let models = ReadModels::open(&place, log.clone()).await.context("cannot open the read models")?;
        models.start().await;
        let service = Self { engine, models, directory, log, vault };
        service.register_default().await?;
        Ok(service)
    }

    async fn register_default(&self) -> anyhow::Result<()> {
        let id = default_merchant()?;
        if self.directory.merchant(&id).is_some() {
            return Ok(());
        }
        let registered =
            MerchantRegistered { name: "Default".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
        self.command(&id, "orderlight", MerchantCommand::Register(registered)).await?;
        Ok(())
    }

    /// Makes sure that somebody can call the API: with a token given from outside, or with a key that the first start makes
    /// and prints once.
    pub async fn bootstrap(&self, token: Option<&str>) -> anyhow::Result<()> {
        let id = default_merchant()?;
        // An empty variable is one that is not set: an empty token would let everybody in.
        if let Some(token) = token.filter(|token| !token.is_empty()) {
            self.directory.set_bootstrap(id, token);
            return Ok(());
        }
        let has_keys = self.directory.merchant(&id).is_some_and(|merchant| !merchant.keys().is_empty());
        if has_keys {
            return Ok(());
        }
        let (key, created) = new_key("first", vec![Role::Admin, Role::Platform], None)?;
        self.command(&id, "orderlight", MerchantCommand::CreateKey(created)).await?;
        println!("administrator's key of the merchant {DEFAULT_MERCHANT}, shown only now: {key}");
        Ok(())
    }

    /// Decides a command about a merchant; the directory knows of it before the answer.
    pub async fn command(
        &self,
        merchant: &MerchantId,
        actor: &str,
        command: MerchantCommand,
    ) -> Result<MerchantReceipt, Refusal> {
        let origin = Origin { actor: actor.to_owned(), source: "api".to_owned() };
        let answer = self.engine.command(merchant, origin, command).await;
        // Also after a refusal: what was answered as unknown may have been stored, and told by nobody else.
        match self.directory.refresh(&*self.log, merchant).await {
            Ok(()) => answer,
            Err(error) => {
                tracing::error!(error = &error as &dyn std::error::Error, "merchant cannot be read again");
                // A change that is not known here must not be called done: a repetition reads it again.
                answer.and(Err(Refusal::Unavailable))
            }
        }
    }

    /// Waits until the read models have folded all that the log holds now; false when that took longer than `limit`.
    pub async fn follow(&self, limit: Duration) -> bool {
        for partition in 0..self.log.partitions() {
            let Ok(head) = self.log.head(partition).await else { return false };
            for name in self.models.names() {
                if !self.models.wait_for(name, partition, head, limit).await {
                    return false;
                }
            }
        }
        true
    }

    /// Finishes what waits and closes the store.
    pub async fn stop(self) {
        self.engine.close().await;
        self.models.stop().await;
        self.log.close().await;
    }

    /// Closes the store under requests that do not end. What they still send is answered as unknown.
    pub async fn cut_off(&self) {
        self.models.stop().await;
        self.log.close().await;
    }
}

/// The id of [`DEFAULT_MERCHANT`].
pub fn default_merchant() -> anyhow::Result<MerchantId> {
    DEFAULT_MERCHANT.parse().context("the default merchant has an id")
}

/// Where a notice comes from that was sent by a key or read from a file: both count as one source, so that a file that was
/// sent over HTTP is known when it is imported, and the other way round. A status may name a source of its own.
pub fn notice_origin(actor: &str, notice: &Notice) -> Origin {
    let source = match &notice.content {
        Content::Status { source: Some(source), .. } => source.as_str(),
        Content::Status { source: None, .. } | Content::Placed(_) | Content::Amended(_) => "api",
    };
    Origin { actor: actor.to_owned(), source: source.to_owned() }
}

/// A new key, `olk_` and 64 hexadecimal digits, with what is kept of it.
pub fn new_key(name: &str, roles: Vec<Role>, expires_at: Option<Timestamp>) -> anyhow::Result<(String, KeyCreated)> {
    let mut random = [0; 40];
    getrandom::fill(&mut random).context("the system has no randomness")?;
    let (id, secret) = random.split_at(8);
    let key = format!("olk_{}", hex::encode(secret));
    let hash = hex::encode(hash_of(&key)).into();
    let created = KeyCreated { id: hex::encode(id).into(), name: name.into(), hash, roles, expires_at };
    Ok((key, created))
}

#[cfg(test)]
mod tests {
    use domain::merchant::KeyRevoked;

    use super::*;
    use crate::faulty_log::FaultyLog;

    #[tokio::test]
    async fn a_key_whose_revocation_was_answered_as_unknown_does_not_count_any_more() {
        let directory = tempfile::tempdir().unwrap();
        let (log, service) = FaultyLog::service(directory.path()).await;
        let id = default_merchant().unwrap();
        let (key, created) = new_key("till", vec![Role::Ingest], None).unwrap();
        let revoke = MerchantCommand::RevokeKey(KeyRevoked { id: created.id.clone() });
        let counts = || service.directory.caller(&key, clock::now()).is_some();
        service.command(&id, "test", MerchantCommand::CreateKey(created)).await.unwrap();
        assert!(counts());

        log.lose(1);
        assert_eq!(service.command(&id, "test", revoke.clone()).await.err(), Some(Refusal::Unavailable));
        assert!(counts(), "nothing was stored");
        log.store_unsaid(1);
        assert_eq!(service.command(&id, "test", revoke).await.err(), Some(Refusal::Unavailable));
        assert!(!counts(), "the revocation was stored");
        service.stop().await;
    }

    #[tokio::test]
    async fn an_empty_token_is_none() {
        let directory = tempfile::tempdir().unwrap();
        let (_log, service) = FaultyLog::service(directory.path()).await;
        service.bootstrap(Some("")).await.unwrap();
        assert!(service.directory.caller("", clock::now()).is_none());
        let merchant = service.directory.merchant(&default_merchant().unwrap()).unwrap();
        assert_eq!(merchant.keys().len(), 1, "the first key was made");
        service.stop().await;
    }
}
