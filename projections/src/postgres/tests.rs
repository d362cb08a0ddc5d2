//! A build that takes the place of another while somebody folds.

use std::sync::Arc;
use std::time::{Duration, Instant};

use test_postgres::Database;

use super::*;
use crate::page::Mark;

/// How long is waited for what must come.
const PATIENCE: Duration = Duration::from_secs(20);

/// A page without orders.
fn turn(generation: Generation) -> Turn {
    let page =
        Page { after: 0, events: Vec::new(), places: Vec::new(), orders: Vec::new(), poison: None, is_full: false };
    let nothing = crate::fold::Written { rows: Vec::new(), sums: crate::order_status::OrderSums::default() };
    let rows = crate::fold::Folded { order_status: Some(nothing), review_queue: None };
    let end = Mark { position: 1, text: "1".to_owned() };
    Turn { partition: 0, generations: vec![generation], page: Arc::new(page), rows, end }
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
    builds.replace(old, Box::pin(async { Ok(()) })).await.unwrap();
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
