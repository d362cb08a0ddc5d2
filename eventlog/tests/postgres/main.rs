//! The contract on Postgres, as the role that owns the schema and as the one that may only work with it; and what only Postgres
//! promises.

#![expect(clippy::unwrap_used, reason = "what a test sets up must hold")]

#[path = "../contract/mod.rs"]
mod contract;
mod faults;
mod owners;
mod roles;
mod schema;

use eventlog::postgres::{self, PostgresLog};
use eventlog::{Acquired, Batch, EventLog};
use sqlx::AssertSqlSafe;
use test_postgres::Database;

use contract::{Fixture, delivery, event, order, subject_key, vault_row};

struct PostgresDatabase(Database);

impl Fixture for PostgresDatabase {
    type Log = PostgresLog;

    async fn fresh() -> Self {
        Self(Database::fresh().await)
    }

    async fn open(&self) -> PostgresLog {
        PostgresLog::open(self.0.url(), None).await.unwrap()
    }
}

contract::contract!(crate::PostgresDatabase);

/// A database whose schema the service does not own.
struct ForRuntimeRole {
    database: Database,
    role: String,
}

impl Fixture for ForRuntimeRole {
    type Log = PostgresLog;

    async fn fresh() -> Self {
        let database = Database::fresh().await;
        // Roles are shared by all databases of a cluster.
        let role = format!("app_{}", database.name());
        let mut connection = database.connect().await;
        let create = format!("DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN");
        sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut connection).await.unwrap();
        postgres::migrate(database.url(), Some(&role)).await.unwrap();
        Self { database, role }
    }

    async fn open(&self) -> PostgresLog {
        PostgresLog::open(&self.database.url_as(&self.role), None).await.unwrap()
    }
}

mod as_runtime_role {
    crate::contract::contract!(crate::ForRuntimeRole);
}

/// A batch with one row for each table.
fn one_of_each(acquired: Acquired) -> Batch {
    let mut batch = contract::after(acquired);
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    batch.deliveries = vec![delivery(1, 1)];
    batch.subject_keys = vec![subject_key(1, 1)];
    batch.vault_rows = vec![vault_row(1, 1)];
    batch
}

/// A closed log with one row in each table.
async fn filled<F: Fixture>() -> F {
    let fixture = F::fresh().await;
    let log = fixture.open().await;
    log.append(one_of_each(log.acquire(contract::PARTITION).await.unwrap())).await.unwrap();
    log.close().await;
    fixture
}
