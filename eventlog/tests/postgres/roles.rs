//! The role that the service runs as: it works with the log and can take nothing back.

use eventlog::EventLog;
use eventlog::postgres::{self, OpenError, PostgresLog};
use sqlx::{AssertSqlSafe, Connection, Executor, PgConnection};
use test_postgres::Database;

use crate::contract::{Fixture, PARTITION, append_order};
use crate::{ForRuntimeRole, filled};

/// "insufficient_privilege": the statement was refused before any trigger was asked.
const NO_PRIVILEGE: &str = "42501";

async fn connect_as_runtime_role(fixture: &ForRuntimeRole) -> PgConnection {
    let mut connection = PgConnection::connect(&fixture.database.url_as(&fixture.role)).await.unwrap();
    connection.execute("SET search_path = orderlight").await.unwrap();
    connection
}

#[tokio::test]
async fn the_runtime_role_is_refused_by_privilege_whatever_takes_something_back() {
    let fixture: ForRuntimeRole = filled().await;
    let mut connection = connect_as_runtime_role(&fixture).await;
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
        "UPDATE heads SET partition = 100",
        "INSERT INTO heads VALUES (16, 0, 0)",
        "DELETE FROM heads",
        "TRUNCATE heads",
        "UPDATE vault SET sealed = ''",
        "TRUNCATE vault",
        "UPDATE vault_keys SET wrapped = ''",
        "TRUNCATE vault_keys CASCADE",
        "UPDATE _sqlx_migrations SET checksum = ''",
        "ALTER TABLE log DISABLE TRIGGER ALL",
        "DROP TRIGGER log_refuses_change ON log",
        "DROP TABLE log",
        "CREATE TABLE orderlight.more (number INTEGER)",
        "SET session_replication_role = replica",
    ] {
        let refused = connection.execute(statement).await.unwrap_err();
        assert_eq!(
            refused.as_database_error().unwrap().code().as_deref(),
            Some(NO_PRIVILEGE),
            "{statement}: {refused}"
        );
    }
}

#[tokio::test]
async fn the_runtime_role_may_erase_personal_data() {
    let fixture: ForRuntimeRole = filled().await;
    let mut connection = connect_as_runtime_role(&fixture).await;
    for statement in ["DELETE FROM vault WHERE subject_key = 1", "DELETE FROM vault_keys WHERE id = 1"] {
        assert_eq!(connection.execute(statement).await.unwrap().rows_affected(), 1);
    }
    assert!(fixture.open().await.read_vault(&[1]).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_role_that_may_not_migrate_is_told_who_has_to() {
    let fixture = ForRuntimeRole::fresh().await;
    let url = fixture.database.url_as(&fixture.role);
    let mut superuser = fixture.database.connect().await;

    // As a newer program finds it.
    superuser.execute("DELETE FROM orderlight._sqlx_migrations").await.unwrap();
    let refused = PostgresLog::open(&url, None).await.unwrap_err();
    assert!(matches!(refused, OpenError::NotMigrated), "{refused:?}");
    assert!(refused.to_string().contains("orderlight migrate"));

    superuser.execute("DROP SCHEMA orderlight CASCADE").await.unwrap();
    assert!(matches!(PostgresLog::open(&url, None).await, Err(OpenError::NotMigrated)));
    postgres::migrate(fixture.database.url(), Some(&fixture.role)).await.unwrap();
    append_order(&PostgresLog::open(&url, None).await.unwrap(), 1, 1).await;
}

#[tokio::test]
async fn a_schema_of_another_program_is_refused_to_the_runtime_role_too() {
    let fixture = ForRuntimeRole::fresh().await;
    let mut superuser = fixture.database.connect().await;
    for change in ["SET checksum = ''", "SET version = 9000", "SET success = false"] {
        let statement = format!("UPDATE orderlight._sqlx_migrations {change}");
        superuser.execute(AssertSqlSafe(statement)).await.unwrap();
        let refused = PostgresLog::open(&fixture.database.url_as(&fixture.role), None).await;
        assert!(matches!(refused, Err(OpenError::Migration(_))), "{change}: {refused:?}");
    }
}

#[tokio::test]
async fn a_role_of_its_own_migrates_without_being_superuser() {
    let database = Database::fresh().await;
    let role = format!("owner_{}", database.name());
    let create = format!(
        "DROP ROLE IF EXISTS {role}; CREATE ROLE {role} LOGIN; GRANT CREATE ON DATABASE {} TO {role}",
        database.name()
    );
    sqlx::raw_sql(AssertSqlSafe(create)).execute(&mut database.connect().await).await.unwrap();
    let url = database.url_as(&role);
    postgres::migrate(&url, None).await.unwrap();
    postgres::migrate(&url, None).await.unwrap();
    let log = PostgresLog::open(&url, None).await.unwrap();
    append_order(&log, 1, 1).await;
    assert_eq!(log.head(PARTITION).await.unwrap(), 1);
}

#[tokio::test]
async fn a_runtime_role_that_is_not_there_is_named() {
    let database = Database::fresh().await;
    let refused = postgres::migrate(database.url(), Some("no \"body\"")).await;
    assert!(matches!(refused, Err(OpenError::NoRole(role)) if role == "no \"body\""));
}
