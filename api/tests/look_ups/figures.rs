//! Held stock and what became of orders, in figures that were reckoned by hand.

use std::time::Duration;

use domain::order::RiskState;
use engine::{OrderWish, Origin, Receipt, ReviewAction};
use serde_json::{Value, json};

use crate::given::{Given, merchant, plain};

/// The hour in which all orders here are placed.
const HOUR: &str = "from=2026-11-11T00:00:00%2B08:00&to=2026-11-11T01:00:00%2B08:00";

/// What somebody wants of an order, done and folded.
async fn wish(given: &Given, order: &str, wish: OrderWish) -> Receipt {
    let origin = Origin { actor: "wang".to_owned(), source: "api".to_owned() };
    let engine = &given.service.engine;
    let receipt = engine.wish(&merchant("default"), origin, order.parse().unwrap(), wish).await.unwrap();
    for model in given.service.models.names() {
        let (partition, position) = receipt.position;
        assert!(given.service.models.wait_for(model, partition, position, Duration::from_secs(20)).await);
    }
    receipt
}

async fn decide(given: &Given, order: &str, action: ReviewAction) {
    let (reason_code, note) = ("checked".into(), None);
    wish(given, order, OrderWish::Decide { action, reason_code, note, part_of: None }).await;
}

/// Answers an order's challenge with the code that was sent.
async fn prove(given: &Given, order: &str) {
    let shown = given.get(&format!("/v1/orders/{order}")).await.good();
    let challenge = shown["risk"]["challenge"]["id"].as_str().unwrap().parse().unwrap();
    let code = given.service.vault.challenge_code(&merchant("default"), &challenge).as_str().into();
    let receipt = wish(given, order, OrderWish::Answer { challenge, code }).await;
    assert_eq!(receipt.risk.map(|risk| risk.state), Some(RiskState::Released));
}

#[tokio::test]
async fn held_stock_is_told_by_sku_and_cause() {
    let given = Given::nothing().await;
    let mut two = plain("A1", 5, 9_900);
    two["lines"] =
        json!([{"sku": "MASK-01", "quantity": 3}, {"sku": "SOAP", "quantity": 1}, {"sku": "MASK-01", "quantity": 1}]);
    given.placed(two).await;
    given.placed(plain("A2", 3, 9_900)).await;
    given.status("web:A2", "paid", "web", "2026-11-11T00:04:00+08:00").await;
    given.placed(plain("A3", 7, 100_000)).await;
    given.placed(plain("A4", 9, 200_000)).await;
    let mask = json!({"sku": "MASK-01", "units": {"unpaid": 4, "challenged": 1, "frozen": 1}, "orders": 3,
                      "oldest_held_since": "2026-11-10T16:05:00.000Z"});
    let soap = json!({"sku": "SOAP", "units": {"unpaid": 1, "challenged": 0, "frozen": 0}, "orders": 1,
                      "oldest_held_since": "2026-11-10T16:05:00.000Z"});
    let all = given.get("/v1/stock-holds").await.good();
    assert_eq!(all, json!({"items": [mask, soap], "next_cursor": null}));
    assert_eq!(given.get("/v1/stock-holds?sku=SOAP").await.good()["items"], json!([soap]));
    assert_eq!(given.get("/v1/stock-holds?sku=NONE").await.good()["items"], json!([]));
    let first = given.get("/v1/stock-holds?limit=1").await.good();
    let cursor = first["next_cursor"].as_str().unwrap();
    assert_eq!(given.get(&format!("/v1/stock-holds?limit=1&cursor={cursor}")).await.good()["items"], json!([soap]));
    given.get("/v1/stock-holds?cursor=o1").await.problem(400, "bad_parameter");
    given.get("/v1/stock-holds?colour=red").await.problem(400, "bad_parameter");

    // The customer of one proves it and pays, another order is called off: only the first is left.
    prove(&given, "web:A3").await;
    given.status("web:A3", "paid", "web", "2026-11-11T00:20:00+08:00").await;
    given.status("web:A4", "cancelled", "web", "2026-11-11T00:21:00+08:00").await;
    let left = given.get("/v1/stock-holds?sku=MASK-01").await.good()["items"][0].clone();
    assert_eq!((&left["units"], &left["orders"]), (&json!({"unpaid": 4, "challenged": 0, "frozen": 0}), &json!(1)));
}

/// One that passes and arrives; one asked who proves it and one who does not answer; one frozen that a person holds, one that a person
/// lets go and one that waits; one that is spared and arrives.
async fn seven_orders() -> Given {
    let given = Given::nothing().await;
    given.placed(plain("PASSES", 1, 9_900)).await;
    given.placed(plain("PROVES", 2, 100_000)).await;
    given.placed(plain("SILENT", 3, 110_000)).await;
    given.placed(plain("BAD", 4, 200_000)).await;
    given.placed(plain("GOOD", 5, 210_000)).await;
    given.placed(plain("WAITS", 6, 220_000)).await;
    let mut vip = plain("VIP", 7, 120_000);
    vip["customer"] = json!({"id": "u-1", "level": 4});
    given.placed(vip).await;
    prove(&given, "web:PROVES").await;
    decide(&given, "web:BAD", ReviewAction::Freeze).await;
    decide(&given, "web:GOOD", ReviewAction::Release).await;
    for order in ["web:PASSES", "web:VIP"] {
        given.status(order, "delivered", "wms", "2026-11-13T00:00:00+08:00").await;
    }
    given
}

fn share(count: u64, of: u64, share: f64, low: f64, high: f64) -> Value {
    json!({"count": count, "of": of, "share": share, "low": low, "high": high, "not_enough_data": true})
}

#[tokio::test]
async fn the_summary_tells_what_became_of_orders_by_tier_and_rule() {
    let given = seven_orders().await;
    let found = given.get(&format!("/v1/metrics/summary?{HOUR}")).await.good();
    assert_eq!(found["from"], "2026-11-10T16:00:00.000Z");
    assert_eq!(found["to"], "2026-11-10T17:00:00.000Z");
    assert_eq!(found["orders"], json!({"screened": 7, "confirmed": 1, "cleared": 4, "lapsed": 0, "undecided": 2}));
    let judged = |fired: [u64; 5], precision: Value, false_positive_rate: Value| {
        let [fired, confirmed, cleared, lapsed, undecided] = fired;
        json!({"fired": fired, "confirmed": confirmed, "cleared": cleared, "lapsed": lapsed, "undecided": undecided,
               "precision": precision, "false_positive_rate": false_positive_rate})
    };
    let named = |id: &str, mut judged: Value| {
        judged["id"] = json!(id);
        judged
    };
    let one_of_four = || (share(1, 4, 0.25, 0.0456, 0.6994), share(3, 4, 0.75, 0.3006, 0.9544));
    let none_of_two = || (share(0, 2, 0.0, 0.0, 0.6576), share(2, 2, 1.0, 0.3424, 1.0));
    let one_of_two = || (share(1, 2, 0.5, 0.0945, 0.9055), share(1, 2, 0.5, 0.0945, 0.9055));
    let ((precision, wrong), (sms, sms_wrong)) = (one_of_four(), none_of_two());
    assert_eq!(found["stopped"], judged([6, 1, 3, 0, 2], precision.clone(), wrong.clone()));
    let freeze = judged([3, 1, 1, 0, 1], one_of_two().0, one_of_two().1);
    assert_eq!(
        found["tiers"],
        json!([named("freeze", freeze.clone()), named("sms", judged([3, 0, 2, 0, 1], sms, sms_wrong))])
    );
    let large = judged([6, 1, 3, 0, 2], precision, wrong);
    assert_eq!(found["rules"], json!([named("huge", freeze), named("large", large)]));
    let vip = judged([1, 0, 1, 0, 0], share(0, 1, 0.0, 0.0, 0.7935), share(1, 1, 1.0, 0.2065, 1.0));
    assert_eq!(found["exemptions"], json!([named("vip", vip)]));
    assert_eq!(found["hold_out"], json!([]));
    // Of the four good ones two were stopped; the third that reached a tier was spared.
    assert_eq!(found["good_orders_stopped"], share(2, 4, 0.5, 0.15, 0.85));
}

#[tokio::test]
async fn the_summary_tells_what_people_and_customers_had_to_do() {
    let given = seven_orders().await;
    let found = given.get(&format!("/v1/metrics/summary?{HOUR}")).await.good();
    assert_eq!(found["manual"], share(3, 7, 0.4286, 0.1582, 0.7495), "the frozen ones");
    let asked = json!({"method": "sms", "asked": 2, "verified": 1, "failed": 0, "unanswered": 0, "withdrawn": 0, "open": 1,
                       "success": share(1, 1, 1.0, 0.2065, 1.0)});
    assert_eq!(found["challenges"], json!([asked]));
    assert_eq!(found["time_to_decision"]["orders"], 7);
    let settled = &found["time_to_resolution"];
    let orders = |state: &str| settled[state]["orders"].as_u64().unwrap();
    assert_eq!((orders("released"), orders("frozen"), orders("called_off"), orders("all")), (2, 1, 0, 3));
    assert_eq!(settled["called_off"], json!({"orders": 0, "median_seconds": null, "p90_seconds": null}));
    // The one that proved it; the other that was let go was frozen at once, and nobody was asked.
    let asked = &found["time_to_release_when_asked"];
    let seconds = asked["median_seconds"].as_f64().unwrap();
    assert_eq!((&asked["orders"], &asked["p90_seconds"]), (&json!(1), &json!(seconds)));
    assert!((0.0..60.0).contains(&seconds), "by our clock alone, whenever it was placed: {seconds}");
    assert_eq!(found["queue"]["reviews"], 1);
    assert!((0..60).contains(&found["queue"]["oldest_age_seconds"].as_i64().unwrap()));
    assert_eq!(found["stock"], json!({"orders_freed": 0, "units_freed": 0, "unit_hours_freed": 0.0}));
}

#[tokio::test]
async fn the_summary_is_of_the_hours_that_were_asked_for() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 59, 9_900)).await;
    let screened = async |query: &str| {
        given.get(&format!("/v1/metrics/summary?{query}")).await.good()["orders"]["screened"].clone()
    };
    assert_eq!(screened(HOUR).await, 1);
    assert_eq!(screened("from=2026-11-10T16:59:59Z&to=2026-11-10T17:00:00Z").await, 1, "to the whole hour");
    assert_eq!(screened("from=2026-11-10T17:00:00Z&to=2026-11-10T18:00:00Z").await, 0);
    let wrong = given.get("/v1/metrics/summary?from=2026-11-11T00:00:00Z&to=2026-11-10T00:00:00Z").await;
    assert_eq!(wrong.problem(400, "bad_parameter"), "to: expected a time after `from`, at most 400 days");
    given.get("/v1/metrics/summary?from=soon").await.problem(400, "bad_parameter");
}
