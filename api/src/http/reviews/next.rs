//! `POST /v1/reviews/next`: the most urgent review that nobody holds, for the caller alone.

use std::sync::Arc;

use axum::Extension;
use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use domain::order::{Rejection, Review};
use engine::{OrderWish, Origin, Receipt, Refusal};
use projections::{ReviewClaim, ReviewQuery, ReviewRow, ReviewState};

use super::desk::Desk;
use super::review_sla;
use super::view::ReviewView;
use crate::clock;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::REVIEW;
use crate::http::orders::answered;
use crate::http::problem::Problem;

/// How many candidates are read at once.
const CANDIDATES: u32 = 50;

/// Take the next review
///
/// Claims the most urgent review that waits for a person, for the setting `review_lease`; never the same one for two people. A claim that
/// has run out is free for others. Which is most urgent, the list of reviews sorted by `priority` says. An answer that was lost has
/// claimed one all the same: `GET /v1/reviews?state=claimed` shows it.
#[utoipa::path(
    post,
    path = "/v1/reviews/next",
    operation_id = "next_review",
    tag = "Reviews",
    extensions(("x-roles" = json!(["reviewer", "admin"]))),
    responses(
        (status = 200, description = "It is the caller's", body = ReviewView,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 204, description = "No review waits for a person"),
        (status = 429, description = "The mailbox is full", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    Extension(desk): Extension<Arc<Desk>>,
    caller: Caller,
) -> Result<Response, Problem> {
    caller.require(REVIEW)?;
    let review_sla = review_sla(&app, &caller);
    let query = ReviewQuery { state: Some(ReviewState::Open), at: clock::now(), review_sla, ..ReviewQuery::default() };
    let mut cursor = None;
    loop {
        let page = app.models.reviews(&caller.merchant, &query, cursor.as_deref(), CANDIDATES).await?;
        for candidate in page.items {
            if let Some(receipt) = claim(&app, &desk, &caller, &candidate).await? {
                return taken(&app, &caller, candidate, &receipt, &query).await;
            }
        }
        cursor = page.next_cursor;
        if cursor.is_none() {
            return Ok(StatusCode::NO_CONTENT.into_response());
        }
    }
}

/// Tries to claim a candidate; `None` when somebody else has it, or nobody needs it any more.
async fn claim(app: &App, desk: &Desk, caller: &Caller, candidate: &ReviewRow) -> Result<Option<Receipt>, Problem> {
    let Some(offer) = desk.offer(candidate) else { return Ok(None) };
    let origin = Origin { actor: caller.key.clone(), source: "api".to_owned() };
    let order = candidate.order_id.clone();
    match app.engine.wish(&caller.merchant, origin, order, OrderWish::Claim).await {
        Ok(receipt) => {
            offer.closed();
            Ok(Some(receipt))
        }
        Err(Refusal::Order(Rejection::ClaimedByOther | Rejection::NotUnderReview)) => {
            offer.closed();
            Ok(None)
        }
        Err(refusal) => Err(refusal.into()),
    }
}

/// The review as the queue will show it.
async fn taken(
    app: &App,
    caller: &Caller,
    candidate: ReviewRow,
    receipt: &Receipt,
    query: &ReviewQuery,
) -> Result<Response, Problem> {
    let merchant = &caller.merchant;
    let order = app.models.orders(merchant, &[candidate.stream]).await?.into_iter().next();
    let links = match &order {
        Some(order) => Some(app.models.links_counts(merchant, order).await?.into()),
        None => None,
    };
    let claim = match &receipt.review {
        Review::Claimed { reviewer, lease_until, .. } => {
            Some(ReviewClaim { reviewer: reviewer.clone(), lease_until: *lease_until })
        }
        Review::None | Review::Waiting | Review::Open | Review::Closed => None,
    };
    let review = ReviewRow { state: Some(ReviewState::Claimed), claim, ..candidate };
    Ok(answered(StatusCode::OK, receipt.position, ReviewView::of(review, order.as_ref(), links, query)))
}
