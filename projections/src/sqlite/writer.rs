//! The one connection that writes, in a thread of its own that takes one piece of work after the other.

use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use super::readers::closed;
use super::settings;
use crate::error::StoreError;

/// Work that waits for the thread; there are a few partitions and one builder at most.
const WAITING_MAX: usize = 16;

type Work = Box<dyn FnOnce(&mut Connection) + Send>;

pub(super) struct Writer {
    queue: Mutex<Option<mpsc::Sender<Work>>>,
    ended: tokio::sync::Mutex<Option<oneshot::Receiver<()>>>,
}

impl Writer {
    pub(super) fn start(path: PathBuf, connection: Connection) -> std::io::Result<Self> {
        let (queue, work) = mpsc::channel(WAITING_MAX);
        let (ending, ended) = oneshot::channel();
        std::thread::Builder::new().name("read-models".to_owned()).spawn(move || {
            run(&path, connection, work);
            drop(ending);
        })?;
        Ok(Self { queue: Mutex::new(Some(queue)), ended: tokio::sync::Mutex::new(Some(ended)) })
    }

    /// Does a piece of work to its end, whether or not somebody still waits for it.
    pub(super) async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Connection) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        let queue = self.queue.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let (reply, answer) = oneshot::channel();
        let work: Work = Box::new(move |connection| drop(reply.send(work(connection))));
        queue.ok_or_else(closed)?.send(work).await.map_err(|_| closed())?;
        answer.await.unwrap_or_else(|_| Err(StoreError::new("read models' writing thread has ended")))
    }

    /// Ends the connection. What was sent before is done first.
    pub(super) async fn close(&self) {
        drop(self.queue.lock().unwrap_or_else(PoisonError::into_inner).take());
        if let Some(ended) = self.ended.lock().await.take() {
            // The sender is dropped with the thread.
            drop(ended.await);
        }
    }
}

fn run(path: &Path, mut connection: Connection, mut queue: mpsc::Receiver<Work>) {
    while let Some(work) = queue.blocking_recv() {
        work(&mut connection);
        // A transaction that could be neither committed nor rolled back ends with its connection.
        if !connection.is_autocommit()
            && connection.execute_batch("ROLLBACK").is_err()
            && let Ok(fresh) = settings::open_writer(path)
        {
            connection = fresh;
        }
    }
    if let Err((_, error)) = connection.close() {
        tracing::warn!(%error, "read models' file was not closed cleanly; nothing is lost");
    }
}
