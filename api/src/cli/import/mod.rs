//! `orderlight import FILE`: notices from a file into a store that no service keeps, or with `--to` to a running service.
//!
//! A second import of the same file finds its delivery keys and stores nothing again, so an import that was cut short is
//! simply repeated.

mod http;
mod lines;
mod submit;
mod summary;

use std::path::PathBuf;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use domain::ids::MerchantId;
use engine::Standing;
use indicatif::{ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use self::http::Sending;
use self::lines::{Line, read_lines};
use self::submit::Submission;
use super::stop::StopSignals;
use super::{FAILED, StoreArgs, rulebook};
use crate::service::{DEFAULT_MERCHANT, Service};

/// How long the read models may take to follow after the last line.
const FOLLOW_MAX: Duration = Duration::from_secs(600);

/// Import notices from an NDJSON file, plain or gzip
#[derive(Args)]
pub(super) struct Import {
    /// The file, one notice a line, as for POST /v1/notices
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// A running service to send them to over HTTP, such as https://orderlight.example.com, in place of a store
    #[arg(long, value_name = "URL", value_parser = http::Service::read, requires = "key", env = "ORDERLIGHT_TO_URL")]
    #[arg(conflicts_with_all = ["data", "database_url", "merchant", "rulebook"])]
    to: Option<http::Service>,
    /// The key for that service, one with the role ingest; whose notices these are follows from it
    #[arg(long, value_name = "KEY", env = "ORDERLIGHT_KEY", hide_env_values = true)]
    key: Option<String>,
    /// The merchant whose notices these are
    #[arg(long, default_value = DEFAULT_MERCHANT, env = "ORDERLIGHT_MERCHANT")]
    merchant: MerchantId,
    /// Rulebook file that merchants registered from now on start with, in place of the preset growth
    #[arg(long, value_name = "FILE", env = "ORDERLIGHT_RULEBOOK")]
    rulebook: Option<PathBuf>,
}

impl Import {
    pub(super) async fn run(mut self) -> anyhow::Result<ExitCode> {
        match self.to.take() {
            Some(service) => self.send(service).await,
            None => self.store().await,
        }
    }

    /// Has a running service decide.
    async fn send(self, service: http::Service) -> anyhow::Result<ExitCode> {
        let (lines, progress) = (read_lines(&self.file)?, progress_bar(self.bytes()?));
        let key = self.key.as_deref().context("--to needs a key")?;
        let mut sending = Sending::new(service, key, progress.clone())?;
        let started = Instant::now();
        let sent = sending.send_all(lines, StopSignals::listen()?).await;
        progress.finish_and_clear();
        let summary = sending.summary;
        summary.print_counts(started.elapsed());
        let stopped = sent.context("what was good before is stored; import the file again to go on")?;
        Ok(ended(stopped, summary.refused == 0))
    }

    /// Decides here.
    async fn store(self) -> anyhow::Result<ExitCode> {
        let first_rulebook = rulebook::first(self.rulebook.as_deref())?;
        let bytes = self.bytes()?;
        let lines = read_lines(&self.file)?;
        let store = self.store.open_or_create(None).await?;
        rulebook::tell_unused(self.rulebook.as_deref(), &store).await?;
        let service = Service::start(store, first_rulebook).await?;
        let partition = service.engine.partition_of(&self.merchant);
        if *service.engine.standing(partition).borrow() == Standing::Elsewhere {
            service.stop().await;
            anyhow::bail!("a service has this store open: send it the file with --to");
        }
        let progress = progress_bar(bytes);
        let started = Instant::now();
        let mut submission = Submission::new(&service, &self.merchant, progress.clone())?;
        let mut signals = StopSignals::listen()?;
        let stopped = submit_all(lines, &mut signals, &progress, &mut submission).await;
        let summary = submission.finish().await;
        let elapsed = started.elapsed();
        let lag = Instant::now();
        let followed = service.follow(FOLLOW_MAX).await;
        let lag = lag.elapsed();
        if !stopped {
            extract(&service, &mut signals, &progress).await;
        }
        progress.finish_and_clear();
        summary.print(elapsed, followed.then_some(lag));
        service.stop().await;
        Ok(ended(stopped, summary.refused == 0 && followed))
    }

    fn bytes(&self) -> anyhow::Result<u64> {
        Ok(std::fs::metadata(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?.len())
    }
}

fn ended(stopped: bool, all_good: bool) -> ExitCode {
    if stopped {
        eprintln!("orderlight: stopped before the end of the file; import it again to go on");
    }
    if stopped || !all_good { ExitCode::from(FAILED) } else { ExitCode::SUCCESS }
}

/// Puts every line to the engine, in order; true when it was asked to stop.
async fn submit_all(
    mut lines: mpsc::Receiver<Line>,
    signals: &mut StopSignals,
    progress: &ProgressBar,
    submission: &mut Submission<'_>,
) -> bool {
    loop {
        let line = tokio::select! {
            biased;
            () = signals.next() => return true,
            line = lines.recv() => line,
        };
        let Some(line) = line else { return false };
        progress.set_position(line.read_bytes);
        submission.take(line).await;
    }
}

/// Makes the extract for back-tests, which is no part of what was asked for: it may fail, and whoever waits may end it.
async fn extract(service: &Service, signals: &mut StopSignals, progress: &ProgressBar) {
    progress.set_message("all is stored; the extract for back-tests is made, Ctrl-C leaves it out");
    tokio::select! {
        biased;
        () = signals.next() => {}
        made = service.extract() => if let Err(error) = made {
            tracing::warn!(error = &*error as &dyn std::error::Error, "no extract for back-tests");
        }
    }
}

fn progress_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style =
        ProgressStyle::with_template("{bar:40} {percent:>3} %  {bytes}/{total_bytes}  {elapsed} (left {eta})  {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}
