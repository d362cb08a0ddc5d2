//! Finding orders.

use serde_json::json;

use crate::given::{Given, full, plain};

#[tokio::test]
async fn a_phone_is_found_in_any_notation_as_the_buyers_and_as_the_recipients() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    let mut bought = plain("A2", 1, 9_900);
    bought["channel"] = json!("douyin");
    bought["customer"] = json!({"phone": "0086-139 0013 9000"});
    given.placed(bought).await;
    for notation in [
        "13900139000",
        "139%200013%209000",
        "139+0013+9000",
        "139-0013-9000",
        "%2B8613900139000",
        "+8613900139000",
        "%2B86%20139-0013-9000",
        "86%2013900139000",
        "008613900139000",
        "%EF%BC%91%EF%BC%93%EF%BC%9900139000",
        "(139)00139000",
    ] {
        let found = given.get(&format!("/v1/orders?phone={notation}")).await;
        assert_eq!(found.ids(), ["douyin:A2", "web:A1"], "{notation}");
    }
    assert_eq!(given.get("/v1/orders?phone=13900139001").await.ids(), [""; 0]);
}

#[tokio::test]
async fn a_number_with_struck_out_digits_is_no_search() {
    let given = Given::nothing().await;
    for phone in ["139****9000", "abc"] {
        let detail = given.get(&format!("/v1/orders?phone={phone}")).await.problem(400, "bad_parameter");
        assert!(detail.starts_with("phone: "), "{detail}");
    }
}

#[tokio::test]
async fn the_order_number_finds_display_numbers_too_over_all_channels() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    let mut shopify = plain("450789469", 1, 9_900);
    (shopify["channel"], shopify["display_no"]) = (json!("shopify"), json!("A1"));
    given.placed(shopify).await;
    assert_eq!(given.get("/v1/orders?order_no=A1").await.ids(), ["shopify:450789469", "web:A1"]);
    assert_eq!(given.get("/v1/orders?order_no=%23A1").await.ids(), ["web:A1"]);
    assert_eq!(given.get("/v1/orders?order_no=A1&channel=shopify").await.ids(), ["shopify:450789469"]);
    assert_eq!(given.get("/v1/orders?order_no=A").await.ids(), [""; 0]);
}

#[tokio::test]
async fn a_customer_is_found_over_all_channels() {
    let given = Given::nothing().await;
    for (order_no, channel, minute) in [("A1", "web", 0), ("A2", "tmall", 1)] {
        let mut order = plain(order_no, minute, 9_900);
        (order["channel"], order["customer"]) = (json!(channel), json!({"id": "顾客/7 a"}));
        given.placed(order).await;
    }
    given.placed(full("A3", 2)).await;
    let id = "%E9%A1%BE%E5%AE%A2%2F7%20a";
    assert_eq!(given.get(&format!("/v1/orders?customer_id={id}")).await.ids(), ["tmall:A2", "web:A1"]);
    assert_eq!(given.get(&format!("/v1/customers/{id}/orders")).await.ids(), ["tmall:A2", "web:A1"]);
    assert_eq!(given.get("/v1/customers/nobody/orders").await.ids(), [""; 0]);
}

#[tokio::test]
async fn state_status_tier_and_time_narrow_the_list() {
    let given = Given::nothing().await;
    given.placed(plain("A1", 1, 39_900)).await;
    given.placed(plain("A2", 2, 100_000)).await;
    given.placed(plain("A3", 3, 200_000)).await;
    given.status("web:A1", "paid", "wms", "2026-11-11T00:30:00+08:00").await;
    given.status("tmall:T1", "paid", "wms", "2026-11-11T00:30:00+08:00").await;
    for (filter, found) in [
        ("state=released", &["web:A1"][..]),
        ("state=challenged", &["web:A2"]),
        ("state=frozen", &["web:A3"]),
        ("state=verified", &[]),
        ("tier=sms", &["web:A2"]),
        ("tier=pass", &["web:A1"]),
        ("tier=unheard_of", &[]),
        ("status=paid&channel=web", &["web:A1"]),
        ("status=cancelled", &[]),
        ("channel=tmall", &["tmall:T1"]),
        ("placed_from=2026-11-10T16:02:01.250Z", &["web:A3", "web:A2"]),
        ("placed_from=2026-11-11T00:02:01.250%2B08:00&placed_to=2026-11-11T00:03:01.250%2B08:00", &["web:A2"]),
        ("placed_to=2026-11-11T00:02:01.250+08:00", &["web:A1"]),
        ("order_no=&phone=&customer_id=&channel=&state=frozen&status=&tier=&placed_from=&placed_to=", &["web:A3"]),
    ] {
        assert_eq!(given.get(&format!("/v1/orders?{filter}")).await.ids(), found, "{filter}");
    }
}

#[tokio::test]
async fn a_row_is_a_short_form_of_the_order() {
    let given = Given::nothing().await;
    given.placed(full("A1", 0)).await;
    let row = given.get("/v1/orders").await.good()["items"][0].clone();
    assert_eq!(
        row,
        json!({
            "order_id": "web:A1", "channel": "web", "order_no": "A1", "display_no": "#A1",
            "placed_at": "2026-11-10T16:00:01.250Z", "amount": 39_900, "currency": "CNY",
            "risk": {
                "state": "released", "score": 0, "tier": "pass", "rulebook_version": 1, "exemption": null, "hits": [],
                "challenge": null, "held_since": null, "released_by": "clean"
            },
            "status": null
        })
    );
}

#[tokio::test]
async fn every_wrong_filter_is_named() {
    let given = Given::nothing().await;
    let detail = given
        .get("/v1/orders?state=lost&status=gone&channel=Web!&placed_from=yesterday&placed_to=2026-11-11&phone=x")
        .await
        .problem(400, "bad_parameter");
    for name in ["state", "status", "channel", "placed_from", "placed_to", "phone"] {
        assert!(detail.contains(&format!("{name}: ")), "{name} is not named: {detail}");
    }
}
