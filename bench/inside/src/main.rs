//! Orderlight without HTTP: its engine, its writer alone, and next to that the bare loop that inserts the same rows.

mod engine_loop;
mod raw_postgres;
mod raw_sqlite;
mod rows;
mod store;
mod writer_loop;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The allocator that the service has.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

#[derive(Parser)]
#[command(name = "inside")]
struct Cli {
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Orders through the engine: decided, committed and answered, while the read models follow
    Engine(engine_loop::EngineLoop),
    /// Ready batches through the writer of the log alone
    Writer(writer_loop::WriterLoop),
    /// The rows of those batches straight into SQLite on one connection, and nothing else
    RawSqlite(raw_sqlite::RawSqlite),
    /// The same on Postgres
    RawPostgres(raw_postgres::RawPostgres),
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    match Cli::parse().mode {
        Mode::Engine(engine) => engine.run().await,
        Mode::Writer(writer) => writer.run().await,
        Mode::RawSqlite(raw) => raw.run(),
        Mode::RawPostgres(raw) => raw.run().await,
    }
}
