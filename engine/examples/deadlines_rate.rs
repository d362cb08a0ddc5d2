//! Whether deadlines come in time, and what they cost whoever places orders meanwhile.
//!
//! `cargo run --release -p engine --example deadlines_rate [at-once] [postgres://…]` has an engine ask 100,000 customers, on an embedded
//! log in a temporary directory or on one in the Postgres database that is named. All of these questions are open at once; then every
//! third of them expires, two thousand a second, as they were put, or all of them at the same moment. Beside them 500 orders a second
//! are placed that pass. Told are how late the expiries were recorded, and how long an order that passes waited for its durable answer
//! while nothing expired and after that, each counted from when it was due: of all orders, and of those of a second, in the median
//! second. The latter leaves out what the disk does once in a while.

#[path = "traffic/filled.rs"]
mod filled;
#[path = "traffic/mod.rs"]
mod traffic;

use std::error::Error;
use std::ops::Range;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::order::OrderEvent;
use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use engine::{Clock, Engine, Origin, WhenFull};
use eventlog::EventLog;
use eventlog::postgres::PostgresLog;
use eventlog::sqlite::SqliteLog;
use eventlog::vault::Vault;
use serde_json::json;
use traffic::START_MILLIS;

/// The one that the service runs with.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

const CHALLENGES: u64 = 100_000;
const ASKED_A_SECOND: u64 = 6_000;
/// Until the store has put away what it wrote when everybody was asked. There are fewer than 114,688 orders in all at the end: at that
/// number the tables of the windows grow, and whoever waits for that does not wait for deadlines.
const SETTLING_FOR: Duration = Duration::from_secs(4);
const PASSED_A_SECOND: u64 = 500;
/// What is aimed for where they expire one after the other.
const LATE_MAX: Duration = Duration::from_secs(1);
/// Customers with numbers from here on are asked.
const ASKED_FROM: u64 = 1_000_000;

/// How the questions expire.
struct Way {
    /// One in so many has the shorter time for an answer.
    expiring_of: u64,
    expires_in: Duration,
    /// Until then the clock stands still, so that what is asked until then expires at the same moment.
    clock_runs_from: Duration,
    /// Orders of so long from then on are told of.
    told_for: Duration,
}

const ONE_AFTER_THE_OTHER: Way = Way {
    expiring_of: 3,
    expires_in: Duration::from_secs(33),
    clock_runs_from: Duration::ZERO,
    told_for: Duration::MAX,
};
const AT_ONCE: Way = Way {
    expiring_of: 1,
    expires_in: Duration::from_secs(12),
    clock_runs_from: Duration::from_secs(21),
    told_for: Duration::from_secs(3),
};

type Res<T> = Result<T, Box<dyn Error>>;

fn main() -> Res<()> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(async {
        let directory = tempfile::tempdir()?;
        let mut arguments = std::env::args().skip(1).peekable();
        let at_once = arguments.next_if(|argument| argument == "at-once");
        let log: Arc<dyn EventLog> = match arguments.next() {
            Some(url) => Arc::new(PostgresLog::open(&url, None).await?),
            None => Arc::new(SqliteLog::open(&directory.path().join("log.sqlite")).await?),
        };
        measure(log, directory.path(), at_once.map_or(ONE_AFTER_THE_OTHER, |_| AT_ONCE)).await
    })
}

/// Asks who orders for ten thousand, and gives more time to who orders for more.
fn rulebook(expires_in: Duration) -> Res<Rulebook> {
    let from = |amount: u64, points: u32| json!({"id": format!("from-{amount}"), "when": {"feature": "order.amount", "op": ">=", "value": amount}, "points": points});
    let tier = |id: &str, from: u32, expires_in: Duration| {
        let expires_in = format!("{}s", expires_in.as_secs());
        json!({"id": id, "from": from, "action":
            {"challenge": "sms", "expires_in": expires_in, "on_fail": "freeze", "on_expire": "review"}})
    };
    let stored = json!({
        "name": "Deadlines",
        "rules": [from(1_000_000, 80), from(2_000_000, 10)],
        "tiers": [tier("soon", 80, expires_in), tier("later", 90, 4 * expires_in)]
    });
    Rulebook::from_json(&stored).map_err(|faults| format!("{faults:?}").into())
}

async fn measure(log: Arc<dyn EventLog>, directory: &Path, way: Way) -> Res<()> {
    let vault = Arc::new(Vault::open_or_create(&directory.join("master.key"))?);
    let begun = Instant::now();
    let clock: Clock = Arc::new(move || {
        let millis = i64::try_from(begun.elapsed().saturating_sub(way.clock_runs_from).as_millis()).unwrap_or(i64::MAX);
        Timestamp::from_millis(START_MILLIS + millis)
    });
    let engine = Arc::new(Engine::open(log.clone(), vault, clock.clone(), rulebook(way.expires_in)?, None).await?);
    let registered = MerchantRegistered { name: "Shop".into(), time_zone: "UTC".into(), currency: "CNY".into() };
    engine.command(&"default".parse()?, origin(), MerchantCommand::Register(registered)).await?;

    let asking_for = Duration::from_secs(CHALLENGES.div_ceil(ASKED_A_SECOND));
    let asked = ASKED_FROM..ASKED_FROM + CHALLENGES;
    place(engine.clone(), &clock, asked, way.expiring_of, ASKED_A_SECOND, begun).await?;
    let asked_in = begun.elapsed();
    let quiet_from = way.clock_runs_from.max(asking_for + SETTLING_FOR);
    assert!(asked_in < quiet_from, "the stretch in which nothing expires begins with what is still asked");
    let quiet_for = way.clock_runs_from + way.expires_in - quiet_from;
    let to_pass = (quiet_for + asking_for).as_secs() * PASSED_A_SECOND;
    let passed =
        place(engine.clone(), &clock, 0..to_pass, way.expiring_of, PASSED_A_SECOND, begun + quiet_from).await?;

    let (quiet, mut expiring): (Vec<_>, Vec<_>) = passed.into_iter().partition(|(due, _)| *due < quiet_for);
    expiring.retain(|(due, _)| *due - quiet_for < way.told_for);
    println!("{CHALLENGES} challenges open at once, asked in {:.1} s", asked_in.as_secs_f64());
    println!("  orders beside them, nothing expires   {}", told(&quiet));
    println!("  orders beside them, when they expire  {}", told(&expiring));
    let late = lateness(&*log, engine.partition_of(&"default".parse()?)).await?;
    assert_eq!(late.len() as u64, CHALLENGES.div_ceil(way.expiring_of), "what is over has expired");
    let is_late = |late: &Duration| way.expiring_of > 1 && *late >= LATE_MAX;
    assert!(!late.iter().any(is_late), "an expiry was recorded {:?} after its time", late.iter().max());
    println!("  expiries recorded after their time    {}", percentiles(late));
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
    clock: &Clock,
    numbers: Range<u64>,
    expiring_of: u64,
    a_second: u64,
    begun: Instant,
) -> Result<Vec<(Duration, Duration)>, String> {
    let merchant: domain::ids::MerchantId = "default".parse().map_err(|_| "an id")?;
    let mut waiting = tokio::task::JoinSet::new();
    for (number, who) in (0_u64..).zip(numbers) {
        let due = Duration::from_micros(number * 1_000_000 / a_second);
        tokio::time::sleep_until((begun + due).into()).await;
        let mut notice = filled::notice(who, clock(), [who; 4]);
        if who >= ASKED_FROM
            && let domain::notice::Content::Placed(facts) = &mut notice.content
        {
            facts.amount = Some(if number % expiring_of == 0 { 1_000_000 } else { 2_000_000 });
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
async fn lateness(log: &dyn EventLog, partition: u32) -> Res<Vec<Duration>> {
    let (mut expires, mut late, mut after) = (std::collections::HashMap::new(), Vec::new(), 0);
    loop {
        let page = log.read(partition, after, 4_000).await?;
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
    Ok(late)
}

/// Of all orders, and of those of the median second.
fn told(passed: &[(Duration, Duration)]) -> String {
    let mut seconds = std::collections::BTreeMap::<u64, Vec<Duration>>::new();
    for (due, waited) in passed {
        seconds.entry(due.as_secs()).or_default().push(*waited);
    }
    let mut of_seconds: Vec<f64> = seconds.into_values().map(|mut times| percentile(&mut times, 990)).collect();
    of_seconds.sort_unstable_by(f64::total_cmp);
    let median = of_seconds.get(of_seconds.len() / 2).copied().unwrap_or_default();
    let all = percentiles(passed.iter().map(|(_, waited)| *waited).collect());
    format!("{all}; p99 of the median second {median:.2} ms")
}

fn percentiles(mut times: Vec<Duration>) -> String {
    let [half, most, all] = [500, 990, 1_000].map(|thousandths| percentile(&mut times, thousandths));
    format!("p50 {half:.2} ms, p99 {most:.2} ms, most {all:.2} ms ({})", times.len())
}

/// In milliseconds.
fn percentile(times: &mut [Duration], thousandths: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * thousandths / 1_000).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
