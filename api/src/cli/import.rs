//! `orderlight import FILE`: notices from a file into the embedded store.
//!
//! A second import of the same file finds its delivery keys and stores nothing again, so an import that was cut short is
//! simply repeated.

use std::collections::{BTreeMap, VecDeque};
use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use domain::fault::Fault;
use domain::ids::MerchantId;
use domain::notice::read_notice;
use engine::{Outcome, Pending, Receipt, Refusal, WhenFull};
use flate2::read::MultiGzDecoder;
use hdrhistogram::Histogram;
use indicatif::{HumanCount, ProgressBar, ProgressStyle};
use tokio::sync::mpsc;

use super::serve::stop_signal;
use super::{FAILED, StoreArgs, rulebook};
use crate::service::{DEFAULT_MERCHANT, Service, notice_origin};

/// Notices that wait for their commit at once.
const IN_FLIGHT_MAX: usize = 1_024;
/// Lines that wait to be submitted.
const LINES_AHEAD_MAX: usize = 1_024;
/// The longest line.
const LINE_BYTES_MAX: usize = 1 << 20;
/// Refused lines that are told one by one; all are counted.
const TOLD_MAX: u64 = 20;
/// How long the read models may take to follow after the last line.
const FOLLOW_MAX: Duration = Duration::from_secs(600);

/// Import notices from an NDJSON file, plain or gzip
#[derive(Args)]
pub(super) struct Import {
    /// The file, one notice a line, as for POST /v1/notices
    file: PathBuf,
    #[command(flatten)]
    store: StoreArgs,
    /// The merchant whose notices these are
    #[arg(long, default_value = DEFAULT_MERCHANT, env = "ORDERLIGHT_MERCHANT")]
    merchant: MerchantId,
    /// Rulebook file that merchants registered from now on start with, in place of the preset growth
    #[arg(long, value_name = "FILE", env = "ORDERLIGHT_RULEBOOK")]
    rulebook: Option<PathBuf>,
}

/// One line of the file.
struct Line {
    number: u64,
    /// Bytes of the file read so far, compressed ones if it is compressed.
    read_bytes: u64,
    content: Result<serde_json::Value, String>,
}

/// What came of the lines.
struct Summary {
    tiers: BTreeMap<String, u64>,
    created: u64,
    updated: u64,
    duplicates: u64,
    refused: u64,
    decision_micros: Histogram<u64>,
}

impl Import {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let first_rulebook = rulebook::first(self.rulebook.as_deref())?;
        let bytes =
            std::fs::metadata(&self.file).with_context(|| format!("cannot read {}", self.file.display()))?.len();
        let lines = read_lines(&self.file)?;
        let store = self.store.open().await?;
        let service = Service::start(&self.store.data, store, first_rulebook).await?;
        let progress = progress_bar(bytes);
        let started = Instant::now();
        let mut summary = Summary::new()?;
        let stopped = self.submit_all(&service, lines, &progress, &mut summary).await;
        let elapsed = started.elapsed();
        let lag = Instant::now();
        let followed = service.follow(FOLLOW_MAX).await;
        let lag = lag.elapsed();
        progress.finish_and_clear();
        summary.print(elapsed, followed.then_some(lag));
        service.stop().await;
        if stopped {
            eprintln!("orderlight: stopped before the end of the file; import it again to go on");
        }
        Ok(if stopped || summary.refused > 0 || !followed { ExitCode::from(FAILED) } else { ExitCode::SUCCESS })
    }

    /// Puts every line to the engine, in order; true when it was asked to stop.
    async fn submit_all(
        &self,
        service: &Service,
        mut lines: mpsc::Receiver<Line>,
        progress: &ProgressBar,
        summary: &mut Summary,
    ) -> bool {
        let mut waiting: VecDeque<(u64, Pending)> = VecDeque::with_capacity(IN_FLIGHT_MAX);
        let stop = stop_signal();
        tokio::pin!(stop);
        let stopped = loop {
            let line = tokio::select! {
                biased;
                () = &mut stop => break true,
                line = lines.recv() => line,
            };
            let Some(line) = line else { break false };
            progress.set_position(line.read_bytes);
            if waiting.len() == IN_FLIGHT_MAX
                && let Some((number, pending)) = waiting.pop_front()
            {
                summary.take(number, pending.receipt().await, progress);
            }
            match self.submit(service, line.content).await {
                Ok(Some(pending)) => waiting.push_back((line.number, pending)),
                Ok(None) => {}
                Err(faults) => summary.refuse(line.number, &faults, progress),
            }
        };
        for (number, pending) in waiting {
            summary.take(number, pending.receipt().await, progress);
        }
        stopped
    }

    async fn submit(
        &self,
        service: &Service,
        content: Result<serde_json::Value, String>,
    ) -> Result<Option<Pending>, String> {
        let content = content?;
        if content.is_null() {
            return Ok(None);
        }
        let notice = read_notice(content).map_err(|faults| told(&faults))?;
        let origin = notice_origin("import", &notice);
        let submitted = service.engine.submit(&self.merchant, origin, notice, WhenFull::Wait).await;
        submitted.map(Some).map_err(|refusal| refusal.to_string())
    }
}

fn told(faults: &[Fault]) -> String {
    faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; ")
}

/// Reads and parses lines in a thread of its own, some ahead. An empty line is `null`.
fn read_lines(path: &Path) -> anyhow::Result<mpsc::Receiver<Line>> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut magic = [0; 2];
    let is_gzip =
        file.read(&mut magic).with_context(|| format!("cannot read {}", path.display()))? == 2 && magic == [0x1f, 0x8b];
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let counter = ProgressBar::hidden();
    let counted = counter.wrap_read(file);
    let mut reader: Box<dyn BufRead + Send> = if is_gzip {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(counted)))
    } else {
        Box::new(BufReader::with_capacity(1 << 16, counted))
    };
    let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
    std::thread::spawn(move || {
        let mut buffer = Vec::new();
        for number in 1.. {
            buffer.clear();
            let content = match next_line(&mut *reader, &mut buffer) {
                Ok(0) => return,
                Ok(_) => parse(&buffer),
                Err(error) => Err(format!("cannot be read: {error}")),
            };
            let ends = content.as_ref().is_err_and(|error| error.starts_with("cannot be read"));
            let line = Line { number, read_bytes: counter.position(), content };
            if sender.blocking_send(line).is_err() || ends {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Reads up to the end of a line; what exceeds the limit is read and dropped, so that the next line is found.
fn next_line(reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let mut read = reader.take(limit).read_until(b'\n', buffer)?;
    while buffer.len() > LINE_BYTES_MAX && buffer.last() != Some(&b'\n') {
        buffer.truncate(LINE_BYTES_MAX);
        let more = reader.take(limit).read_until(b'\n', buffer)?;
        read += more;
        if more == 0 {
            buffer.push(b' ');
            break;
        }
    }
    Ok(read)
}

fn parse(line: &[u8]) -> Result<serde_json::Value, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    if line.trim_ascii().is_empty() {
        return Ok(serde_json::Value::Null);
    }
    domain::json::read(line).map_err(|error| format!("not JSON: {error}"))
}

fn progress_bar(bytes: u64) -> ProgressBar {
    let bar = ProgressBar::new(bytes);
    let style =
        ProgressStyle::with_template("{bar:40} {percent:>3} %  {bytes}/{total_bytes}  {elapsed} (left {eta})  {msg}");
    bar.with_style(style.unwrap_or_else(|_| ProgressStyle::default_bar()))
}

impl Summary {
    fn new() -> anyhow::Result<Self> {
        let decision_micros = Histogram::new(3).context("three digits are a precision")?;
        Ok(Self { tiers: BTreeMap::new(), created: 0, updated: 0, duplicates: 0, refused: 0, decision_micros })
    }

    fn take(&mut self, number: u64, answer: Result<Receipt, Refusal>, progress: &ProgressBar) {
        let receipt = match answer {
            Ok(receipt) => receipt,
            Err(refusal) => return self.refuse(number, &refusal.to_string(), progress),
        };
        match receipt.outcome {
            Outcome::Duplicate => self.duplicates += 1,
            Outcome::Updated => self.updated += 1,
            Outcome::Created => {
                self.created += 1;
                let tier = receipt.risk.and_then(|risk| Some(risk.screening?.tier.to_string()));
                *self.tiers.entry(tier.unwrap_or_else(|| "unscored".to_owned())).or_default() += 1;
            }
        }
        if receipt.outcome != Outcome::Duplicate {
            self.decision_micros.saturating_record(u64::try_from(receipt.decided_in.as_micros()).unwrap_or(u64::MAX));
        }
        if (self.created + self.updated + self.duplicates).is_multiple_of(1_000) {
            progress.set_message(format!("{} orders", HumanCount(self.created)));
        }
    }

    fn refuse(&mut self, number: u64, why: &str, progress: &ProgressBar) {
        self.refused += 1;
        if self.refused <= TOLD_MAX {
            progress.suspend(|| eprintln!("line {number}: {why}"));
        }
    }

    fn print(&self, elapsed: Duration, followed: Option<Duration>) {
        println!("orders      {}", self.created);
        for (tier, orders) in &self.tiers {
            println!("  {tier:<9} {orders}");
        }
        println!("updates     {}", self.updated);
        println!("duplicates  {}", self.duplicates);
        println!("refused     {}", self.refused);
        let seconds = elapsed.as_secs_f64();
        let notices = self.created + self.updated + self.duplicates;
        println!("time        {seconds:.2} s, {:.0} notices/s", per_second(notices, seconds));
        println!("speed       {:.0} orders/s", per_second(self.created, seconds));
        let percentile = |quantile| self.decision_micros.value_at_quantile(quantile);
        println!("decision    p50 {} µs, p99 {} µs", percentile(0.5), percentile(0.99));
        match followed {
            Some(lag) => println!("read models {:.2} s behind the last line", lag.as_secs_f64()),
            None => println!("read models did not follow, see the log"),
        }
    }
}

fn per_second(count: u64, seconds: f64) -> f64 {
    // Counts of lines are far below 2^32.
    f64::from(u32::try_from(count).unwrap_or(u32::MAX)) / seconds.max(1e-9)
}
