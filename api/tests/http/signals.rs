//! Signals: declared, pushed, read by rules.

use serde_json::{Value, json};

use crate::given::{Answer, Server, answer, order};

/// Long after every order of these tests.
const LATER: &str = "2030-01-01T00:00:00Z";

async fn put(server: &Server, path: &str, body: Value) -> Answer {
    answer(server.as_admin("PUT", path).json(&body)).await
}

async fn declare(server: &Server, name: &str, subject: &str) {
    let declared = put(server, &format!("/v1/signals/{name}"), json!({"subject": subject})).await;
    assert_eq!(declared.status, 201, "{declared:?}");
}

async fn push(server: &Server, lines: &[Value]) -> Vec<Value> {
    let body = lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let request = server.as_admin("POST", "/v1/signals").header("content-type", "application/x-ndjson").body(body);
    let told = answer(request).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert_eq!(told.header("content-type"), "application/x-ndjson");
    told.text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// Freezes what `signal.blocked` says 1 of, besides more rules.
fn book(more: &[Value]) -> Value {
    let blocked =
        json!({"id": "blocked", "points": 200, "when": {"feature": "signal.blocked", "op": "==", "value": 1}});
    let rules: Vec<_> = std::iter::once(&blocked).chain(more).collect();
    json!({"name": "Lists", "rules": rules, "tiers": [{"id": "freeze", "from": 100, "action": "freeze"}]})
}

async fn put_in_force(server: &Server, book: &Value) {
    let begun = answer(server.as_admin("POST", "/v1/rulebooks").json(book)).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    let path = format!("/v1/rulebooks/{}/publish", begun.json()["id"].as_str().unwrap());
    let published = answer(server.as_admin("POST", &path).json(&json!({}))).await;
    assert_eq!(published.status, 200, "{published:?}");
}

async fn place(server: &Server, order_no: &str, facts: Value) -> Value {
    let mut body = order(order_no);
    body.as_object_mut().unwrap().extend(facts.as_object().unwrap().clone());
    let placed = answer(server.as_admin("POST", "/v1/orders").json(&body)).await;
    assert_eq!(placed.status, 201, "{placed:?}");
    placed.json()["risk"].clone()
}

#[tokio::test]
async fn a_device_on_a_block_list_freezes_its_next_order_and_is_let_go_when_it_is_taken_off() {
    let server = Server::start().await;
    declare(&server, "blocked", "device").await;
    put_in_force(&server, &book(&[])).await;
    let device = || json!({"device": {"id": "d-9f1c"}});
    assert_eq!(place(&server, "A1", device()).await["state"], "released");
    let listed = put(&server, "/v1/signals/blocked/d-9f1c", json!({"value": 1, "expires_at": LATER})).await;
    assert_eq!(listed.status, 200, "{listed:?}");
    assert!(listed.header("orderlight-position").starts_with("0-"), "{listed:?}");
    let told = json!({"name": "blocked", "value": "1", "expires_at": "2030-01-01T00:00:00.000Z", "changed": true});
    assert_eq!(listed.json(), told);
    let frozen = place(&server, "A2", device()).await;
    assert_eq!((&frozen["state"], &frozen["hits"][0]["evidence"]), (&json!("frozen"), &json!({"signal.blocked": "1"})));
    assert_eq!(place(&server, "A3", json!({"device": {"id": "d-other"}})).await["state"], "released");
    let decision = answer(server.as_admin("GET", "/v1/orders/web:A2/decision")).await.json();
    assert!(decision["explanation"]["zh"].as_str().unwrap().contains("外部信号 blocked：1"), "{decision}");
    assert!(decision["explanation"]["en"].as_str().unwrap().contains("the signal blocked: 1"), "{decision}");

    let taken_off = put(&server, "/v1/signals/blocked/d-9f1c", json!({"value": null})).await;
    assert_eq!(taken_off.json()["changed"], true, "{taken_off:?}");
    assert_eq!(place(&server, "A4", device()).await["state"], "released");
}

#[tokio::test]
async fn values_are_pushed_line_by_line_and_a_bad_line_does_not_stop_the_others() {
    let server = Server::start().await;
    declare(&server, "blocked", "address").await;
    declare(&server, "weather", "region").await;
    let weather =
        json!({"id": "weather", "points": 5, "when": {"feature": "signal.weather", "op": ">", "value": "0.5"}});
    put_in_force(&server, &book(&[weather])).await;
    let to = json!({"province": "浙江", "city": "杭州市", "street": "文三路 1 号"});
    let line = |name: &str, subject: &Value, value: Value| json!({"name": name, "subject": subject, "value": value, "expires_at": LATER});
    let told = push(
        &server,
        &[
            line("weather", &json!("浙江省"), json!("0.75")),
            line("blocked", &to, json!(1)),
            line("blocked", &json!({"street": "x", "floor": 3}), json!(1)),
            line("wether", &json!("浙江省"), json!(1)),
            line("weather", &json!("浙江省"), json!("0.12345")),
            json!({"name": "weather", "subject": 5, "value": 1, "expires": LATER}),
            line("weather", &json!(""), json!(1)),
            line("weather", &json!("浙江省"), json!(0.75)),
        ],
    )
    .await;
    let outcome: Vec<_> = told.iter().map(|line| (line["line"].as_u64().unwrap(), line["ok"] == true)).collect();
    let good = [true, true, false, false, false, false, false, true];
    assert_eq!(outcome, (1..).zip(good).collect::<Vec<_>>(), "{told:?}");
    let position = told[0]["position"].as_str().unwrap().to_owned();
    let expected = json!({"line": 1, "ok": true, "name": "weather", "changed": true, "position": position});
    assert_eq!(told[0], expected);
    assert!(position.starts_with("0-") && told[2].get("position").is_none(), "{told:?}");
    let seen = answer(server.as_admin("GET", &format!("/v1/signals?after={position}"))).await;
    assert_eq!(seen.status, 200, "{seen:?}");
    assert_eq!(told[7]["changed"], false, "it was so already");
    let pointers = |index: usize| {
        let errors = told[index]["problem"]["errors"].as_array().unwrap();
        errors.iter().map(|error| error["pointer"].as_str().unwrap()).collect::<Vec<_>>()
    };
    assert_eq!(pointers(2), ["/subject"]);
    assert_eq!(told[3]["problem"]["code"], "not_found");
    assert_eq!(pointers(4), ["/value"]);
    assert_eq!(pointers(5), ["/subject", "/expires_at", "/expires"]);
    assert_eq!(pointers(6), ["/subject"]);
    let risk = place(&server, "A1", json!({"delivery": to})).await;
    assert_eq!((&risk["state"], &risk["score"]), (&json!("frozen"), &json!(205)), "{risk}");
}

#[tokio::test]
async fn what_is_declared_is_listed_and_stands_in_the_catalogue() {
    let server = Server::start().await;
    let body = json!({"subject": "region", "unit": "0..1", "description": "天气影响配送的程度"});
    let declared = put(&server, "/v1/signals/weather", body.clone()).await;
    let view = json!({"name": "weather", "feature": "signal.weather", "subject": "region", "unit": "0..1",
                      "description": "天气影响配送的程度"});
    assert_eq!((declared.status.as_u16(), declared.json()), (201, view.clone()));
    assert_eq!(put(&server, "/v1/signals/weather", body).await.status, 200);
    let reworded = put(&server, "/v1/signals/weather", json!({"subject": "region"})).await;
    assert_eq!((reworded.status.as_u16(), &reworded.json()["unit"]), (200, &json!("")));
    declare(&server, "blocked", "device").await;
    let list = answer(server.as_admin("GET", "/v1/signals")).await.json();
    let names: Vec<_> = list["items"].as_array().unwrap().iter().map(|signal| &signal["name"]).collect();
    assert_eq!(
        (json!(names), &list["next_cursor"]),
        (json!(["blocked", "logistics_pressure", "weather"]), &Value::Null)
    );
    let page = async |query: &str| answer(server.as_admin("GET", &format!("/v1/signals?{query}"))).await;
    let first = page("limit=1").await.json();
    assert_eq!((&first["items"][0]["name"], &first["items"][1]), (&json!("blocked"), &Value::Null));
    let second = page(&format!("limit=2&cursor={}", first["next_cursor"].as_str().unwrap())).await.json();
    assert_eq!((&second["items"][1]["name"], &second["next_cursor"]), (&json!("weather"), &Value::Null));
    for wrong in ["limit=0", "limit=201", "cursor=No.Name"] {
        assert_eq!(page(wrong).await.problem(), (400, "bad_parameter".to_owned()), "{wrong}");
    }
    let catalogue = answer(server.as_admin("GET", "/v1/features")).await.json();
    let last = catalogue["items"].as_array().unwrap().last().unwrap().clone();
    assert_eq!((&last["name"], &last["type"]), (&json!("signal.weather"), &json!("decimal")));
    assert_eq!((&last["en"], &last["takes_window"]), (&json!("the signal weather"), &json!(false)));
}

#[tokio::test]
async fn a_rule_that_reads_a_signal_which_nobody_declared_is_refused_with_the_nearest_one() {
    let server = Server::start().await;
    let refused = answer(server.as_admin("POST", "/v1/rulebooks").json(&book(&[]))).await;
    assert_eq!(
        (refused.problem(), refused.pointers()),
        ((422, "invalid_body".into()), vec!["/rules/0/when/feature".into()])
    );
    declare(&server, "blocked", "device").await;
    let begun = answer(server.as_admin("POST", "/v1/rulebooks").json(&book(&[]))).await.json();
    let misspelt = json!({"id": "b", "points": 5, "when": {"feature": "signal.bloked", "op": "==", "value": 1}});
    let edit = server.as_admin("PUT", &format!("/v1/rulebooks/{}", begun["id"].as_str().unwrap()));
    let refused = answer(edit.header("if-match", "1").json(&book(&[misspelt]))).await;
    assert_eq!(refused.pointers(), ["/rules/1/when/feature"]);
    assert!(refused.text.contains("did you mean \\\"signal.blocked\\\"?"), "{refused:?}");
}

#[tokio::test]
async fn a_check_tells_of_a_signal_which_nobody_declared_before_it_is_saved() {
    let server = Server::start().await;
    let check = async || answer(server.as_admin("POST", "/v1/rulebooks/1/check").json(&book(&[]))).await.json();
    let report = check().await;
    assert_eq!(report["errors"][0]["pointer"], "/rules/0/when/feature", "{report}");
    assert!(report["errors"][0]["detail"].as_str().unwrap().contains("not declared"), "{report}");
    assert_eq!((&report["warnings"], &report["combinations"]), (&json!([]), &json!({})));
    declare(&server, "blocked", "device").await;
    let report = check().await;
    assert_eq!((&report["errors"], &report["combinations"]), (&json!([]), &json!({"freeze": [["blocked"]]})));
}

#[tokio::test]
async fn what_is_wrong_with_a_signal_is_told() {
    let server = Server::start().await;
    declare(&server, "blocked", "ip24").await;
    let told = put(&server, "/v1/signals/blocked", json!({"subject": "device"})).await;
    assert_eq!(told.problem(), (409, "other_subject".into()));
    let told = put(&server, "/v1/signals/other", json!({"subject": "planet", "unit": "x".repeat(33), "note": 1})).await;
    assert_eq!(told.pointers(), ["/subject", "/unit", "/note"]);
    let value = json!({"value": 1, "expires_at": LATER});
    assert_eq!(put(&server, "/v1/signals/blocked/203.0.113.0%2F24", value.clone()).await.status, 200);
    let told = put(&server, "/v1/signals/blocked/203.0.113.0%2F16", value.clone()).await;
    assert_eq!((told.problem(), told.pointers()), ((422, "invalid_body".into()), vec!["/subject".into()]));
    assert_eq!(put(&server, "/v1/signals/nothing/d-9f1c", value.clone()).await.problem(), (404, "not_found".into()));
    for name in ["No.Name", "Bad%20Name"] {
        let told = put(&server, &format!("/v1/signals/{name}"), json!({"subject": "device", "colour": 1})).await;
        assert_eq!((told.problem().0, told.pointers()), (422, vec!["/name".into(), "/colour".into()]), "{name}");
        assert!(told.text.contains("a-z, 0-9 and _"), "{told:?}");
        assert_eq!(put(&server, &format!("/v1/signals/{name}/d-1"), value.clone()).await.problem().0, 404, "{name}");
    }
    let told = put(&server, "/v1/signals/blocked/203.0.113.7", json!({"value": "one"})).await;
    assert_eq!(told.pointers(), ["/value", "/expires_at"]);
}

#[tokio::test]
async fn a_merchant_sees_and_reads_its_own_signals_alone() {
    let server = Server::start().await;
    declare(&server, "blocked", "device").await;
    put_in_force(&server, &book(&[])).await;
    put(&server, "/v1/signals/blocked/d-9f1c", json!({"value": 1, "expires_at": LATER})).await;
    let made = answer(server.as_admin("POST", "/v1/merchants").json(&json!({"id": "other", "name": "Other"}))).await;
    let key = made.json()["key"].as_str().unwrap().to_owned();
    let theirs = |method: &str, path: &str| server.request(method, path).bearer_auth(&key);
    let listed = answer(theirs("GET", "/v1/signals")).await;
    assert!(!listed.text.contains("blocked"), "{listed:?}");
    let pushed = theirs("PUT", "/v1/signals/blocked/d-9f1c").json(&json!({"value": 0, "expires_at": LATER}));
    assert_eq!(answer(pushed).await.problem(), (404, "not_found".into()));
    assert_eq!(answer(theirs("POST", "/v1/rulebooks").json(&book(&[]))).await.status, 422);
    let mut body = order("A1");
    body["device"] = json!({"id": "d-9f1c"});
    assert_eq!(answer(theirs("POST", "/v1/orders").json(&body)).await.json()["risk"]["state"], "released");
    assert_eq!(place(&server, "A1", json!({"device": {"id": "d-9f1c"}})).await["state"], "frozen");
}

#[tokio::test]
async fn every_preset_can_be_drafted_checked_clean_and_published_by_a_new_merchant() {
    let server = Server::start().await;
    let listed = answer(server.as_admin("GET", "/v1/signals")).await.json();
    let listed: Vec<_> = listed["items"].as_array().unwrap().iter().map(|it| (&it["name"], &it["subject"])).collect();
    assert_eq!(json!(listed), json!([["logistics_pressure", "region"], ["weather", "region"]]));
    for preset in ["starter", "growth", "enterprise"] {
        let body = answer(server.as_admin("GET", &format!("/v1/presets/{preset}"))).await.json();
        let begun = answer(server.as_admin("POST", "/v1/rulebooks").json(&body)).await;
        assert_eq!(begun.status, 201, "{preset}: {begun:?}");
        let path = format!("/v1/rulebooks/{}", begun.json()["id"].as_str().unwrap());
        let report = answer(server.as_admin("POST", &format!("{path}/check"))).await.json();
        assert_eq!((&report["errors"], &report["warnings"]), (&json!([]), &json!([])), "{preset}");
        let published = answer(server.as_admin("POST", &format!("{path}/publish")).json(&json!({}))).await;
        assert_eq!(published.status, 200, "{preset}: {published:?}");
    }
    let misspelt = json!({"id": "b", "points": 5, "when": {"feature": "signal.wether", "op": ">=", "value": "0.5"}});
    let mut book = book(&[misspelt]);
    book["rules"].as_array_mut().unwrap().remove(0);
    let refused = answer(server.as_admin("POST", "/v1/rulebooks").json(&book)).await;
    assert!(refused.text.contains("did you mean \\\"signal.weather\\\"?"), "{refused:?}");
}

#[tokio::test]
async fn a_signal_of_the_beginning_takes_values_or_is_declared_otherwise_and_a_replay_sees_the_same() {
    let server = Server::start().await;
    let stormy = json!({"feature": "signal.weather", "op": ">=", "value": "0.7"});
    let book = json!({
        "name": "Storms", "tiers": [{"id": "freeze", "from": 100, "action": "freeze"}],
        "rules": [{"id": "storm", "points": 200, "when": stormy}],
    });
    put_in_force(&server, &book).await;
    let value = json!({"value": "0.8", "expires_at": LATER});
    let told = put(&server, "/v1/signals/weather/%E6%B5%99%E6%B1%9F", value.clone()).await;
    assert_eq!((told.status.as_u16(), &told.json()["changed"]), (200, &json!(true)), "{told:?}");
    let there = json!({"delivery": {"province": "浙江省"}});
    assert_eq!(place(&server, "A1", there.clone()).await["state"], "frozen");
    let other = put(&server, "/v1/signals/weather", json!({"subject": "device"})).await;
    assert_eq!(other.problem(), (409, "other_subject".into()), "values were told of regions");
    let declared = put(&server, "/v1/signals/weather", json!({"subject": "region", "unit": "0..1"})).await;
    assert_eq!(declared.status, 201, "{declared:?}");
    assert_eq!(place(&server, "A2", there).await["state"], "frozen");
    let otherwise = put(&server, "/v1/signals/logistics_pressure", json!({"subject": "device"})).await;
    assert_eq!((otherwise.status.as_u16(), &otherwise.json()["subject"]), (201, &json!("device")));
    assert_eq!(put(&server, "/v1/signals/logistics_pressure/d-9f1c", value).await.status, 200);
    let listed = answer(server.as_admin("GET", "/v1/signals")).await.json();
    assert_eq!(listed["items"][0]["subject"], "device", "{listed}");
    let replayed = answer(server.as_admin("POST", "/v1/audit/replay?wait=true")).await.json();
    assert_eq!(replayed, json!({"decisions": 2, "identical": 2, "different": []}));
    let day = json!({"from": "2000-01-01T00:00:00Z", "to": "2100-01-01T00:00:00Z"});
    let tried = answer(server.as_admin("POST", "/v1/rulebooks/2/backtest?wait=true").json(&day)).await.json();
    assert_eq!((&tried["orders"], &tried["unchanged"]), (&json!(2), &json!(2)), "{tried}");
}
