//! Merchants and keys.

use serde_json::{Value, json};

use crate::given::{Answer, BOOTSTRAP, Server, answer, order};

async fn register(server: &Server, body: &Value) -> Answer {
    answer(server.as_admin("POST", "/v1/merchants").json(body)).await
}

async fn create_key(server: &Server, token: &str, body: &Value) -> Answer {
    answer(server.request("POST", "/v1/keys").bearer_auth(token).json(body)).await
}

async fn list(server: &Server, token: &str, query: &str) -> Answer {
    answer(server.request("GET", &format!("/v1/keys{query}")).bearer_auth(token)).await
}

#[tokio::test]
async fn a_merchant_comes_with_its_first_key_and_sees_no_other_merchant() {
    let server = Server::start().await;
    let registered =
        register(&server, &json!({"id": "north", "name": " North Store ", "time_zone": "Europe/Berlin"})).await;
    assert_eq!(registered.status, 201, "{registered:?}");
    let mut merchant = registered.json();
    let (key, key_id) = (merchant["key"].take(), merchant["key_id"].take());
    let expected = json!({
        "id": "north", "name": "North Store", "time_zone": "Europe/Berlin", "currency": "CNY", "key_id": null, "key": null
    });
    assert_eq!(merchant, expected);
    let token = key.as_str().unwrap();
    assert!(token.starts_with("olk_") && token.len() == 68);
    let order = order("A1");
    assert_eq!(answer(server.request("POST", "/v1/orders").bearer_auth(token).json(&order)).await.status, 201);
    let elsewhere = answer(server.as_admin("PATCH", "/v1/orders/web:A1").json(&json!({"amount": 5}))).await;
    assert_eq!(elsewhere.problem(), (404, "not_found".to_owned()));
    let keys = list(&server, token, "").await.json();
    assert_eq!(keys["items"].as_array().unwrap().len(), 1);
    assert_eq!((&keys["items"][0]["id"], &keys["items"][0]["roles"]), (&key_id, &json!(["admin"])));
}

#[tokio::test]
async fn a_merchant_is_registered_once() {
    let server = Server::start().await;
    let body = json!({"id": "north", "name": "North Store"});
    assert_eq!(register(&server, &body).await.status, 201);
    assert_eq!(register(&server, &body).await.problem(), (409, "merchant_exists".to_owned()));
    let other = json!({"id": "default", "name": "Other"});
    assert_eq!(register(&server, &other).await.problem(), (409, "merchant_exists".to_owned()));
}

#[tokio::test]
async fn every_fault_of_a_merchant_is_told() {
    let server = Server::start().await;
    let body = json!({"id": "North", "time_zone": "Asia/Nowhere", "currency": "yuan", "colour": "red"});
    let refused = register(&server, &body).await;
    assert_eq!(refused.problem(), (422, "invalid_body".to_owned()));
    assert_eq!(refused.pointers(), ["/id", "/name", "/time_zone", "/currency", "/colour"]);
    assert_eq!(register(&server, &json!([])).await.pointers(), [""]);
}

#[tokio::test]
async fn an_administrator_without_platform_registers_no_merchant_and_gives_no_platform_role() {
    let server = Server::start().await;
    let (_, admin) = server.key(&["admin"]).await;
    let body = json!({"id": "north", "name": "North Store"});
    let refused = answer(server.request("POST", "/v1/merchants").bearer_auth(&admin).json(&body)).await;
    assert_eq!(refused.problem(), (403, "role_missing".to_owned()));
    let platform = json!({"name": "mine", "roles": ["admin", "platform"]});
    assert_eq!(create_key(&server, &admin, &platform).await.problem(), (403, "role_missing".to_owned()));
    assert_eq!(create_key(&server, BOOTSTRAP, &platform).await.status, 201);
}

#[tokio::test]
async fn a_key_is_shown_once_and_refused_from_the_request_after_its_revocation_on() {
    let server = Server::start().await;
    let body = json!({"name": "till 3", "roles": ["ingest", "service"], "expires_at": "2099-01-01T00:00:00+08:00"});
    let made = create_key(&server, BOOTSTRAP, &body).await;
    assert_eq!(made.status, 201, "{made:?}");
    assert!(made.header("orderlight-position").starts_with("0-"));
    let made = made.json();
    assert_eq!((&made["name"], &made["roles"]), (&body["name"], &body["roles"]));
    assert_eq!(made["expires_at"], "2098-12-31T16:00:00.000Z");
    let (id, token) = (made["id"].as_str().unwrap(), made["key"].as_str().unwrap());
    let send = async || answer(server.request("POST", "/v1/orders").bearer_auth(token).json(&order("A1"))).await.status;
    assert_eq!(send().await, 201);
    let listed = list(&server, BOOTSTRAP, "").await;
    assert!(!listed.text.contains(token) && !listed.text.contains("hash"), "{listed:?}");
    let revoke = async |id: &str| answer(server.as_admin("DELETE", &format!("/v1/keys/{id}"))).await;
    let revoked = revoke(id).await;
    assert_eq!((revoked.status.as_u16(), revoked.text.as_str()), (204, ""));
    assert_eq!(send().await, 401);
    assert_eq!(revoke(id).await.status, 204);
    assert_eq!(revoke("unknown").await.problem(), (404, "not_found".to_owned()));
    assert_eq!(list(&server, BOOTSTRAP, "").await.json()["items"][0]["revoked"], true);
}

#[tokio::test]
async fn a_key_of_another_merchant_is_not_there() {
    let server = Server::start().await;
    let north = register(&server, &json!({"id": "north", "name": "North Store"})).await.json();
    let id = north["key_id"].as_str().unwrap();
    let refused = answer(server.as_admin("DELETE", &format!("/v1/keys/{id}"))).await;
    assert_eq!(refused.problem(), (404, "not_found".to_owned()));
    assert_eq!(list(&server, north["key"].as_str().unwrap(), "").await.status, 200);
}

#[tokio::test]
async fn every_fault_of_a_key_is_told() {
    let server = Server::start().await;
    let body = json!({"roles": ["ingest", "boss", 7, "ingest"], "expires_at": "2020-01-01T00:00:00Z", "key": "mine"});
    let refused = create_key(&server, BOOTSTRAP, &body).await;
    assert_eq!(refused.problem(), (422, "invalid_body".to_owned()));
    assert_eq!(refused.pointers(), ["/name", "/roles/1", "/roles/2", "/roles/3", "/expires_at", "/key"]);
    let refused = create_key(&server, BOOTSTRAP, &json!({"name": "x", "roles": []})).await;
    assert_eq!(refused.pointers(), ["/roles"]);
}

/// The ids of a list, read page by page.
async fn paged(server: &Server, path: &str) -> Vec<String> {
    let (mut listed, mut cursor) = (vec![], String::new());
    loop {
        let page = answer(server.as_admin("GET", &format!("{path}?limit=2{cursor}"))).await.json();
        let items = page["items"].as_array().unwrap();
        assert!((1..=2).contains(&items.len()), "{page}");
        listed.extend(items.iter().map(|item| item["id"].as_str().unwrap().to_owned()));
        let Some(next) = page["next_cursor"].as_str() else { return listed };
        cursor = format!("&cursor={next}");
    }
}

#[tokio::test]
async fn endpoints_are_listed_in_pages() {
    let server = Server::start().await;
    let mut made = vec![];
    for number in 0..4 {
        let endpoint = json!({"url": format!("https://1.1.1.{number}/hooks"), "events": ["order.frozen"]});
        let created = answer(server.as_admin("POST", "/v1/endpoints").json(&endpoint)).await;
        let id = created.json()["id"].as_str().unwrap_or_else(|| panic!("{created:?}")).to_owned();
        let (after, first) = (created.header("orderlight-position"), made.first().unwrap_or(&id));
        let page = answer(server.as_admin("GET", &format!("/v1/endpoints?limit=1&after={after}"))).await.json();
        assert_eq!((&page["items"][0]["id"], page["items"].as_array().unwrap().len()), (&json!(first), 1), "{page}");
        made.push(id);
    }
    assert_eq!(paged(&server, "/v1/endpoints").await, made);
    let removed = answer(server.as_admin("DELETE", &format!("/v1/endpoints/{}", made[1]))).await;
    assert_eq!(removed.status, 204, "{removed:?}");
    assert_eq!(paged(&server, "/v1/endpoints").await, [&*made[0], &made[2], &made[3]]);
}

#[tokio::test]
async fn keys_are_listed_in_pages() {
    let server = Server::start().await;
    let mut made = vec![];
    for _ in 0..5 {
        made.push(server.key(&["ingest"]).await.0);
    }
    assert_eq!(paged(&server, "/v1/keys").await, made);
    assert_eq!(list(&server, BOOTSTRAP, "?limit=0").await.problem(), (400, "bad_parameter".to_owned()));
    assert_eq!(list(&server, BOOTSTRAP, "?cursor=none").await.problem(), (400, "bad_parameter".to_owned()));
}

#[tokio::test]
async fn a_list_of_keys_waits_for_what_was_written() {
    let server = Server::start().await;
    let made = create_key(&server, BOOTSTRAP, &json!({"name": "till", "roles": ["ingest"]})).await;
    let after = made.header("orderlight-position");
    let listed = list(&server, BOOTSTRAP, &format!("?after={after}")).await;
    assert_eq!((listed.status.as_u16(), &listed.json()["items"][0]["id"]), (200, &made.json()["id"]));
    assert_eq!(list(&server, BOOTSTRAP, "?after=till").await.problem(), (400, "bad_parameter".to_owned()));
    let (partition, position) = after.split_once('-').unwrap();
    let ahead = format!("?after={partition}-{}", position.parse::<u64>().unwrap() + 1);
    assert_eq!(list(&server, BOOTSTRAP, &ahead).await.problem(), (503, "position_not_reached".to_owned()));
}

/// An endpoint that is told of nothing in these tests, by its path.
async fn endpoint(server: &Server) -> String {
    let body = json!({"url": "https://oms.example.com/hooks", "events": ["order.frozen"]});
    let created = answer(server.as_admin("POST", "/v1/endpoints").json(&body)).await;
    assert_eq!(created.status, 201, "{created:?}");
    let path = format!("/v1/endpoints/{}", created.json()["id"].as_str().unwrap());
    let after = created.header("orderlight-position").to_owned();
    for read in ["/v1/endpoints".to_owned(), format!("{path}/deliveries")] {
        let read = answer(server.as_admin("GET", &format!("{read}?after={after}"))).await;
        assert_eq!(read.status, 200, "{read:?}");
    }
    path
}

#[tokio::test]
async fn what_is_parked_is_told_again_when_nothing_more_is_said() {
    let server = Server::start().await;
    let path = format!("{}/replay", endpoint(&server).await);
    let replay = async |body: Value| answer(server.as_admin("POST", &path).json(&body)).await;
    let unsaid = answer(server.as_admin("POST", &path)).await;
    assert_eq!((unsaid.status.as_u16(), unsaid.json()), (200, json!({"due": 0})), "{unsaid:?}");
    for body in [json!({}), json!({"parked": true})] {
        assert_eq!(replay(body).await.json(), json!({"due": 0}));
    }
    for (body, pointers) in [
        (json!({"ids": ["zz"], "parked": 1}), vec!["/ids", "/parked"]),
        (json!({"parked": true, "from_position": "0-1"}), vec![""]),
        (json!({"from": 1}), vec!["/from"]),
    ] {
        assert_eq!(replay(body.clone()).await.pointers(), pointers, "{body}");
    }
}

#[tokio::test]
async fn an_auditor_reads_settings_and_endpoints_but_no_keys_and_changes_nothing() {
    let server = Server::start().await;
    let (_, auditor) = server.key(&["auditor"]).await;
    let path = endpoint(&server).await;
    let ask = async |method: &str, path: &str| answer(server.request(method, path).bearer_auth(&auditor)).await.status;
    for path in ["/v1/settings", "/v1/endpoints", &format!("{path}/deliveries")] {
        assert_eq!(ask("GET", path).await, 200, "{path}");
    }
    for (method, path) in [("GET", "/v1/keys"), ("PUT", "/v1/settings"), ("DELETE", &path)] {
        assert_eq!(ask(method, path).await, 403, "{method} {path}");
    }
}
