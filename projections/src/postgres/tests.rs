//! Builds that take the place of others while somebody folds, and what becomes of those that are left.

use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::time::Timestamp;
use sqlx::AssertSqlSafe;
use test_postgres::{Cluster, Database};

use super::stretches::Stretch;
use super::*;
use crate::fold::{Folded, Touched, Written};
use crate::order_status::{Course, OrderFacts, OrderRisk, OrderSums};
use crate::page::{Mark, PageOrder};

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page without orders.
fn turn(generation: Generation) -> Turn {
    turn_with(generation, Vec::new())
}

fn turn_with(generation: Generation, orders: Vec<PageOrder>) -> Turn {
    let rows = orders.iter().enumerate().map(|(place, order)| Touched {
        place,
        is_stored: false,
        before: None,
        row: OrderStatusRow {
            stream: order.stream,
            order_id: order.id.clone(),
            facts: OrderFacts { listed_at: Timestamp::from_millis(0), ..OrderFacts::default() },
            risk: OrderRisk { hits: "[]".into(), ..OrderRisk::default() },
            status: None,
            sources: Vec::new(),
            course: Course::default(),
            position: 1,
        },
    });
    let written = Written { rows: rows.collect(), sums: OrderSums::default() };
    let rows = Folded { order_status: Some(written), review_queue: None };
    let page = Page { after: 0, events: Vec::new(), places: Vec::new(), orders, poison: None, is_full: false };
    let end = Mark { position: 1, text: "1".to_owned() };
    Turn { partition: 0, generations: vec![generation], page: Arc::new(page), rows, end }
}

fn order(stream: StreamId) -> PageOrder {
    let id = format!("web:{stream}").parse().unwrap();
    PageOrder { stream, merchant: "default".parse().unwrap(), id, begins: true, first_of_merchant: 0 }
}

/// Makes a build the live one, with nothing to come level with.
async fn put_in_place(store: &PostgresStore, generation: Generation) {
    store.replace(generation, Box::pin(async { Ok(()) })).await.unwrap();
}

async fn tables(connection: &mut PgConnection) -> Vec<String> {
    let tables = "SELECT relname::text FROM pg_class WHERE relnamespace = 'orderlight_read'::regnamespace \
                  AND relkind IN ('r', 'p') AND relname ~ '_g[0-9]+' ORDER BY relname";
    sqlx::query_scalar(tables).fetch_all(connection).await.unwrap()
}

/// Waits until somebody in the database waits for a lock.
async fn until_somebody_waits(database: &Database) {
    let mut connection = database.connect().await;
    let waits = "SELECT EXISTS (SELECT 1 FROM pg_stat_activity WHERE datname = current_database() \
                 AND wait_event_type = 'Lock')";
    let until = Instant::now() + PATIENCE;
    while !sqlx::query_scalar::<_, bool>(waits).fetch_one(&mut connection).await.unwrap() {
        assert!(Instant::now() < until, "nobody waits");
    }
}

#[tokio::test]
async fn whoever_folds_waits_while_a_new_build_comes_level_and_finds_that_it_was_replaced() {
    let database = Database::fresh().await;
    let builds = PostgresStore::open(database.url(), None, 1).await.unwrap();
    let folds = PostgresStore::open(database.url(), None, 1).await.unwrap();
    let old = builds.create(Model::OrderStatus).await.unwrap();
    put_in_place(&builds, old).await;
    let new = builds.create(Model::OrderStatus).await.unwrap();
    let (tell, told) = tokio::sync::oneshot::channel();
    let levelling = async {
        let folding = tokio::spawn(async move { folds.save(turn(old)).await });
        until_somebody_waits(&database).await;
        assert_eq!(builds.live().await.unwrap()[0].marks[0].position, 0, "what is live stands still");
        assert_eq!(builds.save(turn(new)).await.unwrap(), Saved::Moved, "what becomes live does not wait for itself");
        tell.send(folding).unwrap();
        Ok(())
    };
    builds.replace(new, Box::pin(levelling)).await.unwrap();
    assert_eq!(told.await.unwrap().await.unwrap().unwrap(), Saved::Overtaken);
    let live = builds.live().await.unwrap();
    assert_eq!((live[0].generation, live[0].marks[0].position), (new, 1));
}

#[tokio::test]
async fn whoever_still_believes_in_a_build_that_is_gone_finds_that_it_was_overtaken() {
    let database = Database::fresh().await;
    let builds = PostgresStore::open(database.url(), None, 1).await.unwrap();
    let folds = PostgresStore::open(database.url(), None, 1).await.unwrap();
    let old = builds.create(Model::OrderStatus).await.unwrap();
    put_in_place(&builds, old).await;
    // From here on it knows the stretch.
    assert_eq!(folds.save(turn_with(old, vec![order(1)])).await.unwrap(), Saved::Moved);
    assert_eq!(folds.load(&[old], vec![1]).await.unwrap().unwrap().order_status.unwrap().len(), 1);

    let new = builds.create(Model::OrderStatus).await.unwrap();
    put_in_place(&builds, new).await;
    builds.drop_others().await.unwrap();
    assert!(folds.load(&[old], vec![1]).await.unwrap().is_none());
    assert_eq!(folds.save(turn_with(old, vec![order(1)])).await.unwrap(), Saved::Overtaken);
    assert_eq!(folds.save(turn_with(new, vec![order(1)])).await.unwrap(), Saved::Moved);
}

#[tokio::test]
async fn a_stretch_that_went_without_its_generation_is_a_failure_and_is_looked_for_again() {
    let database = Database::fresh().await;
    let store = PostgresStore::open(database.url(), None, 1).await.unwrap();
    let live = store.create(Model::OrderStatus).await.unwrap();
    put_in_place(&store, live).await;
    assert_eq!(store.save(turn_with(live, vec![order(1)])).await.unwrap(), Saved::Moved);
    let drop = format!("DROP TABLE orderlight_read.{}", Stretch::of(live, 1).table());
    sqlx::raw_sql(AssertSqlSafe(drop)).execute(&mut database.connect().await).await.unwrap();
    assert!(store.load(&[live], vec![1]).await.err().unwrap().is_missing_table());
    assert_eq!(store.load(&[live], vec![1]).await.unwrap().unwrap().order_status.unwrap(), []);
}

#[tokio::test]
async fn the_number_of_a_build_is_never_given_to_another() {
    let database = Database::fresh().await;
    let mut numbers = Vec::new();
    for _ in 0..3 {
        // As each start and each process does.
        let store = PostgresStore::open(database.url(), None, 1).await.unwrap();
        numbers.push(store.create(Model::OrderStatus).await.unwrap().number);
        numbers.push(store.create(Model::ReviewQueue).await.unwrap().number);
        store.drop_others().await.unwrap();
        assert_eq!(tables(&mut database.connect().await).await, Vec::<String>::new());
    }
    assert_eq!(numbers, [1, 2, 3, 4, 5, 6]);
}

#[tokio::test]
async fn numbers_go_on_behind_those_that_were_given_before_there_was_a_sequence() {
    let database = Database::fresh().await;
    let store = PostgresStore::open(database.url(), None, 1).await.unwrap();
    let before = "SET search_path = orderlight_read; DROP SEQUENCE generation_numbers; \
                  INSERT INTO generations VALUES ('order_status', 7, 1, true)";
    sqlx::raw_sql(before).execute(&mut database.connect().await).await.unwrap();
    store.close().await;
    let store = PostgresStore::open(database.url(), None, 1).await.unwrap();
    assert_eq!(store.create(Model::OrderStatus).await.unwrap().number, 8);
}

/// More stretches than locks for all of them and their indexes would have room for.
const MANY: u64 = 80;

async fn make_many(generation: Generation, url: &str) {
    let pool = settings::writers(&settings::parse(url).unwrap());
    let mut connection = pool.acquire().await.unwrap();
    for number in 0..MANY {
        Stretch::of(generation, number << 17).make(&mut connection).await.unwrap();
    }
    drop(connection);
    pool.close().await;
}

#[tokio::test]
async fn builds_of_many_stretches_are_dropped_by_a_server_that_has_room_for_few_locks() {
    let cluster = Cluster::start();
    let url = cluster.url();
    let few = "max_locks_per_transaction = 10; max_connections = 20; max_worker_processes = 1; max_wal_senders = 0";
    let mut superuser = PgConnection::connect(&url).await.unwrap();
    for setting in few.split("; ") {
        let set = format!("ALTER SYSTEM SET {setting}");
        sqlx::raw_sql(AssertSqlSafe(set)).execute(&mut superuser).await.unwrap();
    }
    superuser.close().await.unwrap();
    cluster.stop();
    cluster.start_again();

    let store = PostgresStore::open(&url, None, 1).await.unwrap();
    let old = store.create(Model::OrderStatus).await.unwrap();
    store.complete(old).await.unwrap();
    put_in_place(&store, old).await;
    make_many(old, &url).await;
    let new = store.create(Model::OrderStatus).await.unwrap();
    store.complete(new).await.unwrap();
    put_in_place(&store, new).await;
    let mut superuser = PgConnection::connect(&url).await.unwrap();
    let at_once = format!("DROP TABLE orderlight_read.{}", old.table());
    let at_once = sqlx::raw_sql(AssertSqlSafe(at_once)).execute(&mut superuser).await.unwrap_err();
    assert_eq!(at_once.as_database_error().unwrap().code().unwrap(), "53200", "{at_once}");
    // The refusal is told before what it holds is let go of.
    superuser.ping().await.unwrap();
    store.drop_others().await.unwrap();
    let left = tables(&mut superuser).await;
    assert!(left.contains(&new.table()) && left.iter().all(|table| table.starts_with(&new.table())), "{left:?}");

    // The other way to get rid of as many: a role that could not use them takes them over.
    make_many(new, &url).await;
    store.close().await;
    sqlx::raw_sql("CREATE ROLE runs LOGIN").execute(&mut superuser).await.unwrap();
    settings::make_schema(&url, Some("runs")).await.unwrap();
    assert_eq!(tables(&mut superuser).await, Vec::<String>::new());
    superuser.close().await.unwrap();
}
