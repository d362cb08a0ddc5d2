//! Folding the write-ahead log into the file beside the writer.
//!
//! Done by a commit, as SQLite would by itself, a fold of tens of mebibytes holds up everybody who waits for that commit. So a
//! thread with a connection of its own folds what is there, while commits go on behind it; then the writer folds the little
//! that came meanwhile, and the log begins again at its front.

use std::cell::Cell;
use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;

use rusqlite::Connection;

use super::settings;

/// From how many pages on the write-ahead log is folded: 32 MiB. Longer means fewer writes of pages that many commits touch.
const FOLD_PAGES: i32 = 8_192;

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
    done: mpsc::Receiver<()>,
    state: State,
}

#[derive(Clone, Copy)]
enum State {
    /// To be folded from so many pages on.
    Waiting { from: i32 },
    /// The other thread is at it.
    Folding,
}

impl Checkpointer {
    pub(super) fn start(path: PathBuf) -> std::io::Result<Self> {
        let (work, asked) = mpsc::sync_channel(1);
        let (tell, done) = mpsc::channel();
        let thread = std::thread::Builder::new().name("log-checkpoint".to_owned()).spawn(move || {
            let mut connection = None;
            for () in asked {
                connection = fold_beside(connection, &path);
                if tell.send(()).is_err() {
                    return;
                }
            }
        })?;
        Ok(Self { other: Some((work, thread)), done, state: State::Waiting { from: FOLD_PAGES } })
    }

    /// Ends the other thread with its connection, after the fold at hand.
    pub(super) fn close(&mut self) {
        if let Some((work, thread)) = self.other.take() {
            drop(work);
            if thread.join().is_err() {
                tracing::warn!("the thread that folds the write-ahead log panicked; nothing is lost");
            }
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
            State::Folding if self.done.try_recv().is_ok() => {
                // Where a reader holds an older state the log only grows on; the next attempt comes later.
                let is_whole = fold(connection).inspect_err(tell).unwrap_or(false);
                let from = if is_whole { FOLD_PAGES } else { PAGES.get().saturating_add(FOLD_PAGES / 4) };
                self.state = State::Waiting { from };
            }
            State::Waiting { .. } | State::Folding => {}
        }
    }
}

fn fold_beside(connection: Option<Connection>, path: &std::path::Path) -> Option<Connection> {
    let connection = match connection {
        Some(connection) => connection,
        None => settings::open_writer(path)
            .inspect_err(|error| tracing::warn!(%error, "write-ahead log cannot be folded, and grows"))
            .ok()?,
    };
    fold(&connection).inspect_err(tell).ok().map(|_| connection)
}

/// Folds what no reader still needs, without waiting for anybody; whether that was all.
fn fold(connection: &Connection) -> rusqlite::Result<bool> {
    connection.query_row("PRAGMA wal_checkpoint(PASSIVE)", (), |row| {
        let [busy, pages, folded]: [i64; 3] = [row.get(0)?, row.get(1)?, row.get(2)?];
        Ok(busy == 0 && pages == folded)
    })
}

fn tell(error: &rusqlite::Error) {
    tracing::warn!(%error, "write-ahead log was not folded, and grows; nothing is lost");
}
