//! The command line.

mod backtest;
mod demo;
mod import;
mod judge;
mod keys;
mod migrate;
mod projections;
mod replay;
mod rulebook;
mod serve;
mod simulate;
mod stop;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Context;
use clap::{Args, Parser, Subcommand};

use crate::store::{At, Store};

/// Exit code: differences found, lines refused, or failed. What was good is stored.
const FAILED: u8 = 1;
/// Exit code: wrong use.
const WRONG_USE: u8 = 2;

/// Real-time order-health screening for shops that sell on many channels at once.
#[derive(Parser)]
#[command(name = "orderlight", version, about, infer_subcommands = false)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Subcommand)]
enum Command {
    /// Run the service
    Serve(serve::Serve),
    /// Import notices from an NDJSON file, plain or gzip
    Import(import::Import),
    /// Compute every decision again from the log alone, and name each that differs
    Replay(replay::Replay),
    /// Make labelled traffic
    Simulate(simulate::Simulate),
    /// Compare the decisions in a store with the labels of made-up traffic
    Judge(judge::Judge),
    /// Try a rulebook file on the orders of a period: what it would have decided beside what was decided
    Backtest(backtest::Backtest),
    /// Work with rulebook files
    #[command(subcommand)]
    Rulebook(rulebook::Rulebook),
    /// Bring the schema of a store up to date
    Migrate(migrate::Migrate),
    /// Work with read models
    #[command(subcommand)]
    Projections(projections::Projections),
    /// Make, list and revoke keys in a store that no service has open
    #[command(subcommand)]
    Keys(keys::Keys),
}

/// The directory of the embedded store, where none is named.
const DEFAULT_DATA: &str = "data";

/// Where the store is.
#[derive(Args)]
struct StoreArgs {
    /// Directory of the embedded store, and of the snapshots and extracts of either [default: data]
    #[arg(long, value_name = "DIR", env = "ORDERLIGHT_DATA_DIR")]
    data: Option<PathBuf>,
    /// Postgres database in place of the embedded store, such as postgres://user@host/name
    #[arg(long, value_name = "URL", env = "ORDERLIGHT_DATABASE_URL", hide_env_values = true)]
    database_url: Option<String>,
    /// Master key of the vault, 64 hexadecimal digits; without it the key of an embedded store is a file in its directory
    #[arg(long, value_name = "HEX", env = "ORDERLIGHT_MASTER_KEY", hide_env_values = true)]
    master_key: Option<String>,
}

impl StoreArgs {
    /// The store, which is made when it is not there. Others reach this process at `address`, if they can.
    async fn open_or_create(&self, address: Option<String>) -> anyhow::Result<Store> {
        Store::open(&self.at(address), self.master_key.as_deref()).await
    }

    /// The store, which must be there: a mistyped directory is told and not filled.
    async fn open(&self) -> anyhow::Result<Store> {
        Store::open_existing(&self.at(None), self.master_key.as_deref()).await
    }

    /// Whether several processes may have it open.
    const fn is_shared(&self) -> bool {
        self.database_url.is_some()
    }

    /// Whether somebody said where it is.
    const fn is_told(&self) -> bool {
        self.data.is_some() || self.database_url.is_some()
    }

    fn at(&self, address: Option<String>) -> At {
        let data = self.data.clone().unwrap_or_else(|| DEFAULT_DATA.into());
        match &self.database_url {
            Some(url) => At::Postgres { url: url.clone(), address, data },
            None => At::Directory(data),
        }
    }
}

/// Runs the program and answers with its exit code: 0 done, 1 differences found, refused or failed, 2 wrong use.
pub fn main() -> ExitCode {
    let cli = Cli::parse();
    start_logging();
    let done = runtime().and_then(|runtime| {
        let done = runtime.block_on(async {
            match cli.command {
                Command::Serve(serve) => serve.run().await,
                Command::Import(import) => import.run().await,
                Command::Replay(replay) => replay.run().await,
                Command::Simulate(simulate) => simulate.run(),
                Command::Judge(judge) => judge.run().await,
                Command::Backtest(backtest) => backtest.run().await,
                Command::Rulebook(rulebook) => rulebook.run(),
                Command::Migrate(migrate) => migrate.run().await,
                Command::Projections(projections) => projections.run().await,
                Command::Keys(keys) => keys.run().await,
            }
        });
        // What a command left behind it does not wait for.
        runtime.shutdown_background();
        done
    });
    done.unwrap_or_else(|error| {
        eprintln!("orderlight: {error:#}");
        ExitCode::from(FAILED)
    })
}

fn runtime() -> anyhow::Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread().enable_all().build().context("cannot start the runtime")
}

fn start_logging() {
    let filter = tracing_subscriber::EnvFilter::try_from_env("ORDERLIGHT_LOG")
        .unwrap_or_else(|_| tracing_subscriber::EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    // A panic's message may hold what a request said; its place is enough to find it.
    std::panic::set_hook(Box::new(|panic| {
        let place = panic.location().map(ToString::to_string);
        tracing::error!(place, "panicked");
    }));
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    /// The options of a command and those below it that no environment variable stands for.
    fn without_variable(command: &clap::Command, found: &mut Vec<String>) {
        let options = command.get_arguments().filter(|argument| argument.get_long().is_some());
        let own = options.filter(|option| !matches!(option.get_id().as_str(), "help" | "version"));
        let unnamed = own.filter(|option| {
            let variable = option.get_env().map(|name| name.to_string_lossy());
            !variable.is_some_and(|name| name.starts_with("ORDERLIGHT_"))
        });
        found.extend(unnamed.map(|option| format!("{} --{}", command.get_name(), option.get_id())));
        command.get_subcommands().for_each(|below| without_variable(below, found));
    }

    #[test]
    fn every_option_has_an_environment_variable() {
        let mut found = vec![];
        without_variable(&Cli::command(), &mut found);
        assert_eq!(found, Vec::<String>::new());
    }
}
