//! `GET /v1/endpoints`: who is told of what.

use axum::Json;
use axum::extract::State;

use super::EndpointView;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::AUDIT;
use crate::http::body::Parameters;
use crate::http::listing::Items;
use crate::http::position::{After, directory_reached};
use crate::http::problem::Problem;

/// List endpoints
///
/// All of them, oldest first, none with its secret. One whose receiver answered 410 is `disabled` and told nothing, until something
/// is replayed to it.
#[utoipa::path(
    get,
    path = "/v1/endpoints",
    operation_id = "list_endpoints",
    tag = "Notifications",
    extensions(("x-roles" = json!(["auditor", "admin"]))),
    params(After),
    responses((status = 200, description = "Endpoints", body = Items<EndpointView>))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<Items<EndpointView>>, Problem> {
    caller.require(AUDIT)?;
    directory_reached(&app, &caller, after.as_deref()).await?;
    let merchant = app.directory.merchant(&caller.merchant);
    let endpoints = merchant.as_ref().map(|merchant| merchant.endpoints()).unwrap_or_default();
    let mut items = Vec::with_capacity(endpoints.len());
    for endpoint in endpoints {
        items.push(EndpointView::read(&app, endpoint).await?);
    }
    Ok(Json(Items { items, next_cursor: None }))
}
