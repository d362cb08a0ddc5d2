//! The writer of the log alone: ready batches, one after the other.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;

use crate::rows::Batches;
use crate::store::StoreArgs;

const PARTITION: u32 = 0;

#[derive(Args)]
pub(crate) struct WriterLoop {
    #[command(flatten)]
    store: StoreArgs,
    #[command(flatten)]
    batches: Batches,
}

impl WriterLoop {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let store = self.store.open().await?;
        let acquired = store.log.acquire(PARTITION).await.context("cannot take the partition")?;
        let batches = self.batches.make(PARTITION, &acquired)?;
        let mut slowest = Duration::ZERO;
        let started = Instant::now();
        for batch in batches {
            let before = Instant::now();
            store.log.append(batch).await.context("a batch is refused")?;
            slowest = slowest.max(before.elapsed());
        }
        println!("{}", self.batches.told(started.elapsed(), slowest));
        store.log.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
