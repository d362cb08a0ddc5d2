//! What corrections cost the writer: orders per second, decided and committed to an embedded log in a temporary directory.
//!
//! `cargo run --release -p engine --example correction_rate [ORDERS]` has an engine decide 50,000 orders by the rulebook that a
//! new merchant starts with, a hundred a second by its clock, from customers with ten orders each: a day apart, where nothing fires and
//! nobody is screened again, which is what the others compare with; within minutes, where many customers fire a rule that sweeps; so with
//! 2 % of them up to 20 minutes late; so in pairs of which the second is a second older; all from one device, where each fires a rule
//! that sweeps; and with customers, devices, networks and streets at random, where nearly every order has others screened again.
//! The log is replayed afterwards and must give the same decisions; that is not measured.

#[path = "traffic/filled.rs"]
mod filled;
#[path = "traffic/mod.rs"]
mod traffic;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use domain::notice::Notice;
use domain::time::Span;
use engine::replay;
use eventlog::EventLog;
use eventlog::sqlite::SqliteLog;

use filled::{decide, notice, placed_at};
use traffic::Sequence;

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const LATE_MILLIS_MAX: i64 = 20 * 60 * 1_000;
/// Orders of each customer.
const ORDERS_EACH: u64 = 10;

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    DaysApart,
    InOrder,
    SomeLate,
    SwappedPairs,
    OneDevice,
    Strangers,
}

impl Kind {
    const ALL: [(Self, &'static str); 6] = [
        (Self::DaysApart, "a day apart"),
        (Self::InOrder, "in order"),
        (Self::SomeLate, "2 % late"),
        (Self::SwappedPairs, "swapped pairs"),
        (Self::OneDevice, "one device"),
        (Self::Strangers, "everything at random"),
    ];
}

fn main() -> Result<(), Box<dyn Error>> {
    let orders: u64 = std::env::args().nth(1).map_or(Ok(50_000), |text| text.parse())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    for (kind, name) in Kind::ALL {
        runtime.block_on(measure(kind, name, orders))?;
    }
    Ok(())
}

async fn measure(kind: Kind, name: &str, orders: u64) -> Result<(), Box<dyn Error>> {
    let directory = tempfile::tempdir()?;
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await?);
    let mut sequence = Sequence(1);
    let notices: Vec<Notice> = (0..orders).map(|number| made(kind, &mut sequence, number, orders)).collect();
    let start = Instant::now();
    decide(&log, directory.path(), notices).await?;
    let seconds = start.elapsed().as_secs_f64();
    let replayed = replay(log.clone(), 0, |_| {}).await?;
    assert_eq!(replayed.identical, replayed.decisions, "every decision comes out as it was");
    assert!(kind != Kind::DaysApart || replayed.decisions == orders, "nothing is corrected there");
    log.close().await;
    println!("{name}: {:.0} orders/s, {} decisions", orders as f64 / seconds, replayed.decisions);
    Ok(())
}

fn made(kind: Kind, sequence: &mut Sequence, number: u64, orders: u64) -> Notice {
    let customers = (orders / ORDERS_EACH).max(1);
    if kind == Kind::DaysApart {
        let (round, customer) = (number / customers, number % customers);
        let days_before = u32::try_from(ORDERS_EACH.saturating_sub(round)).unwrap_or_default();
        // A network each: no other customer's orders come from it.
        let who = [customer, customer, customer << 8, customer];
        return notice(number, placed_at(number).minus(Span::from_days(days_before)), who);
    }
    let mut one = || sequence.next() % customers;
    let customer = one();
    let who = match kind {
        Kind::OneDevice => [customer, 0, customer, customer],
        Kind::Strangers => [customer, one(), one(), one()],
        Kind::DaysApart | Kind::InOrder | Kind::SomeLate | Kind::SwappedPairs => [customer; 4],
    };
    let late_millis = match kind {
        Kind::SomeLate if sequence.below(50) == 0 => sequence.below(LATE_MILLIS_MAX),
        Kind::SwappedPairs if number % 2 == 1 => 1_000,
        _ => 0,
    };
    notice(number, placed_at(number).minus(Span::from_millis(late_millis)), who)
}
