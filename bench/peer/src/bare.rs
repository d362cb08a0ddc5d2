//! cqrs-es alone: an aggregate that turns an order into its three ready events, no view, no scoring. What its stores can carry.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, CqrsFramework, DomainEvent, EventStore};
use measure::{PlainOrder, Sender, plain_orders};
use postgres_es::postgres_cqrs;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use sqlite_es::sqlite_cqrs;
use sqlx::PgPool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

use crate::Loop;

/// Connections to SQLite: what `sqlite_es::default_sqlite_pool` takes.
const SQLITE_CONNECTIONS_MAX: u32 = 10;
/// How long a connection waits for its turn to write.
const BUSY_TIMEOUT: Duration = Duration::from_secs(30);

/// The library's own migration, without the tables for snapshots and views.
const SQLITE_TABLE: &str = "CREATE TABLE events
(
  aggregate_type text                          NOT NULL,
  aggregate_id   text                          NOT NULL,
  sequence       integer CHECK (sequence >= 0) NOT NULL,
  event_type     text                          NOT NULL,
  event_version  text                          NOT NULL,
  payload        text                          NOT NULL,
  metadata       text                          NOT NULL,
  PRIMARY KEY (aggregate_type, aggregate_id, sequence)
) STRICT";

/// One of the three.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
struct BareEvent {
    #[serde(skip)]
    name: &'static str,
    payload: Value,
}

impl DomainEvent for BareEvent {
    fn event_type(&self) -> String {
        self.name.to_owned()
    }

    fn event_version(&self) -> String {
        "1".to_owned()
    }
}

#[derive(Debug, thiserror::Error)]
#[error("already placed")]
struct AlreadyPlaced;

#[derive(Default, Serialize, Deserialize)]
struct BareOrder {
    is_placed: bool,
}

impl Aggregate for BareOrder {
    const TYPE: &'static str = "order";
    type Command = [BareEvent; 3];
    type Event = BareEvent;
    type Error = AlreadyPlaced;
    type Services = ();

    async fn handle(&mut self, events: [BareEvent; 3], (): &(), sink: &EventSink<Self>) -> Result<(), AlreadyPlaced> {
        if self.is_placed {
            return Err(AlreadyPlaced);
        }
        for event in events {
            sink.write(event, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, _event: BareEvent) {
        self.is_placed = true;
    }
}

struct Client<S: EventStore<BareOrder>>(Arc<CqrsFramework<BareOrder, S>>);

impl<S: EventStore<BareOrder>> Clone for Client<S> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<S: EventStore<BareOrder> + 'static> Sender for Client<S>
where
    S::AC: Send,
{
    type Order = (String, [BareEvent; 3]);

    async fn place(&mut self, (id, events): Self::Order) -> Result<(), String> {
        self.0.execute(&id, events).await.map_err(|error| error.to_string())
    }
}

/// On Postgres, whose tables have been made.
pub(crate) async fn on_postgres(pool: PgPool, closed: Loop) -> anyhow::Result<ExitCode> {
    let framework = Arc::new(postgres_cqrs::<BareOrder>(pool, vec![], ()));
    closed.run(Client(framework), orders(closed.orders_max)?).await
}

/// On SQLite, in a new file.
pub(crate) async fn on_sqlite(closed: Loop) -> anyhow::Result<ExitCode> {
    let directory = tempfile::tempdir()?;
    let options = SqliteConnectOptions::new()
        .filename(directory.path().join("events.sqlite"))
        .create_if_missing(true)
        .journal_mode(SqliteJournalMode::Wal)
        .synchronous(SqliteSynchronous::Full)
        .busy_timeout(BUSY_TIMEOUT)
        .foreign_keys(true);
    let pool = SqlitePoolOptions::new().max_connections(SQLITE_CONNECTIONS_MAX).connect_with(options).await?;
    sqlx::query(SQLITE_TABLE).execute(&pool).await.context("cannot make the table")?;
    let synchronous: i64 = sqlx::query_scalar("PRAGMA synchronous").fetch_one(&pool).await?;
    anyhow::ensure!(synchronous == 2, "synchronous is {synchronous}, not 2 (FULL)");
    let framework = Arc::new(sqlite_cqrs::<BareOrder>(pool, vec![], ()));
    closed.run(Client(framework), orders(closed.orders_max)?).await
}

fn orders(count: u64) -> anyhow::Result<Vec<(String, [BareEvent; 3])>> {
    let event = |(name, payload): (&'static str, String)| {
        anyhow::Ok(BareEvent { name, payload: serde_json::from_str(&payload)? })
    };
    plain_orders(count)
        .into_iter()
        .map(|PlainOrder { id, events: [placed, scored, released] }| {
            Ok((id, [event(placed)?, event(scored)?, event(released)?]))
        })
        .collect()
}
