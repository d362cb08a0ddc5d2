//! The peer: what a team would write first with axum, cqrs-es and postgres-es, one view and trivial scoring in memory.
//!
//! It is left as its libraries make it: a command loads its stream, its events are inserted in one transaction, then its
//! view is loaded and stored. Postgres keeps its default durability. The tables are made anew at every start.
//!
//! Beside it, the same framework with neither view nor scoring: `bare`, on Postgres and on SQLite.

mod bare;
mod inside;
mod order;
mod scoring;

use std::net::SocketAddr;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use clap::{Args, Parser, Subcommand};
use cqrs_es::persist::GenericQuery;
use postgres_es::{PostgresCqrs, PostgresViewRepository, postgres_cqrs};
use sqlx::PgPool;
use sqlx::postgres::PgPoolOptions;
use tokio::net::TcpListener;

use order::{Order, OrderStatus, Place, Services};
use scoring::Scoring;

/// Connections to Postgres.
const CONNECTIONS_MAX: u32 = 32;

const TABLES: [&str; 3] = [
    "drop table if exists events, status_view cascade",
    "create table events(
       aggregate_type text not null, aggregate_id text not null, sequence bigint check(sequence >= 0) not null,
       event_type text not null, event_version text not null, payload json not null, metadata json not null,
       primary key(aggregate_type, aggregate_id, sequence))",
    "create table status_view(
       view_id text not null, version bigint not null, payload json not null, primary key(view_id))",
];

/// The peer that Orderlight is measured against.
#[derive(Parser)]
struct Cli {
    /// The database; its tables `events` and `status_view` are dropped and made anew
    #[arg(long, env = "DATABASE_URL", default_value = "postgres://postgres@127.0.0.1/postgres")]
    database_url: String,
    #[command(subcommand)]
    mode: Mode,
}

#[derive(Subcommand)]
enum Mode {
    /// Serves POST /orders
    Http {
        /// Address to listen on
        #[arg(long, default_value = "127.0.0.1:18080")]
        listen: SocketAddr,
    },
    /// Places orders in this process, each client its next one when the last one is answered
    Cqrs(Loop),
    /// The same with events of other stores' sizes, without view and scoring, on Postgres
    BarePostgres(Loop),
    /// That on SQLite with `synchronous=FULL`, in a new file
    BareSqlite(Loop),
}

/// A closed loop in this process.
#[derive(Args, Clone, Copy)]
struct Loop {
    /// Clients, each with one order under way at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    clients: u16,
    /// For how long
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    seconds: u64,
    /// Ends early after this many orders
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=measure::ORDERS_MAX))]
    orders_max: u64,
}

impl Loop {
    /// Places the orders, one framework shared by all clients, and prints what came of it.
    async fn run<C: measure::Sender + Clone>(self, client: C, orders: Vec<C::Order>) -> anyhow::Result<ExitCode> {
        let clients = vec![client; usize::from(self.clients)];
        let pace = measure::Pace::Closed { duration: Duration::from_secs(self.seconds) };
        let figures = measure::run(clients, orders, pace).await?;
        println!("{figures}");
        Ok(if figures.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let cli = Cli::parse();
    if let Mode::BareSqlite(closed) = cli.mode {
        return bare::on_sqlite(closed).await;
    }
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect(&cli.database_url).await;
    let pool = pool.context("cannot connect to Postgres")?;
    for statement in TABLES {
        sqlx::query(statement).execute(&pool).await.context("cannot make the tables")?;
    }
    match cli.mode {
        Mode::Http { listen } => serve(framework(pool), listen).await,
        Mode::Cqrs(closed) => inside::run(framework(pool), closed).await,
        Mode::BarePostgres(closed) => bare::on_postgres(pool, closed).await,
        Mode::BareSqlite(_) => unreachable!("dealt with above"),
    }
}

fn framework(pool: PgPool) -> Arc<PostgresCqrs<Order>> {
    let views = Arc::new(PostgresViewRepository::<OrderStatus, Order>::new("status_view", pool.clone()));
    let query = Box::new(GenericQuery::new(views));
    Arc::new(postgres_cqrs(pool, vec![query], Services(Arc::new(Scoring::default()))))
}

async fn serve(orders: Arc<PostgresCqrs<Order>>, listen: SocketAddr) -> anyhow::Result<ExitCode> {
    let router = Router::new().route("/orders", post(place)).with_state(orders);
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    println!("peer listens on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await.context("the server failed")?;
    Ok(ExitCode::SUCCESS)
}

async fn place(State(orders): State<Arc<PostgresCqrs<Order>>>, Json(place): Json<Place>) -> (StatusCode, String) {
    let id = place.id();
    match orders.execute(&id, place).await {
        Ok(()) => (StatusCode::OK, id),
        Err(error) => (StatusCode::CONFLICT, error.to_string()),
    }
}
