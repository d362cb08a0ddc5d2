//! Where events are stored, and with which keys: a directory with SQLite files, or a Postgres database.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use domain::ids::MerchantId;
use eventlog::postgres::PostgresLog;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use eventlog::{EventLog, LogError};
use projections::Place;

use crate::directory::stream_of;

/// The event log's file in a data directory.
const LOG_FILE: &str = "log.sqlite";
/// The read models' file in a data directory.
const READ_MODELS_FILE: &str = "read.sqlite";
/// The outbox's file in a data directory.
const OUTBOX_FILE: &str = "outbox.sqlite";
/// The master key's file in a data directory.
const KEY_FILE: &str = "master.key";
/// The directory of the snapshots in a data directory.
const SNAPSHOTS: &str = "snapshots";
/// The file in a data directory of what is certainly not in the log.
const ABSENCE_FILE: &str = "absence.filter";

/// Where a store is.
#[derive(Clone, Debug)]
pub enum At {
    /// The embedded store in a directory, for one process.
    Directory(PathBuf),
    /// A Postgres database, which several processes may share.
    Postgres {
        /// `postgres://user@host/name`.
        url: String,
        /// Where other processes reach this one; one that says nothing takes no share of the partitions that others keep.
        address: Option<String>,
        /// A directory of this process, for snapshots.
        data: PathBuf,
    },
}

/// A store of events with its vault, not yet worked on.
pub struct Store {
    /// The log.
    pub log: Arc<dyn EventLog>,
    /// The vault's keys.
    pub vault: Arc<Vault>,
    /// Where its read models are.
    pub models: Place,
    /// Where its notifications are.
    pub outbox: notify::Place,
    /// Where snapshots of what writers remember are, if they are kept, and extracts for back-tests beside them.
    pub snapshots: Option<PathBuf>,
}

impl Store {
    /// Opens a store, making it when it is not there. `master_key` is 64 hexadecimal digits; without it the key of an embedded
    /// store is a file in its directory.
    pub async fn open(at: &At, master_key: Option<&str>) -> anyhow::Result<Self> {
        let given = master_key.map(Vault::from_hex).transpose().context("ORDERLIGHT_MASTER_KEY is no master key")?;
        let store = match at {
            At::Directory(data) => Self::embedded(data, given).await?,
            At::Postgres { url, address, data } => {
                let vault = given.context("a store in Postgres needs a master key, see ORDERLIGHT_MASTER_KEY")?;
                let log = PostgresLog::open(url, address.as_deref()).await.context("cannot open the event log")?;
                log.keep_absence(data.join(ABSENCE_FILE));
                let session_name = Some(log.session_name());
                let models = Place::Postgres { url: url.clone(), session_name: session_name.clone() };
                let outbox = notify::Place::Postgres { url: url.clone(), session_name };
                let snapshots = Some(data.join(SNAPSHOTS));
                Self { log: Arc::new(log), vault: Arc::new(vault), models, outbox, snapshots }
            }
        };
        if let Some(key) = store.log.first_subject_key().await.context("cannot read the vault")? {
            store
                .vault
                .unwrap_subject_key(&key.merchant, &key.subject, &key.wrapped)
                .context("this master key is not the one that the store was made with")?;
        }
        Ok(store)
    }

    /// Opens a store that must be there; a mistyped directory or database is told and not filled. Otherwise as [`Store::open`].
    pub async fn open_existing(at: &At, master_key: Option<&str>) -> anyhow::Result<Self> {
        if let At::Directory(data) = at
            && !data.join(LOG_FILE).exists()
        {
            anyhow::bail!("there is no store in {}", data.display());
        }
        let store = Self::open(at, master_key).await?;
        for partition in 0..store.log.partitions() {
            if store.log.head(partition).await.context("cannot read the event log")? > 0 {
                return Ok(store);
            }
        }
        anyhow::bail!("the store has no events")
    }

    /// Whether the log holds a merchant.
    pub async fn has_merchant(&self, merchant: &MerchantId) -> Result<bool, LogError> {
        Ok(self.log.find_streams(&[stream_of(merchant)]).await?.iter().any(Option::is_some))
    }

    async fn embedded(data: &Path, vault: Option<Vault>) -> anyhow::Result<Self> {
        std::fs::create_dir_all(data).with_context(|| format!("cannot make the data directory {}", data.display()))?;
        let log = SqliteLog::open(&data.join(LOG_FILE)).await.context("cannot open the event log")?;
        log.keep_absence(data.join(ABSENCE_FILE));
        let vault = match vault {
            Some(vault) => vault,
            None => key_file(&data.join(KEY_FILE), &log).await?,
        };
        let (models, snapshots) = (Place::File(data.join(READ_MODELS_FILE)), Some(data.join(SNAPSHOTS)));
        let outbox = notify::Place::File(data.join(OUTBOX_FILE));
        Ok(Self { log: Arc::new(log), vault: Arc::new(vault), models, outbox, snapshots })
    }
}

/// The key in a file, which is made for a new store alone: under another key nothing that is stored would be found again.
async fn key_file(path: &Path, log: &SqliteLog) -> anyhow::Result<Vault> {
    let is_new = log.head(0).await.context("cannot read the event log")? == 0;
    if !is_new && !path.exists() {
        anyhow::bail!("the store has events, but its master key {} is missing; bring it back", path.display());
    }
    Vault::open_or_create(path).context("cannot open the master key")
}
