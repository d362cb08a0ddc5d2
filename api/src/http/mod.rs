//! The HTTP interface: one flat list of routes, one file per endpoint.

pub mod auth;
pub mod body;
mod orders;
pub mod position;
pub mod problem;
pub mod schema;
pub mod view;

use std::ops::Deref;
use std::sync::Arc;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::service::Service;
use problem::Problem;

/// What every handler gets.
#[derive(Clone)]
pub struct App(Arc<Service>);

impl App {
    /// Around a service.
    pub fn new(service: Arc<Service>) -> Self {
        Self(service)
    }
}

impl Deref for App {
    type Target = Service;

    fn deref(&self) -> &Service {
        &self.0
    }
}

/// Every route there is.
pub fn router(app: App) -> Router {
    let (router, _document) = routes().split_for_parts();
    router
        .fallback(async || Problem::not_found("there is no such path"))
        .layer(DefaultBodyLimit::max(body::BODY_BYTES_MAX))
        .layer(CatchPanicLayer::new())
        .with_state(app)
}

fn routes() -> OpenApiRouter<App> {
    OpenApiRouter::new()
        .routes(routes!(orders::place::handle))
}
