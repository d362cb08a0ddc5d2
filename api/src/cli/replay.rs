//! `orderlight replay`: every decision computed again from the log alone.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use engine::{Replayed, Scope, replay};
use eventlog::Position;
use indicatif::{ProgressBar, ProgressStyle};

use super::{FAILED, StoreArgs, WRONG_USE};
use crate::store::Store;

/// Compute every decision again from the log alone, and name each that differs
#[derive(Args)]
pub(super) struct Replay {
    #[command(flatten)]
    store: StoreArgs,
    /// This partition alone
    #[arg(long, value_name = "NUMBER", env = "ORDERLIGHT_PARTITION")]
    partition: Option<u32>,
    /// First position whose decision is compared; all that was before is folded all the same
    #[arg(long, value_name = "POSITION", env = "ORDERLIGHT_FROM_POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    from: Option<Position>,
    /// Last position whose decision is compared
    #[arg(long, value_name = "POSITION", env = "ORDERLIGHT_TO_POSITION", value_parser = clap::value_parser!(u64).range(1..))]
    to: Option<Position>,
}

impl Replay {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let store = self.store.open().await?;
        let asked = self.partitions(&store).await;
        let done = match asked {
            Ok(Ok(partitions)) => self.replay(&store, partitions).await,
            Ok(Err(wrong)) => {
                eprintln!("orderlight: {wrong}");
                Ok(ExitCode::from(WRONG_USE))
            }
            Err(error) => Err(error),
        };
        store.log.close().await;
        done
    }

    /// Which partitions are asked for, or what is wrong with what is asked for.
    async fn partitions(&self, store: &Store) -> anyhow::Result<Result<std::ops::Range<u32>, String>> {
        let all = store.log.partitions();
        let partitions = match self.partition {
            Some(one) if one >= all => return Ok(Err(format!("--partition {one}: there are {all}, counted from 0"))),
            Some(one) => one..one + 1,
            None if all > 1 && (self.from.is_some() || self.to.is_some()) => {
                return Ok(Err(format!("positions count in one of {all} partitions: name it with --partition")));
            }
            None => 0..all,
        };
        if let (Some(from), Some(to)) = (self.from, self.to)
            && from > to
        {
            return Ok(Err(format!("--to {to} is before --from {from}")));
        }
        if let Some(last) = [self.from, self.to].into_iter().flatten().max() {
            let head = store.log.head(partitions.start).await.context("cannot read the log")?;
            if last > head {
                return Ok(Err(format!("the log of partition {} ends at position {head}", partitions.start)));
            }
        }
        Ok(Ok(partitions))
    }

    async fn replay(&self, store: &Store, partitions: std::ops::Range<u32>) -> anyhow::Result<ExitCode> {
        let mut found_difference = false;
        for partition in partitions {
            let head = store.log.head(partition).await.context("cannot read the log")?;
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} events  {per_sec}");
            let bar = ProgressBar::new(self.to.unwrap_or(head));
            let bar = bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            let scope = Scope { partition, merchant: None, from: self.from.unwrap_or_default(), to: self.to };
            let replayed = replay(store.log.clone(), scope, |position| bar.set_position(position)).await?;
            bar.finish_and_clear();
            tell(partition, &replayed);
            found_difference |= replayed.decisions > replayed.identical;
        }
        Ok(if found_difference { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }
}

fn tell(partition: u32, replayed: &Replayed) {
    let different = replayed.decisions - replayed.identical;
    say!(
        "partition {partition}: {} events, {} decisions, {} identical, {different} different",
        replayed.events,
        replayed.decisions,
        replayed.identical
    );
    for difference in &replayed.different {
        say!("{} at {partition}-{}", difference.order, difference.position);
        say!("  recorded   {}", difference.recorded.as_deref().unwrap_or("nothing"));
        // What is missing was something.
        let unknown = if difference.recorded.is_none() { "a screening" } else { "nothing" };
        say!("  recomputed {}", difference.recomputed.as_deref().unwrap_or(unknown));
    }
}
