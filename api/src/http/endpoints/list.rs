//! `GET /v1/endpoints`: who is told of what.

use axum::Json;
use axum::extract::State;
use serde::Deserialize;
use utoipa::IntoParams;

use super::EndpointView;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::AUDIT;
use crate::http::body::Parameters;
use crate::http::listing::{Items, limit};
use crate::http::position::directory_reached;
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

/// List endpoints
///
/// Oldest first, none with its secret. One whose receiver answered 410 is `disabled` and told nothing, until something is replayed
/// to it.
#[utoipa::path(
    get,
    path = "/v1/endpoints",
    operation_id = "list_endpoints",
    tag = "Notifications",
    extensions(("x-roles" = json!(["auditor", "admin"]))),
    params(Query),
    responses((status = 200, description = "Endpoints", body = Items<EndpointView>))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<EndpointView>>, Problem> {
    caller.require(AUDIT)?;
    let limit = limit(query.limit)?;
    directory_reached(&app, &caller, query.after.as_deref()).await?;
    let merchant = app.directory.merchant(&caller.merchant);
    let endpoints = merchant.as_ref().map(|merchant| merchant.endpoints()).unwrap_or_default();
    let left = match query.cursor {
        None => endpoints,
        Some(cursor) => {
            let last = endpoints.iter().position(|endpoint| *endpoint.id == *cursor);
            &endpoints[last.ok_or_else(|| Problem::bad_parameter("cursor: expected `next_cursor` of this list"))? + 1..]
        }
    };
    let page = Items::first(left.iter(), limit, |endpoint| endpoint.id.to_string(), |endpoint| endpoint);
    let mut items = Vec::with_capacity(page.items.len());
    for endpoint in page.items {
        items.push(EndpointView::read(&app, endpoint).await?);
    }
    Ok(Json(Items { items, next_cursor: page.next_cursor }))
}
