//! The event repository of postgres-es reads an aggregate from our tables, by the view `events`.

use std::collections::HashMap;
use std::fs;

use cqrs_es::event_sink::EventSink;
use cqrs_es::persist::{PersistedEventRepository, PersistedEventStore};
use cqrs_es::{Aggregate, AggregateContext, DomainEvent, EventStore};
use postgres_es::PostgresEventRepository;
use serde::{Deserialize, Serialize};
use sqlx::{Connection, Executor, PgConnection, PgPool};

#[derive(Default, Serialize, Deserialize)]
struct Counter {
    count: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Counted {
    Added { by: u32 },
}

impl DomainEvent for Counted {
    fn event_type(&self) -> String {
        "Added".into()
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("never")]
struct Never;

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    type Command = u32;
    type Event = Counted;
    type Error = Never;
    type Services = ();

    async fn handle(&mut self, by: u32, (): &(), sink: &EventSink<Self>) -> Result<(), Never> {
        sink.write(Counted::Added { by }, self).await;
        Ok(())
    }

    fn apply(&mut self, Counted::Added { by }: Counted) {
        self.count += by;
    }
}

/// As the writer of the log stores two aggregates, the events of one between those of the other.
const ROWS: &str = r#"
    INSERT INTO orderlight.streams (id, merchant, aggregate_type, aggregate_id)
    VALUES (1, 'acme', 'counter', 'c1'), (2, 'acme', 'counter', 'c2'), (3, 'acme', 'other', 'c1');
    INSERT INTO orderlight.log (partition, position, stream, sequence, event_type, event_version, payload, metadata,
                                occurred_at, recorded_at)
    VALUES (0, 1, 1, 1, 'Added', '1', '{"Added":{"by":4}}', '{"actor":"tester"}', 0, 0),
           (0, 2, 2, 1, 'Added', '1', '{"Added":{"by":1}}', '{}', 0, 0),
           (0, 3, 1, 2, 'Added', '1', '{"Added":{"by":6}}', '{}', 0, 0),
           (0, 4, 3, 1, 'Added', '1', '{"Added":{"by":9}}', '{}', 0, 0);
"#;

/// A new database with our tables and the rows, in the cluster that the environment names.
async fn filled() -> PgPool {
    let cluster = std::env::var("ORDERLIGHT_TEST_POSTGRES").expect("`.ci/with-postgres cargo test` names a cluster");
    let name = format!("postgres_es_{}", std::process::id());
    let mut superuser = PgConnection::connect(&cluster).await.unwrap();
    superuser.execute(&*format!("CREATE DATABASE {name}")).await.unwrap();
    let (server, _) = cluster.rsplit_once('/').unwrap();
    let pool = PgPool::connect(&format!("{server}/{name}")).await.unwrap();
    pool.execute("CREATE SCHEMA orderlight").await.unwrap();
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../migrations/postgres/log");
    let mut migrations: Vec<_> = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    migrations.sort();
    assert!(!migrations.is_empty());
    for migration in migrations {
        pool.execute(&*fs::read_to_string(migration).unwrap()).await.unwrap();
    }
    pool.execute(ROWS).await.unwrap();
    pool
}

#[tokio::test]
async fn postgres_es_reads_our_log() {
    let pool = filled().await;
    let repository = || PostgresEventRepository::new(pool.clone()).with_tables("orderlight.events", "none");
    let events = repository().get_events::<Counter>("c1").await.unwrap();
    let read: Vec<_> = events.iter().map(|event| (event.sequence, &*event.event_type, &*event.event_version)).collect();
    assert_eq!(read, [(1, "Added", "1"), (2, "Added", "1")]);

    let theirs = PersistedEventStore::<_, Counter>::new_event_store(repository());
    let envelopes = theirs.load_events("c1").await.unwrap();
    assert_eq!(envelopes[0].payload, Counted::Added { by: 4 });
    assert_eq!(envelopes[0].metadata, HashMap::from([("actor".to_owned(), "tester".to_owned())]));
    let mut loaded = theirs.load_aggregate("c1").await.unwrap();
    assert_eq!(loaded.aggregate().count, 10);
    assert!(repository().get_events::<Counter>("c3").await.unwrap().is_empty());
    pool.close().await;
}
