//! The one connection that writes, in a thread of its own.
//!
//! Work reaches the thread through a short queue and runs there to its end, whether or not somebody still waits for it. The
//! connection is kept only while its transactions end in a known state; after any other end it is thrown away, SQLite rolls
//! back what was open, and the next work opens a new one.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot, watch};

use super::checkpoint::{self, Checkpointer};
use super::lock::FileLock;
use super::readers::closed;
use super::unsynced::Index;
use super::{append, settings};
use crate::tail::Tail;
use crate::{Acquired, Batch, LogError, Position};

/// Work that waits for the thread; the writer of a partition sends one piece at a time.
const WAITING_MAX: usize = 16;

#[derive(Debug)]
pub(super) struct Writer {
    work: Mutex<Option<mpsc::Sender<Work>>>,
    /// Lives as long as a transaction can be under way.
    lock: Mutex<Option<Arc<FileLock>>>,
    head: watch::Sender<Position>,
}

enum Task {
    Acquire {
        partition: u32,
        reply: oneshot::Sender<Result<Acquired, LogError>>,
    },
    Append {
        batch: Batch,
        reply: oneshot::Sender<Result<(), LogError>>,
    },
    /// Folds the write-ahead log into the file and ends the thread.
    Close {
        done: oneshot::Sender<()>,
    },
}

struct Work {
    task: Task,
    /// Keeps other processes out until the work is done, also when the handle is gone by then.
    lock: Arc<FileLock>,
}

impl Writer {
    pub(super) fn start(
        lock: FileLock,
        path: PathBuf,
        (connection, index): (Connection, Index),
        head: Position,
        tail: Arc<Tail>,
    ) -> std::io::Result<Self> {
        let head = watch::Sender::new(head);
        let (work, queue) = mpsc::channel(WAITING_MAX);
        let checkpointer = Checkpointer::start(path.clone())?;
        let thread = Thread { path, connection: Some(connection), index, checkpointer, tail, head: head.clone() };
        std::thread::Builder::new().name("log-writer".to_owned()).spawn(move || thread.run(queue))?;
        Ok(Self { work: Mutex::new(Some(work)), lock: Mutex::new(Some(Arc::new(lock))), head })
    }

    pub(super) fn subscribe(&self) -> watch::Receiver<Position> {
        self.head.subscribe()
    }

    /// Raises the epoch.
    pub(super) async fn acquire(&self, partition: u32) -> Result<Acquired, LogError> {
        self.ask(|reply| Task::Acquire { partition, reply }).await
    }

    /// Writes a batch and announces the new head.
    pub(super) async fn append(&self, batch: Batch) -> Result<(), LogError> {
        self.ask(|reply| Task::Append { batch, reply }).await
    }

    /// Ends the connection. What was sent before is done first.
    pub(super) async fn close(&self) {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).take();
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let (Some(work), Some(lock)) = (work, lock) {
            let (done, ended) = oneshot::channel();
            if work.send(Work { task: Task::Close { done }, lock }).await.is_ok() {
                drop(ended.await);
            }
        }
    }

    async fn ask<T>(&self, task: impl FnOnce(oneshot::Sender<Result<T, LogError>>) -> Task) -> Result<T, LogError> {
        let work = self.work.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let lock = self.lock.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (Some(work), Some(lock)) = (work, lock) else { return Err(closed()) };
        let (reply, answer) = oneshot::channel();
        work.send(Work { task: task(reply), lock }).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(LogError::Store("event log's writing thread has ended".into())))
    }
}

struct Thread {
    path: PathBuf,
    /// `None` after a transaction that ended in an unknown state.
    connection: Option<Connection>,
    /// Outlives every connection that is thrown away.
    index: Index,
    checkpointer: Checkpointer,
    tail: Arc<Tail>,
    head: watch::Sender<Position>,
}

impl Thread {
    fn run(mut self, mut queue: mpsc::Receiver<Work>) {
        self.connection.iter().for_each(checkpoint::watch);
        while let Some(Work { task, lock }) = queue.blocking_recv() {
            // The lock goes before the answer, so that whoever drops the log after it leaves it free; and a caller that is gone
            // has stopped caring.
            match task {
                Task::Acquire { partition, reply } => {
                    let acquired = self.transact(|connection| append::acquire(connection, partition));
                    if let Ok(acquired) = &acquired {
                        self.announce(acquired.head);
                    }
                    drop(lock);
                    drop(reply.send(acquired));
                }
                Task::Append { batch, reply } => {
                    let appended = self.transact(|connection| append::append(connection, &batch));
                    let appended = appended.map(|head| {
                        self.tail.remember(batch);
                        self.announce(head);
                    });
                    drop(lock);
                    drop(reply.send(appended));
                    if let Some(connection) = &self.connection {
                        self.checkpointer.after_commit(connection);
                    }
                }
                Task::Close { done } => {
                    self.checkpointer.close(self.connection.as_ref());
                    self.index.release();
                    if let Some(Err((_, error))) = self.connection.take().map(Connection::close) {
                        tracing::warn!(%error, "log file was not closed cleanly; nothing is lost");
                    }
                    drop(self.checkpointer);
                    drop(lock);
                    let _ = done.send(());
                    return;
                }
            }
        }
    }

    fn transact<T>(&mut self, transaction: impl FnOnce(&mut Connection) -> Result<T, LogError>) -> Result<T, LogError> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => {
                let connection = settings::open_writer(&self.path).map_err(|error| LogError::Store(error.into()))?;
                checkpoint::watch(&connection);
                connection
            }
        };
        let ended = transaction(&mut connection);
        let in_known_state = !matches!(ended, Err(LogError::Store(_))) && connection.is_autocommit();
        self.connection = in_known_state.then_some(connection);
        ended
    }

    fn announce(&self, head: Position) {
        self.head.send_if_modified(|known| {
            let moved = *known < head;
            *known = head.max(*known);
            moved
        });
    }
}
