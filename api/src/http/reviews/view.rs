//! A review as the queue shows it.

use projections::{OrderStatusRow, ReviewQuery, ReviewRow, ReviewState};
use serde::Serialize;
use utoipa::ToSchema;

use crate::http::view::{HitView, Links, OrderSummary};
use crate::http::wishes::ClaimView;

/// An order in the queue.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001", "state": "open", "cause": "challenge_failed", "reason_code": "customer_confused",
    "order": {
        "order_id": "web:A1001", "channel": "web", "order_no": "A1001", "placed_at": "2026-11-10T16:00:01.250Z",
        "amount": 39900, "currency": "CNY",
        "risk": {
            "state": "frozen", "score": 110, "tier": "call", "rulebook_version": 3, "exemption": null,
            "hits": [{"rule": "device_burst", "points": 110, "evidence": {"device.orders[5m]": 13}}],
            "challenge": null,
            "held_since": "2026-11-10T16:00:01.310Z", "released_by": null
        },
        "status": null
    },
    "score": 110, "tier": "call",
    "hits": [{"rule": "device_burst", "points": 110, "evidence": {"device.orders[5m]": 13}}],
    "priority": 4389000, "opened_at": "2026-11-10T16:00:01.310Z", "age_seconds": 95,
    "deadline": null, "due_at": "2026-11-10T17:01:30.020Z", "escalated_at": null, "reopened": 0, "claim": null,
    "links": {"device": 12, "ip": 3, "ip24": 40, "phone": 1, "address": 1}
}))]
pub struct ReviewView {
    /// Its id.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// `open`, `waiting`, `claimed` or `closed`.
    #[schema(example = "open")]
    pub state: &'static str,
    /// Why a person has to look: `challenge_failed`, `challenge_expired`, `no_channel` (the customer cannot be asked), `frozen` (for its
    /// score), `departed` (it left and cannot be held), `resumed` (it is not called off any more), `appeal` or `reopened`; null while
    /// nobody has to.
    #[schema(example = "challenge_failed")]
    pub cause: Option<&'static str>,
    /// What the customer said to a call, where that is why: `customer_denied` or `customer_confused`.
    #[schema(example = "customer_confused")]
    pub reason_code: Option<String>,
    /// The order as lists show it; null for the moment in which it is not folded so far.
    pub order: Option<OrderSummary>,
    /// The last score.
    #[schema(example = 80)]
    pub score: i64,
    /// The tier it reached.
    #[schema(example = "sms")]
    pub tier: String,
    /// The rules that fired.
    pub hits: Vec<HitView>,
    /// What is at stake: score × amount in minor units, 0 for what is cancelled or refunded. Lists by `priority` weigh it with
    /// `due_at`.
    #[schema(example = 3_192_000)]
    pub priority: i64,
    /// When the review began.
    pub opened_at: String,
    /// How long ago that was, in seconds.
    #[schema(example = 95)]
    pub age_seconds: i64,
    /// Until when the customer may answer; null when the customer is not being asked.
    pub deadline: Option<String>,
    /// When it is too late: the nearest of `deadline`, the time by which an unpaid order must be paid, and the time by which a person
    /// should have looked: after one was first needed as long as the setting `review_sla` says now, or an hour where it is null. Null when
    /// it is closed.
    pub due_at: Option<String>,
    /// Since when a person should have looked, by the setting `review_sla`; null when that is not so.
    pub escalated_at: Option<String>,
    /// How often it was opened again after it was closed.
    #[schema(example = 0)]
    pub reopened: u32,
    /// Who looks at it; null when nobody does.
    pub claim: Option<ClaimView>,
    /// How many other orders share something with it.
    pub links: Option<Links>,
}

impl ReviewView {
    /// Of a review that was found by a query and, where it is folded so far, its order.
    pub(super) fn of(
        review: ReviewRow,
        order: Option<&OrderStatusRow>,
        links: Option<Links>,
        &ReviewQuery { at: now, review_sla, .. }: &ReviewQuery,
    ) -> Self {
        let (state, priority, due_at) = (review.state_at(now), review.priority(), review.due_at(review_sla));
        let order = order.map(OrderSummary::from);
        let risk = order.as_ref().and_then(|order| order.risk.as_ref());
        Self {
            order_id: review.order_id.to_string(),
            state: state.name(),
            cause: review.opened_for.as_ref().map(|opened_for| opened_for.cause.name()),
            reason_code: review.opened_for.and_then(|opened_for| opened_for.reason_code).map(Into::into),
            score: review.score,
            tier: review.tier.into(),
            hits: risk.map(|standing| standing.risk.hits.clone()).unwrap_or_default(),
            priority,
            opened_at: review.opened_at.to_string(),
            age_seconds: now.since(review.opened_at).millis() / 1_000,
            deadline: review.deadline.map(|deadline| deadline.to_string()),
            due_at: due_at.map(|due_at| due_at.to_string()),
            escalated_at: review.escalated_at.map(|since| since.to_string()),
            reopened: review.reopened,
            claim: review
                .claim
                .filter(|_| state == ReviewState::Claimed)
                .map(|claim| ClaimView { reviewer: claim.reviewer.into(), lease_until: claim.lease_until.to_string() }),
            links,
            order,
        }
    }
}
