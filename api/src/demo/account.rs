//! The running account: what the live stream tells, in lines that a person can follow.
//!
//! Attacks are told in numbers: so many lines a second are printed, and of the rest how many there were.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use anyhow::Context;
use axum::body::BodyDataStream;
use domain::time::{Span, Timestamp};
use futures_util::StreamExt;
use serde_json::Value;
use tokio::time::{MissedTickBehavior, interval};

use super::Truth;
use super::api::Api;
use super::pace::Pace;

/// Lines a second.
const LINES_MAX: u32 = 4;
const SECOND: Duration = Duration::from_secs(1);
/// How far summaries lie apart.
const SUMMARY_EVERY: Duration = Duration::from_secs(10);
/// What the stream may say before an event is complete.
const FRAME_BYTES_MAX: usize = 1 << 20;
/// How far China's clocks are ahead.
const CHINA_AHEAD: Span = Span::from_hours(8);

/// What the stream told so far.
pub(super) struct Account {
    api: Api,
    pace: Pace,
    truth: Truth,
    stream: BodyDataStream,
    buffer: String,
    last_id: String,
    orders: HashMap<String, Told>,
    counts: Counts,
    lines: Lines,
}

/// What was told of an order.
#[derive(Clone)]
struct Told {
    state: String,
    review: String,
}

/// Orders, by what became of them.
#[derive(Clone, Copy, PartialEq, Eq, Default)]
struct Counts {
    passed: u32,
    asked: u32,
    verified: u32,
}

/// What is printed, and how much of it a second.
struct Lines {
    pace: Pace,
    printed: u32,
    held_back: BTreeMap<&'static str, u32>,
}

/// Says where the demo is and what can be tried.
pub(super) fn greet(api: &Api, pace: Pace) {
    let (address, key, speed) = (api.address(), api.key(), pace.speed());
    println!(
        "\nA small shop's day, {speed} times as fast as life. Its orders, its customers' answers and its reviewer's decisions come in over HTTP.\n\n\
         \x20 address  http://{address}    (the API to read and try: http://{address}/docs)\n\
         \x20 key      {key}    (counts while this process runs)\n\n\
         To look at it from another terminal:\n\n\
         \x20 export API=http://{address} KEY={key}\n\
         \x20 curl -sN $API/v1/stream -H \"Authorization: Bearer $KEY\"\n\
         \x20 curl -s \"$API/v1/orders?state=challenged\" -H \"Authorization: Bearer $KEY\"\n\
         \x20 curl -s \"$API/v1/reviews?state=open&limit=3\" -H \"Authorization: Bearer $KEY\"\n\
         \x20 curl -s $API/v1/orders/ORDER/history -H \"Authorization: Bearer $KEY\"    # an order_id from below\n"
    );
}

/// Says what the day came to, as `GET /v1/metrics/summary` has it, and beside it what only the shop knows: how many of its parcels arrived,
/// and how many honest customers were asked. Times are by the service's clock; beside them stands what went by in the shop meanwhile.
pub(super) async fn sum_up(api: &Api, pace: Pace, arrived: usize, honest_asked: usize) -> anyhow::Result<()> {
    let summary = api.get("/v1/metrics/summary").await?.good("the summary")?;
    let share = |share: &Value| format!("{} of {}, a share of {}", share["count"], share["of"], share["share"]);
    println!(
        "\nThe day is over, and {arrived} parcels arrived in the days after it. Of {} orders",
        summary["orders"]["screened"]
    );
    println!("  needed a person       {}", share(&summary["manual"]));
    println!("  good ones stopped     {}", share(&summary["good_orders_stopped"]));
    for challenge in summary["challenges"].as_array().into_iter().flatten() {
        let method = challenge["method"].as_str().unwrap_or_default();
        println!("  asked by {method:<5}        {} and verified {}", challenge["asked"], challenge["verified"]);
    }
    println!("  honest ones asked     {honest_asked}");
    let waited = &summary["time_to_release_when_asked"];
    match waited["median_seconds"].as_f64() {
        Some(seconds) => {
            let minutes = seconds * f64::from(pace.speed()) / 60.0;
            println!(
                "  asked and let go      {}, half of them within {seconds} s: {minutes:.1} minutes of the shop's time",
                waited["orders"]
            );
        }
        None => println!("  asked and let go      none"),
    }
    println!("\nGET /v1/metrics/summary has it in full. The service goes on until Ctrl-C.");
    Ok(())
}

impl Account {
    /// Begins to listen.
    pub(super) async fn begin(api: &Api, pace: Pace, truth: Truth) -> anyhow::Result<Self> {
        let stream = api.stream("/v1/stream").await?;
        let lines = Lines { pace, printed: 0, held_back: BTreeMap::new() };
        let (buffer, last_id) = (String::new(), String::new());
        let (orders, counts) = (HashMap::new(), Counts::default());
        Ok(Self { api: api.clone(), pace, truth, stream, buffer, last_id, orders, counts, lines })
    }

    /// Prints what comes, until the demo ends.
    pub(super) async fn tell(mut self) -> anyhow::Result<()> {
        let (mut summary, mut second) = (interval(SUMMARY_EVERY), interval(SECOND));
        summary.set_missed_tick_behavior(MissedTickBehavior::Delay);
        second.set_missed_tick_behavior(MissedTickBehavior::Delay);
        summary.tick().await;
        loop {
            tokio::select! {
                piece = self.stream.next() => match piece {
                    Some(Ok(piece)) => self.take(&String::from_utf8_lossy(&piece))?,
                    Some(Err(_)) | None => {
                        self.stream = self.api.stream(&format!("/v1/stream?after={}", self.last_id)).await?;
                        self.buffer.clear();
                    }
                },
                _ = second.tick() => self.lines.next_second(),
                _ = summary.tick() => self.sum_up(),
            }
        }
    }

    fn take(&mut self, piece: &str) -> anyhow::Result<()> {
        self.buffer.push_str(piece);
        anyhow::ensure!(self.buffer.len() <= FRAME_BYTES_MAX, "the stream sends no whole events");
        while let Some(end) = self.buffer.find("\n\n") {
            let frame: String = self.buffer.drain(..end + 2).collect();
            let field = |name: &str| frame.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
            if let Some(id) = field("id") {
                id.clone_into(&mut self.last_id);
            }
            if let (Some(name), Some(data)) = (field("event"), field("data")) {
                let data: Value = serde_json::from_str(data).context("the stream's data is JSON")?;
                self.happened(name, &data);
            }
        }
        Ok(())
    }

    fn happened(&mut self, name: &str, data: &Value) {
        let text = |field: &str| data[field].as_str().unwrap_or_default().to_owned();
        let (order, before) = (text("order_id"), self.orders.get(&text("order_id")).cloned());
        let told = Told { state: text("state"), review: text("review") };
        self.orders.insert(order, told);
        if before.is_none() && name == "order.released" {
            self.counts.passed += 1;
        }
        if name == "order.challenged" {
            self.truth.is_asked(&text("order_id"));
        }
        if name == "order.challenged" && before.as_ref().is_none_or(|before| before.state != "challenged") {
            self.counts.asked += 1;
        }
        if name == "order.verified" {
            self.counts.verified += 1;
        }
        if let Some((word, why)) = worded(name, data) {
            self.lines.print(word, &text("order_id"), &why);
        }
    }

    fn sum_up(&mut self) {
        let now = |is: fn(&Told) -> bool| self.orders.values().filter(|order| is(order)).count();
        let frozen = now(|order| order.state == "frozen");
        let reviewed = now(|order| order.review == "open" || order.review == "claimed");
        let Counts { passed, asked, verified } = self.counts;
        println!(
            "{}  -- {} orders: {passed} passed at once, {asked} asked, {verified} verified, {frozen} frozen, {reviewed} in review",
            clock(self.pace.now()),
            self.orders.len()
        );
    }
}

/// An event in a word and a reason; none of what goes without saying.
fn worded(name: &str, data: &Value) -> Option<(&'static str, String)> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let score = || {
        let rules = data["rules"].as_array().into_iter().flatten().map(text);
        format!("score {}: {}", data["score"], rules.collect::<Vec<_>>().join(", "))
    };
    let by_reviewer = || format!("by the reviewer: {}", text(&data["reason_code"]));
    let cause = data["cause"].as_str();
    Some(match (name, cause) {
        ("order.challenged", _) if data["challenge"]["method"] == "sms" => ("asked by SMS", score()),
        ("order.challenged", _) => ("asked by call", score()),
        ("order.verified", _) => ("verified", "the customer proved it".to_owned()),
        ("order.frozen", Some("score")) => ("frozen", score()),
        ("order.frozen", Some("challenge_failed")) => ("frozen", "the customer could not answer for it".to_owned()),
        ("order.frozen", Some("challenge_expired")) => ("frozen", "the customer did not answer".to_owned()),
        ("order.frozen", _) => ("frozen", by_reviewer()),
        ("review.closed", None) => ("stays frozen", by_reviewer()),
        ("review.closed", Some("shipped")) => ("has left", "nobody has to look any more".to_owned()),
        ("review.closed", _) => ("called off", "nobody is asked any more".to_owned()),
        ("order.released", Some("reviewer")) => ("released", by_reviewer()),
        ("order.released", Some("rescored")) => ("released", "its score fell".to_owned()),
        ("order.released", Some("exempt")) => ("spared", score()),
        ("review.opened", Some("departed")) => ("to be reviewed", "it left and can be held no more".to_owned()),
        // That it is frozen was told.
        ("review.opened", _) if data["state"] == "frozen" => return None,
        ("review.opened", Some("no_channel")) => ("to be reviewed", "the customer cannot be asked now".to_owned()),
        ("review.opened", Some("resumed")) => ("to be reviewed", "it is not called off any more".to_owned()),
        ("review.opened", Some("challenge_expired")) => ("to be reviewed", "the customer did not answer".to_owned()),
        ("review.opened", _) => ("to be reviewed", "the customer could not answer for it".to_owned()),
        ("review.returned", _) => ("given back", "the reviewer leaves it to another".to_owned()),
        _ => return None,
    })
}

impl Lines {
    fn print(&mut self, word: &'static str, order: &str, why: &str) {
        if self.printed < LINES_MAX {
            self.printed += 1;
            println!("{}  {word:<14}  {order}  {why}", clock(self.pace.now()));
        } else {
            *self.held_back.entry(word).or_default() += 1;
        }
    }

    /// Says how many lines there were besides, and lets new ones through.
    fn next_second(&mut self) {
        self.printed = 0;
        if !self.held_back.is_empty() {
            let more = std::mem::take(&mut self.held_back).into_iter().map(|(word, count)| format!("{count} {word}"));
            println!("{}  … and {}", clock(self.pace.now()), more.collect::<Vec<_>>().join(", "));
        }
    }
}

/// What clocks in China show.
fn clock(at: Timestamp) -> String {
    at.plus(CHINA_AHEAD).to_datetime().format("%H:%M").to_string()
}
