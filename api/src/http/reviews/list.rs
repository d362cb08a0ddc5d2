//! `GET /v1/reviews`: the queue of orders that need a look, what is most urgent first.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use domain::merchant::Role;
use domain::time::Timestamp;
use eventlog::StreamId;
use projections::{LinkCounts, ORDER_STATUS, OrderStatusRow, REVIEW_QUEUE, ReviewQuery, ReviewSort, ReviewState};
use serde::Deserialize;
use utoipa::IntoParams;

use super::review_sla;
use super::view::ReviewView;
use crate::clock;
use crate::directory::Caller;
use crate::http::App;
use crate::http::body::Parameters;
use crate::http::listing::{Filters, Items, limit};
use crate::http::position::models_reached;
use crate::http::problem::Problem;

/// Those that see the queue: who works it, and who audits that work.
const READERS: &[Role] = &[Role::Reviewer, Role::Auditor, Role::Admin];

/// The parameters; all filters that are given must hold, a blank one counts as not given.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// `open` needs a person, `waiting` waits for the customer, `claimed` or `closed`; all but the closed ones when not given.
    #[param(example = "open")]
    state: Option<String>,
    /// A tier's id.
    #[param(example = "sms")]
    tier: Option<String>,
    /// The id of a rule that fired.
    #[param(example = "device_burst")]
    rule: Option<String>,
    /// `priority` (most urgent first; the default), `age` (oldest first) or `deadline` (what is due next first).
    #[param(example = "priority")]
    sort: Option<String>,
    /// At most so many items, 1 to 200; 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// List what needs a look
///
/// Orders whose score reached a tier, whatever happened to them since; without `state` those that are not closed. One whose claim
/// has run out is again what it was before it was claimed.
///
/// Sorted by `priority`, escalated ones come first, then the others by how much can be lost and how soon it is too late: by
/// `due_at` − 5 min × log2(1 + expected loss), lowest first, where the expected loss is the score as percent of the amount in minor units. So
/// twice the loss is worth five minutes. Time passes for all of them alike, so the order stays right as the clock goes on; it changes at once when
/// facts, status, score, state or the setting `review_sla` do.
#[utoipa::path(
    get,
    path = "/v1/reviews",
    operation_id = "list_reviews",
    tag = "Reviews",
    extensions(("x-roles" = json!(["reviewer", "auditor", "admin"]))),
    params(Query),
    responses(
        (status = 200, description = "The reviews, sorted as asked for", body = Items<ReviewView>),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<ReviewView>>, Problem> {
    caller.require(READERS)?;
    let (limit, cursor, after) = (limit(query.limit)?, query.cursor.clone(), query.after.clone());
    let mut wanted = wanted(query, clock::now())?;
    models_reached(&app, &[REVIEW_QUEUE, ORDER_STATUS], after.as_deref()).await?;
    if after.is_some() {
        // Another process may have changed the setting, of which this one's directory learns a little later.
        app.directory.refresh(&*app.log, &caller.merchant).await?;
    }
    wanted.review_sla = review_sla(&app, &caller);
    let found = app.models.reviews(&caller.merchant, &wanted, cursor.as_deref(), limit).await?;
    let streams: Vec<StreamId> = found.items.iter().map(|review| review.stream).collect();
    let orders = app.models.orders(&caller.merchant, &streams).await?;
    let links = app.models.links_counts_of(&caller.merchant, &orders).await?;
    let mut orders: HashMap<StreamId, (OrderStatusRow, LinkCounts)> =
        orders.into_iter().zip(links).map(|(order, links)| (order.stream, (order, links))).collect();
    let items = found.items.into_iter().map(|review| {
        let (order, links) = orders.remove(&review.stream).unzip();
        ReviewView::of(review, order.as_ref(), links.map(Into::into), &wanted)
    });
    let items = items.collect();
    Ok(Json(Items { items, next_cursor: found.next_cursor }))
}

fn wanted(query: Query, now: Timestamp) -> Result<ReviewQuery, Problem> {
    let mut filters = Filters::default();
    let wanted = ReviewQuery {
        state: filters.read("state", query.state, "open, waiting, claimed or closed", ReviewState::from_name),
        at: now,
        tier: filters.text("tier", query.tier),
        rule: filters.text("rule", query.rule),
        sort: filters.read("sort", query.sort, "priority, age or deadline", ReviewSort::from_name).unwrap_or_default(),
        review_sla: None,
    };
    filters.finish()?;
    Ok(wanted)
}
