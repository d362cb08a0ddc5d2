//! Other event stores in Rust, each doing the same work: an order is a new stream with three events, stored atomically and
//! only if the stream is new, with the store's own durability on. No view, no scoring.

#[cfg(any(feature = "postgres", feature = "embedded"))]
pub mod mire_order;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use measure::{Pace, PlainOrder, Sender, plain_orders};

/// Small allocations count for as little here as in Orderlight.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// A closed loop.
#[derive(Args, Clone, Copy)]
pub struct Loop {
    /// Clients, each with one order under way at a time
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u16).range(1..=1_024))]
    pub clients: u16,
    /// For how long
    #[arg(long, default_value_t = 8, value_parser = clap::value_parser!(u64).range(1..=600))]
    pub seconds: u64,
    /// Ends early after this many orders
    #[arg(long, default_value_t = 150_000, value_parser = clap::value_parser!(u64).range(1..=measure::ORDERS_MAX))]
    pub orders_max: u64,
}

impl Loop {
    /// Places orders through the clients, and prints what came of it.
    ///
    /// # Errors
    /// When an order cannot be made ready, or the loop itself fails.
    pub async fn run<C: Sender>(
        self,
        clients: Vec<C>,
        ready: impl FnMut(PlainOrder) -> anyhow::Result<C::Order>,
    ) -> anyhow::Result<ExitCode> {
        let orders = plain_orders(self.orders_max).into_iter().map(ready).collect::<Result<_, _>>()?;
        let pace = Pace::Closed { duration: Duration::from_secs(self.seconds) };
        let figures = measure::run(clients, orders, pace).await?;
        println!("{figures}");
        Ok(if figures.has_errors() { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }
}
