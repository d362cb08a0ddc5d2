//! `GET /v1/endpoints/{id}/deliveries`: what an endpoint was told, and what waits.

use axum::Json;
use axum::extract::State;
use notify::{Delivery, State as DeliveryState, message_id};
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use super::{failed, known};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::AUDIT;
use crate::http::body::{Parameters, PathParameters};
use crate::http::listing::{Filters, Items, limit};
use crate::http::position::directory_reached;
use crate::http::problem::Problem;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// `pending`, `delivered`, `parked` or `superseded`; all when it is left out.
    state: Option<String>,
    /// 1 to 200, 50 when it is left out.
    limit: Option<u32>,
    /// `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// A message to an endpoint.
#[derive(Serialize, ToSchema)]
pub struct DeliveryView {
    /// What it is called in its header `webhook-id`, at every try.
    #[schema(example = "msg_4f1c9a2be0d35786_17")]
    id: String,
    /// What it tells.
    #[schema(example = "order.frozen")]
    event: &'static str,
    /// The order; for the rulebook, the id of what else it is about.
    #[schema(example = "web:A1001")]
    order_id: String,
    /// Where its event stands in the log.
    #[schema(example = "0-17")]
    position: String,
    /// `pending`, `delivered`, `parked`: not tried any more, unless it is replayed; or `superseded`: not sent, since what it asks the
    /// customer was settled before.
    #[schema(example = "pending")]
    state: &'static str,
    /// How often it was tried since it was last made due.
    #[schema(example = 2)]
    attempts: u32,
    /// When it is tried next; null while another message of its order has to go first.
    #[schema(example = "2026-11-11T00:00:04.250Z")]
    next_at: Option<String>,
    /// The last answer's HTTP status.
    #[schema(example = 503)]
    last_status: Option<u16>,
    /// What was wrong with the last try.
    #[schema(example = "answered with status 503")]
    last_error: Option<String>,
}

impl DeliveryView {
    fn new(endpoint: &str, partition: u32, delivery: Delivery) -> Self {
        Self {
            id: message_id(endpoint, delivery.position),
            event: delivery.event.name(),
            order_id: delivery.subject.into(),
            position: format!("{partition}-{}", delivery.position),
            state: delivery.state.name(),
            attempts: delivery.attempts,
            next_at: delivery.next_at.map(|at| at.to_string()),
            last_status: delivery.last_status,
            last_error: delivery.last_error.map(Into::into),
        }
    }
}

/// List deliveries
///
/// What an endpoint was told, newest first. Delivered ones are kept for 30 days.
#[utoipa::path(
    get,
    path = "/v1/endpoints/{id}/deliveries",
    operation_id = "list_deliveries",
    tag = "Notifications",
    extensions(("x-roles" = json!(["auditor", "admin"]))),
    params(("id" = String, Path, description = "The endpoint's id", example = "4f1c9a2be0d35786"), Query),
    responses((status = 200, description = "Deliveries", body = Items<DeliveryView>))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<DeliveryView>>, Problem> {
    caller.require(AUDIT)?;
    let limit = limit(query.limit)?;
    let mut filters = Filters::default();
    let state = filters.read("state", query.state, "pending, delivered, parked or superseded", |name| {
        DeliveryState::ALL.into_iter().find(|state| state.name() == name)
    });
    let before = filters.read("cursor", query.cursor, "`next_cursor` of this list", |text| text.parse().ok());
    filters.finish()?;
    directory_reached(&app, &caller, query.after.as_deref()).await?;
    known(&app, &caller, &id)?;
    let found = app.notifier.deliveries(&id, state, before, limit + 1).await.map_err(|error| failed(&error))?;
    let partition = app.engine.partition_of(&caller.merchant);
    let place = |delivery: &Delivery| delivery.position.to_string();
    Ok(Json(Items::first(found.into_iter(), limit, place, |delivery| DeliveryView::new(&id, partition, delivery))))
}
