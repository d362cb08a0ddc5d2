//! How long a look-up takes in Postgres, one after the other, when there are many orders: in two steps, so that what is measured is
//! not what filling leaves behind.
//!
//! `cargo run --release -p projections --example look_up_rate fill URL [ORDERS]` fills an empty database with orders of one merchant and folds them;
//! `cargo run --release -p projections --example look_up_rate ask URL [ORDERS] [LOOK-UPS]` looks up random ones of them.

mod made;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use eventlog::EventLog;
use eventlog::postgres::PostgresLog;
use projections::{Place, ReadModels};

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let (what, url) = arguments.next().zip(arguments.next()).ok_or("expected fill or ask, and a database")?;
    let orders: u32 = arguments.next().map_or(Ok(1_000_000), |text| text.parse())?;
    let look_ups: u32 = arguments.next().map_or(Ok(5_000), |text| text.parse())?;
    let log = Arc::new(PostgresLog::open(&url, None).await?);
    if what == "fill" {
        made::fill(&*log, orders).await?;
    }
    let models = ReadModels::open(&Place::Postgres { url, session_name: None }, Arc::clone(&log) as _).await?;
    models.catch_up().await?;
    if what == "ask" {
        ask(&models, orders, look_ups).await?;
    }
    models.stop().await;
    log.close().await;
    Ok(())
}

async fn ask(models: &ReadModels, orders: u32, look_ups: u32) -> Result<(), Box<dyn Error>> {
    let merchant = made::merchant();
    // The first of each opens connections and has tables read from the disk.
    let warm_up = look_ups / 10;
    let (mut by_id, mut links) = (Vec::new(), Vec::new());
    for look_up in 0..warm_up + look_ups {
        let id = made::order_id(look_up.wrapping_mul(2_654_435_761) % orders);
        let begin = Instant::now();
        let row = models.order(&merchant, &id).await?.ok_or("an order is not there")?;
        let found = begin.elapsed();
        let begin = Instant::now();
        models.links_counts(&merchant, &row).await?;
        if look_up >= warm_up {
            by_id.push(found);
            links.push(begin.elapsed());
        }
    }
    print("an order by its id", by_id);
    print("how many share something with it", links);
    Ok(())
}

fn print(what: &str, mut times: Vec<Duration>) {
    times.sort_unstable();
    let at = |share: usize| times.get(times.len() * share / 100).copied().unwrap_or_default().as_micros();
    println!("{what}: {} look-ups, p50 {} µs, p99 {} µs", times.len(), at(50), at(99));
}
