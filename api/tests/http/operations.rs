//! How the service is.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::given::{Server, answer, order};
use crate::held::{FREEZE, SMS, place, shop};

/// Far longer than anything here takes.
const PATIENCE: Duration = Duration::from_secs(60);

/// A gauge as `/metrics` tells it now.
async fn gauge(server: &Server, series: &str) -> u64 {
    let metrics = answer(server.request("GET", "/metrics")).await.text;
    let told = metrics.lines().find_map(|line| line.strip_prefix(series)?.strip_prefix(' '));
    told.unwrap_or_else(|| panic!("{series} is not in\n{metrics}")).parse().unwrap()
}

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
        "orderlight_batch_size_bucket{",
    ] {
        assert!(metrics.text.contains(series), "{series} is not in\n{}", metrics.text);
    }
    assert!(!metrics.text.contains("SECRET-7"));
}

#[tokio::test]
async fn what_waits_for_people_and_is_held_for_customers_is_told() {
    let server = shop().await;
    let (reviews, oldest) = ("orderlight_reviews_waiting", "orderlight_oldest_review_seconds");
    let held = |cause: &str| format!("orderlight_held_stock_units{{cause=\"{cause}\"}}");
    for series in [reviews, oldest, &held("frozen"), &held("challenged")] {
        assert_eq!(gauge(&server, series).await, 0, "{series} of an empty shop");
    }
    for (order_no, amount, units) in [("A1", FREEZE, 5), ("A2", FREEZE, 2), ("A3", SMS, 3)] {
        let mut body = order(order_no);
        body["amount"] = json!(amount);
        body["lines"] = json!([{"sku": "MASK-01", "quantity": units}]);
        place(&server, &body).await;
    }
    // What is told was counted a moment ago, and an age is told in whole seconds.
    for (series, least) in [(reviews, 2), (&*held("frozen"), 7), (&*held("challenged"), 3), (oldest, 1)] {
        let until = Instant::now() + PATIENCE;
        while gauge(&server, series).await < least {
            assert!(Instant::now() < until, "{series} does not come to {least}");
        }
    }
    assert_eq!(gauge(&server, reviews).await, 2);
    assert_eq!(gauge(&server, &held("frozen")).await, 7);
    assert_eq!(gauge(&server, &held("challenged")).await, 3);
    let age = gauge(&server, oldest).await;
    assert!(
        age <= 2 * PATIENCE.as_secs(),
        "it has waited since it was needed, not since the order was placed: {age} s"
    );
}
