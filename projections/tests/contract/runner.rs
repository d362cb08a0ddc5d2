//! Checkpoints, poison, foreign logs and rebuilds.

use std::cell::Cell;
use std::time::Duration;

use domain::order::{FrozenCause, Status};
use eventlog::EventLog as _;
use projections::{
    ORDER_STATUS, OrderQuery, OrderStatusRow, ProjectionError, REVIEW_QUEUE, ReadModels, ReviewQuery, ReviewRow,
    ReviewState, Trouble,
};

use crate::given::*;

const LONG: Duration = Duration::from_secs(20);

/// Orders of all kinds, more events than a page holds.
async fn fill(given: &mut Given, from: u32, orders: u32) {
    for index in from..from + orders {
        let id = format!("web:{index}");
        let name = format!("{}", index % 7);
        if index % 5 == 0 {
            given.order(&id, [reported("shop", Status::Paid, minute(index))]).await;
        }
        if index % 3 == 0 {
            let events = [placed(&id, full_facts(index, &name)), scored(130, "freeze"), frozen(FrozenCause::Score)];
            given.order(&id, events).await;
        } else {
            given.order(&id, clean(&id, full_facts(index, &name))).await;
        }
        if index > from {
            let earlier = format!("web:{}", index / 2);
            given.order(&earlier, [reported("wms", Status::Shipped, minute(index))]).await;
        }
    }
}

async fn all_rows(models: &ReadModels) -> (Vec<OrderStatusRow>, Vec<ReviewRow>) {
    let shop = merchant(SHOP);
    let (mut orders, mut reviews) = (Vec::new(), Vec::new());
    let mut cursor = None;
    loop {
        let page = models.search(&shop, &OrderQuery::default(), cursor.as_deref(), 200).await.unwrap();
        orders.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    loop {
        let query = ReviewQuery { state: Some(ReviewState::Open), ..ReviewQuery::default() };
        let page = models.reviews(&shop, &query, cursor.as_deref(), 200).await.unwrap();
        reviews.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    (orders, reviews)
}

pub(crate) async fn stopped_and_resumed_at_any_event_the_rows_are_those_of_one_run(on: Backend) {
    let mut given = Given::nothing(on).await;
    for round in 0..12 {
        fill(&mut given, round * 10, 10).await;
        // Opened anew each time: nothing is remembered but what was committed.
        given.folded().await.stop().await;
    }
    let resumed = all_rows(&given.folded().await).await;
    let elsewhere = Somewhere::fresh(on).await;
    let at_once = given.read_models_in(&elsewhere).await;
    at_once.catch_up().await.unwrap();
    assert_eq!(resumed.0.len(), 120);
    assert_eq!(resumed.1.len(), 40);
    assert_eq!(resumed, all_rows(&at_once).await);
}

pub(crate) async fn a_follower_is_level_soon_after_each_append_and_stops_when_told(on: Backend) {
    let mut given = Given::nothing(on).await;
    let models = given.read_models().await;
    models.start().await;
    for index in 0..5 {
        let id = format!("web:{index}");
        given.order(&id, clean(&id, facts(index))).await;
        for name in models.names() {
            assert!(models.wait_for(name, 0, given.head, LONG).await);
        }
        assert_eq!(row(&models, &id).await.facts.placed_at, Some(minute(index)));
    }
    assert_eq!(models.lag(), 0);
    assert!(!models.wait_for(ORDER_STATUS, 0, given.head + 1, Duration::ZERO).await);
    assert!(!models.wait_for(ORDER_STATUS, 9, 1, Duration::ZERO).await);
    assert!(!models.wait_for("none", 0, 1, Duration::ZERO).await);
    models.stop().await;
}

pub(crate) async fn events_of_other_aggregates_move_the_checkpoint_and_nothing_else(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.raw(SHOP, "rulebook", "live", vec![("Published", "{}".into())]).await;
    let models = given.read_models().await;
    models.start().await;
    assert!(models.wait_for(ORDER_STATUS, 0, 1, LONG).await);
    assert_eq!(all_rows(&models).await.0, []);
    models.stop().await;
}

pub(crate) async fn a_poison_event_stops_the_read_model_right_before_it_and_look_ups_go_on(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:1", clean("web:1", facts(0))).await;
    given.raw(SHOP, "order", "web:2", vec![("Exploded", r#"{"Exploded":{}}"#.into())]).await;
    given.order("web:3", clean("web:3", facts(0))).await;
    let models = given.read_models().await;
    let refused = models.catch_up().await;
    assert!(matches!(&refused, Err(ProjectionError::Poison(poison)) if poison.position == 4), "{refused:?}");
    models.start().await;
    assert!(models.wait_for(ORDER_STATUS, 0, 3, LONG).await);
    let mut health = models.health();
    while health.iter().any(|one| one.trouble.is_none()) {
        tokio::task::yield_now().await;
        health = models.health();
    }
    for one in health {
        assert_eq!((one.position, one.lag()), (3, 4), "{}", one.name);
        assert!(matches!(one.trouble, Some(Trouble::Stopped(_))), "{}", one.name);
    }
    row(&models, "web:1").await;
    assert!(matches!(models.rebuild(&[ORDER_STATUS]).await, Err(ProjectionError::Poison(_))));
    row(&models, "web:1").await;
    models.stop().await;
}

pub(crate) async fn rows_of_another_log_are_not_gone_on_with(on: Backend) {
    let mut given = Given::nothing(on).await;
    fill(&mut given, 0, 10).await;
    given.folded().await.stop().await;
    // The same read models beside a log that is shorter, and beside one that is longer and different.
    for orders in [1, 30] {
        let mut other = Given::nothing(on).await;
        for index in 0..orders {
            let id = format!("web:other-{index}");
            other.order(&id, clean(&id, facts(index))).await;
        }
        let models = other.read_models_in(&given.place).await;
        models.catch_up().await.unwrap();
        let (rows, reviews) = all_rows(&models).await;
        assert_eq!((rows.len(), reviews.len()), (usize::try_from(orders).unwrap(), 0));
        assert_eq!(models.lag(), 0);
        models.stop().await;
    }
}

pub(crate) async fn a_rebuilt_read_model_has_the_rows_it_had(on: Backend) {
    let mut given = Given::nothing(on).await;
    fill(&mut given, 0, 300).await;
    let models = given.folded().await;
    let before = all_rows(&models).await;
    for names in [&[ORDER_STATUS][..], &[REVIEW_QUEUE], &[ORDER_STATUS, REVIEW_QUEUE]] {
        models.rebuild(names).await.unwrap();
        assert_eq!(all_rows(&models).await, before, "{names:?}");
    }
    assert!(matches!(models.rebuild(&["none"]).await, Err(ProjectionError::UnknownName(_))));
    // What comes later goes into the new tables, and a new start finds them.
    fill(&mut given, 300, 5).await;
    models.catch_up().await.unwrap();
    let after = all_rows(&models).await;
    assert_eq!(after.0.len(), 305);
    models.stop().await;
    assert_eq!(all_rows(&given.folded().await).await, after);
}

pub(crate) async fn a_rebuilt_read_model_finds_orders_by_what_it_found_them_by(on: Backend) {
    let mut given = Given::nothing(on).await;
    fill(&mut given, 0, 40).await;
    let models = given.folded().await;
    models.rebuild(&models.names()).await.unwrap();
    fill(&mut given, 40, 20).await;
    models.catch_up().await.unwrap();
    all_are_found(&models).await;
    models.stop().await;
    all_are_found(&given.folded().await).await;
}

/// By the handles of one in seven of sixty orders.
async fn all_are_found(models: &ReadModels) {
    let shop = merchant(SHOP);
    let query = OrderQuery { customer: Some(token("cust-3")), ..OrderQuery::default() };
    let found = models.search(&shop, &query, None, 50).await.unwrap().items;
    let numbers: Vec<u32> = found.iter().map(|row| row.order_id.order_no().parse().unwrap()).collect();
    assert_eq!(numbers, [59, 52, 45, 38, 31, 24, 17, 10, 3]);
    let counts = models.links_counts(&shop, &found[0]).await.unwrap();
    assert_eq!((counts.device, counts.phone, counts.address), (8, 8, 8));
    assert_eq!(row(models, "web:3").await.stream, found[8].stream);
}

pub(crate) async fn a_rebuild_while_orders_arrive_loses_none_and_never_shows_less(on: Backend) {
    let mut given = Given::nothing(on).await;
    fill(&mut given, 0, 100).await;
    let models = given.read_models().await;
    models.start().await;
    assert!(models.wait_for(ORDER_STATUS, 0, given.head, LONG).await);
    let rebuild = models.rebuild(&[ORDER_STATUS]);
    let arrivals = async {
        for round in 0..20 {
            fill(&mut given, 100 + round, 1).await;
            assert!(all_rows(&models).await.0.len() >= 100);
        }
    };
    let (rebuilt, ()) = tokio::join!(rebuild, arrivals);
    rebuilt.unwrap();
    assert!(models.wait_for(ORDER_STATUS, 0, given.head, LONG).await);
    assert!(models.wait_for(REVIEW_QUEUE, 0, given.head, LONG).await);
    let followed = all_rows(&models).await;
    models.stop().await;
    let elsewhere = Somewhere::fresh(on).await;
    let fresh = given.read_models_in(&elsewhere).await;
    fresh.catch_up().await.unwrap();
    assert_eq!(followed, all_rows(&fresh).await);
}

pub(crate) async fn a_look_up_by_a_handle_sees_the_old_build_or_the_new_one_and_nothing_between(on: Backend) {
    let mut given = Given::nothing(on).await;
    fill(&mut given, 0, 60).await;
    let models = given.folded().await;
    for _ in 0..6 {
        let is_rebuilt = Cell::new(false);
        let rebuild = async {
            models.rebuild(&[ORDER_STATUS]).await.unwrap();
            is_rebuilt.set(true);
        };
        let look_ups = async {
            while !is_rebuilt.get() {
                all_are_found(&models).await;
            }
        };
        tokio::join!(rebuild, look_ups);
    }
    models.stop().await;
}

pub(crate) async fn a_log_that_cannot_be_read_is_told_and_not_taken_for_an_empty_one(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:1", clean("web:1", facts(0))).await;
    let models = given.read_models().await;
    given.log.close().await;
    assert!(matches!(models.catch_up().await, Err(ProjectionError::Log(_))));
    assert_eq!(models.lag(), 3);
}
