//! `GET /v1/signals`: what was declared, and what is there from the beginning.

use std::ops::Bound::{Excluded, Unbounded};

use axum::Json;
use axum::extract::State;
use domain::signal::{Declaration, SignalName};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::declared;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::Parameters;
use crate::http::listing::{Items, limit};
use crate::http::position::log_reached;
use crate::http::problem::Problem;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// 1 to 200, 50 when it is left out.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

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
/// What the merchant has declared, by name, and `logistics_pressure` and `weather`, which the presets read and every merchant has.
#[utoipa::path(
    get,
    path = "/v1/signals",
    operation_id = "list_signals",
    tag = "Signals",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(Query),
    responses((status = 200, description = "Signals", body = Items<SignalView>))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<SignalView>>, Problem> {
    caller.require(LOOK_UP)?;
    let limit = limit(query.limit)?;
    let after = query.cursor.as_deref().map_or(Ok(Unbounded), |cursor| {
        let last = cursor.parse::<SignalName>().map(Excluded);
        last.map_err(|_| Problem::bad_parameter("cursor: expected `next_cursor` of this list"))
    })?;
    log_reached(&app, query.after.as_deref()).await?;
    let declared = declared(&app, &caller).await?;
    let left = declared.range::<SignalName, _>((after, Unbounded));
    let view = |(name, declaration): (&SignalName, _)| SignalView::new(*name, declaration);
    Ok(Json(Items::first(left, limit, |(name, _)| name.to_string(), view)))
}
