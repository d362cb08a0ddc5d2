//! `POST /v1/rulebook/rollback`: puts in force again what an earlier version said.

use axum::extract::State;
use axum::response::Response;
use engine::Publication;
use serde_json::Value;

use super::publish::put_in_force;
use super::refused::no_such_version;
use super::view::PublishedView;
use super::{note, shelf};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::PUBLISH;
use crate::http::body::JsonBody;
use crate::http::fields::{Fields, Read};
use crate::http::problem::Problem;

/// Roll back
///
/// A new version with the text of an earlier one, in force for every order after `position`. It was approved when it first came
/// into force, so it takes no second person, whatever the merchant's settings.
#[utoipa::path(
    post,
    path = "/v1/rulebook/rollback",
    operation_id = "roll_back",
    tag = "Rules",
    extensions(("x-roles" = json!(["approver", "admin"]))),
    request_body(content = crate::http::schema::RollbackBody),
    responses(
        (status = 200, description = "In force, as a new version", body = PublishedView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`version_in_force`: there is nothing to roll back. `too_many_versions`: the merchant has 100,000 \
         versions", body = Problem),
    )
)]
pub async fn handle(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    caller.require(PUBLISH)?;
    let mut fields = Fields::of(body)?;
    let to_version = fields.required("to_version", |value| version(&value));
    let note = note(&mut fields);
    let to_version = fields.finish(to_version)?;
    let shelf = shelf(&app, &caller.merchant).await?;
    let card = shelf.version(to_version).ok_or_else(|| no_such_version(to_version))?;
    let rulebook = app.rulebooks.text(card.place).await?;
    let roll_back = Publication::RollBack { to_version, rulebook, author: card.author.clone(), note };
    put_in_force(&app, &caller, roll_back).await
}

fn version(value: &Value) -> Read<u32> {
    let number = value.as_u64().and_then(|number| u32::try_from(number).ok()).filter(|number| *number > 0);
    number.ok_or_else(|| "expected a version's number, such as 3".to_owned())
}
