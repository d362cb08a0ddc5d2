//! `GET /v1/metrics/summary`: whether what is done about orders is right, in figures. What each means is written down in
//! `docs/FIGURES.md`.

mod view;

use axum::Json;
use axum::extract::State;
use domain::time::{Span, Timestamp};
use projections::{ORDER_STATUS, REVIEW_QUEUE};
use serde::Deserialize;
use utoipa::IntoParams;

use super::App;
use super::auth::LOOK_UP;
use super::body::Parameters;
use super::listing::{Filters, with_plus};
use super::position::models_reached;
use super::problem::Problem;
use crate::clock;
use crate::directory::Caller;
use view::SummaryView;

/// The time that is told of when nobody says which.
const PERIOD_DEFAULT: Span = Span::from_days(30);
/// The longest time that is told of at once.
const PERIOD_MAX: Span = Span::from_days(400);
const HOUR_MS: i64 = 3_600_000;

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Orders placed at this time or after it, by the channel's clock, from the beginning of the hour on that it lies in; 30 days before
    /// `to` when not given.
    #[param(example = "2026-11-11T00:00:00+08:00")]
    from: Option<String>,
    /// And before this one, to the end of the hour that it lies in; now when not given. At most 400 days after `from`.
    #[param(example = "2026-11-12T00:00:00+08:00")]
    to: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// Figures of a period
///
/// What became of the orders that were placed in a period, as far as it is known now: how often rules and tiers were right, how many a
/// person had to look at, how long decisions and answers took, what asking brought, what stock came back. Orders are counted by hours of
/// placement, so `from` and `to` are taken to the whole hour. A share is told with its 95 % interval (Wilson); where it stands on fewer
/// than 30 orders, `not_enough_data` is true. Times are told within an eighth, rounded up.
///
/// An order is **confirmed** bad when it is frozen and a reviewer holds it, the customer denied it, or it stayed frozen until its stock was
/// due, was cancelled or refunded; or when it reached a tier, was let go although nobody had vouched for it, and was refunded. It is
/// **cleared** when the customer proved it, a reviewer let it go, or it arrived and nobody wanted the money back. It has **lapsed** when
/// it was cancelled before either. All others are **undecided**. Precision is confirmed ÷ (confirmed + cleared), the false-positive rate
/// cleared ÷ (confirmed + cleared).
#[utoipa::path(
    get,
    path = "/v1/metrics/summary",
    operation_id = "metrics_summary",
    tag = "Operations",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(Query),
    responses(
        (status = 200, description = "The figures", body = SummaryView),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(query): Parameters<Query>,
) -> Result<Json<SummaryView>, Problem> {
    caller.require(LOOK_UP)?;
    let now = clock::now();
    let after = query.after.clone();
    let (from, to) = period(query, now)?;
    models_reached(&app, &[ORDER_STATUS, REVIEW_QUEUE], after.as_deref()).await?;
    let outcomes = app.models.outcomes(&caller.merchant, from, to).await?;
    let queue = app.models.queue(&caller.merchant).await?;
    Ok(Json(SummaryView::of((from, to), &outcomes, queue, now)))
}

/// Whole hours.
fn period(query: Query, now: Timestamp) -> Result<(Timestamp, Timestamp), Problem> {
    let mut filters = Filters::default();
    let from: Option<Timestamp> = filters.parsed("from", query.from.map(with_plus));
    let to: Option<Timestamp> = filters.parsed("to", query.to.map(with_plus));
    filters.finish()?;
    let to = to.unwrap_or(now);
    let from = from.unwrap_or(to.minus(PERIOD_DEFAULT));
    if from >= to || to.since(from) > PERIOD_MAX {
        let days = PERIOD_MAX.millis() / Span::from_days(1).millis();
        return Err(Problem::bad_parameter(format!("to: expected a time after `from`, at most {days} days")));
    }
    let hour = |millis: i64| Timestamp::from_millis(millis.div_euclid(HOUR_MS) * HOUR_MS);
    Ok((hour(from.millis()), hour(to.millis() + HOUR_MS - 1)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asked(from: Option<&str>, to: Option<&str>) -> Result<(String, String), Problem> {
        let now = "2026-11-12T10:20:30Z".parse().unwrap();
        let query = Query { from: from.map(str::to_owned), to: to.map(str::to_owned), after: None };
        period(query, now).map(|(from, to)| (from.to_string(), to.to_string()))
    }

    #[test]
    fn a_period_is_of_whole_hours_and_ends_now_unless_somebody_says_when() {
        let hours = |from: &str, to: &str| (format!("2026-{from}:00:00.000Z"), format!("2026-{to}:00:00.000Z"));
        assert_eq!(asked(None, None).unwrap(), hours("10-13T10", "11-12T11"));
        assert_eq!(asked(Some("2026-11-11T00:00:00+08:00"), None).unwrap(), hours("11-10T16", "11-12T11"));
        assert_eq!(
            asked(Some("2026-11-11T00:30:00 08:00"), Some("2026-11-12T00:00:00+08:00")).unwrap(),
            hours("11-10T16", "11-11T16")
        );
    }

    #[test]
    fn a_period_that_is_none_or_too_long_is_refused() {
        for (from, to) in [("2026-11-12T10:20:30Z", None), ("2025-01-01T00:00:00Z", None), ("yesterday", None)] {
            assert!(asked(Some(from), to).is_err(), "{from}");
        }
    }
}
