//! `orderlight rulebook check FILE`.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::Context;
use clap::Subcommand;
use domain::signal::built_in;
use serde_json::json;

use super::FAILED;
use crate::service::default_merchant;
use crate::store::Store;

/// The most combinations of one tier that are shown: a rulebook of some size has hundreds.
const SHOWN_MAX: usize = 20;

/// Work with rulebook files
#[derive(Subcommand)]
pub(super) enum Rulebook {
    /// Check a rulebook file: name every fault, what has no effect, and what reaches each tier
    Check {
        /// The rulebook as JSON
        file: PathBuf,
    },
}

impl Rulebook {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let Self::Check { file } = self;
        let bytes = bytes(file)?;
        let report = domain::rulebook::check::check_bytes(&bytes);
        for fault in &report.errors {
            eprintln!("{}: {fault}", file.display());
        }
        let Ok(rulebook) = domain::rulebook::Rulebook::read(&bytes) else { return Ok(ExitCode::from(FAILED)) };
        let (rules, tiers) = (rulebook.rules().len(), rulebook.tiers().len());
        say!("{}: good, {rules} rules, {tiers} tiers, hash {}", file.display(), rulebook.hash());
        for signal in rulebook.signals() {
            let declared = match built_in(signal) {
                Some(_) => "is declared from the beginning",
                None => "the merchant must have declared before it can be saved",
            };
            say!("reads signal.{signal}, which {declared}");
        }
        for warning in &report.warnings {
            say!("warning: {}", warning.detail);
        }
        for tier in rulebook.tiers() {
            let combinations = report.combinations.get(&tier.id).map_or(&[][..], Vec::as_slice);
            for rules in combinations.iter().take(SHOWN_MAX) {
                say!("{} is reached by: {}", tier.id, rules.join(" + "));
            }
            let more = combinations.len().saturating_sub(SHOWN_MAX);
            if more > 0 {
                say!("{} is reached by {more} more combinations", tier.id);
            }
            if let Some(witness) = report.witnesses.get(&tier.id) {
                let facts = witness.features.0.iter().map(|(name, value)| format!("{name} = {}", json!(value)));
                say!("{} for example with: {}", tier.id, facts.collect::<Vec<_>>().join(", "));
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// The rulebook that merchants registered from now on start with: a file's, or the preset `growth`.
pub(super) fn first(file: Option<&Path>) -> anyhow::Result<domain::rulebook::Rulebook> {
    let Some(file) = file else {
        return domain::rulebook::preset("growth").context("the preset growth is built in");
    };
    domain::rulebook::Rulebook::read(&bytes(file)?).map_err(|faults| {
        let faults: Vec<_> = faults.iter().map(|fault| format!("\n  {fault}")).collect();
        anyhow::anyhow!("{} is no rulebook:{}", file.display(), faults.concat())
    })
}

/// Says so when the file that was given will not be used for the merchant that a new store starts with.
pub(super) async fn tell_unused(file: Option<&Path>, store: &Store) -> anyhow::Result<()> {
    let Some(file) = file else { return Ok(()) };
    let merchant = default_merchant()?;
    if store.has_merchant(&merchant).await.context("cannot read the merchants")? {
        eprintln!(
            "orderlight: the rulebook {} is not used for the merchant {merchant}, which has a live rulebook already; \
             merchants registered from now on begin with it",
            file.display()
        );
    }
    Ok(())
}

/// What a file holds.
pub(super) fn bytes(file: &Path) -> anyhow::Result<Vec<u8>> {
    std::fs::read(file).with_context(|| format!("cannot read {}", file.display()))
}
