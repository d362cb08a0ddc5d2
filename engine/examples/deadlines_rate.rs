//! Whether deadlines come in time, and what they cost whoever places orders meanwhile.
//!
//! `cargo run --release -p engine --example deadlines_rate [at-once] [postgres://…]` has an engine ask 100,000 customers, on an embedded
//! log in a temporary directory or on one in the Postgres database that is named. All of these questions are open at once. Then
//! stretches of 3 s take turns: nothing expires, two thousand a second expire, nine times; or all of them expire at once between two
//! stretches. Beside them 500 orders a second are placed that pass. Told is how long those waited for their durable answer, counted from
//! when they were due: of all orders of the stretches of either kind, and the p99 of a second's orders in the median second, which
//! leaves out what the disk does once in a while; and how late expiries were recorded.

#[path = "traffic/filled.rs"]
mod filled;
#[path = "traffic/mod.rs"]
mod traffic;

use std::error::Error;
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
/// Orders that pass and are placed behind these: the tables of the windows grow at 114,688 orders and then at 229,376, and whoever waits
/// for that does not wait for deadlines.
const PASSED_BEFORE: u64 = 15_000;
const ASKED_A_SECOND: u64 = 6_000;
/// When the store has put away what it wrote when everybody was asked, and the first stretch begins.
const STRETCHES_FROM_SECS: u64 = 24;
const STRETCH_SECS: u64 = 3;
const PASSED_A_SECOND: u64 = 500;
/// For so long orders are placed after the last stretch, until what is over has expired.
const ENDING_SECS: u64 = 8;
/// Customers with numbers from here on are asked.
const ASKED_FROM: u64 = 1_000_000;
/// There are so many times for an answer that end in a stretch, and a longer one.
const SHORT_TIMES: u64 = 3;

/// How the questions expire.
struct Way {
    /// Of quiet and expiring ones together.
    stretches: u64,
    /// Which of the times for an answer a question has.
    time_of: fn(u64) -> u64,
    /// Until then the clock stands still, so that what is asked until then expires at the same moment.
    clock_runs_from_secs: u64,
    /// How late an expiry may be recorded.
    late_max: Duration,
}

/// What is asked in the first, the third and the fifth 3 s is over in a stretch: a third of 6,000 a second in each of nine.
const ONE_AFTER_THE_OTHER: Way = Way {
    stretches: 18,
    time_of: |question| match question / (ASKED_A_SECOND * STRETCH_SECS) % 2 {
        0 => question % SHORT_TIMES,
        _ => SHORT_TIMES,
    },
    clock_runs_from_secs: 0,
    late_max: Duration::from_secs(1),
};
const AT_ONCE: Way =
    Way { stretches: 2, time_of: |_| 0, clock_runs_from_secs: STRETCHES_FROM_SECS, late_max: Duration::MAX };

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
fn rulebook(clock_runs_from_secs: u64) -> Res<Rulebook> {
    let expires_in = |time| match time {
        // It is over in three stretches, every second one, and the next time in the three after these.
        0..SHORT_TIMES => STRETCHES_FROM_SECS - clock_runs_from_secs + (1 + 6 * time) * STRETCH_SECS,
        _ => 3_600,
    };
    let rule = |time| {
        json!({"id": format!("from-{time}"), "points": if time == 0 { 80 } else { 1 },
        "when": {"feature": "order.amount", "op": ">=", "value": amount(time)}})
    };
    let tier = |time| {
        json!({"id": format!("tier-{time}"), "from": 80 + time, "action":
        {"challenge": "sms", "expires_in": format!("{}s", expires_in(time)), "on_fail": "freeze", "on_expire": "review"}})
    };
    let stored = json!({
        "name": "Deadlines",
        "rules": (0..=SHORT_TIMES).map(rule).collect::<Vec<_>>(),
        "tiers": (0..=SHORT_TIMES).map(tier).collect::<Vec<_>>()
    });
    Rulebook::from_json(&stored).map_err(|faults| format!("{faults:?}").into())
}

/// What the order of somebody comes to who has one of the times for an answer.
const fn amount(time: u64) -> i64 {
    1_000_000 * (1 + time.cast_signed())
}

async fn measure(log: Arc<dyn EventLog>, directory: &Path, way: Way) -> Res<()> {
    let vault = Arc::new(Vault::open_or_create(&directory.join("master.key"))?);
    let begun = Instant::now();
    let clock_runs_from = begun + Duration::from_secs(way.clock_runs_from_secs);
    let clock: Clock = Arc::new(move || {
        let millis = i64::try_from(Instant::now().saturating_duration_since(clock_runs_from).as_millis());
        Timestamp::from_millis(START_MILLIS + millis.unwrap_or(i64::MAX))
    });
    let rulebook = rulebook(way.clock_runs_from_secs)?;
    let engine = Arc::new(Engine::open(log.clone(), vault, clock.clone(), rulebook, None).await?);
    let registered = MerchantRegistered { name: "Shop".into(), time_zone: "UTC".into(), currency: "CNY".into() };
    engine.command(&"default".parse()?, origin(), MerchantCommand::Register(registered)).await?;

    let asked = (ASKED_FROM..ASKED_FROM + CHALLENGES).chain(0..PASSED_BEFORE);
    place(engine.clone(), &clock, asked, way.time_of, ASKED_A_SECOND, begun).await?;
    let stretches_from = begun + Duration::from_secs(STRETCHES_FROM_SECS);
    assert!(Instant::now() < stretches_from, "the first stretch begins with what is still asked");
    let to_pass = (way.stretches * STRETCH_SECS + ENDING_SECS) * PASSED_A_SECOND;
    let passed = PASSED_BEFORE..PASSED_BEFORE + to_pass;
    let mut passed = place(engine.clone(), &clock, passed, way.time_of, PASSED_A_SECOND, stretches_from).await?;

    passed.retain(|(due, _)| due.as_secs() < way.stretches * STRETCH_SECS);
    let is_quiet = |(due, _): &(Duration, Duration)| (due.as_secs() / STRETCH_SECS).is_multiple_of(2);
    let (quiet, expiring): (Vec<_>, Vec<_>) = passed.into_iter().partition(is_quiet);
    let (quiet, expiring) = (figures(&quiet), figures(&expiring));
    println!("{CHALLENGES} challenges open at once");
    println!("orders beside them waited for, in ms    p50     p99  p99 of the median second");
    let told = |what, [half, most, second]: [f64; 3]| println!("  {what:<32} {half:>8.2} {most:>7.2} {second:>7.2}");
    told("while nothing expires", quiet);
    told("while they expire", expiring);
    told("times as long", std::array::from_fn(|at| expiring[at] / quiet[at]));
    let mut late = lateness(&*log, engine.partition_of(&"default".parse()?)).await?;
    let over = (0..CHALLENGES).filter(|question| (way.time_of)(*question) < SHORT_TIMES).count();
    assert_eq!(late.len(), over, "what is over has expired");
    let [half, most, all] = [500, 990, 1_000].map(|thousandths| percentile(&mut late, thousandths));
    println!("{over} expiries were recorded after their time, in ms: p50 {half:.0}, p99 {most:.0}, most {all:.0}");
    assert!(late.iter().all(|late| *late < way.late_max), "expiries come in time");
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
    numbers: impl Iterator<Item = u64>,
    time_of: fn(u64) -> u64,
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
            facts.amount = Some(amount(time_of(number)));
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

/// Of all orders p50 and p99, and the p99 of a second's in the median second.
fn figures(passed: &[(Duration, Duration)]) -> [f64; 3] {
    let mut seconds = std::collections::BTreeMap::<u64, Vec<Duration>>::new();
    for (due, waited) in passed {
        seconds.entry(due.as_secs()).or_default().push(*waited);
    }
    let mut of_seconds: Vec<f64> = seconds.into_values().map(|mut times| percentile(&mut times, 990)).collect();
    of_seconds.sort_unstable_by(f64::total_cmp);
    let median = of_seconds.get(of_seconds.len() / 2).copied().unwrap_or_default();
    let mut all: Vec<Duration> = passed.iter().map(|(_, waited)| *waited).collect();
    [percentile(&mut all, 500), percentile(&mut all, 990), median]
}

/// In milliseconds.
fn percentile(times: &mut [Duration], thousandths: usize) -> f64 {
    times.sort_unstable();
    let at = (times.len() * thousandths / 1_000).min(times.len().saturating_sub(1));
    times.get(at).map_or(0.0, |time| time.as_secs_f64() * 1e3)
}
