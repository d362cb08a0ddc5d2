//! The shop's reviewer: takes the most urgent review, thinks, and decides.

use anyhow::Context;
use axum::http::StatusCode;
use domain::time::Span;
use serde_json::{Value, json};

use super::Truth;
use super::api::Api;
use super::pace::Pace;

/// How long one look takes, and the pause when there is nothing to look at.
const LOOK: Span = Span::from_mins(2);
const PAUSE: Span = Span::from_mins(3);
/// Every so many orders are given back for somebody else.
const GIVES_BACK_EVERY: u64 = 12;

/// Reviews until the demo ends. The one thing that this reviewer has before a real one is that he always knows.
pub(super) async fn review(api: Api, pace: Pace, truth: Truth) -> anyhow::Result<()> {
    let reasons = api.get("/v1/reason-codes").await?.good("the reason codes")?;
    let mut seen = 0_u64;
    loop {
        let next = api.post("/v1/reviews/next", &Value::Null).await?;
        if next.status == StatusCode::NO_CONTENT {
            pace.wait(PAUSE).await;
            continue;
        }
        let next = next.good("the next review")?;
        let order = next["order_id"].as_str().context("a review is of an order")?;
        pace.wait(LOOK).await;
        seen += 1;
        if seen.is_multiple_of(GIVES_BACK_EVERY) {
            api.post(&format!("/v1/reviews/{order}/return"), &Value::Null).await?;
            continue;
        }
        let action = if truth.is_honest(order) { "release" } else { "freeze" };
        let decision = json!({"action": action, "reason_code": reason(&reasons, action)?});
        // What the customer or the lease was quicker with is refused, and is no matter.
        api.post(&format!("/v1/reviews/{order}/decision"), &decision).await?;
    }
}

/// The first reason that there is for an action.
fn reason<'a>(reasons: &'a Value, action: &str) -> anyhow::Result<&'a str> {
    let mut items = reasons["items"].as_array().into_iter().flatten();
    let fits = |reason: &&Value| {
        reason["actions"].as_array().is_some_and(|actions| actions.iter().any(|known| known == action))
    };
    items
        .find(fits)
        .and_then(|reason| reason["code"].as_str())
        .with_context(|| format!("no reason code is for {action}"))
}
