//! `POST /v1/rulebooks/{id}/publish`: puts a draft in force.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::draft::Eyes;
use engine::{InForce, Publication};

use super::backtest::{self, Found};
use super::forecast::forecast;
use super::view::PublishedView;
use super::{changeable, note, origin, shelf};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::PUBLISH;
use crate::http::body::{JsonBody, PathParameters};
use crate::http::fields::{Fields, any};
use crate::http::orders::answered;
use crate::http::position::LogPosition;
use crate::http::problem::Problem;

/// Publish a draft
///
/// It is in force for every order after `position`, on the running service. Where the merchant's setting `four_eyes` is true,
/// it must have been submitted as it is now, and be published with a key that wrote nothing of it. Publishing what is in force already
/// answers with the version that it is; what is expected of it can no longer be said then.
///
/// With `expected` it is bound to what it is expected to do. When the share of orders that are challenged or frozen since its
/// publication leaves the band from expected / factor to expected × factor, and chance does not explain that, the version
/// before comes back by itself, right after the order that shows it. The shares that are expected may be those that a back-test told:
/// `from_backtest` names its job, and only the text that was tried comes into force.
#[utoipa::path(
    post,
    path = "/v1/rulebooks/{id}/publish",
    operation_id = "publish_draft",
    tag = "Rules",
    extensions(("x-roles" = json!(["approver", "admin"]))),
    params(("id" = String, Path, description = "A draft's id", example = "d-4f1c9a2be0d35786")),
    request_body(content = crate::http::schema::PublishBody),
    responses(
        (status = 200, description = "In force", body = PublishedView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`draft_published`: another version is in force by now. `draft_changed`: the draft does not \
         say what the back-test tried. `not_submitted`, `four_eyes`: the merchant \
         asks for four eyes. `forecast_too_late`: it is in force, and something else was expected of it, or nothing. \
         `too_many_versions`: the merchant has 100,000 versions", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(PUBLISH)?;
    let mut fields = Fields::of(body)?;
    let note = note(&mut fields);
    let mut tried = None;
    let expected = fields.optional("expected", any).and_then(|expected| {
        let read = forecast(expected, |job| {
            let Found { shares, hash } = backtest::found(&app, &caller.merchant, job)?;
            tried = Some(hash);
            Ok(shares)
        });
        read.map_err(|faults| faults.into_iter().for_each(|fault| fields.fault(fault.pointer, fault.detail))).ok()
    });
    fields.finish(Some(()))?;
    let draft = changeable(&app, &caller.merchant, &id).await?;
    let settings = app.directory.merchant(&caller.merchant).and_then(|merchant| merchant.settings());
    let eyes = if settings.is_some_and(|settings| settings.four_eyes) { Eyes::Four } else { Eyes::Two };
    put_in_force(&app, &caller, Publication::OfDraft { draft, eyes, note, expected, tried }).await
}

/// Lets the engine put a rulebook in force in the caller's name.
pub(super) async fn put_in_force(app: &App, caller: &Caller, publication: Publication) -> Result<Response, Problem> {
    let receipt = app.engine.publish(&caller.merchant, origin(caller), publication).await?;
    let version = receipt.version;
    let position = match receipt.since {
        InForce::Now => receipt.position,
        // One that was answered as unknown, and is asked for again.
        InForce::Before => {
            let shelf = shelf(app, &caller.merchant).await?;
            shelf.version(version).map_or(receipt.position, |card| card.place)
        }
    };
    let view = PublishedView { version, position: LogPosition::from(position).to_string() };
    Ok(answered(StatusCode::OK, receipt.position, view))
}
