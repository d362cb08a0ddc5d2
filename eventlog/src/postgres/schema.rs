//! The schema: brought up to date by a role that owns it, looked at by all others.

use std::collections::BTreeMap;

use sqlx::migrate::{Migrate, MigrateError, Migration, MigrationType, Migrator};
use sqlx::postgres::PgConnectOptions;
use sqlx::{AssertSqlSafe, Connection, PgConnection, SqlSafeStr};

use super::settings::{self, SCHEMA};
use super::{OpenError, parse};

/// Where what was applied is kept.
const APPLIED: &str = "orderlight._sqlx_migrations";

const MIGRATIONS: [(i64, &str, &str); 1] = [(1, "log", include_str!("../../../migrations/postgres/log/0001_log.sql"))];

/// What the service may do when it does not own the schema: read and add everything, move heads, beat, erase personal data.
/// What it may not do, it is refused even where a trigger is gone.
const GRANTS: [&str; 7] = [
    "GRANT USAGE ON SCHEMA orderlight TO",
    "GRANT SELECT ON ALL TABLES IN SCHEMA orderlight TO",
    "GRANT INSERT ON orderlight.log, orderlight.streams, orderlight.deliveries, orderlight.vault, orderlight.vault_keys TO",
    "GRANT UPDATE (position, epoch) ON orderlight.heads TO",
    "GRANT DELETE ON orderlight.vault, orderlight.vault_keys TO",
    "GRANT INSERT, UPDATE, DELETE ON orderlight.members TO",
    "GRANT USAGE ON SEQUENCE orderlight.member_ids TO",
];

/// Brings the schema up to date as the role of the address, which owns it or may create it, and lets `runtime_role` work with it:
/// a role that is there already, and that the service is then run as.
///
/// # Errors
/// See [`OpenError`]. Each migration is applied wholly or not at all.
pub async fn migrate(url: &str, runtime_role: Option<&str>) -> Result<(), OpenError> {
    let mut connection = settings::connect(&settings::writer(&parse(url)?)).await?;
    apply(&mut connection).await?;
    if let Some(role) = runtime_role {
        grant(&mut connection, role).await?;
    }
    connection.close().await?;
    Ok(())
}

/// Brings the schema up to date where the session's role may, and otherwise only looks whether it is.
pub(super) async fn prepare(options: &PgConnectOptions) -> Result<(), OpenError> {
    let mut connection = settings::connect(options).await?;
    if may_migrate(&mut connection).await? {
        apply(&mut connection).await?;
    } else {
        verify(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

async fn may_migrate(connection: &mut PgConnection) -> Result<bool, sqlx::Error> {
    sqlx::query_scalar(
        "SELECT coalesce((SELECT pg_has_role(nspowner, 'USAGE') FROM pg_namespace WHERE nspname = $1), \
         has_database_privilege(current_database(), 'CREATE'))",
    )
    .bind(SCHEMA)
    .fetch_one(connection)
    .await
}

async fn apply(connection: &mut PgConnection) -> Result<(), OpenError> {
    let mut migrator = migrator();
    migrator.create_schema(SCHEMA);
    migrator.dangerous_set_table_name(APPLIED);
    migrator.run_direct(None, connection, false).await?;
    Ok(())
}

async fn verify(connection: &mut PgConnection) -> Result<(), OpenError> {
    let there: bool =
        sqlx::query_scalar("SELECT to_regclass($1) IS NOT NULL").bind(APPLIED).fetch_one(&mut *connection).await?;
    if !there {
        return Err(OpenError::NotMigrated);
    }
    if let Some(version) = connection.dirty_version(APPLIED).await? {
        return Err(MigrateError::Dirty(version).into());
    }
    let applied = connection.list_applied_migrations(APPLIED).await?;
    let mut missing: BTreeMap<_, _> =
        migrator().iter().map(|migration| (migration.version, migration.checksum.clone())).collect();
    for migration in applied {
        let known = missing.remove(&migration.version).ok_or(MigrateError::VersionMissing(migration.version))?;
        if known != migration.checksum {
            return Err(MigrateError::VersionMismatch(migration.version).into());
        }
    }
    if missing.is_empty() { Ok(()) } else { Err(OpenError::NotMigrated) }
}

async fn grant(connection: &mut PgConnection, role: &str) -> Result<(), OpenError> {
    let name: Option<String> = sqlx::query_scalar("SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1")
        .bind(role)
        .fetch_optional(&mut *connection)
        .await?;
    let name = name.ok_or_else(|| OpenError::NoRole(role.to_owned()))?;
    let mut transaction = connection.begin().await?;
    for grant in GRANTS {
        sqlx::query(AssertSqlSafe(format!("{grant} {name}"))).execute(&mut *transaction).await?;
    }
    transaction.commit().await?;
    Ok(())
}

fn migrator() -> Migrator {
    let migrations = MIGRATIONS.map(|(version, description, sql)| {
        Migration::new(version, description.into(), MigrationType::Simple, sql.into_sql_str(), false)
    });
    Migrator::with_migrations(migrations.into())
}
