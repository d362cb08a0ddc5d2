//! What corrections cost the writer: orders per second, decided and committed to an embedded log in a temporary directory.
//!
//! `cargo run --release -p engine --example correction_rate [ORDERS]` has an engine decide 50,000 orders by the rulebook that a
//! new merchant starts with, a hundred a second by its clock: in order, where nothing is corrected; with 2 % of them up to 20
//! minutes late; in pairs of which the second is a second older; and all from one device, where each fires a rule that sweeps.
//! The log is replayed afterwards and must give the same decisions; that is not measured.

#[path = "traffic/mod.rs"]
mod traffic;

use std::error::Error;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::notice::{Notice, read_notice};
use domain::rulebook::preset;
use domain::time::Timestamp;
use engine::{Clock, Engine, Origin, Pending, WhenFull, replay};
use eventlog::EventLog;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use serde_json::json;

use traffic::{START_MILLIS, Sequence};

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A hundred orders a second.
const STEP_MILLIS: i64 = 10;
/// Orders on their way at the same time.
const WAITING_MAX: usize = 1_024;
const LATE_MILLIS_MAX: i64 = 20 * 60 * 1_000;

#[derive(Clone, Copy)]
enum Kind {
    InOrder,
    SomeLate,
    SwappedPairs,
    OneDevice,
}

impl Kind {
    const ALL: [(Self, &'static str); 4] = [
        (Self::InOrder, "in order"),
        (Self::SomeLate, "2 % late"),
        (Self::SwappedPairs, "swapped pairs"),
        (Self::OneDevice, "one device"),
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
    let vault = Arc::new(Vault::open_or_create(&directory.path().join("master.key"))?);
    let now = Arc::new(AtomicI64::new(START_MILLIS));
    let told = now.clone();
    let clock: Clock = Arc::new(move || Timestamp::from_millis(told.load(Ordering::Relaxed)));
    let rulebook = preset("growth").ok_or("the preset is there")?;
    let engine = Engine::open(log.clone(), vault, clock, rulebook, None).await?;
    let merchant = "default".parse()?;
    let origin = || Origin { actor: "example".to_owned(), source: "api".to_owned() };
    let registered =
        MerchantRegistered { name: "Shop".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
    engine.command(&merchant, origin(), MerchantCommand::Register(registered)).await?;

    let mut sequence = Sequence(1);
    let notices: Vec<Notice> = (0..orders).map(|number| notice(kind, &mut sequence, number, orders)).collect();
    let start = Instant::now();
    let mut pending: Vec<Pending> = Vec::new();
    for notice in notices {
        now.fetch_add(STEP_MILLIS, Ordering::Relaxed);
        pending.push(engine.submit(&merchant, origin(), notice, WhenFull::Wait).await?);
        if pending.len() == WAITING_MAX {
            for pending in pending.drain(..) {
                pending.receipt().await?;
            }
        }
    }
    for pending in pending.drain(..) {
        pending.receipt().await?;
    }
    let seconds = start.elapsed().as_secs_f64();
    engine.close().await;
    let replayed = replay(log.clone(), 0, |_| {}).await?;
    assert_eq!(replayed.identical, replayed.decisions, "every decision comes out as it was");
    log.close().await;
    println!("{name}: {:.0} orders/s, {} decisions", orders as f64 / seconds, replayed.decisions);
    Ok(())
}

/// An order from one of as many customers, devices and so on that each has about ten.
fn notice(kind: Kind, sequence: &mut Sequence, number: u64, orders: u64) -> Notice {
    let mut one = || sequence.next() % (orders / 10).max(1);
    let [customer, device, ip, street] = [one(), one(), one(), one()];
    let device = if let Kind::OneDevice = kind { 0 } else { device };
    let late_millis = match kind {
        Kind::SomeLate if sequence.below(50) == 0 => sequence.below(LATE_MILLIS_MAX),
        Kind::SwappedPairs if number % 2 == 1 => 1_000,
        Kind::InOrder | Kind::SomeLate | Kind::SwappedPairs | Kind::OneDevice => 0,
    };
    let placed_at = Timestamp::from_millis(START_MILLIS + number.cast_signed() * STEP_MILLIS - late_millis);
    let line = json!({"kind": "placed", "order": {
        "channel": "web", "order_no": format!("A{number}"), "placed_at": placed_at.to_string(), "currency": "CNY",
        "amount": 39_900, "lines": [{"sku": format!("SKU-{}", number % 100), "quantity": 2, "unit_price": 19_950}],
        "customer": {"id": format!("u-{customer}"), "name": "张三", "phone": format!("138{customer:08}"), "level": 2,
                     "registered_at": "2026-01-02T08:00:00Z"},
        "delivery": {"recipient": "李四", "phone": format!("139{street:08}"), "country": "CN", "province": "浙江省",
                     "city": "杭州市", "street": format!("文三路 {street} 号")},
        "device": {"id": format!("d-{device}")},
        "ip": format!("10.{}.{}.{}", ip >> 16, (ip >> 8) & 255, ip & 255)}});
    read_notice(line).expect("the notice is complete")
}
