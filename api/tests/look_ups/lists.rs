//! What holds for every list and every read: limits, cursors, unknown parameters, and waiting for a position.

use serde_json::Value;

use crate::given::{Given, full, plain};

const LISTS: [&str; 6] = [
    "/v1/orders?",
    "/v1/customers/u-77/orders?",
    "/v1/orders/web:A0/links?by=ip&",
    "/v1/orders/web:A0/history?",
    "/v1/reviews?",
    "/v1/endpoints?",
];
const OTHER_READS: [&str; 2] = ["/v1/orders/web:A0?", "/v1/orders/web:A0/decision?"];

#[tokio::test]
async fn pages_follow_each_other_without_gap_or_repetition_while_orders_arrive() {
    let given = Given::nothing().await;
    for minute in 0..7 {
        given.placed(plain(&format!("A{minute}"), minute, 9_900)).await;
    }
    let (mut seen, mut cursor) = (Vec::new(), String::new());
    for page in 0.. {
        let answer = given.get(&format!("/v1/orders?limit=3{cursor}")).await;
        seen.extend(answer.ids());
        given.placed(plain(&format!("late{page}"), 40 + page, 9_900)).await;
        match answer.good()["next_cursor"].as_str() {
            Some(next) => cursor = format!("&cursor={next}"),
            None => break,
        }
    }
    assert_eq!(seen, ["web:A6", "web:A5", "web:A4", "web:A3", "web:A2", "web:A1", "web:A0"]);
}

#[tokio::test]
async fn a_page_has_fifty_items_when_nobody_says_and_at_most_two_hundred() {
    let given = Given::nothing().await;
    for number in 0..52 {
        given.placed(plain(&format!("A{number}"), number, 9_900)).await;
    }
    let page = given.get("/v1/orders").await.good();
    assert_eq!(page["items"].as_array().unwrap().len(), 50);
    assert!(page["next_cursor"].is_string());
    let page = given.get("/v1/orders?limit=200").await.good();
    assert_eq!(page["items"].as_array().unwrap().len(), 52);
    assert_eq!(page["next_cursor"], Value::Null);
}

#[tokio::test]
async fn a_wrong_limit_cursor_or_position_and_an_unknown_parameter_are_named() {
    let given = Given::nothing().await;
    given.placed(full("A0", 0)).await;
    for list in LISTS {
        for wrong in
            ["limit=0", "limit=201", "limit=-1", "limit=many", "limit=", "cursor=nonsense", "cursor=", "limmit=5"]
        {
            let name = wrong.split('=').next().unwrap();
            let detail = given.get(&format!("{list}{wrong}")).await.problem(400, "bad_parameter");
            assert!(detail.contains(name), "{list}{wrong}: {detail}");
        }
    }
    for read in LISTS.into_iter().chain(OTHER_READS) {
        for wrong in ["after=nonsense", "after=", "after=7-1", "after=0--1", "unheard_of=1"] {
            let name = wrong.split('=').next().unwrap();
            let detail = given.get(&format!("{read}{wrong}")).await.problem(400, "bad_parameter");
            assert!(detail.contains(name), "{read}{wrong}: {detail}");
        }
    }
}

#[tokio::test]
async fn a_cursor_of_one_list_is_none_of_another() {
    let given = Given::nothing().await;
    given.placed(plain("A0", 0, 100_000)).await;
    given.placed(plain("A1", 1, 100_000)).await;
    let cursor = given.get("/v1/orders?limit=1").await.good()["next_cursor"].as_str().unwrap().to_owned();
    for list in ["/v1/reviews?", "/v1/reviews?sort=age&", "/v1/orders/web:A0/history?"] {
        given.get(&format!("{list}cursor={cursor}")).await.problem(400, "bad_parameter");
    }
}

#[tokio::test]
async fn a_read_after_a_write_sees_it() {
    let given = Given::nothing().await;
    for number in 0..10 {
        let position = given.post_order(&plain(&format!("A{number}"), number, 100_000)).await;
        let id = format!("web:A{number}");
        assert_eq!(given.get(&format!("/v1/orders?limit=1&after={position}")).await.ids(), [id.as_str()]);
        given.get(&format!("/v1/orders/{id}?after={position}")).await.good();
        given.get(&format!("/v1/orders/{id}/decision?after={position}")).await.good();
        let reviews = given.get(&format!("/v1/reviews?after={position}")).await.ids();
        assert!(reviews.contains(&id), "{reviews:?}");
    }
}

#[tokio::test]
async fn a_read_that_cannot_see_a_position_in_time_says_when_to_come_back() {
    let given = Given::nothing().await;
    given.placed(plain("A0", 0, 9_900)).await;
    let reads = LISTS.into_iter().chain(OTHER_READS).map(|read| {
        let given = &given;
        async move {
            let answer = given.get(&format!("{read}after=0-1000000")).await;
            answer.problem(503, "position_not_reached");
            assert_eq!(answer.retry_after.as_deref(), Some("1"), "{read}");
        }
    });
    futures_util::future::join_all(reads).await;
}
