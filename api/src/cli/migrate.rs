//! `orderlight migrate`: the schema of a store, brought up to date by a role that may.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;

use super::StoreArgs;

/// Bring the schema of a store up to date
///
/// A service that runs as a role without the right to do so needs this beforehand. An embedded store is brought up to date by whatever
/// opens it.
#[derive(Args)]
pub(super) struct Migrate {
    #[command(flatten)]
    store: StoreArgs,
    /// Role of the database, made before, that the service is run as: it may read and add to the log, and change nothing in it
    #[arg(long, value_name = "ROLE", env = "ORDERLIGHT_RUNTIME_ROLE", requires = "database_url")]
    runtime_role: Option<String>,
}

impl Migrate {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let role = self.runtime_role.as_deref();
        match &self.store.database_url {
            Some(url) => {
                eventlog::postgres::migrate(url, role).await.context("cannot migrate the event log")?;
                notify::migrate(url, role).await.context("cannot migrate the outbox")?;
                projections::migrate(url, role).await.context("cannot migrate the read models")?;
            }
            None => self.store.open().await?.log.close().await,
        }
        say!("schema is up to date");
        Ok(ExitCode::SUCCESS)
    }
}
