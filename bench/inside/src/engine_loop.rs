//! Orders put to the engine from this process, while all read models follow.

use std::collections::BTreeMap;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use clap::Args;
use domain::ids::MerchantId;
use domain::merchant::{MerchantCommand, MerchantRegistered, MerchantRejection};
use domain::notice::{Notice, read_order};
use domain::time::Timestamp;
use engine::{Engine, Origin, Outcome, Refusal, WhenFull};
use measure::{Form, Lag, Look, ORDERS_MAX, Orders, Pace, Row, Sender};
use projections::ReadModels;
use tokio::sync::oneshot;
use tokio::time::sleep;

use crate::store::StoreArgs;

const MERCHANT: &str = "default";
/// The pause between two looks at the read models.
const PAUSE: Duration = Duration::from_millis(20);
/// How long the read models may take to catch up, before the load and after it.
const CATCH_UP_MAX: Duration = Duration::from_secs(600);

/// Looks by name and partition of a read model.
type Looks = BTreeMap<(&'static str, u32), Vec<Look>>;

/// How orders are put to the engine.
#[derive(Args)]
pub(crate) struct EngineLoop {
    #[command(flatten)]
    store: StoreArgs,
    /// Clients, each with one order under way at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=4_096))]
    clients: u16,
    /// For how long
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Orders due in a second; without it each client sends its next order when the last one is answered
    #[arg(long, value_parser = clap::value_parser!(u64).range(1..=100_000))]
    per_second: Option<u64>,
    /// Ends a closed loop early after this many orders
    #[arg(long, default_value_t = 200_000, value_parser = clap::value_parser!(u64).range(1..=ORDERS_MAX))]
    orders_max: u64,
    #[command(flatten)]
    row: Row,
}

impl EngineLoop {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let (pace, count) = match self.per_second {
            Some(per_second) => (Pace::Fixed { per_second }, per_second * self.seconds),
            None => (Pace::Closed { duration: Duration::from_secs(self.seconds) }, self.orders_max),
        };
        let notices = notices(self.row, count)?;
        let opening = Instant::now();
        let store = self.store.open().await?;
        let rulebook = domain::rulebook::preset("growth").context("the preset growth is built in")?;
        let vault = Arc::new(store.vault()?);
        let engine = Engine::open(store.log.clone(), vault, Arc::new(now), rulebook, None).await.context("no engine")?;
        let opened_in = opening.elapsed();
        let merchant: MerchantId = MERCHANT.parse().context("the merchant has an id")?;
        register(&engine, &merchant).await?;
        let models = Arc::new(store.read_models().await?);
        models.start().await;
        level(&models).await?;

        let engine = Arc::new(engine);
        let client = Client { engine: engine.clone(), merchant };
        let (stop, stopped) = oneshot::channel();
        let watch = tokio::spawn(watch(models.clone(), stopped));
        let figures = measure::run(vec![client; usize::from(self.clients)], notices, pace).await?;
        let ended = Instant::now();
        // A watch that has failed no longer listens; it is asked why right below.
        let _ = stop.send(());
        let looks = watch.await??;
        println!(
            "{figures} {} level_ms={} opened_ms={}",
            Lag::of(looks.values()),
            ended.elapsed().as_millis(),
            opened_in.as_millis()
        );

        Arc::into_inner(engine).context("a client still holds the engine")?.close().await;
        models.stop().await;
        store.log.close().await;
        Ok(if figures.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

/// The orders that are also sent over HTTP.
fn notices(row: Row, count: u64) -> anyhow::Result<Vec<Notice>> {
    let read = |body: bytes::Bytes| {
        let notice = read_order(serde_json::from_slice(&body)?);
        notice.map_err(|faults| anyhow::anyhow!("an order is refused: {faults:?}"))
    };
    Orders::new(row, count)?.bodies(Form::Orderlight)?.into_iter().map(read).collect()
}

async fn register(engine: &Engine, merchant: &MerchantId) -> anyhow::Result<()> {
    let registered =
        MerchantRegistered { name: "Default".into(), time_zone: "Asia/Shanghai".into(), currency: "CNY".into() };
    match engine.command(merchant, origin(), MerchantCommand::Register(registered)).await {
        Ok(_) | Err(Refusal::Merchant(MerchantRejection::AlreadyRegistered)) => Ok(()),
        Err(refusal) => Err(refusal).context("the merchant is refused"),
    }
}

fn origin() -> Origin {
    Origin { actor: "bench".to_owned(), source: "api".to_owned() }
}

fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}

#[derive(Clone)]
struct Client {
    engine: Arc<Engine>,
    merchant: MerchantId,
}

impl Sender for Client {
    type Order = Notice;

    async fn place(&mut self, notice: Notice) -> Result<(), String> {
        let pending = self.engine.submit(&self.merchant, origin(), notice, WhenFull::Refuse).await;
        let receipt = pending.map_err(|refusal| refusal.to_string())?.receipt().await;
        match receipt.map(|receipt| receipt.outcome) {
            Ok(Outcome::Created) => Ok(()),
            Ok(outcome) => Err(format!("{outcome:?}")),
            Err(refusal) => Err(refusal.to_string()),
        }
    }
}

/// Looks at the read models until they are told to be level and are.
async fn watch(models: Arc<ReadModels>, mut stopped: oneshot::Receiver<()>) -> anyhow::Result<Looks> {
    let mut looks = Looks::new();
    while stopped.try_recv() == Err(oneshot::error::TryRecvError::Empty) {
        look(&models, &mut looks)?;
        sleep(PAUSE).await;
    }
    let since = Instant::now();
    while look(&models, &mut looks)? > 0 {
        anyhow::ensure!(since.elapsed() < CATCH_UP_MAX, "the read models did not catch up");
        sleep(PAUSE).await;
    }
    Ok(looks)
}

async fn level(models: &ReadModels) -> anyhow::Result<()> {
    let since = Instant::now();
    while look(models, &mut Looks::new())? > 0 {
        anyhow::ensure!(since.elapsed() < CATCH_UP_MAX, "the read models did not catch up");
        sleep(PAUSE).await;
    }
    Ok(())
}

/// Looks at all read models once; how many events the furthest is behind.
fn look(models: &ReadModels, looks: &mut Looks) -> anyhow::Result<u64> {
    let at = Instant::now();
    let mut furthest = 0;
    for health in models.health() {
        anyhow::ensure!(health.trouble.is_none(), "{} has trouble: {:?}", health.name, health.trouble);
        furthest = furthest.max(health.lag());
        let (folded, behind) = (f64::from(u32::try_from(health.position)?), f64::from(u32::try_from(health.lag())?));
        looks.entry((health.name, health.partition)).or_default().push(Look { at, folded, behind });
    }
    Ok(furthest)
}
