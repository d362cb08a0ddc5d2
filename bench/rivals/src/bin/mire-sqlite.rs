//! mire on SQLite with `synchronous=FULL`, in a new file.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use clap::Parser;
use mire::{EmbeddedOptions, EventStore};
use rivals::Loop;
use rivals::mire_order::{Client, ready};

/// How long a connection waits for its turn to write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

#[derive(Parser)]
struct Cli {
    #[command(flatten)]
    closed: Loop,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Cli { closed } = Cli::parse();
    let directory = tempfile::tempdir()?;
    let options = EmbeddedOptions { busy_timeout: BUSY_TIMEOUT, ..EmbeddedOptions::default() };
    let store = EventStore::open_with(directory.path().join("events.sqlite"), options).await.context("cannot open")?;
    store.migrate().await.context("cannot make the tables")?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(store.pool()).await?;
    anyhow::ensure!(synchronous == 2, "synchronous is {synchronous}, not 2 (FULL)");
    closed.run(vec![Client(store); usize::from(closed.clients)], ready).await
}
