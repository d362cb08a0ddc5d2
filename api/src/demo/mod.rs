//! `orderlight serve --demo`: a small shop's day, faster than life, and the days after it in a moment, through the service's own endpoints.
//!
//! Everything here is a client: orders, answers and decisions go over HTTP on loopback as those of a shop, its customers and its
//! reviewer would, and what is printed is what the live stream tells. The people are made up and labelled ([`market`]); the service
//! never sees the labels.

mod account;
mod api;
mod customers;
mod pace;
mod reviewer;
mod shop;

use std::collections::{HashMap, HashSet};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use anyhow::Context;
use domain::order::Order;
use domain::rulebook::{DEFAULT_PRESET, Rulebook, preset};
use domain::time::{Span, Timestamp};
use eventlog::EventLog;
use market::{Kind, Market};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use self::account::Account;
use self::api::Api;
use self::pace::Pace;

/// The day: another seed would give another one.
const SEED: u64 = 1;
/// How long what is open at the day's end may take, in the shop's time.
const AFTERMATH: Span = Span::from_mins(40);
/// How long the last answers may take, and the read models to see them.
const SETTLE: Duration = Duration::from_secs(2);

/// Who ordered what, which the shop's own people know and the service does not.
#[derive(Clone, Default)]
struct Truth(Arc<Mutex<Known>>);

#[derive(Default)]
struct Known {
    kinds: HashMap<Box<str>, Kind>,
    /// The orders whose customers were asked.
    asked: HashSet<Box<str>>,
}

impl Truth {
    fn learn(&self, order: &str, kind: Kind) {
        self.known().kinds.insert(order.into(), kind);
    }

    /// Whose an order is; what somebody else placed meanwhile is taken for honest.
    fn is_honest(&self, order: &str) -> bool {
        self.known().is_honest(order)
    }

    fn is_asked(&self, order: &str) {
        self.known().asked.insert(order.into());
    }

    /// How many honest customers' orders were asked about.
    fn honest_asked(&self) -> usize {
        let known = self.known();
        known.asked.iter().filter(|order| known.is_honest(order)).count()
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Known {
    fn is_honest(&self, order: &str) -> bool {
        !matches!(self.kinds.get(order), Some(Kind::Attack(_)))
    }
}

/// Refuses a log that holds orders: a made-up day has no place among real ones.
pub async fn must_be_empty(log: &dyn EventLog) -> anyhow::Result<()> {
    for partition in 0..log.partitions() {
        let orders = log.read_type(partition, <Order as cqrs_es::Aggregate>::TYPE, 0, 1).await;
        if !orders.context("cannot read the event log")?.is_empty() {
            anyhow::bail!(
                "the store holds orders already, and the demo's made-up ones must not come among them: \
                 leave --data and --database-url out, or name a store without orders"
            );
        }
    }
    Ok(())
}

/// The rulebook of the demo: the default preset, whose customers have as much less time for an answer as the day is faster.
pub fn rulebook(speed: u32) -> anyhow::Result<Rulebook> {
    let preset = preset(DEFAULT_PRESET).context("the default preset is there")?;
    let mut stored: Value = serde_json::to_value(&preset).context("a rulebook has a JSON form")?;
    for tier in stored["tiers"].as_array_mut().into_iter().flatten() {
        let Some(expires_in) = tier["action"].get_mut("expires_in") else { continue };
        let ordinary: Span = serde_json::from_value(expires_in.clone()).context("a tier's time is one")?;
        let shorter = (ordinary.millis() / i64::from(speed)).max(Span::from_secs(1).millis());
        *expires_in = json!(Span::from_millis(shorter));
    }
    Rulebook::read(stored.to_string().as_bytes())
        .map_err(|faults| anyhow::anyhow!("the demo's rulebook has faults: {faults:?}"))
}

/// Lives the day and those after it through against the service that listens there, in the name of an administrator's key, and tells what the day
/// came to.
pub async fn run(listens_on: SocketAddr, key: &str, speed: u32, now: Timestamp) -> anyhow::Result<()> {
    let market = Market::small_day(SEED, now);
    let ends_at = market.ends_at();
    let mut day = market.peekable();
    let opens_at = day.peek().map_or(ends_at, |first| first.arrives_at);
    let pace = Pace::begin(opens_at, ends_at, speed);
    let api = Api::new(reached_at(listens_on), key);
    let truth = Truth::default();
    account::greet(&api, pace);
    // Whatever of the demo is under way ends with it.
    let mut people = JoinSet::new();
    let account = Account::begin(&api, pace, truth.clone()).await?;
    people.spawn(account.tell());
    customers::receive(&api, pace, truth.clone(), &mut people).await?;
    people.spawn(reviewer::review(api.clone(), pace, truth.clone()));
    let sold = async {
        let later = shop::sell(&api, pace, &truth, day).await?;
        tokio::time::sleep(pace.real(AFTERMATH) + SETTLE).await;
        anyhow::Ok(later)
    };
    let later = tokio::select! { sold = sold => sold?, failure = failure(&mut people) => return Err(failure) };
    // Nobody does anything any more, so what is summed up stays as it is told.
    people.shutdown().await;
    let arrived = shop::deliver(&api, later).await?;
    tokio::time::sleep(SETTLE).await;
    account::sum_up(&api, pace, arrived, truth.honest_asked()).await
}

/// Why one of those who should go on did not.
async fn failure(people: &mut JoinSet<anyhow::Result<()>>) -> anyhow::Error {
    while let Some(ended) = people.join_next().await {
        match ended {
            Ok(Ok(())) => {}
            Ok(Err(error)) => return error,
            Err(error) => return error.into(),
        }
    }
    std::future::pending().await
}

/// An address that was listened on, as a client on this machine reaches it.
fn reached_at(listens_on: SocketAddr) -> SocketAddr {
    let ip = if listens_on.ip().is_unspecified() { IpAddr::V4(Ipv4Addr::LOCALHOST) } else { listens_on.ip() };
    SocketAddr::new(ip, listens_on.port())
}
