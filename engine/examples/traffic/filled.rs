//! A log on disk that an engine filled, for the examples that read one.
#![allow(unreachable_pub, dead_code, reason = "shared by the examples, of which each uses a part")]

use std::error::Error;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Instant;

use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::notice::{Notice, read_notice};
use domain::rulebook::preset;
use domain::time::Timestamp;
use engine::{Clock, Engine, Origin, Pending, WhenFull};
use eventlog::EventLog;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use serde_json::json;

use crate::traffic::{START_MILLIS, Sequence};

/// A hundred orders a second.
const STEP_MILLIS: i64 = 10;
/// Orders on their way at the same time.
const WAITING_MAX: usize = 1_024;

/// The log in a directory; one that is not there is filled with so many orders.
pub async fn log_of(directory: &Path, orders: u64) -> Result<Arc<dyn EventLog>, Box<dyn Error>> {
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&directory.join("log.sqlite")).await?);
    if log.head(0).await? == 0 {
        let start = Instant::now();
        fill(&log, directory, orders).await?;
        eprintln!("filled in {:.1} s", start.elapsed().as_secs_f64());
    }
    Ok(log)
}

/// Has an engine decide orders from as many customers that each has about ten, with a device, an address and so on of its own: a
/// hundred a second by its clock.
async fn fill(log: &Arc<dyn EventLog>, directory: &Path, orders: u64) -> Result<(), Box<dyn Error>> {
    let mut sequence = Sequence(1);
    let notices = (0..orders).map(|number| {
        let who = sequence.next() % (orders / 10).max(1);
        notice(number, placed_at(number), [who; 4])
    });
    decide(log, directory, notices).await
}

/// When an order of a row is placed that comes in time.
pub fn placed_at(number: u64) -> Timestamp {
    Timestamp::from_millis(START_MILLIS + number.cast_signed() * STEP_MILLIS)
}

/// Has an engine decide notices by the rulebook that a new merchant starts with, a hundred a second by its clock.
pub async fn decide(
    log: &Arc<dyn EventLog>,
    directory: &Path,
    notices: impl IntoIterator<Item = Notice>,
) -> Result<(), Box<dyn Error>> {
    let vault = Arc::new(Vault::open_or_create(&directory.join("master.key"))?);
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

    let mut pending: Vec<Pending> = Vec::new();
    for notice in notices {
        now.fetch_add(STEP_MILLIS, Ordering::Relaxed);
        if pending.len() == WAITING_MAX {
            for pending in pending.drain(..) {
                pending.receipt().await?;
            }
        }
        pending.push(engine.submit(&merchant, origin(), notice, WhenFull::Wait).await?);
    }
    for pending in pending {
        pending.receipt().await?;
    }
    engine.close().await;
    Ok(())
}

/// An order of a customer, from a device, an IP address and to a street.
pub fn notice(number: u64, placed_at: Timestamp, [customer, device, ip, street]: [u64; 4]) -> Notice {
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
