//! The peer: what a team would write first with axum, cqrs-es and postgres-es, one view and trivial scoring in memory.
//!
//! It is left as its libraries make it: a command loads its stream, its events are inserted in one transaction, then its
//! view is loaded and stored. Postgres keeps its default durability. The tables are made anew at every start.

mod order;
mod scoring;

use std::net::SocketAddr;
use std::sync::Arc;

use anyhow::Context;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::post;
use axum::{Json, Router};
use clap::{Parser, Subcommand};
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
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let cli = Cli::parse();
    let pool = PgPoolOptions::new().max_connections(CONNECTIONS_MAX).connect(&cli.database_url).await;
    let pool = pool.context("cannot connect to Postgres")?;
    for statement in TABLES {
        sqlx::query(statement).execute(&pool).await.context("cannot make the tables")?;
    }
    match cli.mode {
        Mode::Http { listen } => serve(framework(pool), listen).await,
    }
}

fn framework(pool: PgPool) -> Arc<PostgresCqrs<Order>> {
    let views = Arc::new(PostgresViewRepository::<OrderStatus, Order>::new("status_view", pool.clone()));
    let query = Box::new(GenericQuery::new(views));
    Arc::new(postgres_cqrs(pool, vec![query], Services(Arc::new(Scoring::default()))))
}

async fn serve(orders: Arc<PostgresCqrs<Order>>, listen: SocketAddr) -> anyhow::Result<()> {
    let router = Router::new().route("/orders", post(place)).with_state(orders);
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    println!("peer listens on http://{}", listener.local_addr()?);
    axum::serve(listener, router).await.context("the server failed")
}

async fn place(State(orders): State<Arc<PostgresCqrs<Order>>>, Json(place): Json<Place>) -> (StatusCode, String) {
    let id = format!("{}:{}", place.channel, place.order_no);
    match orders.execute(&id, place).await {
        Ok(()) => (StatusCode::OK, id),
        Err(error) => (StatusCode::CONFLICT, error.to_string()),
    }
}
