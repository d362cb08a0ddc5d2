//! How SQLite is run for the read models.
//!
//! The file holds nothing that the log does not hold, so `synchronous=NORMAL` is enough: a power cut may take back the last
//! transactions, rows and checkpoint together, and they are folded again. It is a file apart from the log's, so that the
//! two writers do not wait for each other.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};

/// How long a connection waits for a lock; only a connection that is being replaced can hold one.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);

/// Prepared statements that a connection keeps.
const STATEMENTS_MAX: usize = 64;

/// The write-ahead log is folded into the file after 4,096 pages, 32 MiB: pages that many transactions touch are written there
/// once. A negative cache is in KiB.
const WRITER: &str = "PRAGMA page_size=8192; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL; PRAGMA temp_store=MEMORY; \
                      PRAGMA cache_size=-65536; PRAGMA wal_autocheckpoint=4096";
const READER: &str = "PRAGMA query_only=ON; PRAGMA temp_store=MEMORY; PRAGMA cache_size=-8192";

/// The one connection that writes.
pub(super) fn open_writer(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    open(path, flags, WRITER)
}

/// A connection that reads.
pub(super) fn open_reader(path: &Path) -> rusqlite::Result<Connection> {
    open(path, OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX, READER)
}

fn open(path: &Path, flags: OpenFlags, pragmas: &str) -> rusqlite::Result<Connection> {
    let connection = Connection::open_with_flags(path, flags)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    connection.set_prepared_statement_cache_capacity(STATEMENTS_MAX);
    connection.execute_batch(pragmas)?;
    Ok(connection)
}
