//! What a failed sync leaves behind, and why nothing is built upon it.
//!
//! After a failed sync the system may take the pages for clean although they never reached the disk: they are read from its cache
//! as if they had been written, and the next sync passes them over and succeeds. A commit that failed so may therefore look like
//! any other in the write-ahead log, and whatever is committed behind it is lost with it when the power goes.
//!
//! * While the process lives, SQLite's index of the write-ahead log leaves such a commit out, and the next one is written over it.
//!   The index lives as long as one connection does; [`Index`] is the one that is never thrown away.
//! * A process that begins reads the write-ahead log anew and takes such a commit for a good one. So [`write_again`] makes it one:
//!   every byte is written once more, which makes its page dirty again, and synced, before SQLite looks at the file.
//! * After a failed sync of the log's file itself this process folds no more, see `checkpoint`; the next one folds everything.

use std::fs::OpenOptions;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::Path;

use rusqlite::Connection;

use super::{PARTITION, read, settings};
use crate::LogError;

/// How much of the file is held in memory at a time.
const PIECE_BYTES: usize = 1 << 20;

/// Keeps the index of the write-ahead log alive.
pub(super) struct Index(Connection);

impl Index {
    /// Of a log that is open.
    pub(super) fn hold(path: &Path) -> Result<Self, LogError> {
        let connection = settings::open_reader(path)?;
        // A connection takes part in the index from its first read on.
        read::head(&connection, PARTITION)?;
        Ok(Self(connection))
    }

    /// Lets go of it, so that the last connection to be closed can fold the write-ahead log and remove it.
    pub(super) fn release(self) {
        drop(self.0);
    }
}

/// Writes the write-ahead log of a file that nobody has open once more in its place, and syncs it.
///
/// # Errors
/// When it cannot be read, written or synced; what it holds may then be believed as little as before.
pub(super) fn write_again(path: &Path) -> io::Result<()> {
    let mut name = path.as_os_str().to_owned();
    name.push("-wal");
    let file = match OpenOptions::new().read(true).write(true).open(name) {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        Err(error) => return Err(error),
    };
    let mut piece = vec![0; PIECE_BYTES];
    let mut offset = 0;
    loop {
        let read = file.read_at(&mut piece, offset)?;
        if read == 0 {
            return file.sync_all();
        }
        file.write_all_at(&piece[..read], offset)?;
        offset += u64::try_from(read).map_err(io::Error::other)?;
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema;
    use super::*;

    #[test]
    fn the_index_lives_on_when_the_writers_connection_is_thrown_away() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.sqlite");
        let beside = directory.path().join("log.sqlite-wal");
        let mut writer = settings::open_writer(&path).unwrap();
        schema::migrate(&mut writer).unwrap();
        let index = Index::hold(&path).unwrap();
        drop(writer);
        assert!(beside.exists(), "the last connection removes it");
        let writer = settings::open_writer(&path).unwrap();
        index.release();
        drop(writer);
        assert!(!beside.exists());
    }

    #[test]
    fn what_is_written_again_is_what_was_there() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log.sqlite");
        write_again(&path).unwrap();
        let beside = directory.path().join("log.sqlite-wal");
        assert!(!beside.exists(), "none is made");
        let bytes: Vec<u8> = (0..=250).cycle().take(PIECE_BYTES * 2 + 17).collect();
        std::fs::write(&beside, &bytes).unwrap();
        write_again(&path).unwrap();
        assert!(std::fs::read(&beside).unwrap() == bytes);
    }
}
