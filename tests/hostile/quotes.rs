//! Quotes and wildcards are letters like others: stored, and found again.

use reqwest::Method;
use serde_json::{Value, json};
use tempfile::tempdir;

use super::{FIRST, started, well_afterwards};
use crate::support::orders::{plain, with};

/// Texts that mean something to somebody else.
const TEXTS: [&str; 12] = [
    "it's",
    "\"quoted\"",
    "`ticks`",
    r"back\slash\",
    "'; DROP TABLE log; --",
    "' OR '1'='1' /*",
    "100%_of%it",
    "%",
    "_",
    "${jndi:ldap://x} {{7*7}} <script>alert(1)</script>",
    "?1 $1 :name @p #x &amp; \u{2028}\u{202e}",
    "面膜 😀 é/..//..%00%2e",
];

/// An order that has the text everywhere where a text may be.
fn order(text: &str) -> Value {
    let more = json!({
        "display_no": format!("D {text}"),
        "lines": [{"sku": text, "title": text, "quantity": 1}],
        "customer": {"id": text, "name": text, "phone": text},
        "delivery": {"recipient": text, "phone": text, "province": text, "city": text, "district": text, "street": text, "postcode": text},
        "device": {"id": text, "user_agent": text},
    });
    with(plain(text), more)
}

fn encoded(text: &str) -> String {
    text.bytes().map(|byte| format!("%{byte:02X}")).collect()
}

#[test]
fn quotes_and_wildcards_in_every_text_are_stored_and_found_again() {
    let directory = tempdir().unwrap();
    let (service, _keys) = started(directory.path());
    for (number, text) in TEXTS.iter().enumerate() {
        let request = service.request(Method::POST, "/v1/orders").json(&order(text));
        // A header takes visible ASCII alone.
        let key = if text.is_ascii() { format!("{number} {text}") } else { number.to_string() };
        let answer = service.send(request.header("idempotency-key", key));
        assert_eq!(answer.status, 201, "{text}: {answer:?}");
        assert_eq!(answer.json()["order_id"], format!("web:{text}"));
    }
    service.settle();
    assert_eq!(service.all_orders("").len(), TEXTS.len() + 1);
    for text in TEXTS {
        let id = format!("web:{text}");
        let only = |query: &str| {
            let found = service.all_orders(query);
            assert_eq!(found.len(), 1, "{query} for {text}");
            assert_eq!(found[0]["order_id"], id);
        };
        only(&format!("&order_no={}", encoded(text)));
        only(&format!("&order_no={}", encoded(&format!("D {text}"))));
        only(&format!("&customer_id={}", encoded(text)));
        let path = format!("/v1/orders/{}", encoded(&id));
        assert_eq!(service.get(&path).json()["order_id"], id);
        assert_eq!(service.get(&format!("{path}/decision")).json()["order_id"], id);
        let links = service.get(&format!("{path}/links?by=device")).json();
        assert_eq!(links["items"], json!([]), "no device is taken for another: {text}");
        let story = service.get(&format!("{path}/history")).json();
        let placed = story["items"].as_array().unwrap().iter().find(|item| item["type"] == "Placed").unwrap();
        assert_eq!(placed["data"]["facts"]["lines"][0]["title"], text);
        let of_customer = service.get(&format!("/v1/customers/{}/orders", encoded(text))).json();
        assert_eq!(of_customer["items"][0]["order_id"], id);
    }
    assert_eq!(service.get(&format!("/v1/orders/web:{FIRST}")).status, 200, "what was there is there");
    well_afterwards(service);
}
