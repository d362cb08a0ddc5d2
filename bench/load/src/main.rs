//! The load generator: sends orders over HTTP from this machine and tells how many were answered and how fast, or writes
//! the same orders to a file.
//!
//! It shares its processors with the service that it measures, so it is built to be cheap: one thread, bodies made before
//! the clock starts, answers read to their end but not looked into beyond their status.

mod connection;
mod lag;
mod publishing;

use std::fs::File;
use std::io::{BufWriter, Write};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use connection::Target;
use measure::{Form, ORDERS_MAX, Orders, Pace, Row};
use publishing::{Publisher, Seen, Watching};

/// Sends orders to Orderlight or to a peer, or writes them to a file.
#[derive(Parser)]
#[command(name = "load")]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Each connection sends its next order when the last one is answered
    Closed {
        #[command(flatten)]
        to: To,
        /// For how long
        #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Ends early after this many orders
        #[arg(long, default_value_t = 300_000, value_parser = clap::value_parser!(u64).range(1..=ORDERS_MAX))]
        orders_max: u64,
    },
    /// Orders are due at fixed times, and their latency counts from there, however late they are sent
    Rate {
        #[command(flatten)]
        to: To,
        /// For how long
        #[arg(long, default_value_t = 15, value_parser = clap::value_parser!(u64).range(1..=600))]
        seconds: u64,
        /// Orders due in a second
        #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        per_second: u64,
    },
    /// Publishes a rulebook every second while orders are due at fixed times, and tells how soon it decides them
    Publish {
        #[command(flatten)]
        to: To,
        /// For how long
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u64).range(3..=600))]
        seconds: u64,
        /// Orders due in a second
        #[arg(long, default_value_t = 2_000, value_parser = clap::value_parser!(u64).range(1..=100_000))]
        per_second: u64,
    },
    /// Writes orders as a file for `orderlight import`
    Generate {
        /// The file to write
        file: PathBuf,
        /// How many
        #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=ORDERS_MAX))]
        orders: u64,
        #[command(flatten)]
        row: Row,
    },
}

/// Where to, and over how many connections.
#[derive(Args)]
struct To {
    /// Address of the service
    #[arg(long)]
    address: SocketAddr,
    /// Whose interface it has
    #[arg(long, value_enum, default_value_t = Form::Orderlight)]
    form: Form,
    #[command(flatten)]
    row: Row,
    /// Its bearer token, if it asks for one
    #[arg(long, env = "LOAD_TOKEN", hide_env_values = true)]
    token: Option<String>,
    /// Connections, each with one order under way at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    connections: u16,
    /// Also watch at GET /metrics how far the read models are behind
    #[arg(long)]
    watch_lag: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().mode {
        Mode::Closed { to, seconds, orders_max } => {
            send(to, Pace::Closed { duration: Duration::from_secs(seconds) }, orders_max).await
        }
        Mode::Rate { to, seconds, per_second } => {
            let orders = per_second * seconds;
            anyhow::ensure!(orders <= ORDERS_MAX, "more than {ORDERS_MAX} orders");
            send(to, Pace::Fixed { per_second }, orders).await
        }
        Mode::Publish { to, seconds, per_second } => publish(to, seconds, per_second).await,
        Mode::Generate { file, orders, row } => generate(&file, row, orders).map(|()| ExitCode::SUCCESS),
    }
}

/// Sends orders and prints what came of it; a failure when any of them was not answered as it should be.
async fn send(to: To, pace: Pace, orders: u64) -> anyhow::Result<ExitCode> {
    let target = Target::new(to.address, to.form, to.token.as_deref())?;
    let bodies = Orders::new(to.row, orders)?.bodies(to.form)?;
    let mut connections = Vec::with_capacity(usize::from(to.connections));
    for _ in 0..to.connections {
        connections.push(target.connect().await?);
    }
    let watch = to.watch_lag.then(|| lag::Watch::start(target));
    let figures = measure::run(connections, bodies, pace).await?;
    println!("{figures}");
    if let Some(watch) = watch {
        println!("{}", watch.finish().await?);
    }
    Ok(if figures.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

/// Sends orders at a rate while rulebooks are published, and prints what came of both.
async fn publish(to: To, seconds: u64, per_second: u64) -> anyhow::Result<ExitCode> {
    let orders = per_second * seconds;
    anyhow::ensure!(orders <= ORDERS_MAX, "more than {ORDERS_MAX} orders");
    let target = Target::new(to.address, Form::Orderlight, to.token.as_deref())?;
    let bodies = Orders::new(to.row, orders)?.bodies(Form::Orderlight)?;
    let seen = Arc::new(Seen::default());
    let mut senders = Vec::with_capacity(usize::from(to.connections));
    for _ in 0..to.connections {
        senders.push(Watching { connection: target.connect().await?, seen: seen.clone() });
    }
    // The last one has a second in which orders can be decided by it.
    let publisher = Publisher::start(&target, seconds - 2, seen).await?;
    let figures = measure::run(senders, bodies, Pace::Fixed { per_second }).await?;
    println!("{figures} {}", publisher.finish().await?);
    Ok(if figures.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
}

fn generate(path: &std::path::Path, row: Row, orders: u64) -> anyhow::Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    let mut file = BufWriter::new(file);
    for body in Orders::new(row, orders)?.bodies(Form::Notice)? {
        file.write_all(&body)?;
        file.write_all(b"\n")?;
    }
    file.flush().context("cannot write the file")
}
