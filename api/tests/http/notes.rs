//! Notes, and looks at personal data.

use rusqlite::Connection;
use serde_json::{Value, json};

use crate::given::{Server, answer, order};
use crate::held::{Person, events, place, shop, story};

/// An order of 张三 for 李四.
async fn personal(server: &Server) {
    let mut body = order("A1");
    body["customer"] = json!({"id": "u-77", "name": "张三", "phone": "13800138000"});
    body["delivery"] = json!({"recipient": "李四", "phone": "13900139000", "country": "CN", "province": "浙江省",
                              "city": "杭州市", "district": "西湖区", "street": "文三路 1 号", "postcode": "310000"});
    body["device"] = json!({"id": "d-9f1c", "user_agent": "Mozilla/5.0"});
    body["ip"] = json!("203.0.113.7");
    place(server, &body).await;
}

#[tokio::test]
async fn a_note_stands_in_the_history_with_its_author() {
    let server = shop().await;
    let eve = Person::with(&server, "service").await;
    place(&server, &order("A1")).await;
    let noted = eve.post(&server, "/v1/orders/web:A1/notes", json!({"text": "all five parcels\nare theirs"})).await;
    assert_eq!(noted.status, 200, "{noted:?}");
    let after = noted.header("orderlight-position");
    let history = answer(server.as_admin("GET", &format!("/v1/orders/web:A1/history?after={after}"))).await.json();
    let note = history["items"].as_array().unwrap().iter().find(|item| item["type"] == "Noted").unwrap();
    assert_eq!(note["data"], json!({"author": eve.id, "text": "all five parcels\nare theirs"}));
    assert_eq!(note["actor"], eve.id);
    for body in
        [json!({"text": ""}), json!({}), json!({"text": "x".repeat(2_001)}), json!({"text": "ring 13800138000"})]
    {
        assert_eq!(eve.post(&server, "/v1/orders/web:A1/notes", body).await.pointers(), ["/text"]);
    }
    for order in ["web:none", "nonsense"] {
        let refused = eve.post(&server, &format!("/v1/orders/{order}/notes"), json!({"text": "x"})).await;
        assert_eq!(refused.problem(), (404, "not_found".to_owned()));
    }
}

#[tokio::test]
async fn who_looks_at_personal_data_and_why_is_recorded_first() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    personal(&server).await;
    // A later message corrects one of the facts.
    let corrected = json!({"delivery": {"street": "天目山路 9 号"}});
    answer(server.as_admin("PATCH", "/v1/orders/web:A1").json(&corrected)).await;
    let reveal = "/v1/orders/web:A1/reveal";
    let refused = ann.post(&server, reveal, json!({})).await;
    assert_eq!((refused.problem().0, refused.pointers()), (422, vec!["/reason".to_owned()]));
    assert!(!events(&server, "web:A1").await.contains(&"PersonalDataRevealed".to_owned()));
    let revealed = ann.post(&server, reveal, json!({"reason": "to call back"})).await;
    assert_eq!((revealed.status.as_u16(), revealed.header("cache-control")), (200, "no-store"));
    assert_eq!(
        revealed.json(),
        json!({
            "order_id": "web:A1",
            "customer": {"id": "u-77", "name": "张三", "phone": "13800138000"},
            "delivery": {"recipient": "李四", "phone": "13900139000", "district": "西湖区", "street": "天目山路 9 号",
                         "postcode": "310000"},
            "device": {"id": "d-9f1c", "user_agent": "Mozilla/5.0"}, "ip": "203.0.113.7"
        })
    );
    let after = revealed.header("orderlight-position").to_owned();
    let (kind, said) = story(&server, "web:A1").await.pop().unwrap();
    assert_eq!(kind, "PersonalDataRevealed");
    assert!(said.ends_with("looked at the personal data"), "{said}");
    assert!(after.starts_with("0-"), "{after}");
    let history = answer(server.as_admin("GET", &format!("/v1/orders/web:A1/history?after={after}"))).await.json();
    let looks: Vec<&Value> =
        history["items"].as_array().unwrap().iter().filter(|item| item["type"] == "PersonalDataRevealed").collect();
    let [look] = looks[..] else { panic!("{looks:?}") };
    assert_eq!(look["data"], json!({"actor": ann.id, "reason": "to call back"}), "this and nothing of what was shown");
    assert_eq!(look["actor"], ann.id);
}

#[tokio::test]
async fn what_was_never_told_is_null_and_what_is_not_there_is_not_found() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    place(&server, &order("A1")).await;
    let revealed = ann.post(&server, "/v1/orders/web:A1/reveal", json!({"reason": "to call back"})).await.json();
    assert_eq!(revealed["customer"], json!({"id": null, "name": null, "phone": null}));
    assert_eq!(revealed["ip"], Value::Null);
    for order in ["web:none", "nonsense"] {
        let refused = ann.post(&server, &format!("/v1/orders/{order}/reveal"), json!({"reason": "x"})).await;
        assert_eq!(refused.problem(), (404, "not_found".to_owned()));
    }
}

#[tokio::test]
async fn what_was_erased_is_gone_and_no_look_at_it_is_recorded() {
    let server = shop().await;
    let ann = Person::with(&server, "reviewer").await;
    personal(&server).await;
    let before = events(&server, "web:A1").await;
    let raw = Connection::open(server.data.path().join("log.sqlite")).unwrap();
    raw.execute_batch("DELETE FROM vault; DELETE FROM vault_keys;").unwrap();
    let gone = ann.post(&server, "/v1/orders/web:A1/reveal", json!({"reason": "to call back"})).await;
    assert_eq!(gone.problem(), (409, "personal_data_erased".to_owned()));
    assert_eq!(events(&server, "web:A1").await, before);
}
