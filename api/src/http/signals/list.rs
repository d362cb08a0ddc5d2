//! `GET /v1/signals`: what was declared.

use axum::Json;
use axum::extract::State;
use domain::signal::{Declaration, SignalName};
use serde::Serialize;
use utoipa::ToSchema;

use super::declared;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::Parameters;
use crate::http::listing::Items;
use crate::http::position::log_reached;
use crate::http::problem::Problem;
use crate::http::rulebooks::live::After;

/// A signal.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "name": "weather", "feature": "signal.weather", "subject": "region", "unit": "0..1",
    "description": "how much the weather hinders delivery"
}))]
pub struct SignalView {
    /// What it is called.
    name: String,
    /// What rules call it.
    feature: String,
    /// What its values are about: `region`, `ip`, `ip24`, `phone`, `device`, `customer`, `address`, `merchant` or `order`.
    subject: &'static str,
    /// The unit of its values; empty where there is none.
    unit: String,
    /// What it says.
    description: String,
}

impl SignalView {
    pub(super) fn new(name: SignalName, declaration: &Declaration) -> Self {
        Self {
            name: name.to_string(),
            feature: format!("signal.{name}"),
            subject: declaration.subject.name(),
            unit: declaration.unit.to_string(),
            description: declaration.description.to_string(),
        }
    }
}

/// List signals
///
/// All that the merchant has declared, by name.
#[utoipa::path(
    get,
    path = "/v1/signals",
    operation_id = "list_signals",
    tag = "Signals",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(After),
    responses((status = 200, description = "All of them", body = Items<SignalView>))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<Items<SignalView>>, Problem> {
    caller.require(LOOK_UP)?;
    log_reached(&app, after.as_deref()).await?;
    let declared = declared(&app, &caller).await?;
    let items = declared.iter().map(|(name, declaration)| SignalView::new(*name, declaration));
    Ok(Json(Items { items: items.collect(), next_cursor: None }))
}
