//! `orderlight serve`: the service.
//!
//! The first signal ends it when what is under way is answered, but after [`GRACE`] at the latest; a second one ends it at
//! once. Nothing that was answered is lost either way: it was durable before.

use std::future::IntoFuture;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use anyhow::{Context, ensure};
use axum::http::Uri;
use clap::Args;
use domain::signal::SignalName;
use domain::time::Span;
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;
use tokio::time::timeout;

use super::demo::Demo;
use super::stop::StopSignals;
use super::{StoreArgs, rulebook};
use crate::connection::{Connection, Cutting};
use crate::http::{App, metrics, router};
use crate::scorer::{BUDGET_MAX, Scorer, Terms};
use crate::service::Service;

/// Run the service
#[derive(Args)]
pub(super) struct Serve {
    #[command(flatten)]
    store: StoreArgs,
    /// Address to listen on
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080", env = "ORDERLIGHT_LISTEN")]
    listen: SocketAddr,
    /// Where other processes on the same database reach this one, such as http://10.0.0.5:8080; without it the address it listens on
    #[arg(long, value_name = "URL", env = "ORDERLIGHT_ADVERTISE")]
    advertise: Option<String>,
    /// Rulebook file that merchants registered from now on start with, in place of the preset growth
    #[arg(long, value_name = "FILE", env = "ORDERLIGHT_RULEBOOK")]
    rulebook: Option<PathBuf>,
    /// Own model that is asked about every order before it is screened, such as http://127.0.0.1:9000/score
    #[arg(long, value_name = "URL", env = "ORDERLIGHT_SCORER_URL")]
    scorer_url: Option<Uri>,
    /// Signal under which rules read what the model says; each merchant declares it with the subject order
    #[arg(long, value_name = "NAME", default_value = "model", env = "ORDERLIGHT_SCORER_SIGNAL")]
    scorer_signal: SignalName,
    /// How long the model may take for one order; screening goes on without it then
    #[arg(long, value_name = "DURATION", default_value = "50ms", env = "ORDERLIGHT_SCORER_BUDGET")]
    scorer_budget: Span,
    /// Let notifications go to addresses that are not public, such as those of the own network
    #[arg(long, env = "ORDERLIGHT_ALLOW_PRIVATE_ENDPOINTS")]
    allow_private_endpoints: bool,
    /// Token that acts as an administrator's key of the merchant default; without it the first start makes a key
    #[arg(long, value_name = "TOKEN", env = "ORDERLIGHT_BOOTSTRAP_TOKEN", hide_env_values = true)]
    bootstrap_token: Option<String>,
    #[command(flatten)]
    demo: Demo,
}

/// How long requests that are under way may take once the service was asked to stop.
const GRACE: Duration = Duration::from_secs(10);
/// How long the store may take to close under requests that did not end, and how long whoever still has the service after the last
/// request is waited for.
const CUT_OFF_MAX: Duration = Duration::from_secs(5);
/// How often it is looked whether somebody still has it.
const LET_GO_LOOK: Duration = Duration::from_millis(2);

/// How serving ended.
enum Ended {
    /// With every request answered.
    Whole,
    /// With requests that took longer than [`GRACE`].
    Late,
    /// At once, as it was asked to.
    AtOnce,
}

impl Serve {
    pub(super) async fn run(mut self) -> anyhow::Result<ExitCode> {
        // What writers tell once, when they begin, is not told again.
        metrics::install();
        let _scratch = self.demo.scratch(&mut self.store)?;
        let first_rulebook = match self.demo.rulebook()?.filter(|_| self.rulebook.is_none()) {
            Some(rulebook) => rulebook,
            None => rulebook::first(self.rulebook.as_deref())?,
        };
        let scorer = self.scorer()?;
        let listener =
            TcpListener::bind(self.listen).await.with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr().context("a listener has an address")?;
        let advertised = self.advertised(address)?;
        let store = self.store.open_or_create(Some(advertised)).await?;
        self.demo.check(&store).await?;
        rulebook::tell_unused(self.rulebook.as_deref(), &store).await?;
        let terms = {
            // The demo's own receiver is on this machine.
            let allow_private = self.allow_private_endpoints || self.demo.is_wanted();
            notify::Terms { allow_private, ..notify::Terms::default() }
        };
        let mut service = Service::start_with(store, first_rulebook, terms).await?;
        service.scorer = scorer;
        service.tell_others();
        service.keep_extracts();
        let service = Arc::new(service);
        let token = self.demo.token(self.bootstrap_token.take())?;
        service.bootstrap(token.as_deref()).await?;
        let signals = StopSignals::listen()?;
        say!("orderlight listens on http://{address}");
        let demo = self.demo.begin(address, token);
        match serve(listener, &service, signals, demo).await? {
            Ended::Whole => stop(service).await,
            Ended::Late => cut_off(&service).await,
            Ended::AtOnce => {
                tracing::warn!("stopped at once, requests were cut off; the log holds all that was answered");
            }
        }
        Ok(ExitCode::SUCCESS)
    }
}

impl Serve {
    /// The model that was named, if one was.
    fn scorer(&self) -> anyhow::Result<Option<Scorer>> {
        let Some(url) = &self.scorer_url else { return Ok(None) };
        let budget = Duration::from_millis(self.scorer_budget.millis().unsigned_abs());
        ensure!(
            budget <= BUDGET_MAX,
            "--scorer-budget: expected at most {} ms, because every order that is placed may wait for so long",
            BUDGET_MAX.as_millis()
        );
        let terms = Terms { budget, ..Terms::default() };
        Scorer::new(url.clone(), self.scorer_signal, terms).map(Some).context("--scorer-url")
    }

    /// Where other processes on the same database reach this one.
    fn advertised(&self, listens_on: SocketAddr) -> anyhow::Result<String> {
        let Some(told) = &self.advertise else {
            if self.store.is_shared() && listens_on.ip().is_unspecified() {
                anyhow::bail!("{listens_on} is no address to reach this process at: name one with --advertise");
            }
            return Ok(format!("http://{listens_on}"));
        };
        let uri: axum::http::Uri = told.parse().with_context(|| format!("--advertise {told} is no address"))?;
        if uri.scheme_str() != Some("http") || uri.authority().is_none() || !matches!(uri.path(), "" | "/") {
            anyhow::bail!("--advertise {told}: expected an address such as http://10.0.0.5:8080");
        }
        Ok(told.trim_end_matches('/').to_owned())
    }
}

/// Serves until the first signal, and from then on until what is under way has ended, though not for ever.
async fn serve(
    listener: TcpListener,
    service: &Arc<Service>,
    mut signals: StopSignals,
    demo: Option<JoinHandle<()>>,
) -> anyhow::Result<Ended> {
    let router = router(App::new(service.clone())).into_make_service_with_connect_info::<Connection>();
    let (ask, asked) = oneshot::channel::<()>();
    let server = axum::serve(Cutting(listener), router).with_graceful_shutdown(async move { drop(asked.await) });
    let mut server = pin!(server.into_future());
    tokio::select! {
        ended = &mut server => return ended.map(|()| Ended::Whole).context("the server failed"),
        () = signals.next() => drop(ask),
    }
    demo.inspect(JoinHandle::abort);
    // Who waits for one or watches one is told now.
    service.jobs.stop();
    service.streams.stop();
    tracing::info!(
        "stopping; requests that are under way have {} seconds, a second signal ends them at once",
        GRACE.as_secs()
    );
    tokio::select! {
        ended = &mut server => ended.map(|()| Ended::Whole).context("the server failed"),
        () = signals.next() => Ok(Ended::AtOnce),
        () = tokio::time::sleep(GRACE) => Ok(Ended::Late),
    }
}

async fn stop(service: Arc<Service>) {
    match let_go(service, CUT_OFF_MAX).await {
        Ok(service) => service.stop().await,
        Err(service) => cut_off(&service).await,
    }
}

/// What was shared, when nobody else has it any more. The server counts a connection as ended a moment before the connection's
/// task lets go of what it was served with, and a command goes on when its caller hangs up: after `limit` somebody may still have it.
async fn let_go<T>(mut shared: Arc<T>, limit: Duration) -> Result<T, Arc<T>> {
    let until = Instant::now() + limit;
    loop {
        shared = match Arc::try_unwrap(shared) {
            Ok(alone) => return Ok(alone),
            Err(shared) if Instant::now() >= until => return Err(shared),
            Err(shared) => shared,
        };
        tokio::time::sleep(LET_GO_LOOK).await;
    }
}

async fn cut_off(service: &Service) {
    let closed = timeout(CUT_OFF_MAX, service.cut_off()).await.is_ok();
    tracing::warn!(closed, "stopped, requests were cut off; the log holds all that was answered");
}

#[cfg(test)]
mod tests {
    use clap::Parser;
    use futures_util::FutureExt;

    use super::*;

    #[derive(Parser)]
    struct Line {
        #[command(flatten)]
        serve: Serve,
    }

    #[tokio::test]
    async fn what_is_let_go_of_a_moment_later_is_waited_for_and_what_is_not_is_told() {
        let shared = Arc::new(7);
        let connection = Arc::clone(&shared);
        let (told, hears) = oneshot::channel::<()>();
        let ends = async {
            drop(hears.await);
            drop(connection);
        };
        let stops = async {
            let waits = let_go(shared, CUT_OFF_MAX);
            let mut waits = pin!(waits);
            assert!((&mut waits).now_or_never().is_none(), "a connection has it still");
            drop(told);
            waits.await
        };
        assert_eq!(tokio::join!(stops, ends).0, Ok(7));

        let shared = Arc::new(7);
        let _goes_on = Arc::clone(&shared);
        assert!(let_go(shared, Duration::ZERO).await.is_err());
    }

    #[test]
    fn no_order_may_be_made_to_wait_for_long() {
        let scorer = |budget: &str| {
            let line = ["serve", "--scorer-url", "http://127.0.0.1:9000/score", "--scorer-budget", budget];
            Line::parse_from(line).serve.scorer()
        };
        assert!(scorer("1s").unwrap().is_some());
        let refused = scorer("1001ms").err().unwrap().to_string();
        assert!(refused.contains("--scorer-budget: expected at most 1000 ms"), "{refused}");
    }
}
