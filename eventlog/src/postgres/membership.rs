//! Who has the log open, and who owns what.
//!
//! A partition is owned by an advisory lock of one session of the owning process, its heart: the same session beats, so a process
//! whose heart beats has its locks, and one whose heart stopped can be told from one that works. The lock only says who may try;
//! what keeps a former owner from writing is the epoch.

use std::collections::BTreeSet;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use sqlx::postgres::PgConnectOptions;
use sqlx::{Connection, PgConnection};

use super::readers::Readers;
use super::settings;
use super::writers::failed;
use crate::{LogError, Member};

/// How often a heart beats.
pub(super) const BEAT_EVERY: Duration = Duration::from_secs(1);

/// One that has not beaten for so long has stopped.
macro_rules! beats {
    () => {
        "beat_at > clock_timestamp() - interval '3 s'"
    };
}

/// How long a beat may wait for its answer: when that is not there, others soon take the heart for stopped.
const BEAT_MAX: Duration = Duration::from_secs(2);

/// How long an evicted session may take to end.
const EVICTION_MAX_MS: i64 = 2_000;

/// How often a partition is tried again after an eviction. Others may be as quick.
const ATTEMPTS_MAX: usize = 3;

/// The first number of our advisory locks; the second is the partition. It spells "orli".
const LOCKS: i32 = 0x6f72_6c69;

const JOIN: &str = "INSERT INTO members (id, address) VALUES (nextval('member_ids'), $1) RETURNING id";
/// The table is empty after a crash of the server, so a beat may be the first.
const BEAT: &str = "INSERT INTO members (id, address) VALUES ($1, $2) \
                    ON CONFLICT (id) DO UPDATE SET beat_at = clock_timestamp()";
/// Leaves a day for whoever wants to know who was there.
const FORGET: &str = "DELETE FROM members WHERE beat_at < clock_timestamp() - interval '1 day'";
const LEAVE: &str = "DELETE FROM members WHERE id = $1";
const LOCK: &str = "SELECT CASE WHEN $3 THEN true ELSE pg_try_advisory_lock($1, $2) END";
const UNLOCK: &str = "SELECT pg_advisory_unlock($1, $2)";

/// The session that holds a partition's lock, and the member it belongs to.
const HOLDER: &str = concat!(
    "SELECT holder.pid, members.id, members.address, coalesce(",
    beats!(),
    ", false) FROM pg_locks AS lock JOIN pg_stat_activity AS holder USING (pid) \
     LEFT JOIN members ON holder.application_name = 'orderlight ' || members.id \
     WHERE lock.locktype = 'advisory' AND lock.granted AND lock.objsubid = 2 \
     AND lock.database = (SELECT oid FROM pg_database WHERE datname = current_database()) \
     AND lock.classid::bigint = $1 AND lock.objid::bigint = $2"
);
const EVICT_SESSION: &str = "SELECT pg_terminate_backend($1, $2)";
const EVICT_MEMBER: &str = "SELECT pg_terminate_backend(pid, $2) FROM pg_stat_activity \
                            WHERE application_name = $1 AND datname = current_database()";
const MEMBERS: &str = concat!("SELECT id, address FROM members WHERE ", beats!(), " ORDER BY id");

/// This process among the others.
#[derive(Debug)]
pub(super) struct Membership {
    id: i64,
    address: Option<Box<str>>,
    options: PgConnectOptions,
    heart: tokio::sync::Mutex<Heart>,
    held: Mutex<BTreeSet<u32>>,
}

#[derive(Debug)]
enum Heart {
    Beating(Box<PgConnection>),
    Stopped,
    Closed,
}

struct Holder {
    session: i32,
    member: Option<Member>,
    beats: bool,
}

impl Membership {
    /// Registers under the address at which others reach this process.
    pub(super) async fn join(options: &PgConnectOptions, address: Option<Box<str>>) -> Result<Self, LogError> {
        let mut connection = settings::connect(options).await.map_err(failed)?;
        sqlx::query(FORGET).execute(&mut connection).await?;
        let id: i64 = sqlx::query_scalar(JOIN).bind(address.as_deref()).fetch_one(&mut connection).await?;
        sqlx::query("SELECT set_config('application_name', $1, false)").bind(name(id)).execute(&mut connection).await?;
        let heart = tokio::sync::Mutex::new(Heart::Beating(Box::new(connection)));
        Ok(Self { id, address, options: options.clone().application_name(&name(id)), heart, held: Mutex::default() })
    }

    /// What all sessions of this process are called, so that they can be found by others.
    pub(super) fn name(&self) -> String {
        name(self.id)
    }

    /// The number of this process.
    pub(super) const fn number(&self) -> u64 {
        self.id.cast_unsigned()
    }

    /// Whether others reach this process.
    pub(super) const fn is_reachable(&self) -> bool {
        self.address.is_some()
    }

    /// Says that this process lives, once.
    pub(super) async fn beat(&self) -> Result<(), LogError> {
        self.ask(async |connection| {
            sqlx::query(BEAT).bind(self.id).bind(self.address.as_deref()).execute(connection).await.map(|_| ())
        })
        .await
    }

    /// Whether this process owns a partition, as far as it knows.
    pub(super) fn holds(&self, partition: u32) -> bool {
        self.held().contains(&partition)
    }

    /// Makes this process the owner of a partition, evicting an owner whose heart has stopped.
    pub(super) async fn take(&self, partition: u32, readers: &Readers) -> Result<(), LogError> {
        for _ in 0..ATTEMPTS_MAX {
            // A heart that stopped unnoticed is found out by the first question and replaced for the second.
            let taken = match self.lock(partition).await {
                Err(LogError::Store(_)) => self.lock(partition).await?,
                result => result?,
            };
            if taken {
                return Ok(());
            }
            let Some(holder) = holder(partition, readers).await? else { continue };
            if !self.evict(&holder, readers).await? {
                break;
            }
        }
        Err(LogError::Owned { partition })
    }

    /// Gives a partition away. A heart that fails meanwhile has given everything away.
    pub(super) async fn release(&self, partition: u32) -> Result<(), LogError> {
        if !self.holds(partition) {
            return Ok(());
        }
        self.held().remove(&partition);
        self.ask(async |connection| {
            sqlx::query(UNLOCK).bind(LOCKS).bind(partition.cast_signed()).execute(connection).await.map(|_| ())
        })
        .await
    }

    /// Ends the session and with it every ownership. Whoever does not see us leave sees the heart stop.
    pub(super) async fn leave(&self, readers: &Readers) {
        let mut heart = self.heart.lock().await;
        self.held().clear();
        let connection = std::mem::replace(&mut *heart, Heart::Closed);
        let leaving = async {
            let mut reader = readers.take().await?;
            let left = sqlx::query(LEAVE).bind(self.id).execute(&mut *reader).await;
            reader.done(left.map_err(LogError::from))
        };
        let _ = tokio::time::timeout(BEAT_MAX, leaving).await;
        if let Heart::Beating(connection) = connection {
            let _ = tokio::time::timeout(BEAT_MAX, connection.close()).await;
        }
    }

    async fn lock(&self, partition: u32) -> Result<bool, LogError> {
        self.ask(async |connection| {
            let query = sqlx::query_scalar(LOCK).bind(LOCKS).bind(partition.cast_signed()).bind(self.holds(partition));
            let taken = query.fetch_one(connection).await?;
            if taken {
                self.held().insert(partition);
            }
            Ok(taken)
        })
        .await
    }

    /// Asks on the session that holds the locks. When that fails, they count as lost.
    async fn ask<T>(
        &self,
        question: impl AsyncFnOnce(&mut PgConnection) -> Result<T, sqlx::Error>,
    ) -> Result<T, LogError> {
        let mut heart = self.heart.lock().await;
        let mut connection = match std::mem::replace(&mut *heart, Heart::Stopped) {
            Heart::Beating(connection) => connection,
            Heart::Stopped => {
                self.lose();
                Box::new(settings::connect(&self.options).await.map_err(failed)?)
            }
            Heart::Closed => {
                *heart = Heart::Closed;
                return Err(sqlx::Error::PoolClosed.into());
            }
        };
        match tokio::time::timeout(BEAT_MAX, question(&mut connection)).await {
            Ok(Ok(answer)) => {
                *heart = Heart::Beating(connection);
                Ok(answer)
            }
            Ok(Err(error)) => {
                self.lose();
                Err(error.into())
            }
            Err(_) => {
                self.lose();
                Err(LogError::Store("heartbeat was not answered in time".into()))
            }
        }
    }

    fn lose(&self) {
        let lost = std::mem::take(&mut *self.held());
        if !lost.is_empty() {
            tracing::warn!(partitions = ?lost, "connection that owned partitions is lost");
        }
    }

    /// Ends the sessions of a holder that does not live, or that this process once was. Tells whether the lock may be tried again.
    async fn evict(&self, holder: &Holder, readers: &Readers) -> Result<bool, LogError> {
        let Some(member) = &holder.member else { return Ok(false) };
        let was_ours = member.id == self.number();
        if holder.beats && !was_ours {
            return Ok(false);
        }
        if !was_ours {
            tracing::warn!(member = member.id, "evicting an owner whose heart has stopped");
        }
        let evict = if was_ours {
            sqlx::query(EVICT_SESSION).bind(holder.session)
        } else {
            sqlx::query(EVICT_MEMBER).bind(name(member.id.cast_signed()))
        };
        let mut reader = readers.take().await?;
        let evicted = evict.bind(EVICTION_MAX_MS).execute(&mut *reader).await;
        reader.done(evicted.map_err(LogError::from))?;
        Ok(true)
    }

    fn held(&self) -> std::sync::MutexGuard<'_, BTreeSet<u32>> {
        self.held.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The owner of a partition.
pub(super) async fn owner(partition: u32, readers: &Readers) -> Result<Option<Member>, LogError> {
    Ok(holder(partition, readers).await?.and_then(|holder| holder.member))
}

/// Those whose hearts beat.
pub(super) async fn members(readers: &Readers) -> Result<Vec<Member>, LogError> {
    let mut reader = readers.take().await?;
    let members = sqlx::query_as(MEMBERS).fetch_all(&mut *reader).await;
    let members: Vec<(i64, Option<String>)> = reader.done(members.map_err(LogError::from))?;
    Ok(members.into_iter().map(|(id, address)| member(id, address)).collect())
}

async fn holder(partition: u32, readers: &Readers) -> Result<Option<Holder>, LogError> {
    let mut reader = readers.take().await?;
    let query = sqlx::query_as(HOLDER).bind(i64::from(LOCKS)).bind(i64::from(partition));
    let row = query.fetch_optional(&mut *reader).await;
    let row: Option<(i32, Option<i64>, Option<String>, bool)> = reader.done(row.map_err(LogError::from))?;
    Ok(row.map(|(session, id, address, beats)| Holder { session, member: id.map(|id| member(id, address)), beats }))
}

fn member(id: i64, address: Option<String>) -> Member {
    Member { id: id.cast_unsigned(), address: address.map(Into::into) }
}

fn name(id: i64) -> String {
    format!("orderlight {id}")
}
