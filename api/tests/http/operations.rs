//! How the service is.

use serde_json::json;

use crate::given::{Server, answer, order};

#[tokio::test]
async fn a_new_service_is_alive_and_ready() {
    let server = Server::start().await;
    let alive = answer(server.request("GET", "/healthz")).await;
    assert_eq!((alive.status.as_u16(), alive.json()), (200, json!({"status": "alive"})));
    let ready = answer(server.request("GET", "/readyz")).await;
    assert_eq!((ready.status.as_u16(), ready.json()), (200, json!({"status": "ready"})));
}

#[tokio::test]
async fn requests_are_counted_by_route_and_status_and_no_path_is_shown() {
    let server = Server::start().await;
    answer(server.as_admin("POST", "/v1/orders").json(&order("A1"))).await;
    answer(server.as_admin("PATCH", "/v1/orders/web:SECRET-7").json(&json!({"amount": 5}))).await;
    answer(server.request("BREW", "/v1/SECRET-7")).await;
    let metrics = answer(server.request("GET", "/metrics")).await;
    assert_eq!(metrics.status, 200);
    assert!(metrics.header("content-type").starts_with("text/plain"));
    for series in [
        "orderlight_http_requests_total{method=\"POST\",route=\"/v1/orders\",status=\"201\"}",
        "orderlight_http_requests_total{method=\"PATCH\",route=\"/v1/orders/{id}\",status=\"404\"}",
        "orderlight_http_requests_total{method=\"other\",route=\"none\",status=\"404\"}",
        "orderlight_http_request_seconds_bucket{method=\"POST\",route=\"/v1/orders\",le=\"10\"}",
        "orderlight_mailbox_waiting 0",
        "orderlight_projection_lag_events{",
        "orderlight_scored_total{",
        "orderlight_reviews_waiting 0",
        "orderlight_oldest_review_seconds 0",
        "orderlight_held_stock_units{cause=\"frozen\"} 0",
        "orderlight_batch_size_bucket{",
    ] {
        assert!(metrics.text.contains(series), "{series} is not in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains("SECRET-7"));
}
