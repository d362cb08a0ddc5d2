//! `orderlight replay`: every decision computed again from the log alone.

use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use engine::replay;
use indicatif::{ProgressBar, ProgressStyle};

use super::{FAILED, StoreArgs};

/// Compute every decision again from the log alone, and name each that differs
#[derive(Args)]
pub(super) struct Replay {
    #[command(flatten)]
    store: StoreArgs,
}

impl Replay {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let store = self.store.open().await?;
        let mut found_difference = false;
        for partition in 0..store.log.partitions() {
            let head = store.log.head(partition).await.context("cannot read the log")?;
            let style = ProgressStyle::with_template("{bar:40} {pos}/{len} events  {per_sec}");
            let bar = ProgressBar::new(head).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
            let replayed = replay(store.log.clone(), partition, |position| bar.set_position(position)).await?;
            bar.finish_and_clear();
            let different = replayed.decisions - replayed.identical;
            println!(
                "partition {partition}: {} events, {} decisions, {} identical, {different} different",
                replayed.events, replayed.decisions, replayed.identical
            );
            for difference in &replayed.different {
                println!("{} at {partition}-{}", difference.order, difference.position);
                println!("  recorded   {}", difference.recorded);
                println!("  recomputed {}", difference.recomputed);
            }
            found_difference |= different > 0;
        }
        store.log.close().await;
        Ok(if found_difference { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }
}
