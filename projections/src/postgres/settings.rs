//! How Postgres is spoken to for the read models.
//!
//! The tables lie in a schema of their own, which the role that the service runs as may create tables in. They hold nothing that the
//! log does not hold, so a commit does not wait for the disk: a crash of the server may take back the last transactions, rows and
//! checkpoint together, and they are folded again.

use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions};
use sqlx::{AssertSqlSafe, ConnectOptions, Connection, PgConnection};

use super::generations;
use crate::error::StoreError;

/// Everything of ours lies in this schema.
const SCHEMA: &str = "orderlight_read";

/// Held while the schema is made, and the tables that all read models share.
const OPENING: i64 = 0x006f_7264_7265_6164;

/// Sessions that fold, one page each.
const WRITERS_MAX: u32 = 4;
/// Sessions that look up.
const READERS_MAX: u32 = 8;
/// How long a session may be waited for.
const ANSWER_MAX: Duration = Duration::from_secs(5);

/// What every session sets for itself. Which index is the right one the size of a table says, and new stretches grow fast: a plan
/// that was made for an empty one is not kept.
const OWN: [(&str, &str); 6] = [
    ("search_path", SCHEMA),
    ("synchronous_commit", "off"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("jit", "off"),
    ("plan_cache_mode", "force_custom_plan"),
    ("client_min_messages", "warning"),
];

/// For a transaction that makes what is remembered afterwards: a crash of the server must not take it back.
pub(super) const ON_DISK: &str = "SET LOCAL synchronous_commit = on";

/// Rows are found by index alone. Statistics that are old, or a table that is new, would sometimes say otherwise.
const BY_INDEX: [(&str, &str); 3] =
    [("enable_seqscan", "off"), ("enable_hashjoin", "off"), ("enable_mergejoin", "off")];

pub(super) fn parse(url: &str) -> Result<PgConnectOptions, StoreError> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.options(OWN).disable_statement_logging())
}

pub(super) fn writers(options: &PgConnectOptions) -> PgPool {
    pool(WRITERS_MAX).connect_lazy_with(options.clone().options(BY_INDEX))
}

pub(super) fn readers(options: &PgConnectOptions) -> PgPool {
    pool(READERS_MAX).connect_lazy_with(options.clone().options(BY_INDEX))
}

fn pool(sessions: u32) -> PgPoolOptions {
    PgPoolOptions::new().max_connections(sessions).acquire_timeout(ANSWER_MAX)
}

/// Makes the schema where it is missing, as a role that may; `runtime_role` may then make the tables, and finds none that it may
/// not use.
pub(super) async fn make_schema(url: &str, runtime_role: Option<&str>) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(&parse(url)?).await?;
    let mut transaction = connection.begin().await?;
    wait_for_opening(&mut transaction).await?;
    let mut granted_to = None;
    if let Some(role) = runtime_role {
        granted_to = Some(quoted(&mut transaction, role).await?);
        if is_of_no_use_to(&mut transaction, role).await? {
            tracing::warn!(role, "read models belong to another role, and are built anew");
            drop_stretches(url).await?;
            sqlx::raw_sql(AssertSqlSafe(format!("DROP SCHEMA {SCHEMA} CASCADE"))).execute(&mut *transaction).await?;
        }
    }
    let is_there: bool =
        sqlx::query_scalar("SELECT to_regnamespace($1) IS NOT NULL").bind(SCHEMA).fetch_one(&mut *transaction).await?;
    if !is_there {
        sqlx::raw_sql(AssertSqlSafe(format!("CREATE SCHEMA {SCHEMA}"))).execute(&mut *transaction).await?;
    }
    if let Some(role) = granted_to {
        let grant = format!("GRANT USAGE, CREATE ON SCHEMA {SCHEMA} TO {role}");
        sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    connection.close().await?;
    Ok(())
}

async fn quoted(connection: &mut PgConnection, role: &str) -> Result<String, StoreError> {
    let name: Option<String> = sqlx::query_scalar("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1")
        .bind(role)
        .fetch_optional(connection)
        .await?;
    name.ok_or_else(|| StoreError::new(format!("role {role} is not there: create it first")))
}

/// Whether a role could not go on with the tables: they are those of whoever ran the service first, and only their owner may build
/// them anew. They are derived from the log, so nothing is lost with them.
async fn is_of_no_use_to(connection: &mut PgConnection, role: &str) -> Result<bool, StoreError> {
    let is_anothers = "SELECT EXISTS (SELECT 1 FROM pg_class WHERE relnamespace = to_regnamespace($1) \
                       AND relkind IN ('r', 'p', 'v', 'S') AND NOT pg_has_role($2, relowner, 'USAGE'))";
    Ok(sqlx::query_scalar(is_anothers).bind(SCHEMA).bind(role).fetch_one(connection).await?)
}

/// Drops what there may be some hundreds of one by one, because all at once are more locks than a server has room for. In a session
/// of its own, while the caller keeps others from making more.
async fn drop_stretches(url: &str) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(&parse(url)?).await?;
    let stretches = "SELECT oid::regclass::text FROM pg_class WHERE relnamespace = to_regnamespace($1) \
                     AND relispartition AND relkind = 'r'";
    let stretches: Vec<String> = sqlx::query_scalar(stretches).bind(SCHEMA).fetch_all(&mut connection).await?;
    for stretch in stretches {
        generations::drop_table(&mut connection, &stretch).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Waits until nobody else makes the schema or what all read models share in it; others then wait for this transaction's end.
pub(super) async fn wait_for_opening(connection: &mut PgConnection) -> Result<(), StoreError> {
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(OPENING).execute(connection).await?;
    Ok(())
}
