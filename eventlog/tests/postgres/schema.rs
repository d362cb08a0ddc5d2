//! The tables: what they refuse to everybody, who reads them, and how they are opened.

use eventlog::postgres::{OpenError, PostgresLog};
use eventlog::{EventLog, LogError};
use sqlx::{AssertSqlSafe, Executor};
use test_postgres::{Cluster, Database};

use crate::contract::{Fixture, PARTITION, after, append_order, everything, order, positions};
use crate::{PostgresDatabase, filled};

#[tokio::test]
async fn what_was_appended_cannot_be_changed_or_deleted() {
    let PostgresDatabase(database) = filled().await;
    let mut superuser = database.connect().await;
    superuser.execute("SET search_path = orderlight").await.unwrap();
    for statement in [
        "UPDATE log SET payload = '{}'",
        "DELETE FROM log",
        "TRUNCATE log",
        "UPDATE streams SET merchant = 'other'",
        "DELETE FROM streams",
        "TRUNCATE streams",
        "UPDATE deliveries SET body = key",
        "DELETE FROM deliveries",
        "TRUNCATE deliveries",
        "UPDATE heads SET position = 0",
        "UPDATE heads SET epoch = 0",
        "UPDATE heads SET partition = partition + 100",
        "INSERT INTO heads VALUES (16, 0, 0)",
        "DELETE FROM heads",
        "TRUNCATE heads",
        "UPDATE vault SET sealed = ''",
        "TRUNCATE vault",
        "UPDATE vault_keys SET wrapped = ''",
        "TRUNCATE vault_keys CASCADE",
    ] {
        let refused = superuser.execute(statement).await.unwrap_err();
        let reason = refused.as_database_error().unwrap().message();
        assert!(
            ["append-only", "only move on", "never rewritten"].iter().any(|text| reason.contains(text)),
            "{statement}: {reason}"
        );
    }
}

#[tokio::test]
async fn personal_data_can_be_erased_and_the_log_stays() {
    let fixture: PostgresDatabase = filled().await;
    let mut superuser = fixture.0.connect().await;
    let too_early = superuser.execute("DELETE FROM orderlight.vault_keys").await;
    assert!(too_early.is_err(), "a row would be left that nobody can open");
    superuser.execute("DELETE FROM orderlight.vault WHERE subject_key = 1").await.unwrap();
    superuser.execute("DELETE FROM orderlight.vault_keys WHERE id = 1").await.unwrap();
    let log = fixture.open().await;
    assert!(log.read_vault(&[1]).await.unwrap().is_empty());
    assert_eq!(positions(&everything(&log).await), [1]);
}

#[tokio::test]
async fn readers_of_postgres_es_find_their_columns() {
    let PostgresDatabase(database) = filled().await;
    let row: (String, String, i64, String, String, String, String) = sqlx::query_as(
        "SELECT aggregate_type, aggregate_id, sequence, event_type, event_version, payload::text, metadata::text \
         FROM orderlight.events WHERE aggregate_type = 'order' AND aggregate_id = 'web:1' ORDER BY sequence",
    )
    .fetch_one(&mut database.connect().await)
    .await
    .unwrap();
    let payload = r#"{"stream":1,"sequence":1}"#;
    assert_eq!(row, ("order".into(), "web:1".into(), 1, "Noted".into(), "1".into(), payload.into(), "{}".into()));
}

#[tokio::test]
async fn a_text_that_postgres_cannot_hold_is_refused_with_its_batch() {
    let fixture = PostgresDatabase::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 1).await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.events = vec![crate::event(stream, 2)];
    batch.events[0].metadata = "\"\0\"".into();
    let refused = log.append(batch).await;
    assert!(matches!(refused, Err(LogError::Conflict(_))), "{refused:?}");
    assert_eq!(positions(&everything(&log).await), [1]);
}

#[tokio::test]
async fn a_missing_event_is_noticed_by_every_read_and_by_the_next_owner() {
    let fixture = PostgresDatabase::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 5).await;
    log.close().await;
    let mut superuser = fixture.0.connect().await;
    superuser.execute("DROP TRIGGER log_refuses_change ON orderlight.log").await.unwrap();
    superuser.execute("DELETE FROM orderlight.log WHERE position IN (2, 5)").await.unwrap();

    let log = fixture.open().await;
    let damaged = |error: LogError| matches!(error, LogError::Damaged(_));
    assert!(damaged(log.read(PARTITION, 0, 10).await.unwrap_err()));
    assert!(damaged(log.read_streams(&[stream]).await.unwrap_err()));
    assert!(damaged(log.acquire(PARTITION).await.unwrap_err()));
}

#[tokio::test]
async fn a_schema_that_was_changed_after_the_fact_is_refused() {
    let PostgresDatabase(database) = filled().await;
    database.connect().await.execute("UPDATE orderlight._sqlx_migrations SET checksum = ''").await.unwrap();
    assert!(matches!(PostgresLog::open(database.url(), None).await, Err(OpenError::Migration(_))));
}

#[tokio::test]
async fn handles_that_are_opened_at_the_same_time_make_one_schema() {
    let database = Database::fresh().await;
    let open = || PostgresLog::open(database.url(), None);
    let (one, two, three) = tokio::join!(open(), open(), open());
    for log in [one, two, three] {
        assert_eq!(log.unwrap().head(PARTITION).await.unwrap(), 0);
    }
    assert!(
        sqlx::query("SELECT FROM public._sqlx_migrations").execute(&mut database.connect().await).await.is_err(),
        "everything of ours lies in our schema"
    );
}

#[tokio::test]
async fn a_server_that_may_forget_a_commit_is_refused() {
    let cluster = Cluster::start();
    let database = Database::fresh_in(&cluster.url()).await;
    let mut superuser = database.connect().await;
    for name in ["fsync", "full_page_writes"] {
        superuser.execute(AssertSqlSafe(format!("ALTER SYSTEM SET {name} = off"))).await.unwrap();
        superuser.execute("SELECT pg_reload_conf()").await.unwrap();
        // The server takes a new setting up at some moment after it was told to.
        while sqlx::query_scalar::<_, String>(AssertSqlSafe(format!("SHOW {name}")))
            .fetch_one(&mut superuser)
            .await
            .unwrap()
            != "off"
        {}
        let refused = PostgresLog::open(database.url(), None).await;
        assert!(matches!(&refused, Err(OpenError::Setting { name: found, .. }) if *found == name), "{refused:?}");
        superuser.execute(AssertSqlSafe(format!("ALTER SYSTEM RESET {name}"))).await.unwrap();
        superuser.execute("SELECT pg_reload_conf()").await.unwrap();
    }
}

#[tokio::test]
async fn a_database_that_would_weaken_sessions_does_not_weaken_ours() {
    let database = Database::fresh().await;
    let mut superuser = database.connect().await;
    for setting in [
        "synchronous_commit = off",
        "default_transaction_isolation = 'serializable'",
        "default_transaction_read_only = on",
        "search_path = public",
    ] {
        let statement = format!("ALTER DATABASE {} SET {setting}", database.name());
        superuser.execute(AssertSqlSafe(statement)).await.unwrap();
    }
    let log = PostgresLog::open(database.url(), None).await.unwrap();
    append_order(&log, 1, 1).await;
    assert_eq!(log.find_streams(&[order(1)]).await.unwrap(), [Some(1)]);
    log.close().await;

    let statement = format!("ALTER DATABASE {} SET session_replication_role = replica", database.name());
    superuser.execute("SET default_transaction_read_only = off").await.unwrap();
    superuser.execute(AssertSqlSafe(statement)).await.unwrap();
    let refused = PostgresLog::open(database.url(), None).await;
    let without_triggers = matches!(refused, Err(OpenError::Setting { name: "session_replication_role", .. }));
    assert!(without_triggers, "{refused:?}");
}

#[tokio::test]
async fn what_is_no_address_is_not_understood() {
    let refused = PostgresLog::open("log.sqlite", None).await;
    assert!(matches!(refused, Err(OpenError::Address(_))), "{refused:?}");
}
