//! A shop whose orders are held by their amount, and the people who work there.

use domain::rulebook::Rulebook;
use serde_json::{Value, json};

use crate::given::{Answer, Server, answer, order};

/// Asked about by SMS.
pub(crate) const SMS: i64 = 100_000;
/// Asked about by a call.
pub(crate) const CALL: i64 = 150_000;
/// Frozen.
pub(crate) const FREEZE: i64 = 200_000;

/// The shop.
pub(crate) async fn shop() -> Server {
    let over = |amount: i64| json!({"feature": "order.amount", "op": ">=", "value": amount});
    let ask =
        |method: &str| json!({"challenge": method, "expires_in": "30m", "on_fail": "freeze", "on_expire": "review"});
    let rulebook = json!({
        "name": "By amount",
        "rules": [
            {"id": "large", "when": over(SMS), "points": 80},
            {"id": "larger", "when": over(CALL), "points": 30},
            {"id": "huge", "when": over(FREEZE), "points": 30}
        ],
        "tiers": [
            {"id": "sms", "from": 80, "action": ask("sms")},
            {"id": "call", "from": 100, "action": ask("call")},
            {"id": "freeze", "above": 120, "action": "freeze"}
        ]
    });
    Server::start_by(Rulebook::from_json(&rulebook).unwrap(), None).await
}

/// Somebody with a key.
pub(crate) struct Person {
    pub(crate) id: String,
    key: String,
}

impl Person {
    pub(crate) async fn with(server: &Server, role: &str) -> Self {
        let (id, key) = server.key(&[role]).await;
        Self { id, key }
    }

    /// Sends JSON.
    pub(crate) async fn post(&self, server: &Server, path: &str, body: Value) -> Answer {
        let request = server.request("POST", path).bearer_auth(&self.key);
        answer(if body.is_null() { request } else { request.json(&body) }).await
    }

    /// Decides about an order.
    pub(crate) async fn decide(&self, server: &Server, order: &str, action: &str, reason_code: &str) -> Answer {
        let body = json!({"action": action, "reason_code": reason_code});
        self.post(server, &format!("/v1/reviews/{order}/decision"), body).await
    }
}

/// Places an order of an amount; answers with its risk.
pub(crate) async fn placed(server: &Server, order_no: &str, amount: i64) -> Value {
    let mut body = order(order_no);
    body["amount"] = json!(amount);
    place(server, &body).await
}

/// Places an order; answers with its risk.
pub(crate) async fn place(server: &Server, body: &Value) -> Value {
    let placed = answer(server.as_admin("POST", "/v1/orders").json(body)).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    placed.json()["risk"].take()
}

/// The id of the challenge that a risk shows.
pub(crate) fn challenge(risk: &Value) -> String {
    risk["challenge"]["id"].as_str().unwrap_or_else(|| panic!("nobody is asked: {risk}")).to_owned()
}

/// The code that the customer is sent, or another one.
pub(crate) fn code(server: &Server, challenge: &str) -> String {
    server.service.vault.challenge_code(&"default".parse().unwrap(), &challenge.parse().unwrap()).to_string()
}

/// A code that is not the one.
pub(crate) fn wrong_code(server: &Server, challenge: &str) -> &'static str {
    if code(server, challenge) == "000000" { "000001" } else { "000000" }
}

/// An order's history in English, as it happened.
pub(crate) async fn story(server: &Server, order: &str) -> Vec<(String, String)> {
    let path = format!("/v1/orders/{order}/history?order=arrival");
    let history = answer(server.as_admin("GET", &path)).await.json();
    let text = |item: &Value| item.as_str().unwrap().to_owned();
    let items = history["items"].as_array().unwrap().iter();
    items.map(|item| (text(&item["type"]), text(&item["summary"]["en"]))).collect()
}

/// The types of an order's events, as they happened.
pub(crate) async fn events(server: &Server, order: &str) -> Vec<String> {
    story(server, order).await.into_iter().map(|(kind, _)| kind).collect()
}
