//! The shop: sends its orders, and what becomes of them, as they come.

use anyhow::{Context, bail};
use axum::http::Method;
use market::Message;
use serde_json::Value;

use super::Truth;
use super::api::Api;
use super::pace::Pace;

/// Sends the day's messages at their times, one after the other, so that a seed gives the same decisions at any speed.
pub(super) async fn sell(
    api: &Api,
    pace: Pace,
    truth: &Truth,
    day: impl Iterator<Item = Message>,
) -> anyhow::Result<()> {
    for message in day {
        pace.until(message.arrives_at).await;
        if let Some(label) = &message.label {
            truth.learn(&label.order_id, label.kind);
        }
        send(api, &message.line).await?;
    }
    Ok(())
}

/// Sends one line of the market to where its kind belongs.
async fn send(api: &Api, line: &str) -> anyhow::Result<()> {
    let mut notice: Value = serde_json::from_str(line).context("a line is JSON")?;
    let message_id = notice["message_id"].take();
    let sent = match notice["kind"].as_str() {
        Some("placed") => api.send(Method::POST, "/v1/orders", message_id.as_str(), &notice["order"]).await?,
        Some("status") => {
            let mut report = serde_json::Map::new();
            for field in ["status", "occurred_at", "source"] {
                report.insert(field.to_owned(), notice[field].take());
            }
            report.insert("message_id".to_owned(), message_id);
            let order = notice["order_id"].as_str().unwrap_or_default();
            api.post(&format!("/v1/orders/{order}/status"), &report.into()).await?
        }
        kind => bail!("the market makes notices of the kind {kind:?}, which the demo does not know"),
    };
    sent.good("a notice").map(drop)
}
