//! Shops that send one order after another, and send it again for as long as they are told that it is unknown what became of it.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering::Relaxed};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use reqwest::Client;
use serde_json::{Value, json};

use crate::support::orders::{at, plain, with};
use crate::support::process::PATIENCE;
use crate::support::service::{Service, TOKEN};

/// How many send at the same time.
pub(crate) const SENDERS: u64 = 8;
/// How long an answer may take, whatever fails.
const ANSWER_MAX: Duration = Duration::from_secs(35);
/// What a refusal may be called: perhaps written, not read, or not this process's so far.
const UNKNOWN: [&str; 3] = ["commit_unknown", "store_unavailable", "partition_moving"];
/// The pause before an order is sent again, and between two looks at how far they are.
const COME_BACK: Duration = Duration::from_millis(20);

/// Senders at work.
pub(crate) struct Load {
    progress: Arc<Progress>,
    sending: JoinHandle<Outcome>,
}

/// What became of the orders, by number.
#[derive(Default)]
pub(crate) struct Outcome {
    /// With the answer.
    pub(crate) acknowledged: BTreeMap<u64, Answered>,
    /// Sent, and not answered but by "unknown".
    pub(crate) unknown: BTreeSet<u64>,
}

/// A 2xx.
#[derive(Debug)]
pub(crate) struct Answered {
    pub(crate) status: u16,
    pub(crate) position: String,
    pub(crate) body: Value,
}

#[derive(Default)]
struct Progress {
    next: AtomicU64,
    stopping: AtomicBool,
    acknowledged: AtomicU64,
    refused: AtomicU64,
}

/// One who sends.
struct Sender {
    client: Client,
    url: String,
    progress: Arc<Progress>,
}

impl Load {
    /// Begins to send orders, counted from a number on.
    pub(crate) fn start(service: &Service, from: u64) -> Self {
        let progress = Arc::new(Progress { next: AtomicU64::new(from), ..Progress::default() });
        let sender = Sender::to(service, progress.clone());
        let sending = std::thread::spawn(move || at_once(|| sender.send_on()));
        Self { progress, sending }
    }

    /// Waits for so many acknowledged orders more.
    pub(crate) fn until_acknowledged(&self, more: u64) {
        self.until(&self.progress.acknowledged, more);
    }

    /// Waits for so many refusals more.
    pub(crate) fn until_refused(&self, more: u64) {
        self.until(&self.progress.refused, more);
    }

    /// Refusals so far.
    pub(crate) fn refused(&self) -> u64 {
        self.progress.refused.load(Relaxed)
    }

    fn until(&self, count: &AtomicU64, more: u64) {
        let enough = count.load(Relaxed) + more;
        let until = Instant::now() + PATIENCE;
        while count.load(Relaxed) < enough {
            // A sender that failed has told why.
            assert!(!self.sending.is_finished(), "{} of {enough}, and nobody sends any more", count.load(Relaxed));
            assert!(Instant::now() < until, "{} of {enough}", count.load(Relaxed));
            std::thread::park_timeout(COME_BACK);
        }
    }

    /// Lets the senders end, each with the order that it is about, which the service may have left without an answer.
    pub(crate) fn stop(self) -> Outcome {
        self.progress.stopping.store(true, Relaxed);
        self.sending.join().unwrap_or_else(|failed| std::panic::resume_unwind(failed))
    }
}

/// Sends orders until each is acknowledged.
pub(crate) fn deliver_all(service: &Service, numbers: &[u64]) -> BTreeMap<u64, Answered> {
    let sender = Sender::to(service, Arc::default());
    at_once(|| sender.send_all(numbers)).acknowledged
}

/// Lets all send at the same time, and gathers what became of all orders.
fn at_once<Sending: Future<Output = Outcome>>(send: impl Fn() -> Sending) -> Outcome {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let outcomes = runtime.block_on(futures_util::future::join_all((0..SENDERS).map(|_| send())));
    let mut all = Outcome::default();
    for mut outcome in outcomes {
        all.acknowledged.append(&mut outcome.acknowledged);
        all.unknown.append(&mut outcome.unknown);
    }
    all
}

impl Sender {
    fn to(service: &Service, progress: Arc<Progress>) -> Self {
        let client = Client::builder().timeout(ANSWER_MAX).no_proxy().build().expect("a client");
        Self { client, url: format!("http://{}/v1/orders", service.address()), progress }
    }

    /// Sends one order after another until it is stopped or the service is gone.
    async fn send_on(&self) -> Outcome {
        let mut outcome = Outcome::default();
        while !self.progress.stopping.load(Relaxed) {
            let number = self.progress.next.fetch_add(1, Relaxed);
            match self.deliver(number).await {
                Some(answer) => drop(outcome.acknowledged.insert(number, answer)),
                None => {
                    outcome.unknown.insert(number);
                    break;
                }
            }
        }
        outcome
    }

    /// Sends its share of orders.
    async fn send_all(&self, numbers: &[u64]) -> Outcome {
        let mut outcome = Outcome::default();
        loop {
            let index = usize::try_from(self.progress.next.fetch_add(1, Relaxed)).expect("a small number");
            let Some(number) = numbers.get(index) else { return outcome };
            let answer = self.deliver(*number).await.expect("the service answers");
            outcome.acknowledged.insert(*number, answer);
        }
    }

    /// Sends an order until it is acknowledged. None when the service is gone, or when the load is stopped before.
    async fn deliver(&self, number: u64) -> Option<Answered> {
        let until = Instant::now() + PATIENCE;
        loop {
            let request = self.client.post(&self.url).bearer_auth(TOKEN).json(&order(number));
            let answered = match request.header("idempotency-key", format!("key-{number}")).send().await {
                Ok(response) => read(response).await,
                Err(error) => Err(error),
            };
            let answer = match answered {
                Ok(answer) => answer,
                Err(error) => {
                    assert!(!error.is_timeout(), "order {number} has no answer within {ANSWER_MAX:?}");
                    return None;
                }
            };
            match answer.status {
                200 | 201 => {
                    self.progress.acknowledged.fetch_add(1, Relaxed);
                    return Some(answer);
                }
                503 => {
                    assert!(UNKNOWN.iter().any(|code| answer.body["code"] == *code), "{answer:?}");
                    self.progress.refused.fetch_add(1, Relaxed);
                }
                _ => panic!("order {number}: {answer:?}"),
            }
            if self.progress.stopping.load(Relaxed) {
                return None;
            }
            assert!(Instant::now() < until, "order {number} is not taken: {answer:?}");
            tokio::time::sleep(COME_BACK).await;
        }
    }
}

async fn read(response: reqwest::Response) -> reqwest::Result<Answered> {
    let status = response.status().as_u16();
    let position = response.headers().get("orderlight-position").and_then(|it| it.to_str().ok()).unwrap_or_default();
    Ok(Answered { status, position: position.to_owned(), body: response.json().await? })
}

/// Customers come again, and share devices and numbers now and then, so that there is something to decide.
fn order(number: u64) -> Value {
    let customer = number % 97;
    let (device, phone) = (number % 61, number % 83);
    with(
        plain(&format!("F{number}")),
        json!({
            "placed_at": at(i64::try_from(number).expect("few orders") * 700),
            "customer": {"id": format!("c-{customer}"), "phone": format!("138{phone:08}"), "level": number % 5},
            "delivery": {"recipient": "收件人", "phone": format!("139{phone:08}"), "country": "CN", "province": "浙江省",
                "city": "杭州市", "street": format!("文三路 {} 号", number % 101)},
            "device": {"id": format!("d-{device}")}, "ip": format!("198.51.100.{}", number % 250),
        }),
    )
}
