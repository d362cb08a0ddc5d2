//! Decisions computed again per second, from a log on disk.
//!
//! `cargo run --release -p engine --example replay_rate [ORDERS [DIRECTORY]]` has the engine decide 200,000 orders by the rulebook
//! that a new merchant starts with, into an embedded log in a temporary directory, and then replays that log three times: every
//! event is read, and every decision computed again and compared with the recorded one. Filling is not measured. In a directory
//! that is given the log stays, and a second run begins with it.

#[path = "traffic/filled.rs"]
mod filled;
#[path = "traffic/mod.rs"]
mod traffic;

use std::error::Error;
use std::path::PathBuf;
use std::time::Instant;

use engine::replay;

use filled::log_of;

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ROUNDS: usize = 3;

fn main() -> Result<(), Box<dyn Error>> {
    let orders: u64 = std::env::args().nth(1).map_or(Ok(200_000), |text| text.parse())?;
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(measure(orders))
}

async fn measure(orders: u64) -> Result<(), Box<dyn Error>> {
    let temporary = tempfile::tempdir()?;
    let kept = std::env::args().nth(2).map(PathBuf::from);
    let directory = kept.as_deref().unwrap_or(temporary.path());
    let log = log_of(directory, orders).await?;
    let mut seconds: Vec<f64> = Vec::new();
    let mut found = None;
    for _ in 0..ROUNDS {
        let start = Instant::now();
        let replayed = replay(log.clone(), 0, |_| {}).await?;
        seconds.push(start.elapsed().as_secs_f64());
        assert!(replayed.decisions >= orders, "a decision each, and those that bursts corrected");
        assert_eq!(replayed.decisions, replayed.identical, "every decision comes out as it was");
        eprintln!("replayed in {:.2} s", seconds[seconds.len() - 1]);
        found = Some(replayed);
    }
    log.close().await;
    seconds.sort_by(f64::total_cmp);
    let (median, found) = (seconds[ROUNDS / 2], found.unwrap_or_default());
    let rate = |count: u64| count as f64 / median;
    println!("replay of {orders} orders: {:.0} decisions/s, {:.0} events/s", rate(found.decisions), rate(found.events));
    Ok(())
}
