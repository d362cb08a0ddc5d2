//! Folding the write-ahead log into the file beside the writer.
//!
//! Done by a commit, as SQLite would by itself, a fold of tens of mebibytes holds up everybody who waits for that commit. So a
//! thread with a connection of its own folds what is there, while commits go on behind it; then the writer folds the little
//! that came meanwhile, and the log begins again at its front.
//!
//! A fold that does not reach the head, as the one beside commits hardly ever does, is not synced by SQLite, and the writer's fold
//! would have to sync the pages of both: some 20 ms for everybody who waits. So the thread syncs the file itself before it says
//! that it has ended.
//!
//! Where a sync fails, the system may take the pages for clean, and the next sync passes them over. So after a failed sync this process
//! folds no more, not even when it ends: the next one reads the whole write-ahead log, and folds all of it.

use std::cell::Cell;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;

use rusqlite::Connection;
use rusqlite::config::DbConfig;
use rusqlite::ffi::SQLITE_IOERR_FSYNC;

use super::settings;

/// From how many pages on the write-ahead log is folded: 16 MiB. Longer means fewer writes of pages that many commits touch, and
/// commits that wait longer for the disk while a fold is synced beside them.
const FOLD_PAGES: i32 = 4_096;

thread_local! {
    /// Pages of the write-ahead log after this thread's last commit.
    static PAGES: Cell<i32> = const { Cell::new(0) };
}

/// Lets the connection tell how long the log has become; from then on it folds nothing by itself.
pub(super) fn watch(connection: &Connection) {
    connection.wal_hook(Some(|_, pages| {
        PAGES.set(pages);
        Ok(())
    }));
}

/// Sees to it that the log is folded. Belongs to the thread that writes.
pub(super) struct Checkpointer {
    /// `None` once it was closed.
    other: Option<(mpsc::SyncSender<()>, JoinHandle<()>)>,
    done: mpsc::Receiver<Folded>,
    state: State,
    /// The log's file, to be closed when no connection is open any more: with a descriptor the system takes back all the locks that this
    /// process has on its file.
    _file: Arc<File>,
}

#[derive(Clone, Copy)]
enum State {
    /// To be folded from so many pages on.
    Waiting { from: i32 },
    /// The other thread is at it.
    Folding,
    /// A sync failed; the log is not folded any more.
    GivenUp,
}

/// How a fold ended.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Folded {
    /// All of it.
    Whole,
    /// As much as readers allow, or nothing, because the file could not be written.
    InPart,
    /// What was written may be nowhere but in memory.
    NotSynced,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf) -> std::io::Result<Self> {
        let (work, asked) = mpsc::sync_channel(1);
        let (tell, done) = mpsc::channel();
        let file = Arc::new(File::open(&path)?);
        let to_sync = file.clone();
        let thread = std::thread::Builder::new().name("log-checkpoint".to_owned()).spawn(move || {
            let mut connection = None;
            for () in asked {
                let folded = fold_beside(&mut connection, &path, &to_sync);
                if tell.send(folded).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { other: Some((work, thread)), done, state: State::Waiting { from: FOLD_PAGES }, _file: file })
    }

    /// Ends the other thread with its connection, after the fold at hand; the writer's connection, which is closed next, folds what
    /// is left, unless a sync failed.
    pub(super) fn close(&mut self, connection: Option<&Connection>) {
        if let Some((work, thread)) = self.other.take() {
            drop(work);
            if thread.join().is_err() {
                tracing::warn!("the thread that folds the write-ahead log panicked; nothing is lost");
            }
        }
        if self.done.try_iter().any(|folded| folded == Folded::NotSynced) {
            self.give_up();
        }
        if let (State::GivenUp, Some(connection)) = (self.state, connection)
            && let Err(error) = connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)
        {
            tell(&error);
        }
    }

    /// To be called after each commit.
    pub(super) fn after_commit(&mut self, connection: &Connection) {
        match self.state {
            State::Waiting { from } if PAGES.get() >= from => {
                if self.other.as_ref().is_some_and(|(work, _)| work.try_send(()).is_ok()) {
                    self.state = State::Folding;
                }
            }
            State::Folding => match self.done.try_recv() {
                Ok(Folded::NotSynced) => self.give_up(),
                Ok(Folded::Whole | Folded::InPart) => self.fold_the_rest(connection),
                Err(_) => {}
            },
            State::Waiting { .. } | State::GivenUp => {}
        }
    }

    fn fold_the_rest(&mut self, connection: &Connection) {
        let from = match fold(connection) {
            Folded::NotSynced => return self.give_up(),
            Folded::Whole => FOLD_PAGES,
            // Where a reader holds an older state the log only grows on; the next attempt comes later.
            Folded::InPart => PAGES.get().saturating_add(FOLD_PAGES / 2),
        };
        self.state = State::Waiting { from };
    }

    fn give_up(&mut self) {
        tracing::error!("log file could not be synced: its write-ahead log grows until the service is started again");
        self.state = State::GivenUp;
    }
}

fn fold_beside(kept: &mut Option<Connection>, path: &Path, file: &File) -> Folded {
    let connection = match kept.take().map_or_else(|| settings::open_writer(path), Ok) {
        Ok(connection) => connection,
        Err(error) => {
            tracing::warn!(%error, "write-ahead log cannot be folded, and grows");
            return Folded::InPart;
        }
    };
    let folded = fold(&connection);
    *kept = Some(connection);
    match file.sync_data() {
        Ok(()) => folded,
        Err(error) => {
            tell(&error);
            Folded::NotSynced
        }
    }
}

/// Folds what no reader still needs, without waiting for anybody.
fn fold(connection: &Connection) -> Folded {
    let folded = connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| {
        let [busy, pages, folded]: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok(busy == 0 && pages == folded)
    });
    match folded {
        Ok(true) => Folded::Whole,
        Ok(false) => Folded::InPart,
        Err(error) => {
            tell(&error);
            let is_sync = error.sqlite_error().is_some_and(|error| error.extended_code == SQLITE_IOERR_FSYNC);
            if is_sync { Folded::NotSynced } else { Folded::InPart }
        }
    }
}

fn tell(error: impl std::fmt::Display) {
    tracing::warn!(%error, "write-ahead log was not folded, and grows; nothing is lost");
}
