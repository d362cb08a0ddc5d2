//! `GET /v1/rulebooks/{id}/diff`: what differs from another draft or version.

use axum::Json;
use axum::extract::State;
use domain::rulebook::{Change, Difference, FieldChange, Part};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::{IntoParams, ToSchema};

use super::get::view;
use super::{no_rulebook, shelf};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::{Parameters, PathParameters};
use crate::http::position::log_reached;
use crate::http::problem::Problem;
use crate::rulebooks::Card;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// The earlier one: a draft's id or a version's number; the live version when it is left out.
    #[param(example = "2")]
    against: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// What differs between two rulebooks.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "from": "2", "to": "d-4f1c9a2be0d35786",
    "changes": [{
        "part": "rule", "id": "device_burst", "change": "changed", "from_pointer": "/rules/0", "to_pointer": "/rules/0",
        "before": {"id": "device_burst", "when": {"feature": "device.orders", "window": "5m", "op": ">=", "value": 5}, "points": 50},
        "after": {"id": "device_burst", "when": {"feature": "device.orders", "window": "5m", "op": ">=", "value": 6}, "points": 50},
        "fields": [{"pointer": "/rules/0/when/value", "before": 5, "after": 6}]
    }]
}))]
pub struct DiffView {
    /// The earlier one: a draft's id or a version's number.
    from: String,
    /// The later one.
    to: String,
    /// Everything that differs; empty when they say the same.
    changes: Vec<ChangeView>,
}

/// One part that differs.
#[derive(Serialize, ToSchema)]
pub struct ChangeView {
    /// `name`, `rule`, `tier` or `exemption`.
    part: &'static str,
    /// Its id; null for the name.
    id: Option<String>,
    /// `added`, `removed`, `changed`, or `moved` where only the order differs.
    change: &'static str,
    /// Where it is in the earlier one; null when it is new.
    from_pointer: Option<String>,
    /// Where it is in the later one; null when it is gone.
    to_pointer: Option<String>,
    /// The whole of it before; null when it is new.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// The whole of it after; null when it is gone.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
    /// Of a changed part the smallest places that differ.
    fields: Vec<FieldView>,
}

/// A place that differs.
#[derive(Serialize, ToSchema)]
pub struct FieldView {
    /// RFC 6901 pointer into the later rulebook.
    pointer: String,
    /// What it said; null when it said nothing.
    #[schema(value_type = Option<Object>)]
    before: Option<Value>,
    /// What it says; null when it says nothing.
    #[schema(value_type = Option<Object>)]
    after: Option<Value>,
}

/// Compare rulebooks
///
/// What this draft or version says otherwise than an earlier one: rules, tiers and exemptions by their ids, each with what it
/// said before and says now.
#[utoipa::path(
    get,
    path = "/v1/rulebooks/{id}/diff",
    operation_id = "compare_rulebooks",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "A draft's id or a version's number", example = "3"), Query),
    responses((status = 200, description = "What differs", body = DiffView))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<DiffView>, Problem> {
    caller.require(LOOK_UP)?;
    log_reached(&app, query.after.as_deref()).await?;
    let shelf = shelf(&app, &caller.merchant).await?;
    let later = shelf.find(&id).ok_or_else(|| no_rulebook(&id))?;
    let earlier = match &query.against {
        Some(against) => shelf.find(against).ok_or_else(|| no_rulebook(against))?,
        None => Card::Version(shelf.live().ok_or_else(|| no_rulebook("live"))?),
    };
    let (earlier, later) = (view(&app, &shelf, earlier).await?, view(&app, &shelf, later).await?);
    let changes = earlier.rulebook.differences(&later.rulebook).into_iter().map(ChangeView::from).collect();
    Ok(Json(DiffView { from: earlier.card.id, to: later.card.id, changes }))
}

impl From<Difference> for ChangeView {
    fn from(difference: Difference) -> Self {
        let Difference { part, id, change, before, after } = difference;
        let part = match part {
            Part::Name => "name",
            Part::Rule => "rule",
            Part::Tier => "tier",
            Part::Exemption => "exemption",
        };
        let (change, fields) = match change {
            Change::Added => ("added", vec![]),
            Change::Removed => ("removed", vec![]),
            Change::Moved => ("moved", vec![]),
            Change::Changed(fields) => ("changed", fields),
        };
        let (from_pointer, before) = before.unzip();
        let (to_pointer, after) = after.unzip();
        let place = to_pointer.clone().unwrap_or_default();
        let field =
            |FieldChange { pointer, before, after }| FieldView { pointer: format!("{place}{pointer}"), before, after };
        let fields = fields.into_iter().map(field).collect();
        Self { part, id, change, from_pointer, to_pointer, before, after, fields }
    }
}
