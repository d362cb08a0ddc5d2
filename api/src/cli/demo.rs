//! The options of `orderlight serve --demo`.

use std::net::SocketAddr;

use anyhow::Context;
use clap::Args;
use domain::rulebook::Rulebook;
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::StoreArgs;
use crate::service::new_key;
use crate::store::Store;
use crate::{clock, demo};

/// A demonstration beside the service.
#[derive(Args)]
pub(super) struct Demo {
    /// Live a small shop's made-up day through the service: in a temporary store, unless one without orders is named
    #[arg(long, env = "ORDERLIGHT_DEMO")]
    demo: bool,
    /// How many times as fast as life the demo's day goes
    #[arg(long, value_name = "N", default_value_t = 450, value_parser = clap::value_parser!(u32).range(1..=100_000), requires = "demo", env = "ORDERLIGHT_DEMO_SPEED")]
    demo_speed: u32,
}

impl Demo {
    /// Whether there is one.
    pub(super) const fn is_wanted(&self) -> bool {
        self.demo
    }

    /// A store that goes away with the process, where the demo has no other.
    pub(super) fn scratch(&self, store: &mut StoreArgs) -> anyhow::Result<Option<TempDir>> {
        if !self.demo || store.is_told() {
            return Ok(None);
        }
        let scratch = tempfile::Builder::new().prefix("orderlight-demo-").tempdir();
        let scratch = scratch.context("cannot make a temporary directory")?;
        store.data = Some(scratch.path().to_owned());
        Ok(Some(scratch))
    }

    /// The rulebook of the demo, unless another is named.
    pub(super) fn rulebook(&self) -> anyhow::Result<Option<Rulebook>> {
        self.demo.then(|| demo::rulebook(self.demo_speed)).transpose()
    }

    /// Refuses a store that is no place for it.
    pub(super) async fn check(&self, store: &Store) -> anyhow::Result<()> {
        if self.demo { demo::must_be_empty(&*store.log).await } else { Ok(()) }
    }

    /// A token to act with, where none was given: the demo prints it.
    pub(super) fn token(&self, given: Option<String>) -> anyhow::Result<Option<String>> {
        let given = given.filter(|token| !token.is_empty());
        if !self.demo || given.is_some() {
            return Ok(given);
        }
        new_key("demo", vec![], None).map(|(token, _)| Some(token))
    }

    /// Begins the day, which ends by itself or is aborted.
    pub(super) fn begin(&self, address: SocketAddr, token: Option<String>) -> Option<JoinHandle<()>> {
        let (token, speed) = (token.filter(|_| self.demo)?, self.demo_speed);
        Some(tokio::spawn(async move {
            if let Err(error) = demo::run(address, &token, speed, clock::now()).await {
                eprintln!("orderlight: the demo ended early, the service goes on: {error:#}");
            }
        }))
    }
}
