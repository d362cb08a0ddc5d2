//! Whether deadlines come in time, and what they cost whoever places orders meanwhile.
//!
//! `cargo run --release -p engine --example deadlines_rate [CHALLENGES]` has an engine on an embedded log in a temporary directory ask
//! 100,000 customers, two thousand a second, each for two minutes. All of these questions are open at once; then they expire one
//! after the other, as they were put. Beside them 500 orders a second are placed that pass. Told are how late the expiries were
//! recorded, and how long an order that passes waited for its durable answer while nothing expired and while everything did; each
//! is counted from when it was due.

#[path = "traffic/filled.rs"]
mod filled;
#[path = "traffic/mod.rs"]
mod traffic;

use std::error::Error;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::order::OrderEvent;
use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use engine::{Clock, Engine, Origin, WhenFull};
use eventlog::EventLog;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use serde_json::json;
use traffic::START_MILLIS;

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const ASKED_A_SECOND: u64 = 2_000;
const PASSED_A_SECOND: u64 = 500;
/// Customers with numbers from here on are asked.
const ASKED_FROM: u64 = 1_000_000;
const ANSWER_SECONDS: u64 = 120;

type Res<T> = Result<T, Box<dyn Error>>;

fn main() -> Res<()> {
    let challenges = std::env::args().nth(1).map_or(Ok(100_000), |argument| argument.parse::<u64>())?;
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(challenges))
}

/// Asks everybody who is new.
fn rulebook() -> Res<Rulebook> {
    let stored = json!({
        "name": "Deadlines",
        "rules": [{"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": 1_000_000}, "points": 80}],
        "tiers": [{"id": "sms", "from": 80, "action":
            {"challenge": "sms", "expires_in": format!("{ANSWER_SECONDS}s"), "on_fail": "freeze", "on_expire": "review"}}]
    });
    Rulebook::from_json(&stored).map_err(|faults| format!("{faults:?}").into())
}

async fn measure(challenges: u64) -> Res<()> {
    let directory = tempfile::tempdir()?;
    let log: Arc<dyn EventLog> = Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await?);
    let vault = Arc::new(Vault::open_or_create(&directory.path().join("master.key"))?);
    let begun = Instant::now();
    let clock: Clock = Arc::new(move || {
        let millis = i64::try_from(begun.elapsed().as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(START_MILLIS + millis)
    });
    let engine = Arc::new(Engine::open(log.clone(), vault, clock, rulebook()?, None).await?);
    let registered = MerchantRegistered { name: "Shop".into(), time_zone: "UTC".into(), currency: "CNY".into() };
    engine.command(&"default".parse()?, origin(), MerchantCommand::Register(registered)).await?;

    let asked = tokio::spawn(place(engine.clone(), ASKED_FROM, challenges, ASKED_A_SECOND, begun));
    let expiring = Duration::from_secs(ANSWER_SECONDS);
    let quiet_from = Duration::from_secs(challenges.div_ceil(ASKED_A_SECOND) + 2);
    let expiring_for = quiet_from;
    let all = (expiring + expiring_for).as_secs() * PASSED_A_SECOND;
    let passed = place(engine.clone(), 0, all, PASSED_A_SECOND, begun).await?;
    asked.await??;

    let waited = |from: Duration, to: Duration| {
        let within = passed.iter().filter(|(due, _)| (from..to).contains(due)).map(|(_, waited)| *waited);
        percentiles(within.collect())
    };
    println!("{challenges} challenges open at once, {ASKED_A_SECOND} expire a second");
    println!("  orders beside them, nothing expires  {}", waited(quiet_from, expiring));
    println!("  orders beside them, all that expires {}", waited(expiring, expiring + expiring_for));
    let late = lateness(&*log, challenges).await?;
    println!("  expiries recorded after their time   {}", percentiles(late));
    Arc::into_inner(engine).ok_or("nobody else has the engine")?.close().await;
    log.close().await;
    Ok(())
}

fn origin() -> Origin {
    Origin { actor: "example".to_owned(), source: "api".to_owned() }
}

/// Places orders at a rate; answers with when each was due and how long its answer took from then on.
async fn place(
    engine: Arc<Engine>,
    first: u64,
    orders: u64,
    a_second: u64,
    begun: Instant,
) -> Result<Vec<(Duration, Duration)>, String> {
    let merchant: domain::ids::MerchantId = "default".parse().map_err(|_| "an id")?;
    let mut waiting = tokio::task::JoinSet::new();
    for number in 0..orders {
        let due = Duration::from_micros(number * 1_000_000 / a_second);
        tokio::time::sleep_until((begun + due).into()).await;
        let who = first + number;
        let mut notice = filled::notice(who, filled::placed_at(number), [who; 4]);
        if first >= ASKED_FROM
            && let domain::notice::Content::Placed(facts) = &mut notice.content
        {
            facts.amount = Some(1_000_000);
        }
        let pending = engine.submit(&merchant, origin(), notice, WhenFull::Wait).await.map_err(|e| e.to_string())?;
        waiting.spawn(async move {
            pending.receipt().await.map(|_| (due, begun.elapsed().saturating_sub(due))).map_err(|e| e.to_string())
        });
    }
    let mut waited = Vec::new();
    while let Some(one) = waiting.join_next().await {
        waited.push(one.map_err(|error| error.to_string())??);
    }
    Ok(waited)
}

/// How long after its time each challenge's expiry was recorded.
async fn lateness(log: &dyn EventLog, challenges: u64) -> Res<Vec<Duration>> {
    let (mut expires, mut late, mut after) = (std::collections::HashMap::new(), Vec::new(), 0);
    loop {
        let page = log.read(0, after, 4_000).await?;
        let Some(last) = page.last() else { break };
        after = last.position;
        for event in page.iter().filter(|event| matches!(&*event.event_type, "Challenged" | "ReviewOpened")) {
            match serde_json::from_str(&event.payload)? {
                OrderEvent::Challenged(challenged) => drop(expires.insert(event.stream, challenged.expires_at)),
                OrderEvent::ReviewOpened(_) => {
                    let expired = expires.remove(&event.stream).ok_or("it expires once")?;
                    late.push(Duration::from_millis(u64::try_from(event.recorded_at.since(expired).millis())?));
                }
                _ => {}
            }
        }
    }
    assert_eq!(late.len() as u64, challenges, "each challenge expired");
    Ok(late)
}

fn percentiles(mut times: Vec<Duration>) -> String {
    times.sort_unstable();
    let at = |share: usize| times.get((times.len() * share / 1_000).min(times.len().saturating_sub(1)));
    let millis = |share| at(share).map_or(0.0, |time| time.as_secs_f64() * 1e3);
    format!("p50 {:.2} ms, p99 {:.2} ms, most {:.2} ms ({})", millis(500), millis(990), millis(1_000), times.len())
}
