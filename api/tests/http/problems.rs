//! Whatever goes wrong is a problem that names it.

use serde_json::{Value, json};

use crate::given::{Server, answer, order};

#[tokio::test]
async fn what_is_not_there_or_not_taken_is_a_problem() {
    let server = Server::start().await;
    let nowhere = answer(server.request("GET", "/v1/nowhere")).await;
    assert_eq!(nowhere.problem(), (404, "not_found".to_owned()));
    let of_a_page = answer(server.request("POST", "/docs/")).await;
    assert_eq!(of_a_page.problem(), (405, "method_not_allowed".to_owned()));
    let wrong_method = answer(server.as_admin("PUT", "/v1/orders").json(&order("A1"))).await;
    assert_eq!(wrong_method.problem(), (405, "method_not_allowed".to_owned()));
    assert!(wrong_method.header("allow").contains("POST"), "{wrong_method:?}");
    let no_text = answer(server.as_admin("PATCH", "/v1/orders/web:%FF").json(&json!({"amount": 5}))).await;
    assert_eq!(no_text.problem(), (400, "bad_parameter".to_owned()));
}

#[tokio::test]
async fn a_body_that_cannot_be_read_is_malformed() {
    let server = Server::start().await;
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    let bodies: [&[u8]; 5] = [b"", b"{\"channel\"", b"{\"channel\": \"\xff\"}", b"{} {}", deep.as_bytes()];
    for body in bodies {
        let request = server.as_admin("POST", "/v1/orders").header("content-type", "application/json");
        assert_eq!(answer(request.body(body.to_vec())).await.problem(), (400, "malformed".to_owned()));
    }
}

#[tokio::test]
async fn a_body_that_is_read_but_wrong_is_invalid_with_all_of_its_faults() {
    let server = Server::start().await;
    for body in [json!(null), json!([]), json!("order"), json!(7)] {
        let refused = answer(server.as_admin("POST", "/v1/orders").json(&body)).await;
        assert_eq!((refused.problem(), refused.pointers()), ((422, "invalid_body".to_owned()), vec![String::new()]));
    }
    let mut body = order("A1");
    body["amount"] = json!("much");
    body["lines"][0]["quantity"] = json!(0);
    body["customer"] = json!({"nickname": "x"});
    body["placed_at"] = Value::Null;
    let mut pointers = answer(server.as_admin("POST", "/v1/orders").json(&body)).await.pointers();
    pointers.sort();
    assert_eq!(pointers, ["/amount", "/customer/nickname", "/lines/0/quantity", "/placed_at"]);
}

#[tokio::test]
async fn a_body_of_another_type_is_refused() {
    let server = Server::start().await;
    let body = order("A1").to_string();
    for kind in ["", "text/plain", "application/x-www-form-urlencoded", "application/jsonx"] {
        let mut request = server.as_admin("POST", "/v1/orders").body(body.clone());
        if !kind.is_empty() {
            request = request.header("content-type", kind);
        }
        assert_eq!(answer(request).await.problem(), (415, "unsupported_media_type".to_owned()), "{kind}");
    }
    let request = server.as_admin("POST", "/v1/orders").header("content-type", "Application/JSON; charset=utf-8");
    assert_eq!(answer(request.body(body)).await.status, 201);
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused() {
    let server = Server::start().await;
    for length in [(1 << 20) + 1, 4 << 20] {
        let request = server.as_admin("POST", "/v1/orders").header("content-type", "application/json");
        assert_eq!(answer(request.body(vec![b' '; length])).await.problem(), (413, "too_large".to_owned()));
    }
}

#[tokio::test]
async fn a_key_is_asked_for_before_anything_is_read() {
    let server = Server::start().await;
    let (_, service) = server.key(&["service"]).await;
    let refused = answer(server.request("POST", "/v1/orders").body("nonsense")).await;
    assert_eq!(refused.problem(), (401, "unauthorized".to_owned()));
    assert_eq!(refused.header("www-authenticate"), "Bearer");
    for credentials in ["Bearer nonsense", "Bearer", "Basic eDp5", "bearer "] {
        let request = server.request("POST", "/v1/orders").header("authorization", credentials);
        assert_eq!(answer(request.body("nonsense")).await.problem().0, 401, "{credentials}");
    }
    let refused = answer(server.request("POST", "/v1/orders").bearer_auth(service).body("nonsense")).await;
    assert_eq!(refused.problem(), (403, "role_missing".to_owned()));
}

#[tokio::test]
async fn an_unknown_parameter_is_named() {
    let server = Server::start().await;
    let refused = answer(server.as_admin("GET", "/v1/keys?colour=red")).await;
    assert_eq!(refused.problem(), (400, "bad_parameter".to_owned()));
    assert!(refused.json()["detail"].as_str().unwrap().contains("colour"), "{refused:?}");
}

#[tokio::test]
async fn a_delivery_key_is_visible_text_of_some_length() {
    let server = Server::start().await;
    for key in ["", " ", &"x".repeat(257)] {
        let request = server.as_admin("POST", "/v1/orders").header("Idempotency-Key", key);
        assert_eq!(answer(request.json(&order("A1"))).await.problem(), (400, "bad_parameter".to_owned()));
    }
}
