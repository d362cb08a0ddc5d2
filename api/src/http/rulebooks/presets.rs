//! `GET /v1/presets` and `GET /v1/presets/{name}`: ready-made rulebooks.

use axum::Json;
use axum::extract::State;
use domain::rulebook::{PRESETS, Rulebook, preset};
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::PathParameters;
use crate::http::listing::Items;
use crate::http::problem::Problem;

/// A ready-made rulebook.
#[derive(Serialize, ToSchema)]
pub struct PresetView {
    /// What paths call it.
    #[schema(example = "growth")]
    name: &'static str,
    /// The rulebook.
    #[schema(value_type = Object, example = json!({
        "name": "Growth", "rules": [], "tiers": [{"id": "freeze", "above": 120, "action": "freeze"}], "exemptions": []
    }))]
    rulebook: Rulebook,
}

/// List presets
///
/// Rulebooks to begin with: take one, change it, and send it to `POST /v1/rulebooks`.
#[utoipa::path(
    get,
    path = "/v1/presets",
    operation_id = "list_presets",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    responses((status = 200, description = "All of them", body = Items<PresetView>))
)]
pub async fn list(State(_app): State<App>, caller: Caller) -> Result<Json<Items<PresetView>>, Problem> {
    caller.require(LOOK_UP)?;
    let views = PRESETS.iter().filter_map(|(name, _)| Some(PresetView { name, rulebook: preset(name)? }));
    Ok(Json(Items { items: views.collect(), next_cursor: None }))
}

/// Get a preset
///
/// The rulebook itself, as `POST /v1/rulebooks` takes it.
#[utoipa::path(
    get,
    path = "/v1/presets/{name}",
    operation_id = "get_preset",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("name" = String, Path, description = "As the list of presets calls it", example = "growth")),
    responses((status = 200, description = "The rulebook", body = crate::http::schema::RulebookBody))
)]
pub async fn get(
    State(_app): State<App>,
    caller: Caller,
    PathParameters(name): PathParameters<String>,
) -> Result<Json<Rulebook>, Problem> {
    caller.require(LOOK_UP)?;
    let found = preset(&name).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
        Problem::not_found(format!("there is no preset {name:?}, but {}", names.join(", ")))
    })?;
    Ok(Json(found))
}
