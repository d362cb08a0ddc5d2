//! Requests that come without a right, by a wrong way, or with wrong words in their address.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, Key};
use crate::support::orders::{at, plain};

pub(super) fn cases() -> Vec<Case> {
    let mut cases = keys_and_roles();
    cases.extend(ways());
    cases.extend(parameters());
    cases.extend(administration());
    cases.extend(webhooks());
    cases
}

fn keys_and_roles() -> Vec<Case> {
    let post =
        |name, key| Case::new(name, Method::POST, "/v1/orders", 401, "unauthorized").json(&plain("BAD")).key(key);
    let forbidden = |name, method, path: &str, key| Case::new(name, method, path, 403, "role_missing").key(key);
    let status = json!({"status": "paid", "occurred_at": at(0)});
    vec![
        post("no key", Key::Nobody),
        post("an empty key", Key::Text("Bearer ")),
        post("a key without its scheme", Key::Text("the-token-of-these-proofs")),
        post("a key of another scheme", Key::Text("Basic dGhlLXRva2VuOg==")),
        post(
            "a key that nobody has",
            Key::Text("Bearer olk_0000000000000000000000000000000000000000000000000000000000000000"),
        ),
        post("a key with a quote", Key::Text("Bearer ' OR '1'='1")),
        post("a key cut short", Key::Text("Bearer the-token-of-these-proof")),
        Case::new("a broken body without a key", Method::POST, "/v1/orders", 401, "unauthorized")
            .text("{")
            .key(Key::Nobody),
        Case::new("a look-up without a key", Method::GET, "/v1/orders", 401, "unauthorized").key(Key::Nobody),
        Case::new("a list of keys without a key", Method::GET, "/v1/keys", 401, "unauthorized").key(Key::Nobody),
        forbidden("an order by who may look up", Method::POST, "/v1/orders", Key::Service).json(&plain("BAD")),
        forbidden("an amendment by who may look up", Method::PATCH, "/v1/orders/web:FIRST", Key::Service)
            .json(&json!({"amount": 1})),
        forbidden("a report by who may look up", Method::POST, "/v1/orders/web:FIRST/status", Key::Service)
            .json(&status),
        forbidden("notices by who may look up", Method::POST, "/v1/notices", Key::Service)
            .header("content-type", "application/x-ndjson"),
        forbidden("a look-up by who may send", Method::GET, "/v1/orders", Key::Ingest),
        forbidden("a look at an order by who may send", Method::GET, "/v1/orders/web:FIRST", Key::Ingest),
        forbidden("a history by who may send", Method::GET, "/v1/orders/web:FIRST/history", Key::Ingest),
        forbidden("reviews by who may send", Method::GET, "/v1/reviews", Key::Ingest),
        forbidden("a new key by who may send", Method::POST, "/v1/keys", Key::Ingest)
            .json(&json!({"name": "mine", "roles": ["admin"]})),
        forbidden("a new merchant by who may look up", Method::POST, "/v1/merchants", Key::Service)
            .json(&json!({"id": "mine", "name": "Mine"})),
        forbidden("a channel by who may look up", Method::PUT, "/v1/channels/shopify", Key::Service)
            .json(&json!({"credentials": {"secret": "x"}})),
    ]
}

fn ways() -> Vec<Case> {
    let post = |name, status, code| {
        let mut case = Case::new(name, Method::POST, "/v1/orders", status, code);
        case.body = plain("BAD").to_string().into_bytes();
        case
    };
    let not_found = |name, path: &str| Case::new(name, Method::GET, path, 404, "not_found");
    let no_method = |name, method, path: &str| Case::new(name, method, path, 405, "method_not_allowed");
    vec![
        post("no content type", 415, "unsupported_media_type"),
        post("text/plain", 415, "unsupported_media_type").header("content-type", "text/plain"),
        post("a form", 415, "unsupported_media_type").header("content-type", "application/x-www-form-urlencoded"),
        post("an empty content type", 415, "unsupported_media_type").header("content-type", ""),
        Case::new("notices as JSON", Method::POST, "/v1/notices", 415, "unsupported_media_type").json(&plain("BAD")),
        post("an idempotency key of 257 bytes", 400, "bad_parameter")
            .header("content-type", "application/json")
            .header("idempotency-key", "k".repeat(257))
            .mentions("Idempotency-Key"),
        post("an empty idempotency key", 400, "bad_parameter")
            .header("content-type", "application/json")
            .header("idempotency-key", "")
            .mentions("Idempotency-Key"),
        not_found("an unknown path", "/v1/nothing"),
        not_found("a path of another version", "/v2/orders"),
        not_found("a way up", "/v1/orders/..%2f..%2fetc%2fpasswd"),
        not_found("an order that is not there", "/v1/orders/web:NONE"),
        not_found("an order's id without a channel", "/v1/orders/FIRST"),
        not_found("an order's id with a NUL", "/v1/orders/web:A%00"),
        not_found("an order's id with a quote", "/v1/orders/web:'%20OR%20'1'='1"),
        not_found("a history of no order", "/v1/orders/web:NONE/history"),
        not_found("a decision of no order", "/v1/orders/web:NONE/decision"),
        not_found("a decision of a position that is none of it", "/v1/orders/web:FIRST/decision?position=0-1"),
        not_found("links of no order", "/v1/orders/web:NONE/links?by=device"),
        Case::new("a path that is not UTF-8", Method::GET, "/v1/orders/web:%FF%FE", 400, "bad_parameter"),
        Case::new("a customer that is not UTF-8", Method::GET, "/v1/customers/%FF/orders", 400, "bad_parameter"),
        no_method("an order deleted", Method::DELETE, "/v1/orders/web:FIRST"),
        no_method("orders put", Method::PUT, "/v1/orders"),
        no_method("notices read", Method::GET, "/v1/notices"),
        no_method("health posted", Method::POST, "/healthz"),
        no_method("a method of one's own", Method::from_bytes(b"FROBNICATE").expect("a method"), "/v1/orders"),
    ]
}

fn parameters() -> Vec<Case> {
    let look_up = |query: &'static str, mentions| {
        let path = format!("/v1/orders?{query}");
        Case::new(path.clone(), Method::GET, path, 400, "bad_parameter").mentions(mentions)
    };
    let get =
        |path: &'static str, mentions| Case::new(path, Method::GET, path, 400, "bad_parameter").mentions(mentions);
    vec![
        look_up("limit=0", "limit"),
        look_up("limit=201", "limit"),
        look_up("limit=-1", "limit"),
        look_up("limit=many", "limit"),
        look_up("limit=99999999999999999999", "limit"),
        look_up("limit=1&limit=2", "limit"),
        look_up("cursor=nonsense", "cursor"),
        look_up("cursor=%00", "cursor"),
        look_up("cursor=';DROP%20TABLE%20order_status;--", "cursor"),
        look_up("after=nonsense", "after"),
        look_up("after=0-99999999999999999999", "after"),
        look_up("after=7-1", "partition"),
        look_up("colour=red", "colour"),
        look_up("channel=Web", "channel"),
        look_up("phone=138****8000", "phone"),
        look_up("phone=nobody", "phone"),
        look_up("state=lost", "state"),
        look_up("status=lost", "status"),
        look_up("placed_from=yesterday", "placed_from"),
        look_up("placed_to=2025-13-01T00:00:00Z", "placed_to"),
        get("/v1/orders/web:FIRST/links", "by"),
        get("/v1/orders/web:FIRST/links?by=colour", "by"),
        get("/v1/orders/web:FIRST/history?order=random", "order"),
        get("/v1/orders/web:FIRST/history?cursor=x", "cursor"),
        get("/v1/orders/web:FIRST/decision?position=x", "position"),
        get("/v1/reviews?state=lost", "state"),
        get("/v1/reviews?sort=colour", "sort"),
        get("/v1/reviews?cursor=x", "cursor"),
        get("/v1/customers/u-77/orders?limit=1000", "limit"),
        get("/v1/keys?cursor=x", "cursor"),
    ]
}

fn administration() -> Vec<Case> {
    let invalid = |name, method, path: &str, body: Value, pointers: &[&'static str]| {
        Case::new(name, method, path, 422, "invalid_body").json(&body).pointers(pointers)
    };
    let post = Method::POST;
    vec![
        invalid("a key for nothing", post.clone(), "/v1/keys", json!({}), &["/name", "/roles"]),
        invalid("a key without roles", post.clone(), "/v1/keys", json!({"name": "x", "roles": []}), &["/roles"]),
        invalid("a key for a king", post.clone(), "/v1/keys", json!({"name": "x", "roles": ["king"]}), &["/roles/0"]),
        invalid(
            "a key that expired",
            post.clone(),
            "/v1/keys",
            json!({"name": "x", "roles": ["ingest"], "expires_at": "2020-01-01T00:00:00Z"}),
            &["/expires_at"],
        ),
        invalid(
            "a key with its own text",
            post.clone(),
            "/v1/keys",
            json!({"name": "x", "roles": ["ingest"], "key": "olk_1"}),
            &["/key"],
        ),
        Case::new("a key that is not there", Method::DELETE, "/v1/keys/0000000000000000", 404, "not_found"),
        invalid("a merchant of no name", post.clone(), "/v1/merchants", json!({"id": "north"}), &["/name"]),
        invalid(
            "a merchant of a wrong name",
            post.clone(),
            "/v1/merchants",
            json!({"id": "No'rth", "name": "x"}),
            &["/id"],
        ),
        invalid(
            "a merchant on the moon",
            post,
            "/v1/merchants",
            json!({"id": "north", "name": "x", "time_zone": "Moon/Crater"}),
            &["/time_zone"],
        ),
        Case::new("a merchant that is there", Method::POST, "/v1/merchants", 409, "merchant_exists")
            .json(&json!({"id": "default", "name": "Another"})),
        Case::new("an unknown channel", Method::PUT, "/v1/channels/moon", 404, "not_found")
            .json(&json!({"credentials": {}})),
        invalid("a channel without credentials", Method::PUT, "/v1/channels/shopify", json!({}), &["/credentials"]),
        invalid(
            "a channel with wrong credentials",
            Method::PUT,
            "/v1/channels/douyin",
            json!({"credentials": {"app_key": 7, "colour": "red"}}),
            &["/credentials/app_key", "/credentials/app_secret", "/credentials/colour"],
        ),
    ]
}

/// A channel is answered as it expects, which need not be a problem.
fn webhooks() -> Vec<Case> {
    let webhook = |name, channel: &str, status, code| {
        Case::new(name, Method::POST, format!("/v1/webhooks/{channel}"), status, code)
            .json(&json!([{"kind": "placed", "order": plain("BAD")}]))
            .key(Key::Nobody)
    };
    vec![
        webhook("a delivery without a signature", "default/standard", 401, "bad_signature"),
        webhook("a delivery with a wrong signature", "default/standard", 401, "bad_signature")
            .header("webhook-id", "m1")
            .header("webhook-timestamp", "1762790400")
            .header("webhook-signature", "v1,AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        webhook("a delivery with an endless time", "default/standard", 401, "bad_signature")
            .header("webhook-id", "m1")
            .header("webhook-timestamp", "9223372036854775807")
            .header("webhook-signature", "v1,AAAA"),
        webhook("a wrong signature of shopify", "default/shopify", 401, "").header("x-shopify-hmac-sha256", "AAAA"),
        webhook("no signature of shopify", "default/shopify", 401, ""),
        webhook("a wrong signature of douyin", "default/douyin", 401, "").header("event-sign", "zz"),
        webhook("a signature of douyin of the right length", "default/douyin", 401, "")
            .header("event-sign", "00".repeat(32)),
        webhook("a channel that is not configured", "default/standard?shop=other", 404, "not_found"),
        webhook("a channel that is none", "default/moon", 404, "not_found"),
        webhook("a merchant that is not there", "nobody/standard", 404, "not_found"),
        webhook("a merchant with a quote", "no'body/standard", 404, "not_found"),
        webhook("a delivery of 10 MB", "default/standard", 413, "too_large").text(vec![b'['; 10 << 20]),
        Case::new("a verification without a signature", Method::GET, "/v1/webhooks/default/standard", 401, "")
            .key(Key::Nobody),
    ]
}
