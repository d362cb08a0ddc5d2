//! The stores that are measured: where they are, and how they are opened as the service opens them.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use anyhow::Context;
use clap::{Args, ValueEnum};
use eventlog::EventLog;
use eventlog::postgres::PostgresLog;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use projections::{Place, ReadModels};
use tempfile::TempDir;

/// Which back end.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Kind {
    /// The embedded store
    Sqlite,
    /// The log in a Postgres database
    Postgres,
}

/// Which store.
#[derive(Args)]
pub(crate) struct StoreArgs {
    #[arg(long, value_enum, default_value_t = Kind::Sqlite)]
    store: Kind,
    /// Database of a log on Postgres
    #[arg(long, env = "DATABASE_URL", required_if_eq("store", "postgres"))]
    database_url: Option<String>,
    /// Directory of the store, which may hold orders already; without it a new one that is removed at the end
    #[arg(long)]
    data: Option<PathBuf>,
}

/// A store's directory, and whether it goes with this value.
enum Directory {
    Kept(PathBuf),
    Temporary(TempDir),
}

/// A store, open.
pub(crate) struct Store {
    pub(crate) log: Arc<dyn EventLog>,
    directory: Directory,
    models: Place,
}

impl StoreArgs {
    /// Opens it, or makes it.
    pub(crate) async fn open(self) -> anyhow::Result<Store> {
        let directory = match self.data {
            Some(path) => Directory::Kept(path),
            None => Directory::Temporary(tempfile::tempdir().context("cannot make a directory")?),
        };
        std::fs::create_dir_all(directory.path()).context("cannot make the directory")?;
        let absence = directory.path().join("absence.filter");
        let (log, models): (Arc<dyn EventLog>, Place) = match self.store {
            Kind::Sqlite => {
                let log = SqliteLog::open(&directory.path().join("log.sqlite")).await.context("cannot open the log")?;
                log.keep_absence(absence);
                (Arc::new(log), Place::File(directory.path().join("read.sqlite")))
            }
            Kind::Postgres => {
                let url = self.database_url.context("a log on Postgres has a database")?;
                let log = PostgresLog::open(&url, None).await.context("cannot open the log")?;
                log.keep_absence(absence);
                (Arc::new(log), Place::Postgres { url, session_name: None })
            }
        };
        Ok(Store { log, directory, models })
    }
}

impl Store {
    /// The read models beside it.
    pub(crate) async fn read_models(&self) -> anyhow::Result<ReadModels> {
        ReadModels::open(&self.models, self.log.clone()).await.context("cannot open the read models")
    }

    /// Its vault.
    pub(crate) fn vault(&self) -> anyhow::Result<Vault> {
        Vault::open_or_create(&self.directory.path().join("master.key")).context("cannot open the master key")
    }
}

impl Directory {
    fn path(&self) -> &Path {
        match self {
            Self::Kept(path) => path,
            Self::Temporary(directory) => directory.path(),
        }
    }
}
