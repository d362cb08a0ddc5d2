//! `orderlight backtest`: what a rulebook file would have decided about the orders of a period.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::process::ExitCode;
use std::time::Instant;

use anyhow::Context;
use clap::Args;
use domain::ids::MerchantId;
use domain::rulebook::Rulebook;
use domain::time::Timestamp;
use engine::{Trial, backtest};
use eventlog::partition_of;
use indicatif::{ProgressBar, ProgressStyle};

use super::{FAILED, StoreArgs, rulebook};
use crate::backtest::{BacktestView, OutcomesView, TriedDecisionView};
use crate::service::DEFAULT_MERCHANT;

/// Try a rulebook file on the orders of a period: what it would have decided beside what was decided
#[derive(Args)]
pub(super) struct Backtest {
    #[command(flatten)]
    store: StoreArgs,
    /// The rulebook as JSON
    #[arg(long, value_name = "FILE", env = "ORDERLIGHT_RULEBOOK")]
    rulebook: PathBuf,
    /// Orders placed at this time or after it, such as 2026-11-04T00:00:00+08:00
    #[arg(long, value_name = "TIME", env = "ORDERLIGHT_FROM")]
    from: Timestamp,
    /// and before this one
    #[arg(long, value_name = "TIME", env = "ORDERLIGHT_TO")]
    to: Timestamp,
    /// The merchant whose orders these are
    #[arg(long, value_name = "ID", default_value = DEFAULT_MERCHANT, env = "ORDERLIGHT_MERCHANT")]
    merchant: MerchantId,
    /// Print the result as JSON, as the API answers it
    #[arg(long, env = "ORDERLIGHT_JSON")]
    json: bool,
}

impl Backtest {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        if self.from >= self.to {
            eprintln!("orderlight: --to {} is not after --from {}", self.to, self.from);
            return Ok(ExitCode::from(super::WRONG_USE));
        }
        let bytes = rulebook::bytes(&self.rulebook)?;
        let rulebook = match Rulebook::read(&bytes) {
            Ok(rulebook) => rulebook,
            Err(faults) => {
                faults.iter().for_each(|fault| eprintln!("{}: {fault}", self.rulebook.display()));
                return Ok(ExitCode::from(FAILED));
            }
        };
        let store = self.store.open().await?;
        let view = self.backtest(&store, rulebook).await;
        store.log.close().await;
        let view = view?;
        if self.json {
            say!("{}", serde_json::to_string_pretty(&view)?);
        } else {
            print(&view);
        }
        Ok(ExitCode::SUCCESS)
    }

    async fn backtest(&self, store: &crate::store::Store, rulebook: Rulebook) -> anyhow::Result<BacktestView> {
        anyhow::ensure!(store.has_merchant(&self.merchant).await?, "there is no merchant {}", self.merchant);
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} events  {per_sec}");
        let bar = ProgressBar::new(0).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (merchant, from, to) = (self.merchant.clone(), self.from, self.to);
        let partition = partition_of(&merchant, store.log.partitions());
        let began = Instant::now();
        let hash = rulebook.hash();
        let trial = Trial { merchant, rulebook, from, to };
        let found = backtest(store.log.clone(), partition, trial, store.snapshots.as_deref(), |done, total| {
            bar.set_length(total);
            bar.set_position(done);
        });
        let found = found.await.context("cannot back-test")?;
        bar.finish_and_clear();
        Ok(BacktestView::of(hash, found, u64::try_from(began.elapsed().as_millis()).unwrap_or(u64::MAX)))
    }
}

fn print(view: &BacktestView) {
    say!("{} orders, {} decided the same, in {} ms", view.orders, view.unchanged, view.elapsed_ms);
    print_matrix(view);
    say!("\n{:<32} {:>10} {:>10} {:>10} {:>10}", "rule", "fired", "decisive", "fires", "decides");
    for rule in &view.per_rule {
        let (actual, draft) = (&rule.actual, &rule.draft);
        say!(
            "{:<32} {:>10} {:>10} {:>10} {:>10}",
            rule.rule,
            actual.fired,
            actual.decisive,
            draft.fired,
            draft.decisive
        );
    }
    say!("\n{:<32} {:>10} {:>10}", "", "actual", "draft");
    for (name, actual, draft) in [
        ("challenged", view.actual.challenged, view.draft.challenged),
        ("frozen", view.actual.frozen, view.draft.frozen),
        ("exempt", view.actual.exempt, view.draft.exempt),
        ("challenges in an hour at most", view.actual.challenges_per_hour_max, view.draft.challenges_per_hour_max),
        ("reviews in an hour at most", view.actual.reviews_per_hour_max, view.draft.reviews_per_hour_max),
    ] {
        say!("{name:<32} {actual:>10} {draft:>10}");
    }
    say!("");
    print_outcomes("newly hit", &view.newly_hit);
    print_outcomes("no longer hit", &view.no_longer_hit);
    for example in &view.examples {
        let (vip, familiar) =
            (if example.vip { ", VIP" } else { "" }, if example.familiar { ", familiar address" } else { "" });
        say!(
            "{} {} ({}{vip}{familiar}): {} -> {}",
            example.order_id,
            example.change,
            example.outcome,
            told(&example.actual),
            told(&example.draft)
        );
    }
}

/// The tiers as rows, and those of the draft as columns.
fn print_matrix(view: &BacktestView) {
    let columns: BTreeSet<&String> = view.matrix.values().flat_map(|row| row.keys()).collect();
    let tiers: String = columns.iter().map(|tier| format!(" {tier:>10}")).collect();
    say!("\n{:<32}{tiers}", "actual tier, by draft tier:");
    for (tier, row) in &view.matrix {
        let counts: String = columns.iter().map(|column| format!(" {:>10}", row.get(*column).unwrap_or(&0))).collect();
        say!("{tier:<32}{counts}");
    }
}

fn print_outcomes(name: &str, counts: &OutcomesView) {
    let OutcomesView { orders, good, good_vip, good_familiar, bad } = counts;
    say!("{name}: {orders} orders, {good} good ({good_vip} VIP, {good_familiar} to familiar addresses), {bad} bad");
}

fn told(decision: &TriedDecisionView) -> String {
    let hits: Vec<_> = decision.hits.iter().map(|hit| format!("{} {:+}", hit.rule, hit.points)).collect();
    let exemption = decision.exemption.as_ref().map(|exemption| format!(", spared by {exemption}")).unwrap_or_default();
    format!("{} {} [{}]{exemption}", decision.tier, decision.score, hits.join(", "))
}
