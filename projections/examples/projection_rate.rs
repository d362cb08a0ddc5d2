//! How fast the read models fold: a log of 60,000 orders with three events each, from empty to level.
//!
//! `cargo run --release -p projections --example projection_rate [ORDERS]`, and for Postgres
//! `.ci/with-postgres cargo run --release -p projections --example projection_rate ORDERS postgres`

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use domain::ids::Token;
use domain::order::{
    CustomerFacts, DeliveryFacts, Facts, Hit, IpFacts, Line, OrderEvent, PhoneFacts, Placed, Reading, Readings,
    Released, ReleasedCause, Scored, ScoredCause,
};
use domain::phone::PhoneKind;
use domain::time::{Span, Timestamp};
use eventlog::sqlite::SqliteLog;
use eventlog::{Batch, EventLog, NewEvent, StreamKey};
use projections::{ORDER_STATUS, Place, ReadModels};

const BATCH_ORDERS: u32 = 256;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let orders: u32 = std::env::args().nth(1).map_or(Ok(60_000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let log = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await?);
    fill(&log, orders).await?;

    let database = match std::env::args().nth(2).as_deref() {
        Some("postgres") => Some(test_postgres::Database::fresh().await),
        _ => None,
    };
    let file = directory.path().join("read.sqlite");
    let place = match &database {
        Some(database) => Place::Postgres { url: database.url().to_owned(), session_name: None },
        None => Place::File(file.clone()),
    };
    let models = ReadModels::open(&place, Arc::clone(&log) as _).await?;
    let begin = Watch::start()?;
    models.start().await;
    for name in models.names() {
        while !models.wait_for(name, 0, u64::from(orders) * 3, std::time::Duration::from_secs(600)).await {}
    }
    begin.print("all read models", orders)?;
    let begin = Watch::start()?;
    models.rebuild(&[ORDER_STATUS]).await?;
    begin.print("order_status alone", orders)?;
    models.stop().await;
    if database.is_none() {
        let size = std::fs::metadata(file)?.len();
        println!("read.sqlite: {} bytes an order, two generations of order_status", size / u64::from(orders.max(1)));
    }
    Ok(())
}

/// Time and processor time of this process since a moment; the log's own reading is part of both, a database server is not.
struct Watch {
    begin: Instant,
    cpu_ms: u32,
}

impl Watch {
    fn start() -> Result<Self, Box<dyn Error>> {
        Ok(Self { begin: Instant::now(), cpu_ms: cpu_ms()? })
    }

    fn print(&self, what: &str, orders: u32) -> Result<(), Box<dyn Error>> {
        let rate = f64::from(orders) * 3.0 / self.begin.elapsed().as_secs_f64();
        let cpu_us = f64::from(cpu_ms()? - self.cpu_ms) * 1000.0 / f64::from(orders.max(1));
        println!("{what}: {rate:.0} events/s, {cpu_us:.1} µs of processor time an order");
        Ok(())
    }
}

/// Processor time of this process in all its threads. Linux counts it in hundredths of a second.
fn cpu_ms() -> Result<u32, Box<dyn Error>> {
    let stat = std::fs::read_to_string("/proc/self/stat")?;
    let behind_name = stat.rsplit_once(") ").ok_or("stat has no name")?.1;
    let ticks = behind_name.split(' ').skip(11).take(2).map(str::parse::<u32>).sum::<Result<u32, _>>()?;
    Ok(ticks * 10)
}

async fn fill(log: &SqliteLog, orders: u32) -> Result<(), Box<dyn Error>> {
    let acquired = log.acquire(0).await?;
    let mut head = acquired.head;
    for first in (0..orders).step_by(usize::try_from(BATCH_ORDERS)?) {
        let mut batch = Batch { partition: 0, epoch: acquired.epoch, after: head, ..Batch::default() };
        for number in first..orders.min(first + BATCH_ORDERS) {
            let stream = u64::from(number) + 1;
            let recorded_at = Timestamp::from_millis(1_794_355_200_000).plus(Span::from_millis(i64::from(number) / 10));
            let aggregate_id = format!("web:A{number:08}").into();
            let key = StreamKey { merchant: "default".parse()?, aggregate_type: "order".into(), aggregate_id };
            batch.streams.push((stream, key));
            for (sequence, event) in (1..).zip(events(number, recorded_at)?) {
                batch.events.push(NewEvent {
                    stream,
                    sequence,
                    event_type: event.name(),
                    event_version: "1",
                    payload: serde_json::to_string(&event)?,
                    metadata: r#"{"actor":"web","source":"web"}"#.into(),
                    occurred_at: recorded_at,
                    recorded_at,
                });
            }
        }
        head += u64::try_from(batch.events.len())?;
        log.append(batch).await?;
    }
    Ok(())
}

/// A token of one of `count` things; spread like a keyed digest.
fn token(number: u32, count: u32, kind: u64) -> Token {
    let one = (u64::from(number.wrapping_mul(2_654_435_761) % count) << 8) | kind;
    let spread = one.wrapping_mul(0x9E37_79B9_7F4A_7C15).rotate_left(29).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&spread.to_be_bytes());
    Token::new(bytes)
}

fn events(number: u32, placed_at: Timestamp) -> Result<[OrderEvent; 3], Box<dyn Error>> {
    let phone = |kind| Some(PhoneFacts { token: token(number, 40_000, kind), kind: PhoneKind::Mobile });
    let facts = Facts {
        placed_at: Some(placed_at),
        currency: Some("CNY".into()),
        amount: Some(39_900),
        lines: Some(vec![Line {
            sku: "MASK-01".into(),
            title: Some("面膜".into()),
            quantity: 2,
            unit_price: Some(19_950),
        }]),
        customer: Some(CustomerFacts {
            token: Some(token(number, 40_000, 1)),
            phone: phone(2),
            level: Some(2),
            registered_at: Some(placed_at),
        }),
        delivery: Some(DeliveryFacts {
            address: Some(token(number, 45_000, 3)),
            phone: phone(4),
            country: Some("CN".into()),
            province: Some("浙江省".into()),
            city: Some("杭州市".into()),
            ..DeliveryFacts::default()
        }),
        device: Some(token(number, 40_000, 5)),
        ip: Some(IpFacts { token: token(number, 30_000, 6), net: token(number, 3_000, 7) }),
        payment_due_at: Some(placed_at.plus(Span::from_mins(30))),
        ..Facts::default()
    };
    let placed = Placed {
        channel: "web".parse()?,
        order_no: format!("A{number:08}").parse()?,
        as_of: None,
        facts,
        vault: Some("00".repeat(32).into()),
    };
    let readings = |names: &[&str]| {
        Readings(names.iter().map(|name| ((*name).into(), Some(Reading::Int(i64::from(number % 9))))).collect())
    };
    let scored = Scored {
        score: 30,
        tier: "pass".into(),
        hits: vec![Hit { rule: "address_changed".into(), points: 30, evidence: readings(&["address.changed"]) }],
        features: readings(&[
            "address.changed",
            "address.familiar",
            "customer.level",
            "customer.orders[1h]",
            "device.customers[24h]",
            "device.orders[5m]",
            "ip.orders[10m]",
            "ip24.unpaid_share[1h]",
            "order.amount",
            "phone.kind",
        ]),
        rulebook_version: 3,
        rulebook_hash: "00".repeat(32).into(),
        exemption: None,
        cause: ScoredCause::Placed,
        trigger: None,
        swept: vec![],
        shadow: None,
    };
    let released = Released { cause: ReleasedCause::Clean, actor: None, reason_code: None, note: None };
    Ok([OrderEvent::Placed(placed), OrderEvent::Scored(scored), OrderEvent::Released(released)])
}
