//! How fast the read models fold: a log of 60,000 orders with three events each, from empty to level.
//!
//! `cargo run --release -p projections --example projection_rate [ORDERS]`, and for Postgres
//! `.ci/with-postgres cargo run --release -p projections --example projection_rate ORDERS postgres`

mod made;

use std::error::Error;
use std::sync::Arc;
use std::time::Instant;

use eventlog::sqlite::SqliteLog;
use projections::{ORDER_STATUS, Place, ReadModels};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let orders: u32 = std::env::args().nth(1).map_or(Ok(60_000), |text| text.parse())?;
    let directory = tempfile::tempdir()?;
    let log = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await?);
    made::fill(&*log, orders).await?;

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
