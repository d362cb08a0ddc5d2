//! `orderlight simulate`: a made-up market. The messages and the truth about them are apart, so that what screens the one never sees
//! the other.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::Args;
use indicatif::{ProgressBar, ProgressStyle};
use market::{Market, Plan};

use crate::say::is_closed;

const BUFFER_BYTES: usize = 1 << 16;

/// Write labelled traffic: notices to the standard output, and the truth about each order to a file
#[derive(Args)]
pub(super) struct Simulate {
    /// The same seed gives the same market, byte for byte
    #[arg(long, default_value_t = 1, env = "ORDERLIGHT_SEED")]
    seed: u64,
    /// How many orders
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=market::ORDERS_MAX), env = "ORDERLIGHT_ORDERS")]
    orders: u64,
    /// Over how many days, the last of which begins with a sale at midnight
    #[arg(long, default_value_t = 14, value_parser = clap::value_parser!(u32).range(1..=i64::from(market::DAYS_MAX)), env = "ORDERLIGHT_DAYS")]
    days: u32,
    /// File for the labels, for `orderlight judge`
    #[arg(long, value_name = "FILE", default_value = "labels.ndjson", env = "ORDERLIGHT_LABELS")]
    labels: PathBuf,
}

impl Simulate {
    pub(super) fn run(&self) -> anyhow::Result<ExitCode> {
        let labels = File::create(&self.labels).with_context(|| format!("cannot write {}", self.labels.display()))?;
        let mut labels = BufWriter::with_capacity(BUFFER_BYTES, labels);
        let mut notices = BufWriter::with_capacity(BUFFER_BYTES, std::io::stdout().lock());
        let style = ProgressStyle::with_template("{bar:40} {pos}/{len} orders  {per_sec}");
        let bar = ProgressBar::new(self.orders).with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()));
        let (mut lines, mut attacks) = (0_u64, 0_u64);
        for message in Market::new(Plan { seed: self.seed, orders: self.orders, days: self.days }) {
            lines += 1;
            let written = writeln!(notices, "{}", message.line);
            if is_closed(&written) {
                return Ok(ExitCode::SUCCESS);
            }
            written.context("cannot write the notices")?;
            if let Some(label) = message.label {
                attacks += u64::from(label.burst.is_some());
                serde_json::to_writer(&mut labels, &label).context("cannot write the labels")?;
                writeln!(labels).context("cannot write the labels")?;
                bar.inc(1);
            }
        }
        let written = notices.flush();
        if !is_closed(&written) {
            written.context("cannot write the notices")?;
        }
        labels.flush().context("cannot write the labels")?;
        bar.finish_and_clear();
        eprintln!("{lines} notices of {} orders, {attacks} of them attackers'", self.orders);
        Ok(ExitCode::SUCCESS)
    }
}
