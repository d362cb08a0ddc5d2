//! The heads as this process knows them: moved at once by its own commits, by word of mouth for those of others, and by a look
//! now and then in case a word was lost.
//!
//! The word is sent beside the commit and not in it, because a transaction that notifies holds a lock over the whole server until
//! its commit is on disk, and commits of other partitions would wait for it.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::{PgConnectOptions, PgListener, PgPoolOptions};
use tokio::sync::{Notify, watch};

use super::read;
use super::readers::Readers;
use crate::{LogError, Position};

const CHANNEL: &str = "orderlight_heads";

/// How soon others hear of a commit after they heard of one.
const TELL_EVERY: Duration = Duration::from_millis(5);
/// How late others hear of a commit when the word was lost, and how long a server that cannot be reached is left alone.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// A transaction that notifies is committed like one that writes. Nothing is lost with it that a look does not find, so it does not
/// wait for the disk.
const SEND: &str =
    "SELECT set_config('synchronous_commit', 'off', true), pg_notify($1, word) FROM unnest($2::text[]) AS word";

#[derive(Debug)]
pub(super) struct Heads {
    known: Vec<watch::Sender<Position>>,
    /// Of this process, and not told to others yet.
    news: Mutex<BTreeMap<u32, Position>>,
    wake: Notify,
}

impl Heads {
    pub(super) fn new(heads: Vec<Position>) -> Self {
        Self { known: heads.into_iter().map(watch::Sender::new).collect(), news: Mutex::default(), wake: Notify::new() }
    }

    pub(super) fn count(&self) -> usize {
        self.known.len()
    }

    /// For a partition that is not there, a receiver that never moves and says so.
    pub(super) fn subscribe(&self, partition: u32) -> watch::Receiver<Position> {
        self.of(partition).map_or_else(|| watch::channel(0).1, watch::Sender::subscribe)
    }

    /// A commit of this process.
    pub(super) fn committed(&self, partition: u32, head: Position) {
        if self.announce(partition, head) {
            self.news.lock().unwrap_or_else(PoisonError::into_inner).insert(partition, head);
            self.wake.notify_one();
        }
    }

    /// Tells whether the head was news. A head never moves back.
    pub(super) fn announce(&self, partition: u32, head: Position) -> bool {
        self.of(partition).is_some_and(|known| {
            known.send_if_modified(|known| {
                let moved = *known < head;
                *known = head.max(*known);
                moved
            })
        })
    }

    /// Tells others of commits, as long as it is let.
    pub(super) async fn tell(&self, readers: &Readers) {
        loop {
            self.wake.notified().await;
            let news = std::mem::take(&mut *self.news.lock().unwrap_or_else(PoisonError::into_inner));
            let words: Vec<String> = news.into_iter().map(|(partition, head)| format!("{partition}:{head}")).collect();
            if let Err(error) = send(readers, &words).await {
                tracing::debug!(
                    error = &error as &dyn std::error::Error,
                    "others are not told of commits; they will look"
                );
            }
            tokio::time::sleep(TELL_EVERY).await;
        }
    }

    /// Hears of the commits of others, as long as it is let.
    pub(super) async fn hear(&self, options: &PgConnectOptions) {
        loop {
            if let Err(error) = self.listen(options).await {
                tracing::debug!(%error, "commits of others are not heard of; there is a look at them instead");
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    }

    /// Looks at all heads now and then, as long as it is let.
    pub(super) async fn look(&self, readers: &Readers) {
        loop {
            tokio::time::sleep(LOOK_EVERY).await;
            if let Err(error) = self.look_once(readers).await {
                tracing::debug!(error = &error as &dyn std::error::Error, "heads cannot be read");
            }
        }
    }

    async fn listen(&self, options: &PgConnectOptions) -> Result<(), sqlx::Error> {
        let pool = PgPoolOptions::new().max_connections(1).connect_lazy_with(options.clone());
        let mut listener = PgListener::connect_with(&pool).await?;
        listener.listen(CHANNEL).await?;
        loop {
            let word = listener.recv().await?;
            let heard = word.payload().split_once(':');
            if let Some((Ok(partition), Ok(head))) = heard.map(|(left, right)| (left.parse(), right.parse())) {
                self.announce(partition, head);
            }
        }
    }

    async fn look_once(&self, readers: &Readers) -> Result<(), LogError> {
        let mut reader = readers.take().await?;
        let heads = read::heads(&mut reader).await;
        for (partition, head) in (0..).zip(reader.done(heads)?) {
            self.announce(partition, head);
        }
        Ok(())
    }

    fn of(&self, partition: u32) -> Option<&watch::Sender<Position>> {
        usize::try_from(partition).ok().and_then(|index| self.known.get(index))
    }
}

async fn send(readers: &Readers, words: &[String]) -> Result<(), LogError> {
    let mut reader = readers.take().await?;
    let query = sqlx::query(SEND).bind(CHANNEL).bind(words);
    let sent = query.execute(&mut *reader).await;
    reader.done(sent.map_err(LogError::from)).map(|_| ())
}
