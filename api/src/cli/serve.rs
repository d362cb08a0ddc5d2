//! `orderlight serve`: the service on the embedded store.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::Context;
use clap::Args;
use tokio::net::TcpListener;

use super::{StoreArgs, rulebook};
use crate::http::{App, router};
use crate::service::Service;

/// Run the service
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    store: StoreArgs,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", env = "ORDERLIGHT_LISTEN")]
    listen: SocketAddr,
    /// Rulebook file that merchants registered from now on start with, in place of the preset growth
    #[arg(long, value_name = "FILE", env = "ORDERLIGHT_RULEBOOK")]
    rulebook: Option<PathBuf>,
    /// Token that acts as an administrator's key of the merchant default; without it the first start makes a key
    #[arg(long, value_name = "TOKEN", env = "ORDERLIGHT_BOOTSTRAP_TOKEN", hide_env_values = true)]
    bootstrap_token: Option<String>,
}

impl Serve {
    pub(super) async fn run(self) -> anyhow::Result<ExitCode> {
        let first_rulebook = rulebook::first(self.rulebook.as_deref())?;
        let store = self.store.open().await?;
        let service = Service::start(&self.store.data, store, first_rulebook).await?;
        let service = Arc::new(service);
        service.bootstrap(self.bootstrap_token.as_deref()).await?;
        let listener =
            TcpListener::bind(self.listen).await.with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr().context("a listener has an address")?;
        println!("orderlight listens on http://{address}");
        axum::serve(listener, router(App::new(service.clone())))
            .with_graceful_shutdown(stop_signal())
            .await
            .context("the server failed")?;
        match Arc::try_unwrap(service) {
            Ok(service) => service.stop().await,
            Err(_) => tracing::warn!("a request is still under way; the log is safe, the store is left as it is"),
        }
        Ok(ExitCode::SUCCESS)
    }
}

/// Ends when the process is asked to stop.
pub(super) async fn stop_signal() {
    use tokio::signal::unix::{SignalKind, signal};
    let Ok(mut terminate) = signal(SignalKind::terminate()) else { return };
    tokio::select! {
        _ = tokio::signal::ctrl_c() => {}
        _ = terminate.recv() => {}
    }
}
