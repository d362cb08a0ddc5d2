//! The schema's versions: applied in order in one transaction each, and compared by their digest at every start, so that a file
//! which another program made, or a version that was changed after the fact, is noticed.

use rusqlite::{Connection, OptionalExtension, TransactionBehavior};
use sha2::{Digest, Sha256};

use super::OpenError;

const VERSIONS: [&str; 1] = [include_str!("../../../migrations/sqlite/log/0001_log.sql")];

const REGISTER: &str = "CREATE TABLE IF NOT EXISTS schema_versions (
    version INTEGER PRIMARY KEY,
    digest  BLOB NOT NULL CHECK (length(digest) = 32)
) STRICT";

/// Brings the schema up to date.
pub(super) fn migrate(connection: &mut Connection) -> Result<(), OpenError> {
    let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
    transaction.execute_batch(REGISTER)?;
    let newest: Option<i64> =
        transaction.query_row("SELECT max(version) FROM schema_versions", (), |row| row.get(0)).optional()?.flatten();
    if let Some(found) = newest.filter(|newest| usize::try_from(*newest).is_ok_and(|newest| newest > VERSIONS.len())) {
        return Err(OpenError::NewerSchema { found });
    }
    for (version, sql) in (1_i64..).zip(VERSIONS) {
        let digest = Sha256::digest(sql);
        let applied: Option<Vec<u8>> = transaction
            .query_row("SELECT digest FROM schema_versions WHERE version = ?", (version,), |row| row.get(0))
            .optional()?;
        match applied {
            Some(applied) if applied == digest.as_slice() => {}
            Some(_) => return Err(OpenError::ChangedSchema { version }),
            None => {
                transaction.execute_batch(sql)?;
                let register = "INSERT INTO schema_versions (version, digest) VALUES (?, ?)";
                transaction.execute(register, (version, digest.as_slice()))?;
            }
        }
    }
    transaction.commit()?;
    Ok(())
}
