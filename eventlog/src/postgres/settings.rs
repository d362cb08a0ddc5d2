//! How Postgres is spoken to, and the proof that it took the settings on which the promises rest.

use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection, PgConnection};

use super::OpenError;

/// Everything of ours lies in this schema.
pub(super) const SCHEMA: &str = "orderlight";

/// How long a connection may take to come about, and to end.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(5);

/// After so long, the network or the server is taken to be gone, and what became of a statement is unknown.
pub(super) const STATEMENT_MAX: Duration = Duration::from_secs(30);

/// What must be read back from every session: name and value. The server's own settings first, then what a role, a database or an
/// address could have set otherwise for a session.
const PINNED: [(&str, &str); 8] = [
    ("fsync", "on"),
    ("full_page_writes", "on"),
    ("server_encoding", "UTF8"),
    ("client_encoding", "UTF8"),
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("session_replication_role", "origin"),
];

/// What every session sets for itself. Plans are made once and do not depend on what a batch or the statistics look like. A page or a
/// batch is small: to start processes for it takes ten times as long as to read it, and takes the processors from the writer.
const OWN: [(&str, &str); 9] = [
    ("search_path", SCHEMA),
    ("synchronous_commit", "on"),
    ("default_transaction_isolation", "read committed"),
    ("default_transaction_read_only", "off"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("plan_cache_mode", "force_generic_plan"),
    ("jit", "off"),
    ("max_parallel_workers_per_gather", "0"),
    ("client_min_messages", "warning"),
];

/// A log is read by index alone. Statistics that are old, or a plan made for any limit, would sometimes say otherwise.
const READ_BY_INDEX: [(&str, &str); 4] =
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off"), ("enable_material", "off")];

/// Options of a session that writes.
pub(super) fn writer(options: &PgConnectOptions) -> PgConnectOptions {
    options.clone().options(OWN).disable_statement_logging()
}

/// Options of a session that reads.
pub(super) fn reader(options: &PgConnectOptions) -> PgConnectOptions {
    writer(options).options(READ_BY_INDEX)
}

/// A session with everything that must hold.
pub(super) async fn connect(options: &PgConnectOptions) -> Result<PgConnection, OpenError> {
    let connecting = async {
        let mut connection = PgConnection::connect_with(options).await?;
        verify(&mut connection).await?;
        Ok(connection)
    };
    tokio::time::timeout(ANSWER_MAX, connecting).await.map_err(|_| sqlx::Error::PoolTimedOut)?
}

/// Refuses a session that did not take a pinned setting, or whose server only follows another.
pub(super) async fn verify(connection: &mut PgConnection) -> Result<(), OpenError> {
    let names = PINNED.map(|(name, _)| name);
    let query = "SELECT array_agg(current_setting(name) ORDER BY number), pg_is_in_recovery() \
                 FROM unnest($1::text[]) WITH ORDINALITY AS asked (name, number)";
    let (found, follows): (Vec<String>, bool) = sqlx::query_as(query).bind(names).fetch_one(connection).await?;
    for ((name, expected), found) in PINNED.into_iter().zip(found) {
        if found != expected {
            return Err(OpenError::Setting { name, expected, found });
        }
    }
    if follows {
        return Err(OpenError::Setting { name: "in_recovery", expected: "off", found: "on".into() });
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use sqlx::AssertSqlSafe;

    use super::*;
    use crate::postgres::read::STREAM_EVENTS;
    use crate::postgres::{migrate, parse};

    /// What the server gathers about a log while it grows may say that each order is a large part of it.
    #[tokio::test]
    async fn no_processes_are_started_for_a_look_up_whatever_the_statistics_say() {
        let database = test_postgres::Database::fresh().await;
        migrate(database.url(), None).await.unwrap();
        let processes_for_nothing = [
            ("parallel_setup_cost", "0"),
            ("parallel_tuple_cost", "0"),
            ("min_parallel_table_scan_size", "0"),
            ("min_parallel_index_scan_size", "0"),
        ];
        let options = parse(database.url()).unwrap().options(processes_for_nothing);
        let mut connection = connect(&reader(&options)).await.unwrap();
        for statement in [
            "INSERT INTO log SELECT number, number, 1, 0, 0, 0, 'Placed', '1', '{}', '{}' FROM generate_series(1, 10000) AS number",
            "ALTER TABLE log ALTER stream SET (n_distinct = 3)",
            "ANALYZE log",
        ] {
            sqlx::query(statement).execute(&mut connection).await.unwrap();
        }
        let explain = AssertSqlSafe(format!("EXPLAIN {STREAM_EVENTS}"));
        let plan: Vec<String> =
            sqlx::query_scalar(explain).bind(vec![1_i64, 2]).fetch_all(&mut connection).await.unwrap();
        assert!(plan.iter().any(|line| line.contains("log_by_stream")), "{plan:#?}");
        assert!(!plan.iter().any(|line| line.contains("Gather")), "{plan:#?}");
    }
}
