//! The live stream: what it tells, where it goes on, and when it ends.

use std::time::Duration;

use orderlight::streams::READERS_OF_MERCHANT_MAX;
use reqwest::Response;
use serde_json::{Value, json};
use tokio::time::timeout;

use crate::given::{BOOTSTRAP, Server, answer, order};
use crate::held::{CALL, challenge, placed, shop};

/// Only something that hangs takes longer.
const PATIENCE: Duration = Duration::from_secs(30);

/// One event as its reader sees it.
#[derive(Clone, PartialEq, Debug)]
struct Seen {
    name: String,
    id: String,
    data: Value,
}

/// A reader of the stream.
struct Reader {
    response: Response,
    buffer: String,
}

impl Reader {
    /// One with a key, that begins after some position.
    async fn open(server: &Server, key: &str, after: Option<&str>) -> Self {
        let mut request = server.request("GET", "/v1/stream").bearer_auth(key);
        if let Some(after) = after {
            request = request.header("last-event-id", after);
        }
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        let mut reader = Self { response, buffer: String::new() };
        let opening = reader.frame().await.unwrap();
        assert!(opening.contains("id: ") && !opening.contains("data:"), "{opening}");
        reader
    }

    /// What comes up to the next empty line; none at the end.
    async fn frame(&mut self) -> Option<String> {
        loop {
            if let Some(end) = self.buffer.find("\n\n") {
                let frame = self.buffer[..end].to_owned();
                self.buffer.drain(..end + 2);
                return Some(frame);
            }
            let piece = timeout(PATIENCE, self.response.chunk()).await.expect("something comes").unwrap()?;
            self.buffer.push_str(std::str::from_utf8(&piece).unwrap());
        }
    }

    /// The next event.
    async fn next(&mut self) -> Seen {
        loop {
            let frame = self.frame().await.expect("it goes on");
            let field = |name: &str| {
                frame
                    .lines()
                    .find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
                    .unwrap_or_default()
                    .to_owned()
            };
            if frame.lines().any(|line| line.starts_with("data:")) {
                let data = serde_json::from_str(&field("data")).unwrap();
                return Seen { name: field("event"), id: field("id"), data };
            }
        }
    }

    async fn take(&mut self, count: usize) -> Vec<Seen> {
        let mut seen = Vec::new();
        for _ in 0..count {
            seen.push(self.next().await);
        }
        seen
    }

    /// The last comment, when the stream ends.
    async fn end(mut self) -> String {
        let mut last = String::new();
        while let Some(frame) = self.frame().await {
            last = frame;
        }
        last
    }
}

async fn place(server: &Server, order: &Value) -> Value {
    let placed = answer(server.as_admin("POST", "/v1/orders").json(order)).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    placed.json()
}

/// Somebody with a virtual operator's number who buys twenty seconds after registering.
fn doubtful(order_no: &str) -> Value {
    let mut order = order(order_no);
    let number: u32 = order_no[1..].parse().unwrap();
    order["customer"] = json!({"id": format!("u-{order_no}"), "phone": format!("170{number:08}"),
        "registered_at": "2026-11-11T00:00:00+08:00", "name": "张三"});
    order["placed_at"] = json!("2026-11-11T00:00:20+08:00");
    order
}

#[tokio::test]
async fn each_decision_is_told_once_with_what_it_led_to() {
    let server = Server::start().await;
    let key = server.key(&["service"]).await.1;
    let mut reader = Reader::open(&server, &key, None).await;
    place(&server, &order("A1")).await;
    let asked = place(&server, &doubtful("A2")).await;
    let paid = json!({"status": "paid", "occurred_at": "2026-11-11T00:01:00+08:00"});
    answer(server.as_admin("POST", "/v1/orders/web:A1/status").json(&paid)).await;
    place(&server, &order("A3")).await;

    let seen = reader.take(3).await;
    let names: Vec<(&str, &str)> =
        seen.iter().map(|seen| (&*seen.name, seen.data["order_id"].as_str().unwrap())).collect();
    assert_eq!(names, [("order.released", "web:A1"), ("order.challenged", "web:A2"), ("order.released", "web:A3")]);
    let passed = &seen[0].data;
    assert_eq!((&passed["state"], &passed["tier"], &passed["score"]), (&json!("released"), &json!("pass"), &json!(0)));
    assert_eq!((&passed["cause"], &passed["review"], &passed["rules"]), (&json!("clean"), &Value::Null, &json!([])));
    let challenged = &seen[1].data;
    assert_eq!((&challenged["score"], &challenged["tier"]), (&json!(90), &json!("sms")));
    assert_eq!(challenged["rules"], json!(["virtual_phone", "instant_purchase"]));
    assert_eq!((&challenged["review"], &challenged["challenge"]), (&json!("waiting"), &asked["risk"]["challenge"]));
    let all = format!("{seen:?}");
    assert!(!all.contains("17000000002") && !all.contains("张三"), "{all}");
}

#[tokio::test]
async fn what_a_customer_said_to_a_call_is_told_with_what_it_led_to() {
    let server = shop().await;
    let asked = challenge(&placed(&server, "A1", CALL).await);
    let mut reader = Reader::open(&server, BOOTSTRAP, None).await;
    let said = server.as_admin("POST", &format!("/v1/challenges/{asked}/result")).json(&json!({"outcome": "unclear"}));
    assert_eq!(answer(said).await.status, 200);
    for (seen, name) in reader.take(2).await.into_iter().zip(["order.frozen", "review.opened"]) {
        let told = (&*seen.name, &seen.data["cause"], &seen.data["reason_code"]);
        assert_eq!(told, (name, &json!("challenge_failed"), &json!("customer_confused")), "{seen:?}");
    }
}

#[tokio::test]
async fn whoever_comes_back_is_told_what_came_after_and_the_same_bytes() {
    let server = Server::start().await;
    let mut live = Reader::open(&server, BOOTSTRAP, None).await;
    for number in 0..3 {
        place(&server, &order(&format!("A{number}"))).await;
        place(&server, &doubtful(&format!("B{number}"))).await;
    }
    let seen = live.take(6).await;
    drop(live);
    for from in 0..6 {
        let mut again = Reader::open(&server, BOOTSTRAP, Some(&seen[from].id)).await;
        assert_eq!(again.take(5 - from).await, seen[from + 1..], "after {}", seen[from].id);
    }
    let partition = seen[0].id.split_once('-').unwrap().0;
    let mut whole = Reader::open(&server, BOOTSTRAP, Some(&format!("{partition}-0"))).await;
    assert_eq!(whole.take(6).await, seen);

    // A reader that stopped between a screening and what it led to is told what it led to.
    let (partition, position) = seen[1].id.split_once('-').unwrap();
    let between = format!("{partition}-{}", position.parse::<u64>().unwrap() - 1);
    let mut between = Reader::open(&server, BOOTSTRAP, Some(&between)).await;
    assert_eq!(between.take(5).await, seen[1..]);
}

#[tokio::test]
async fn a_long_past_is_read_in_pages_and_nothing_is_lost_between_them() {
    let server = Server::start().await;
    let orders = 700;
    let lines = (0..orders).map(|number| {
        let order = if number % 7 == 0 { doubtful(&format!("A{number}")) } else { order(&format!("A{number}")) };
        json!({"kind": "placed", "order": order}).to_string() + "\n"
    });
    let sent = server.as_admin("POST", "/v1/notices").header("content-type", "application/x-ndjson");
    assert_eq!(answer(sent.body(lines.collect::<String>())).await.status, 200);
    let mut reader = Reader::open(&server, BOOTSTRAP, Some("0-0")).await;
    let mut first_told: Vec<String> = Vec::new();
    while first_told.len() < orders {
        let seen = reader.next().await;
        assert_ne!(seen.name, "order.scored", "a screening is told with what it led to: {seen:?}");
        let order = seen.data["order_id"].as_str().unwrap().to_owned();
        // An order that others of its window had screened again is told again.
        if !first_told.contains(&order) {
            first_told.push(order);
        }
    }
    let expected: Vec<String> = (0..orders).map(|number| format!("web:A{number}")).collect();
    assert_eq!(first_told, expected);
}

#[tokio::test]
async fn a_merchant_is_told_of_its_own_orders_alone() {
    let server = Server::start().await;
    let registered =
        answer(server.as_admin("POST", "/v1/merchants").json(&json!({"id": "north", "name": "North"}))).await;
    let other = registered.json()["key"].as_str().unwrap().to_owned();
    let mut reader = Reader::open(&server, &other, None).await;
    place(&server, &doubtful("A1")).await;
    let placed = answer(server.request("POST", "/v1/orders").bearer_auth(&other).json(&order("N1"))).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    assert_eq!(reader.next().await.data["order_id"], "web:N1");
}

#[tokio::test]
async fn a_position_that_is_not_there_is_refused() {
    let server = Server::start().await;
    for after in ["0-1000000", "7-1", "17", "a-b"] {
        let refused = answer(server.as_admin("GET", &format!("/v1/stream?after={after}"))).await;
        assert_eq!(refused.problem(), (400, "bad_parameter".to_owned()), "{after}");
    }
    let refused = answer(server.as_admin("GET", "/v1/stream?from=0-1")).await;
    assert_eq!(refused.problem(), (400, "bad_parameter".to_owned()));
}

#[tokio::test]
async fn a_stream_ends_with_its_key() {
    let server = Server::start().await;
    let (id, key) = server.key(&["reviewer"]).await;
    let reader = Reader::open(&server, &key, None).await;
    let mut other = Reader::open(&server, BOOTSTRAP, None).await;
    assert_eq!(answer(server.as_admin("DELETE", &format!("/v1/keys/{id}"))).await.status, 204);
    assert!(reader.end().await.contains("the key does not count any more"));
    place(&server, &order("A1")).await;
    assert_eq!(other.next().await.data["order_id"], "web:A1", "others go on");
}

#[tokio::test]
async fn a_stream_ends_with_its_service() {
    let server = Server::start().await;
    let reader = Reader::open(&server, BOOTSTRAP, None).await;
    server.service.streams.stop();
    assert!(reader.end().await.contains("the service stops"));
    let refused = answer(server.as_admin("GET", "/v1/stream")).await;
    assert_eq!(refused.problem(), (503, "stopping".to_owned()));
}

#[tokio::test]
async fn too_many_readers_are_refused_until_one_has_left() {
    let server = Server::start().await;
    let mut readers = Vec::new();
    for _ in 0..READERS_OF_MERCHANT_MAX {
        readers.push(Reader::open(&server, BOOTSTRAP, None).await);
    }
    let refused = answer(server.as_admin("GET", "/v1/stream")).await;
    assert_eq!(refused.problem(), (429, "too_many_streams".to_owned()));
    assert_eq!(refused.header("retry-after"), "5");
    readers.pop();
    timeout(PATIENCE, async {
        while answer(server.as_admin("GET", "/v1/stream")).await.status != 200 {
            tokio::task::yield_now().await;
        }
    })
    .await
    .expect("a seat is free again");
}
