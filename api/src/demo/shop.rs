//! The shop: sends its orders, and what becomes of them, as they come.

use std::collections::HashSet;

use anyhow::{Context, bail, ensure};
use axum::http::Method;
use market::Message;
use serde_json::Value;

use super::Truth;
use super::api::Api;
use super::pace::Pace;

/// How many reports are sent at once.
const REPORTS: usize = 500;

/// A report of what became of an order after the day.
pub(super) struct Later {
    order: String,
    line: String,
    is_arrival: bool,
}

/// Sends the day's messages at their times, one after the other, so that a seed gives the same decisions at any speed. Answers with
/// what is reported of its orders after it.
pub(super) async fn sell(
    api: &Api,
    pace: Pace,
    truth: &Truth,
    day: impl Iterator<Item = Message>,
) -> anyhow::Result<Vec<Later>> {
    let mut later = Vec::new();
    for message in day {
        let notice: Value = serde_json::from_str(&message.line).context("a line is JSON")?;
        if pace.is_over(message.arrives_at) && notice["kind"] == "status" {
            let order = notice["order_id"].as_str().unwrap_or_default().to_owned();
            later.push(Later { order, line: message.line, is_arrival: notice["status"] == "delivered" });
            continue;
        }
        pace.until(message.arrives_at).await;
        if let Some(label) = &message.label {
            truth.learn(&label.order_id, label.kind);
        }
        send(api, notice).await?;
    }
    Ok(later)
}

/// Lets the days after go by in a moment: what may go on is shipped, arrives, and comes back now and then; what is held stays where it is.
/// Answers with how many orders arrived.
pub(super) async fn deliver(api: &Api, later: Vec<Later>) -> anyhow::Result<usize> {
    let released = released(api).await?;
    let later: Vec<Later> = later.into_iter().filter(|report| released.contains(&report.order)).collect();
    for reports in later.chunks(REPORTS) {
        let lines: Vec<&str> = reports.iter().map(|report| &*report.line).collect();
        for answer in api.notices(lines.join("\n")).await? {
            ensure!(answer["ok"] == true, "a report was answered with {answer}");
        }
    }
    let arrived = later.iter().filter(|report| report.is_arrival).map(|report| &report.order);
    Ok(arrived.collect::<HashSet<_>>().len())
}

/// The orders that may go on.
async fn released(api: &Api) -> anyhow::Result<HashSet<String>> {
    let (mut released, mut cursor) = (HashSet::new(), String::new());
    loop {
        let page =
            api.get(&format!("/v1/orders?state=released&limit=200{cursor}")).await?.good("the released orders")?;
        let orders = page["items"].as_array().into_iter().flatten();
        released.extend(orders.filter_map(|order| order["order_id"].as_str()).map(str::to_owned));
        match page["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => return Ok(released),
        }
    }
}

/// Sends a notice of the market to where its kind belongs.
async fn send(api: &Api, mut notice: Value) -> anyhow::Result<()> {
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
