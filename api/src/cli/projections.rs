//! `orderlight projections rebuild [NAME]`.

use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use projections::{ORDER_STATUS, REVIEW_QUEUE, ReadModels};

use super::StoreArgs;

/// Work with read models
#[derive(Subcommand)]
pub(super) enum Projections {
    /// Build read models again from the log, beside the ones that are there
    Rebuild {
        /// Which one; all when left out
        #[arg(value_parser = [ORDER_STATUS, REVIEW_QUEUE])]
        name: Option<String>,
        #[command(flatten)]
        store: StoreArgs,
    },
}

impl Projections {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let Self::Rebuild { name, store: args } = self;
        let store = args.open().await?;
        let models = ReadModels::open(&store.models, store.log.clone()).await.context("cannot open the read models")?;
        let names = name.as_deref().map_or_else(|| models.names(), |name| vec![name]);
        models.rebuild(&names).await.with_context(|| format!("cannot rebuild {}", names.join(" and ")))?;
        for name in names {
            say!("{name} rebuilt");
        }
        models.stop().await;
        store.log.close().await;
        Ok(ExitCode::SUCCESS)
    }
}
