//! The contract on Postgres, and what only Postgres promises.

#![expect(clippy::unwrap_used, reason = "what a test sets up must hold")]

mod contract;

use eventlog::postgres::PostgresLog;
use test_postgres::Database;

use contract::Fixture;

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
