//! How many orders a second a log takes on this machine, every batch synced to disk, and how fast it is read.
//!
//! An order is one new stream, three events of about 500 bytes, one delivery, one vault row, and for every second order a new
//! subject key. `cargo run --release -p eventlog --example append_rate [ORDERS] [BATCH] [DIRECTORY]` measures the embedded log;
//! `.ci/with-postgres cargo run --release -p eventlog --example append_rate ORDERS BATCH postgres` the one in Postgres.

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use domain::ids::Token;
use domain::time::Timestamp;
use eventlog::postgres::PostgresLog;
use eventlog::sqlite::SqliteLog;
use eventlog::{Acquired, Batch, EventLog, NewDelivery, NewEvent, NewVaultRow, StreamKey, SubjectKey, delivery_key};
use test_postgres::Database;

const EVENTS: [&str; 3] = ["Placed", "Scored", "Released"];

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let orders: u64 = arguments.next().map_or(Ok(200_000), |text| text.parse())?;
    let size: u64 = arguments.next().map_or(Ok(256), |text| text.parse())?;
    let place = arguments.next().unwrap_or_else(|| ".".into());
    if place == "postgres" {
        let database = Database::fresh().await;
        fill(&PostgresLog::open(database.url(), None).await?, orders, size).await?;
        return read(&PostgresLog::open(database.url(), None).await?).await;
    }
    let directory = PathBuf::from(place).join("append_rate.data");
    if directory.exists() {
        std::fs::remove_dir_all(&directory)?;
    }
    std::fs::create_dir_all(&directory)?;
    let file = directory.join("log.sqlite");
    fill(&SqliteLog::open(&file).await?, orders, size).await?;
    read(&SqliteLog::open(&file).await?).await?;
    std::fs::remove_dir_all(&directory)?;
    Ok(())
}

/// Fills an empty log and closes it.
async fn fill(log: &impl EventLog, orders: u64, size: u64) -> Result<(), Box<dyn Error>> {
    let acquired = log.acquire(0).await?;
    let batches: Vec<Batch> = (0..orders / size).map(|number| batch(&acquired, number * size, size)).collect();

    let mut slowest = 0;
    let start = Instant::now();
    for batch in batches {
        let before = Instant::now();
        log.append(batch).await?;
        slowest = slowest.max(before.elapsed().as_millis());
    }
    let elapsed = start.elapsed();
    let taken = orders / size * size;
    let rate = u128::from(taken) * 1_000 / elapsed.as_millis().max(1);
    println!("{taken} orders in batches of {size}: {rate} orders/s, slowest batch {slowest} ms");
    log.close().await;
    Ok(())
}

/// Reads a log that has nothing in memory, from its beginning, and closes it.
async fn read(log: &impl EventLog) -> Result<(), Box<dyn Error>> {
    let start = Instant::now();
    let mut after = 0;
    loop {
        let page = log.read(0, after, 1_000).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
    }
    let rate = u128::from(after) * 1_000 / start.elapsed().as_millis().max(1);
    println!("{after} events read in pages of 1000: {rate} events/s");
    log.close().await;
    Ok(())
}

fn batch(acquired: &Acquired, first: u64, size: u64) -> Batch {
    let merchant: domain::ids::MerchantId = "acme".parse().expect("a merchant");
    let mut batch = Batch { epoch: acquired.epoch, after: first * 3, ..Batch::default() };
    for order in first..first + size {
        let stream = order + 1;
        batch.streams.push((
            stream,
            StreamKey {
                merchant: merchant.clone(),
                aggregate_type: "order".into(),
                aggregate_id: format!("douyin:69{order:016}").into(),
            },
        ));
        for (event_type, sequence) in EVENTS.into_iter().zip(1..) {
            batch.events.push(event(stream, sequence, event_type));
        }
        let key = delivery_key(&merchant, "douyin", &order.to_string());
        batch.deliveries.push(NewDelivery { key, body: key.0, stream, sequence: 3 });
        if order % 2 == 0 {
            let subject = Token::new(delivery_key(&merchant, "customer", &order.to_string()).0);
            let wrapped = [7; 60].into();
            batch.subject_keys.push(SubjectKey { id: order / 2 + 1, merchant: merchant.clone(), subject, wrapped });
        }
        let known = order / 2 + 1;
        let subject_key = if order % 2 == 0 { known } else { order * 2_654_435_761 % known + 1 };
        batch.vault_rows.push(NewVaultRow { position: order * 3 + 1, subject_key, sealed: [7; 300].into() });
    }
    batch
}

fn event(stream: u64, sequence: u64, event_type: &'static str) -> NewEvent {
    NewEvent {
        stream,
        sequence,
        event_type,
        event_version: "1",
        payload: format!("{{\"order\":{stream},\"text\":\"{}\"}}", "x".repeat(380)),
        metadata: format!("{{\"actor\":\"channel:douyin\",\"message_id\":\"{stream}\",\"flags\":[\"{:040}\"]}}", 0),
        occurred_at: Timestamp::from_millis(1_790_000_000_000),
        recorded_at: Timestamp::from_millis(1_790_000_000_250),
    }
}
