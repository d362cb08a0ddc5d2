//! mire on Postgres, with the server's default durability. Its tables are made anew.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use mire::EventStore;
use rivals::Loop;
use rivals::mire_order::{Client, ready};
use sqlx::postgres::PgPoolOptions;

/// Connections to Postgres: as many as the peer has.
const CONNECTIONS_MAX: u32 = 32;

const ANEW: &str = "DROP TABLE IF EXISTS es_events, es_streams, es_subscriptions, es_projection_leases, \
    _sqlx_migrations CASCADE";

#[derive(Parser)]
struct Cli {
    /// The database; mire's tables in it are dropped and made anew
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
    #[command(flatten)]
    closed: Loop,
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Cli { database_url, closed } = Cli::parse();
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect(&database_url).await;
    let pool = pool.context("cannot connect to Postgres")?;
    sqlx::query(ANEW).execute(&pool).await.context("cannot drop the tables")?;
    let store = EventStore::new(pool);
    store.migrate().await.context("cannot make the tables")?;
    closed.run(vec![Client(store); usize::from(closed.clients)], ready).await
}
