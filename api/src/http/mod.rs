//! The HTTP interface: one flat list of routes, one file per endpoint.

pub mod audit;
pub mod auth;
pub mod body;
pub mod challenges;
pub mod channels;
pub mod customers;
pub mod endpoints;
pub mod features;
pub mod fields;
pub mod forward;
pub mod health;
pub mod jobs;
pub mod keys;
pub mod listing;
pub mod merchants;
pub mod metrics;
pub mod notices;
pub mod openapi;
pub mod orders;
pub mod personal;
mod personal_in;
pub mod position;
pub mod problem;
pub mod reviews;
pub mod rulebooks;
pub mod schema;
pub mod settings;
pub mod signals;
pub mod stock_holds;
pub mod stream;
pub mod summary;
pub mod view;
pub mod webhooks;
pub mod wishes;

use std::ops::Deref;
use std::sync::Arc;

use axum::extract::DefaultBodyLimit;
use axum::middleware::{from_fn, from_fn_with_state};
use axum::{Extension, Router};
use domain::ids::MerchantId;
use domain::merchant::MerchantCommand;
use engine::{MerchantReceipt, Refusal};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::openapi::OpenApi;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::service::Service;
use auth::Gate;
use forward::Forwarder;
use openapi::Published;
use problem::Problem;
use reviews::desk::Desk;

/// What every handler gets.
#[derive(Clone)]
pub struct App(Arc<Service>);

impl App {
    /// Around a service.
    pub fn new(service: Arc<Service>) -> Self {
        metrics::install();
        Self(service)
    }

    /// As [`Service::command`], and carried through even when the caller hangs up: the directory must learn of what the log
    /// holds.
    pub async fn carry_out(
        &self,
        merchant: &MerchantId,
        actor: &str,
        command: MerchantCommand,
    ) -> Result<MerchantReceipt, Refusal> {
        let (app, merchant, actor) = (self.clone(), merchant.clone(), actor.to_owned());
        let done = tokio::spawn(async move { app.command(&merchant, &actor, command).await });
        done.await.unwrap_or(Err(Refusal::Unavailable))
    }
}

impl Deref for App {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

/// Every route there is, behind what holds for all of them.
pub fn router(app: App) -> Router {
    let (router, document) = routes().split_for_parts();
    let document = openapi::complete(document);
    let gate = Gate::new(app.clone(), &document);
    router
        .fallback(async || Problem::not_found("there is no such path"))
        .layer(Extension(Published::new(&document)))
        .layer(Extension(Arc::<Desk>::default()))
        .layer(Extension(metrics::Whole::default()))
        .layer(from_fn_with_state(Forwarder::new(app.clone()), Forwarder::pass_on))
        .layer(from_fn_with_state(gate, Gate::check))
        .layer(DefaultBodyLimit::max(body::BODY_BYTES_MAX))
        .merge(openapi::pages())
        .method_not_allowed_fallback(async || Problem::method_not_allowed())
        .layer(CatchPanicLayer::custom(Problem::panicked))
        .layer(from_fn(metrics::track))
        .with_state(app)
}

/// The OpenAPI document as it is published.
pub fn document() -> OpenApi {
    openapi::complete(routes().into_openapi())
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::with_openapi(openapi::foreword())
        .routes(routes!(orders::place::handle))
        .routes(routes!(orders::amend::handle))
        .routes(routes!(orders::report::handle))
        .routes(routes!(orders::search::handle))
        .routes(routes!(orders::get::handle))
        .routes(routes!(orders::history::handle))
        .routes(routes!(orders::decision::handle))
        .routes(routes!(orders::links::handle))
        .routes(routes!(orders::note::handle))
        .routes(routes!(orders::reveal::handle))
        .routes(routes!(customers::orders))
        .routes(routes!(stock_holds::list))
        .routes(routes!(stream::handle))
        .routes(routes!(challenges::answer::handle))
        .routes(routes!(challenges::result::handle))
        .routes(routes!(challenges::resend::handle))
        .routes(routes!(reviews::list::handle))
        .routes(routes!(reviews::next::handle))
        .routes(routes!(reviews::bulk::handle))
        .routes(routes!(reviews::claim::handle))
        .routes(routes!(reviews::give_back::handle))
        .routes(routes!(reviews::decision::handle))
        .routes(routes!(reviews::reopen::handle))
        .routes(routes!(reviews::reasons::handle))
        .routes(routes!(features::handle))
        .routes(routes!(rulebooks::live::handle))
        .routes(routes!(rulebooks::roll_back::handle))
        .routes(routes!(rulebooks::begin::handle, rulebooks::list::handle))
        .routes(routes!(rulebooks::edit::handle, rulebooks::get::handle))
        .routes(routes!(rulebooks::shadow::start, rulebooks::shadow::get, rulebooks::shadow::end))
        .routes(routes!(rulebooks::submit::handle))
        .routes(routes!(rulebooks::publish::handle))
        .routes(routes!(rulebooks::diff::handle))
        .routes(routes!(rulebooks::check::handle))
        .routes(routes!(rulebooks::backtest::handle))
        .routes(routes!(rulebooks::presets::list))
        .routes(routes!(rulebooks::presets::get))
        .routes(routes!(audit::replay::handle))
        .routes(routes!(jobs::get, jobs::cancel))
        .routes(routes!(jobs::watch))
        .routes(routes!(notices::handle))
        .routes(routes!(signals::list::handle, signals::send::handle))
        .routes(routes!(signals::declare::handle))
        .routes(routes!(signals::set::handle))
        .routes(routes!(webhooks::receive, webhooks::verify))
        .routes(routes!(channels::configure))
        .routes(routes!(endpoints::create::handle, endpoints::list::handle))
        .routes(routes!(endpoints::remove::handle))
        .routes(routes!(endpoints::deliveries::handle))
        .routes(routes!(endpoints::replay::handle))
        .routes(routes!(merchants::register))
        .routes(routes!(settings::get, settings::put))
        .routes(routes!(keys::create, keys::list))
        .routes(routes!(keys::revoke))
        .routes(routes!(health::alive))
        .routes(routes!(health::ready))
        .routes(routes!(metrics::handle))
        .routes(routes!(summary::handle))
        .routes(routes!(openapi::handle))
}
