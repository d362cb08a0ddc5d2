//! `POST /v1/endpoints/{id}/replay`: tells an endpoint again.

use axum::Json;
use axum::extract::State;
use eventlog::Position;
use notify::{Replay, message_id};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::{failed, known};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::ADMIN;
use crate::http::body::{OptionalBody, PathParameters};
use crate::http::fields::{Fields, Read, parsed};
use crate::http::position::LogPosition;
use crate::http::problem::Problem;

/// The most messages that can be named at once.
const IDS_MAX: usize = 1_000;

/// What is told again.
#[derive(Serialize, ToSchema)]
pub struct Replayed {
    /// How many messages are due again. Those that waited already are not counted.
    #[schema(example = 12)]
    due: u64,
}

/// Replay deliveries
///
/// Messages that were delivered, parked or superseded are due again, under the ids that they had, those of one order in their order
/// and before later ones of it that wait. A question to the customer is superseded again when it is settled. `ids` names some,
/// `parked` means all that are parked, also when nothing is said, and `from_position` all from there on. An endpoint that was disabled
/// is told again.
#[utoipa::path(
    post,
    path = "/v1/endpoints/{id}/replay",
    operation_id = "replay_deliveries",
    tag = "Notifications",
    extensions(("x-roles" = json!(["admin"]))),
    params(("id" = String, Path, description = "The endpoint's id", example = "4f1c9a2be0d35786")),
    request_body(content = Option<crate::http::schema::ReplayDeliveriesBody>, description = "Left out, or empty: all that are parked"),
    responses((status = 200, description = "How many are due again", body = Replayed))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    OptionalBody(body): OptionalBody,
) -> Result<Json<Replayed>, Problem> {
    caller.require(ADMIN)?;
    known(&app, &caller, &id)?;
    let partition = app.engine.partition_of(&caller.merchant);
    let mut fields = Fields::of(body.unwrap_or_else(|| json!({})))?;
    let at = fields.optional("ids", |value| positions(&id, &value)).map(Replay::At);
    let parked = fields.optional("parked", |value| match value {
        Value::Bool(true) => Ok(Replay::Parked),
        _ => Err("expected true".to_owned()),
    });
    let from = fields.optional("from_position", |value| {
        let from: LogPosition = parsed_position(value)?;
        if from.partition == partition {
            Ok(Replay::From(from.position))
        } else {
            Err(format!("expected {partition}-…"))
        }
    });
    let told: Vec<Replay> = [at, parked, from].into_iter().flatten().collect();
    if told.len() > 1 {
        fields.fault("", "expected one of ids, parked and from_position");
    }
    let which = fields.finish(Some(told.into_iter().next().unwrap_or(Replay::Parked)))?;
    let due = app.notifier.replay(partition, &id, which).await.map_err(|error| failed(&error))?;
    Ok(Json(Replayed { due }))
}

fn parsed_position(value: Value) -> Read<LogPosition> {
    let text: String = parsed(value)?;
    text.parse().map_err(|_: Problem| "expected a position, such as 0-17".to_owned())
}

/// The positions of messages that are named by their ids.
fn positions(endpoint: &str, value: &Value) -> Read<Vec<Position>> {
    let expected = || format!("expected 1 to {IDS_MAX} ids such as {}", message_id(endpoint, 17));
    let ids = value.as_array().filter(|ids| (1..=IDS_MAX).contains(&ids.len())).ok_or_else(expected)?;
    let position = |id: &Value| {
        let position = id.as_str()?.rsplit_once('_')?.1.parse().ok()?;
        (id.as_str() == Some(&*message_id(endpoint, position))).then_some(position)
    };
    ids.iter().map(position).collect::<Option<_>>().ok_or_else(expected)
}
