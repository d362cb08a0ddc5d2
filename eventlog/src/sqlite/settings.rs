//! How SQLite is run, and the proof that it took the settings on which the promises rest.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags, OptionalExtension};

use super::OpenError;

/// What must be read back from the writer: name, value, and the value as SQLite reports it.
const PINNED: [(&str, &str, &str); 5] = [
    ("journal_mode", "WAL", "wal"),
    ("synchronous", "FULL", "2"),
    ("foreign_keys", "ON", "1"),
    ("secure_delete", "ON", "1"),
    // Without it, REPLACE deletes rows behind the back of the triggers that make the log append-only.
    ("recursive_triggers", "ON", "1"),
];

/// No memory map: a read error in one ends the process instead of failing the call.
const SHARED: [(&str, &str); 2] = [("mmap_size", "0"), ("temp_store", "MEMORY")];

/// The write-ahead log is folded by `checkpoint`, and what it grew beyond 64 MiB is given back. A negative cache is in KiB: a larger
/// one for the writer costs more than it saves, because SQLite walks through all of it after each commit that split a page.
const WRITER: [(&str, &str); 3] =
    [("wal_autocheckpoint", "0"), ("journal_size_limit", "67108864"), ("cache_size", "-16384")];
const READER: [(&str, &str); 2] = [("query_only", "ON"), ("cache_size", "-16384")];
/// Who goes through the log comes to each page of it once: what it keeps of them need not be more than a processor's own cache holds.
const SCANNER: [(&str, &str); 2] = [("query_only", "ON"), ("cache_size", "-1024")];

/// How long a connection waits for a lock; only a connection that is being replaced can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Prepared statements that a connection keeps: more than there are texts.
const STATEMENTS_MAX: usize = 32;

/// The one connection that writes.
pub(super) fn open_writer(path: &Path) -> Result<Connection, OpenError> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let connection = open(path, flags, &WRITER)?;
    set(&connection, PINNED.iter().map(|(name, value, _)| (*name, *value)))?;
    verify(&connection)?;
    Ok(connection)
}

/// A connection that reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX, &READER)
}

/// A connection that goes through the log.
pub(super) fn open_scanner(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX, &SCANNER)
}

fn open(path: &Path, flags: OpenFlags, own: &[(&str, &str)]) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    set(&connection, SHARED.iter().chain(own).copied())?;
    Ok(connection)
}

fn set<'a>(connection: &Connection, pragmas: impl Iterator<Item = (&'a str, &'a str)>) -> rusqlite::Result<()> {
    pragmas.into_iter().try_for_each(|(name, value)| connection.execute_batch(&format!("PRAGMA {name} = {value}")))
}

/// Refuses a connection that did not take a pinned setting.
fn verify(connection: &Connection) -> Result<(), OpenError> {
    for (name, expected, reported) in PINNED {
        // `pragma_…` tables give every value as its own type; the cast makes them comparable.
        let sql = format!("SELECT CAST({name} AS TEXT) FROM pragma_{name}");
        let found: String = connection.query_row(&sql, (), |row| row.get(0))?;
        if found != reported {
            return Err(OpenError::Setting { name, expected, found });
        }
    }
    Ok(())
}

/// Refuses a file with a table of ours that does not check its types.
pub(super) fn verify_strict(connection: &Connection) -> Result<(), OpenError> {
    let lax: Option<String> = connection
        .query_row(
            "SELECT name FROM pragma_table_list WHERE schema = 'main' AND type = 'table' AND strict = 0 \
             AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\' ORDER BY name LIMIT 1",
            (),
            |row| row.get(0),
        )
        .optional()?;
    lax.map_or(Ok(()), |name| Err(OpenError::NotStrict(name)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_writers_own_settings_are_read_back() {
        let directory = tempfile::tempdir().unwrap();
        verify(&open_writer(&directory.path().join("log.sqlite")).unwrap()).unwrap();
    }

    #[test]
    fn connections_have_page_caches_of_their_own() {
        let connection = Connection::open_in_memory().unwrap();
        let has = |option: &str| {
            let count = "SELECT count(*) FROM pragma_compile_options WHERE compile_options = ?1";
            connection.query_row(count, (option,), |row| row.get::<_, i64>(0)).unwrap() == 1
        };
        let options = ["ENABLE_MEMORY_MANAGEMENT", "DEFAULT_MEMSTATUS=0"].map(has);
        assert_eq!(options, [false, true], "the bundled SQLite was compiled without the flags of .cargo/config.toml");
    }

    #[test]
    fn a_writer_without_one_of_the_pinned_settings_is_refused() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.sqlite");
        for (name, lax) in [
            ("journal_mode", "DELETE"),
            ("synchronous", "NORMAL"),
            ("foreign_keys", "OFF"),
            ("secure_delete", "FAST"),
            ("recursive_triggers", "OFF"),
        ] {
            let connection = open_writer(&path).unwrap();
            set(&connection, std::iter::once((name, lax))).unwrap();
            let refused = verify(&connection);
            assert!(
                matches!(refused, Err(OpenError::Setting { name: found, .. }) if found == name),
                "{name}: {refused:?}"
            );
        }
    }
}
