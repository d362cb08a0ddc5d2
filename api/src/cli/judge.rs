//! `orderlight judge`: what was decided, beside the truth that `orderlight simulate` wrote.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use cqrs_es::Aggregate;
use domain::ids::MerchantId;
use domain::order::{FrozenCause, Order, OrderEvent, ReleasedCause};
use eventlog::{EventLog, RecordedEvent};
use market::{Fate, Judge as Counts, Label};
use rustc_hash::FxHashMap;

use super::{FAILED, StoreArgs};
use crate::service::DEFAULT_MERCHANT;

/// Events read at once.
const PAGE_EVENTS: u32 = 2_000;

/// Compare the decisions in a store with the labels of a made-up market
#[derive(Args)]
pub(super) struct Judge {
    /// The labels, as `orderlight simulate` writes them
    #[arg(long, value_name = "FILE", env = "ORDERLIGHT_LABELS")]
    labels: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// The merchant whose orders these are
    #[arg(long, default_value = DEFAULT_MERCHANT, env = "ORDERLIGHT_MERCHANT")]
    merchant: MerchantId,
    /// Print the report as JSON
    #[arg(long, env = "ORDERLIGHT_JSON")]
    json: bool,
}

impl Judge {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let store = self.store.open().await?;
        let partition = eventlog::partition_of(&self.merchant, store.log.partitions());
        let fates = fates(&*store.log, partition, &self.merchant).await?;
        store.log.close().await;
        let report = judge(&self.labels, &fates)?.report();
        if self.json {
            say!("{}", serde_json::to_string(&report).context("the report has no JSON form")?);
        } else {
            say!("{}", report.to_string().trim_end());
        }
        Ok(if report.not_screened > 0 { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }
}

/// What became of every order of a merchant. One entry an order is all that is kept.
async fn fates(log: &dyn EventLog, partition: u32, merchant: &MerchantId) -> anyhow::Result<FxHashMap<Box<str>, Fate>> {
    let mut fates = FxHashMap::default();
    let mut after = 0;
    loop {
        let page = log.read(partition, after, PAGE_EVENTS).await.context("cannot read the log")?;
        let Some(last) = page.last() else { return Ok(fates) };
        after = last.position;
        for event in page.iter().filter(|event| event.key.merchant == *merchant) {
            if &*event.key.aggregate_type == Order::TYPE && SCREENING.contains(&&*event.event_type) {
                take(&mut fates, event)?;
            }
        }
    }
}

/// The events that a screening leaves.
const SCREENING: [&str; 4] = ["Scored", "Challenged", "Frozen", "Released"];

fn take(fates: &mut FxHashMap<Box<str>, Fate>, recorded: &RecordedEvent) -> anyhow::Result<()> {
    let event: OrderEvent = serde_json::from_str(&recorded.payload)
        .with_context(|| format!("cannot read the event at {}-{}", recorded.partition, recorded.position))?;
    let fate = match fates.get_mut(&recorded.key.aggregate_id) {
        Some(fate) => fate,
        None => fates.entry(recorded.key.aggregate_id.clone()).or_default(),
    };
    match event {
        OrderEvent::Scored(scored) => fate.screened(&*scored.tier != "pass" && scored.exemption.is_none()),
        OrderEvent::Challenged(_) => fate.challenged(),
        OrderEvent::Frozen(frozen) if frozen.cause == FrozenCause::Score => fate.frozen(),
        OrderEvent::Released(released) => match released.cause {
            ReleasedCause::Clean | ReleasedCause::Exempt | ReleasedCause::Rescored => fate.released(),
            ReleasedCause::Verified | ReleasedCause::Reviewer | ReleasedCause::ChallengeExpired => {}
        },
        _ => {}
    }
    Ok(())
}

fn judge(labels: &Path, fates: &FxHashMap<Box<str>, Fate>) -> anyhow::Result<Counts> {
    let file = File::open(labels).with_context(|| format!("cannot read {}", labels.display()))?;
    let mut counts = Counts::default();
    for (number, line) in (1..).zip(BufReader::new(file).lines()) {
        let at = || format!("line {number} of {} is no label", labels.display());
        let label: Label = serde_json::from_str(&line.with_context(at)?).with_context(at)?;
        counts.take(&label, fates.get(&*label.order_id).copied());
    }
    Ok(counts)
}
