//! Orders back-tested per second, from a log on disk, beside a plain read and decode of the same log.
//!
//! `cargo run --release -p engine --example backtest_rate [ORDERS [DIRECTORY]]` has the engine decide 200,000 orders by the preset
//! `growth`, into an embedded log in a temporary directory; or in one that is given, where the log stays and a second run begins
//! with it. Then, three times each: it reads that log and decodes every event in full, with the next page read while one is
//! decoded; it back-tests `growth` on all of its orders from the log alone; and it does so with the extract of the log, which was
//! made before. Filling is not measured.

#[path = "traffic/filled.rs"]
mod filled;
#[path = "traffic/mod.rs"]
mod traffic;

use std::error::Error;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use domain::order::OrderEvent;
use domain::rulebook::preset;
use domain::time::Timestamp;
use engine::{Trial, backtest, extract};
use eventlog::EventLog;
use tokio::sync::mpsc;
use tokio::task::spawn_blocking;

use filled::log_of;

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;
/// As a back-test reads.
const PAGE_EVENTS: u32 = 2_000;

fn main() -> Result<(), Box<dyn Error>> {
    let orders: u64 = std::env::args().nth(1).map_or(Ok(200_000), |text| text.parse())?;
    tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?.block_on(measure(orders))
}

async fn measure(orders: u64) -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let kept = std::env::args().nth(2).map(PathBuf::from);
    let directory = kept.as_deref().unwrap_or(temporary.path());
    let log = log_of(directory, orders).await?;
    let extracts = directory.join("snapshots");
    let start = Instant::now();
    extract(&*log, 0, &extracts, u64::MAX).await?;
    eprintln!("extract made in {:.2} s", start.elapsed().as_secs_f64());
    let mut seconds = [Vec::new(), Vec::new(), Vec::new()];
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let events = read_and_decode(log.clone()).await?;
        seconds[0].push(start.elapsed().as_secs_f64());
        assert!(events >= orders, "every order has events");
        for (with, seconds) in [None, Some(&*extracts)].into_iter().zip(&mut seconds[1..]) {
            seconds.push(tried(log.clone(), orders, with).await?);
        }
        eprintln!("read, back-test, and with the extract: {:.2?} s", seconds.each_ref().map(|it| it[it.len() - 1]));
    }
    log.close().await;
    let [plain, alone, extracted] = seconds.map(|mut seconds| {
        seconds.sort_by(f64::total_cmp);
        seconds[ROUNDS / 2]
    });
    println!("read and decode of {orders} orders: {:.0} orders/s, {plain:.2} s", orders as f64 / plain);
    for (how, seconds) in [("from the log", alone), ("with its extract", extracted)] {
        let (rate, ratio) = (orders as f64 / seconds, seconds / plain);
        println!("back-test {how}: {rate:.0} orders/s, {seconds:.2} s, ratio {ratio:.2}");
    }
    Ok(())
}

/// The seconds that a back-test of the live rulebook takes.
async fn tried(log: Arc<dyn EventLog>, orders: u64, extracts: Option<&Path>) -> Result<f64, Box<dyn Error>> {
    let trial = Trial {
        merchant: "default".parse()?,
        rulebook: preset("growth").ok_or("the preset is there")?,
        from: Timestamp::EARLIEST,
        to: Timestamp::LATEST,
    };
    let start = Instant::now();
    let found = backtest(log, 0, trial, extracts, |_, _| {}).await?;
    assert_eq!((found.orders, found.unchanged), (orders, orders), "the live rulebook decides as it decided");
    Ok(start.elapsed().as_secs_f64())
}

/// Reads the log and decodes every event of an order in full; tells how many there are.
async fn read_and_decode(log: Arc<dyn EventLog>) -> Result<u64, Box<dyn Error>> {
    let (sender, mut pages) = mpsc::channel(2);
    let reader = tokio::spawn(async move {
        let mut after = 0;
        loop {
            let page = log.read(0, after, PAGE_EVENTS).await?;
            let Some(last) = page.last() else { return Ok::<_, eventlog::LogError>(()) };
            after = last.position;
            if sender.send(page).await.is_err() {
                return Ok(());
            }
        }
    });
    let mut decoded = 0;
    while let Some(page) = pages.recv().await {
        decoded += spawn_blocking(move || {
            let orders = page.iter().filter(|event| &*event.key.aggregate_type == "order");
            orders.map(|event| serde_json::from_str::<OrderEvent>(&event.payload)).filter(Result::is_ok).count() as u64
        })
        .await?;
    }
    reader.await??;
    Ok(decoded)
}
