//! Several processes with the same log: who owns what, and what becomes of an owner that is gone or only seems to be.

use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::postgres::PostgresLog;
use eventlog::{Acquired, Batch, EventLog, LogError, StreamKey, Wanted};
use sqlx::Executor;
use test_postgres::Database;

use crate::contract::{event, key, order};

/// How long a condition is waited for.
const WAIT_MAX: Duration = Duration::from_secs(20);

async fn open(database: &Database, address: &str) -> PostgresLog {
    PostgresLog::open(database.url(), Some(address)).await.unwrap()
}

fn order_of(partition: u32) -> StreamKey {
    key("acme", "order", &format!("web:{partition}"))
}

/// One order as the first of a partition.
fn first_order(partition: u32, acquired: Acquired) -> Batch {
    let stream = acquired.last_stream + 1;
    let name = order_of(partition);
    Batch {
        partition,
        epoch: acquired.epoch,
        after: acquired.head,
        streams: vec![(stream, name)],
        events: vec![event(stream, 1)],
        ..Batch::default()
    }
}

/// Tries until another owner's time is over.
async fn take_over(log: &PostgresLog, partition: u32) -> Acquired {
    let limit = Instant::now() + WAIT_MAX;
    loop {
        match log.acquire(partition).await {
            Err(LogError::Owned { .. }) if Instant::now() < limit => tokio::task::yield_now().await,
            result => return result.unwrap(),
        }
    }
}

#[tokio::test]
async fn partitions_are_written_beside_each_other_and_ids_are_never_shared() {
    let database = Database::fresh().await;
    let log = open(&database, "one").await;
    assert_eq!(log.partitions(), 16);
    let mut streams = Vec::new();
    for partition in [0, 7, 15] {
        let acquired = log.acquire(partition).await.unwrap();
        assert_eq!(acquired.last_stream, u64::from(partition) << 40);
        assert_eq!(acquired.last_subject_key, acquired.last_stream);
        log.append(first_order(partition, acquired)).await.unwrap();
        let again = log.acquire(partition).await.unwrap();
        assert_eq!((again.head, again.last_stream), (1, acquired.last_stream + 1));
        streams.push(again.last_stream);
        let events = log.read(partition, 0, 10).await.unwrap();
        let events: Vec<_> = events.into_iter().map(std::sync::Arc::unwrap_or_clone).collect();
        assert_eq!((events.len(), events[0].partition, events[0].position), (1, partition, 1));
        assert_eq!(log.read_type(partition, "order", 0, 10).await.unwrap(), events);
    }
    assert_eq!(log.head(1).await.unwrap(), 0);
    let read = log.read_streams(&streams).await.unwrap();
    assert_eq!(read.iter().map(|event| event.partition).collect::<Vec<_>>(), [0, 7, 15]);
}

#[tokio::test]
async fn a_partition_that_comes_back_is_looked_through_anew() {
    let database = Database::fresh().await;
    let (one, two) = (open(&database, "one").await, open(&database, "two").await);
    let wanted = Arc::new(Wanted { partition: 3, streams: vec![order_of(3)], ..Wanted::default() });
    one.acquire(3).await.unwrap();
    assert_eq!(one.look_up(wanted.clone()).await.unwrap().streams, [None]);
    one.release(3).await.unwrap();

    let acquired = two.acquire(3).await.unwrap();
    two.append(first_order(3, acquired)).await.unwrap();
    two.release(3).await.unwrap();

    let stream = one.acquire(3).await.unwrap().last_stream;
    for _ in 0..100 {
        assert_eq!(one.look_up(wanted.clone()).await.unwrap().streams, [Some(stream)]);
    }
}

#[tokio::test]
async fn an_id_of_another_partition_is_refused() {
    let database = Database::fresh().await;
    let log = open(&database, "one").await;
    let acquired = log.acquire(3).await.unwrap();
    for stream in [1, 3 << 40, 4 << 40, (4 << 40) + 1] {
        let mut batch = first_order(3, acquired);
        batch.streams[0].0 = stream;
        batch.events[0].stream = stream;
        let refused = log.append(batch).await;
        assert!(matches!(refused, Err(LogError::Conflict(_))), "{stream}: {refused:?}");
    }
}

#[tokio::test]
async fn a_partition_of_a_living_process_is_refused_and_its_owner_is_named() {
    let database = Database::fresh().await;
    let (one, two) = (open(&database, "one:1").await, open(&database, "two:2").await);
    let acquired = one.acquire(5).await.unwrap();
    assert!(matches!(two.acquire(5).await, Err(LogError::Owned { partition: 5 })));
    assert_eq!(two.owner(5).await.unwrap().unwrap().address.as_deref(), Some("one:1"));
    assert_eq!(two.owner(6).await.unwrap(), None);
    let members = two.members().await.unwrap();
    let addresses: Vec<_> = members.iter().map(|member| member.address.as_deref().unwrap()).collect();
    assert_eq!(addresses, ["one:1", "two:2"]);

    two.acquire(6).await.unwrap();
    assert_eq!(one.owner(6).await.unwrap(), Some(members[1].clone()));
    one.append(first_order(5, acquired)).await.unwrap();
}

#[tokio::test]
async fn a_partition_that_is_given_away_can_be_taken_and_is_lost_to_the_giver() {
    let database = Database::fresh().await;
    let (one, two) = (open(&database, "one").await, open(&database, "two").await);
    let stale = one.acquire(5).await.unwrap();
    one.release(5).await.unwrap();
    one.release(5).await.unwrap();
    assert_eq!(one.owner(5).await.unwrap(), None);
    assert!(matches!(one.append(first_order(5, stale)).await, Err(LogError::Fenced { partition: 5 })));
    let acquired = two.acquire(5).await.unwrap();
    assert!(acquired.epoch > stale.epoch);
    two.append(first_order(5, acquired)).await.unwrap();
    assert_eq!(one.head(5).await.unwrap(), 1);
}

#[tokio::test]
async fn an_owner_that_closes_leaves_everything_to_others_at_once() {
    let database = Database::fresh().await;
    let (one, two) = (open(&database, "one").await, open(&database, "two").await);
    one.acquire(5).await.unwrap();
    one.close().await;
    two.acquire(5).await.unwrap();
    assert_eq!(two.members().await.unwrap().len(), 1);
}

#[tokio::test]
async fn the_head_of_another_process_is_announced() {
    let database = Database::fresh().await;
    let (one, two) = (open(&database, "one").await, open(&database, "two").await);
    let mut watch = two.watch(5);
    let acquired = one.acquire(5).await.unwrap();
    one.append(first_order(5, acquired)).await.unwrap();
    tokio::time::timeout(WAIT_MAX, watch.wait_for(|head| *head == 1)).await.unwrap().unwrap();
}

/// The heart's session ends while the process goes on: by an administrator, or because the network broke.
#[tokio::test]
async fn an_owner_whose_session_was_ended_can_be_followed_and_writes_nothing_more() {
    let database = Database::fresh().await;
    let (one, two) = (open(&database, "one").await, open(&database, "two").await);
    let stale = one.acquire(5).await.unwrap();
    let ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_locks WHERE locktype = 'advisory' AND objid = 5";
    database.connect().await.execute(ended).await.unwrap();

    let acquired = two.acquire(5).await.unwrap();
    let refused = one.append(first_order(5, stale)).await;
    assert!(matches!(refused, Err(LogError::Fenced { partition: 5 })), "{refused:?}");
    assert_eq!(two.find_streams(&[order(5)]).await.unwrap(), [None]);
    two.append(first_order(5, acquired)).await.unwrap();
    assert!(matches!(one.acquire(5).await, Err(LogError::Owned { partition: 5 })));
    one.acquire(6).await.unwrap();
}

#[tokio::test]
async fn an_owner_whose_session_was_ended_finds_out_and_begins_again() {
    let database = Database::fresh().await;
    let one = open(&database, "one").await;
    let stale = one.acquire(5).await.unwrap();
    let ended = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity \
                 WHERE datname = current_database() AND pid <> pg_backend_pid()";
    database.connect().await.execute(ended).await.unwrap();
    let acquired = one.acquire(5).await.unwrap();
    assert!(acquired.epoch > stale.epoch);
    one.append(first_order(5, acquired)).await.unwrap();
}

/// Another process, with a log of its own to write to. It opens the database named in its environment, takes a partition, says
/// so, and appends when it is told to.
struct Other {
    process: Child,
    output: BufReader<ChildStdout>,
}

const OTHER: &str = "ORDERLIGHT_TEST_OTHER_PROCESS";

impl Other {
    async fn owning_partition_five(database: &Database) -> Self {
        let mut process = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "owners::other_process", "--nocapture"])
            .env(OTHER, database.url())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let output = BufReader::new(process.stdout.take().unwrap());
        let mut other = Self { process, output };
        assert_eq!(other.says(), "owner");
        other
    }

    /// What it says next, leaving out what its test runner says.
    fn says(&mut self) -> String {
        loop {
            let mut line = String::new();
            assert_ne!(self.output.read_line(&mut line).unwrap(), 0, "it ended without a word");
            if let Some((_, said)) = line.trim_end().split_once("other: ") {
                return said.to_owned();
            }
        }
    }

    fn signal(&self, signal: &str) {
        assert!(Command::new("kill").args([signal, &self.process.id().to_string()]).status().unwrap().success());
    }
}

impl Drop for Other {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Does nothing where it is run as a test of its own. Its heart beats while it waits to be told.
#[tokio::test]
async fn other_process() {
    let Ok(url) = std::env::var(OTHER) else { return };
    let log = PostgresLog::open(&url, Some("other")).await.unwrap();
    let acquired = log.acquire(5).await.unwrap();
    println!("other: owner");
    let told = tokio::task::spawn_blocking(|| std::io::stdin().lock().read_line(&mut String::new()));
    told.await.unwrap().unwrap();
    match log.append(first_order(5, acquired)).await {
        Ok(()) => println!("other: appended"),
        Err(LogError::Fenced { .. }) => println!("other: fenced"),
        Err(error) => println!("other: failed, {error:?}"),
    }
    match log.acquire(5).await {
        Err(LogError::Owned { .. }) => println!("other: owned"),
        result => println!("other: {result:?}"),
    }
}

#[tokio::test]
async fn a_process_that_is_killed_is_followed_within_five_seconds() {
    let database = Database::fresh().await;
    let log = open(&database, "one").await;
    let other = Other::owning_partition_five(&database).await;
    assert!(matches!(log.acquire(5).await, Err(LogError::Owned { .. })));
    let killed = Instant::now();
    other.signal("-KILL");
    let acquired = take_over(&log, 5).await;
    assert!(killed.elapsed() < Duration::from_secs(5), "{:?}", killed.elapsed());
    log.append(first_order(5, acquired)).await.unwrap();
}

#[tokio::test]
async fn a_process_that_is_paused_is_evicted_and_writes_nothing_when_it_goes_on() {
    let database = Database::fresh().await;
    let log = open(&database, "one").await;
    let mut other = Other::owning_partition_five(&database).await;
    assert!(matches!(log.acquire(5).await, Err(LogError::Owned { .. })));
    let paused = Instant::now();
    other.signal("-STOP");
    let acquired = take_over(&log, 5).await;
    assert!(paused.elapsed() < Duration::from_secs(6), "{:?}", paused.elapsed());

    other.signal("-CONT");
    other.process.stdin.as_mut().unwrap().write_all(b"append\n").unwrap();
    let said = other.says();
    assert!(said == "fenced" || said.starts_with("failed"), "{said}");
    assert_eq!(other.says(), "owned");
    assert_eq!(log.find_streams(&[order(5)]).await.unwrap(), [None]);
    log.append(first_order(5, acquired)).await.unwrap();
    assert_eq!(log.head(5).await.unwrap(), 1);
}
