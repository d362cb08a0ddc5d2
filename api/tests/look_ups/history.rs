//! An order's history: its order, its words, its pages.

use serde_json::{Value, json};

use crate::given::{Given, full, plain};

fn column<'a>(history: &'a Value, name: &str) -> Vec<&'a str> {
    history["items"].as_array().unwrap().iter().map(|item| item[name].as_str().unwrap()).collect()
}

fn english(history: &Value) -> Vec<&str> {
    history["items"].as_array().unwrap().iter().map(|item| item["summary"]["en"].as_str().unwrap()).collect()
}

/// An order with three reports that arrive in another order than they happened in, the last two at one time.
async fn late_reports() -> Given {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 39_900)).await;
    given.status("web:A1", "shipped", "wms", "2026-11-11T00:30:00+08:00").await;
    given.status("web:A1", "cancelled", "web", "2026-11-11T00:40:00+08:00").await;
    given.status("web:A1", "paid", "web", "2026-11-11T00:05:00+08:00").await;
    given.status("web:A1", "delivered", "erp", "2026-11-11T00:40:00+08:00").await;
    given
}

#[tokio::test]
async fn a_late_report_stands_where_it_happened() {
    let given = late_reports().await;
    let history = given.get("/v1/orders/web:A1/history").await.good();
    let mut reports = english(&history);
    reports.retain(|summary| summary.contains("reports"));
    assert_eq!(
        reports,
        [
            "The web shop reports: paid",
            "wms reports: shipped",
            "The web shop reports: cancelled",
            "erp reports: delivered"
        ]
    );
    assert!(column(&history, "occurred_at").is_sorted());
    assert!(english(&history)[0].starts_with("Placed"));
}

#[tokio::test]
async fn in_order_of_arrival_positions_ascend() {
    let given = late_reports().await;
    let history = given.get("/v1/orders/web:A1/history?order=arrival").await.good();
    let types =
        ["Placed", "Scored", "Released", "StatusReported", "StatusReported", "StatusReported", "StatusReported"];
    assert_eq!(column(&history, "type"), types);
    assert!(column(&history, "recorded_at").is_sorted());
    let positions: Vec<u64> =
        column(&history, "position").iter().map(|position| position[2..].parse().unwrap()).collect();
    assert!(positions.is_sorted(), "{positions:?}");
    let detail = given.get("/v1/orders/web:A1/history?order=random").await.problem(400, "bad_parameter");
    assert_eq!(detail, "order: expected event_time or arrival");
}

#[tokio::test]
async fn a_history_is_paged_in_either_order() {
    let given = late_reports().await;
    for order in ["event_time", "arrival"] {
        let path = format!("/v1/orders/web:A1/history?order={order}");
        let whole = given.get(&path).await.good();
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = given.get(&format!("{path}&limit=2{cursor}")).await.good();
            seen.extend(page["items"].as_array().unwrap().clone());
            match page["next_cursor"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!(&seen, whole["items"].as_array().unwrap(), "{order}");
    }
}

#[tokio::test]
async fn an_item_tells_who_what_and_when_in_both_languages() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    let history = given.get("/v1/orders/web:A1/history?order=arrival").await.good();
    let placed = &history["items"][0];
    assert_eq!((&placed["type"], &placed["actor"]), (&json!("Placed"), &json!("shop-key")));
    assert_eq!(placed["occurred_at"], "2026-11-10T16:00:01.250Z");
    assert_eq!(
        placed["summary"],
        json!({"zh": "网店下单，金额 ¥399.00，共 2 件", "en": "Placed, channel web, for CNY 399.00, 2 units"})
    );
    assert_eq!(placed["data"]["facts"]["amount"], 39_900);
    let scored = &history["items"][1];
    assert_eq!((&scored["type"], &scored["actor"]), (&json!("Scored"), &json!("orderlight")));
    assert_eq!(scored["data"]["cause"], "placed");
    let released = &history["items"][2];
    assert_eq!(released["data"], json!({"cause": "clean"}));
    assert_eq!(released["summary"]["zh"], "未发现风险，订单放行");
}

#[tokio::test]
async fn a_screening_is_told_with_the_names_of_its_rulebook() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 0, 100_000)).await;
    let history = given.get("/v1/orders/web:A1/history?order=arrival").await.good();
    assert_eq!(history["items"][1]["summary"]["zh"], "评分 80，达到“sms”档；命中“大额订单”+80");
    assert!(english(&history)[2].starts_with("The customer is asked to verify by SMS, until "));
}
