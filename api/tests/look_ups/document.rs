//! The document's examples are what the service answers.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::given::{Given, full};

fn names(object: &Value) -> BTreeSet<&str> {
    object.as_object().unwrap().keys().map(String::as_str).collect()
}

#[tokio::test]
async fn an_example_has_the_fields_of_an_answer() {
    let given = Given::nothing().await;
    let mut order = full("A1", 0);
    order["amount"] = json!(100_000);
    order.as_object_mut().unwrap().remove("display_no");
    given.placed(order).await;
    given.status("web:A1", "paid", "wms", "2026-11-11T00:05:00+08:00").await;
    let document = given.get("/openapi.json").await.good();
    for (schema, path, place, parts) in [
        ("OrderView", "/v1/orders/web:A1", "", &["risk", "status", "customer", "delivery", "links"][..]),
        ("OrderSummary", "/v1/orders", "/items/0", &["risk", "status"]),
        ("HistoryItem", "/v1/orders/web:A1/history", "/items/0", &["summary"]),
        ("DecisionView", "/v1/orders/web:A1/decision", "", &["rulebook", "explanation"]),
        ("ReviewView", "/v1/reviews", "/items/0", &["order", "links"]),
        ("StockHoldView", "/v1/stock-holds", "/items/0", &["units"]),
        (
            "SummaryView",
            "/v1/metrics/summary",
            "",
            &[
                "orders",
                "stopped",
                "manual",
                "time_to_decision",
                "time_to_resolution",
                "time_to_release_when_asked",
                "queue",
                "stock",
            ],
        ),
    ] {
        let example = &document["components"]["schemas"][schema]["example"];
        let answer = given.get(path).await.good();
        let shown = answer.pointer(place).unwrap();
        assert_eq!(names(example), names(shown), "{schema}");
        for part in parts {
            assert_eq!(names(&example[part]), names(&shown[part]), "{schema}.{part}");
        }
    }
}
