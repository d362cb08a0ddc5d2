//! Connections that break and a server that goes away.

use eventlog::postgres::PostgresLog;
use eventlog::{EventLog, LogError};
use sqlx::Executor;
use test_postgres::{Cluster, Database};

use crate::PostgresDatabase;
use crate::contract::{Fixture, PARTITION, after, append_order, event, everything, order, positions};

#[tokio::test]
async fn an_append_that_nobody_waits_for_runs_to_its_end() {
    let fixture = PostgresDatabase::fresh().await;
    let log = fixture.open().await;
    let mut watch = log.watch(PARTITION);
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    {
        let mut append = std::pin::pin!(log.append(batch));
        let pending =
            std::future::poll_fn(|context| std::task::Poll::Ready(append.as_mut().poll(context).is_pending()));
        assert!(pending.await);
    }
    watch.changed().await.unwrap();
    assert_eq!(positions(&everything(&log).await), [1]);
    append_order(&log, 2, 1).await;
}

#[tokio::test]
async fn a_store_that_fails_once_takes_the_next_batch() {
    let fixture = PostgresDatabase::fresh().await;
    let log = fixture.open().await;
    let stream = append_order(&log, 1, 1).await;
    let mut superuser = fixture.0.connect().await;
    let failing = "CREATE FUNCTION fail() RETURNS trigger LANGUAGE plpgsql AS \
                   $$ BEGIN RAISE EXCEPTION USING ERRCODE = 'disk_full'; END $$; \
                   CREATE TRIGGER failing_disk BEFORE INSERT ON orderlight.log FOR EACH ROW \
                   WHEN (new.payload = 'fail') EXECUTE FUNCTION fail()";
    sqlx::raw_sql(failing).execute(&mut superuser).await.unwrap();
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.events = vec![event(stream, 2), event(stream, 3)];
    let mut failing = batch.clone();
    failing.events[1].payload = "fail".into();
    let failed = log.append(failing).await;
    assert!(matches!(failed, Err(LogError::Store(_))), "{failed:?}");
    assert_eq!(positions(&everything(&log).await), [1], "nothing of it is there");
    log.append(batch).await.unwrap();
    assert_eq!(positions(&everything(&log).await), [1, 2, 3]);
}

#[tokio::test]
async fn a_batch_that_waits_for_a_lock_is_written_when_its_turn_comes() {
    let fixture = PostgresDatabase::fresh().await;
    let log = fixture.open().await;
    let mut batch = after(log.acquire(PARTITION).await.unwrap());
    batch.streams = vec![(1, order(1))];
    batch.events = vec![event(1, 1)];
    let mut superuser = fixture.0.connect().await;
    superuser.execute("BEGIN; SELECT FROM orderlight.heads WHERE partition = 0 FOR UPDATE").await.unwrap();
    let (appended, ()) = tokio::join!(log.append(batch), async {
        let mut other = fixture.0.connect().await;
        while !waits(&mut other).await {}
        superuser.execute("COMMIT").await.unwrap();
    });
    appended.unwrap();
    assert_eq!(positions(&everything(&log).await), [1]);
}

async fn waits(connection: &mut sqlx::PgConnection) -> bool {
    sqlx::query_scalar("SELECT EXISTS (SELECT FROM pg_locks WHERE NOT granted)").fetch_one(connection).await.unwrap()
}

#[tokio::test]
async fn a_log_outlives_its_server_and_finds_every_acknowledged_event_again() {
    let cluster = Cluster::start();
    let database = Database::fresh_in(&cluster.url()).await;
    let log = PostgresLog::open(database.url(), None).await.unwrap();
    let mut expected = Vec::new();
    let ends: [fn(&Cluster); 2] = [Cluster::stop, Cluster::kill];
    for (end, number) in ends.into_iter().zip(1..) {
        append_order(&log, number, 1).await;
        expected.push(number);
        let mut batch = after(log.acquire(PARTITION).await.unwrap());
        batch.streams = vec![(number + 1, order(number + 1))];
        batch.events = vec![event(number + 1, 1)];
        end(&cluster);
        let failed = log.append(batch).await;
        assert!(matches!(failed, Err(LogError::Store(_) | LogError::Fenced { .. })), "{failed:?}");
        assert!(matches!(log.acquire(PARTITION).await, Err(LogError::Store(_))));
        assert!(matches!(log.head(PARTITION).await, Err(LogError::Store(_))));
        cluster.start_again();
        log.acquire(PARTITION).await.unwrap();
        assert_eq!(positions(&everything(&log).await), expected);
    }
    append_order(&log, 3, 1).await;
    log.close().await;
}
