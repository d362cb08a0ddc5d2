//! `CqrsFramework` on the log.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, AggregateContext, AggregateError, CqrsFramework, DomainEvent, EventStore};
use domain::ids::MerchantId;
use domain::time::Timestamp;
use eventlog::cqrs::MerchantStore;
use eventlog::{EventLog, StreamKey};
use serde::{Deserialize, Serialize};

use super::Fixture;

/// Counts up to a limit.
#[derive(Default, Serialize, Deserialize)]
struct Counter {
    count: u32,
}

#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Counted {
    Added { by: u32 },
    Reached,
}

impl DomainEvent for Counted {
    fn event_type(&self) -> String {
        match self {
            Self::Added { .. } => "Added".into(),
            Self::Reached => "Reached".into(),
        }
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

#[derive(Debug, thiserror::Error, PartialEq)]
#[error("counted enough")]
struct Enough;

impl Aggregate for Counter {
    const TYPE: &'static str = "counter";
    type Command = u32;
    type Event = Counted;
    type Error = Enough;
    type Services = ();

    async fn handle(&mut self, by: u32, (): &(), sink: &EventSink<Self>) -> Result<(), Enough> {
        if self.count >= 10 {
            return Err(Enough);
        }
        if by > 0 {
            sink.write(Counted::Added { by }, self).await;
        }
        if self.count >= 10 {
            sink.write(Counted::Reached, self).await;
        }
        Ok(())
    }

    fn apply(&mut self, event: Counted) {
        match event {
            Counted::Added { by } => self.count += by,
            Counted::Reached => {}
        }
    }
}

struct House<F: Fixture> {
    _fixture: F,
    log: Arc<F::Log>,
}

impl<F: Fixture> House<F> {
    async fn new() -> Self {
        let fixture = F::fresh().await;
        let log = Arc::new(fixture.open().await);
        Self { _fixture: fixture, log }
    }

    fn store(&self, merchant: &str) -> MerchantStore<F::Log> {
        let clock = AtomicI64::new(1_000);
        let clock = Box::new(move || Timestamp::from_millis(clock.fetch_add(1, Ordering::Relaxed)));
        MerchantStore::new(Arc::clone(&self.log), merchant.parse().unwrap(), clock)
    }

    fn framework(&self, merchant: &str) -> CqrsFramework<Counter, MerchantStore<F::Log>> {
        CqrsFramework::new(self.store(merchant), Vec::new(), ())
    }
}

async fn count(store: &MerchantStore<impl EventLog>, id: &str) -> u32 {
    EventStore::<Counter>::load_aggregate(store, id).await.unwrap().aggregate().count
}

pub(crate) async fn commands_become_events_in_the_log_and_the_state_comes_back<F: Fixture>() {
    let house = House::<F>::new().await;
    let framework = house.framework("acme");
    framework.execute("c1", 4).await.unwrap();
    let metadata = HashMap::from([("actor".to_owned(), "tester".to_owned())]);
    framework.execute_with_metadata("c1", 6, metadata.clone()).await.unwrap();
    assert_eq!(count(&house.store("acme"), "c1").await, 10);

    let events = EventStore::<Counter>::load_events(&house.store("acme"), "c1").await.unwrap();
    let payloads: Vec<_> = events.iter().map(|event| event.payload.clone()).collect();
    assert_eq!(payloads, [Counted::Added { by: 4 }, Counted::Added { by: 6 }, Counted::Reached]);
    assert_eq!(events.iter().map(|event| event.sequence).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((&*events[2].aggregate_id, &events[2].metadata), ("c1", &metadata));

    let stored = house.log.read(0, 0, 10).await.unwrap();
    assert_eq!((&*stored[1].event_type, &*stored[1].payload), ("Added", r#"{"Added":{"by":6}}"#));
    assert_eq!((stored[0].recorded_at.millis(), stored[1].recorded_at.millis()), (1_000, 1_001));
    let merchant: MerchantId = "acme".parse().unwrap();
    let key = StreamKey { merchant, aggregate_type: "counter".into(), aggregate_id: "c1".into() };
    assert_eq!(*stored[0].key, key);
}

pub(crate) async fn a_rejected_command_and_one_without_effect_write_nothing<F: Fixture>() {
    let house = House::<F>::new().await;
    let framework = house.framework("acme");
    framework.execute("c1", 0).await.unwrap();
    assert_eq!(house.log.head(0).await.unwrap(), 0);
    framework.execute("c1", 10).await.unwrap();
    let rejected = framework.execute("c1", 1).await;
    assert!(matches!(rejected, Err(AggregateError::UserError(Enough))));
    assert_eq!(house.log.head(0).await.unwrap(), 2);
}

pub(crate) async fn two_commits_from_the_same_state_conflict<F: Fixture>() {
    let house = House::<F>::new().await;
    let store = house.store("acme");
    for start in ["a new aggregate", "a known aggregate"] {
        let first = EventStore::<Counter>::load_aggregate(&store, "c1").await.unwrap();
        let second = EventStore::<Counter>::load_aggregate(&store, "c1").await.unwrap();
        store.commit(vec![Counted::Added { by: 1 }], first, HashMap::new()).await.unwrap();
        let refused = store.commit(vec![Counted::Added { by: 1 }], second, HashMap::new()).await;
        assert!(matches!(refused, Err(AggregateError::AggregateConflict)), "{start}");
    }
    assert_eq!(count(&store, "c1").await, 2);
    assert_eq!(house.log.head(0).await.unwrap(), 2);
}

pub(crate) async fn merchants_do_not_see_each_others_aggregates<F: Fixture>() {
    let house = House::<F>::new().await;
    house.framework("acme").execute("c1", 4).await.unwrap();
    assert_eq!(count(&house.store("other"), "c1").await, 0);
    house.framework("other").execute("c1", 1).await.unwrap();
    assert_eq!(count(&house.store("acme"), "c1").await, 4);
    assert_eq!(count(&house.store("other"), "c1").await, 1);
}

pub(crate) async fn commands_of_one_store_at_the_same_time_all_arrive<F: Fixture>() {
    let house = House::<F>::new().await;
    let framework = house.framework("acme");
    let (one, two, three) =
        tokio::join!(framework.execute("c1", 1), framework.execute("c2", 2), framework.execute("c3", 3));
    assert!(one.is_ok() && two.is_ok() && three.is_ok());
    assert_eq!(house.log.head(0).await.unwrap(), 3);
}
