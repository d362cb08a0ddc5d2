//! Rulebooks on their way into force, and settings.

use serde_json::{Value, json};

use crate::given::{Answer, BOOTSTRAP, Server, answer, order};

/// A rulebook whose one rule gives so many points to every order, and whose tier is out of reach.
fn book(points: u32) -> Value {
    json!({
        "name": "Small",
        "rules": [{"id": "any", "when": {"feature": "order.amount", "op": ">=", "value": 0}, "points": points}],
        "tiers": [{"id": "hold", "from": 1000, "action": "freeze"}], "exemptions": []
    })
}

async fn get(server: &Server, path: &str) -> Answer {
    answer(server.as_admin("GET", path)).await
}

async fn post(server: &Server, key: &str, path: &str, body: &Value) -> Answer {
    answer(server.request("POST", path).bearer_auth(key).json(body)).await
}

async fn edit(server: &Server, key: &str, id: &str, revision: &str, body: &Value) -> Answer {
    let request = server.request("PUT", &format!("/v1/rulebooks/{id}")).bearer_auth(key).header("if-match", revision);
    answer(request.json(body)).await
}

/// A new draft's id.
async fn draft(server: &Server, key: &str, points: u32) -> String {
    let begun = post(server, key, "/v1/rulebooks", &book(points)).await;
    assert_eq!(begun.status, 201, "{begun:?}");
    begun.json()["id"].as_str().unwrap().to_owned()
}

async fn publish(server: &Server, key: &str, id: &str) -> Answer {
    post(server, key, &format!("/v1/rulebooks/{id}/publish"), &json!({"note": "because"})).await
}

async fn ask_for_four_eyes(server: &Server) {
    let changed = answer(server.as_admin("PUT", "/v1/settings").json(&json!({"four_eyes": true}))).await;
    assert_eq!(changed.json()["four_eyes"], true, "{changed:?}");
}

#[tokio::test]
async fn a_draft_is_begun_edited_and_read() {
    let server = Server::start().await;
    let begun = post(&server, BOOTSTRAP, "/v1/rulebooks", &book(1)).await;
    assert_eq!((begun.status.as_u16(), begun.header("etag")), (201, "\"1\""));
    let id = begun.json()["id"].as_str().unwrap().to_owned();
    assert_eq!(begun.json(), json!({"id": id, "revision": 1, "rulebook": book(1)}));
    let edited = edit(&server, BOOTSTRAP, &id, "1", &book(2)).await;
    assert_eq!((edited.status.as_u16(), edited.header("etag")), (200, "\"2\""));
    assert_eq!(edited.json(), json!({"id": id, "revision": 2, "rulebook": book(2)}));
    let tagged = edit(&server, BOOTSTRAP, &id, "\"2\"", &book(3)).await;
    assert_eq!(tagged.status, 200, "{tagged:?}");
    let weak = edit(&server, BOOTSTRAP, &id, "W/\"3\"", &book(3)).await;
    let read = get(&server, &format!("/v1/rulebooks/{id}?after={}", weak.header("orderlight-position"))).await;
    assert_eq!(read.header("etag"), "\"4\"");
    let read = read.json();
    assert_eq!((&read["state"], &read["revision"], &read["rulebook"]), (&json!("draft"), &json!(4), &book(3)));
    assert_eq!((&read["author"], &read["version"]), (&json!("bootstrap"), &Value::Null));
}

#[tokio::test]
async fn an_edit_names_the_revision_that_it_was_made_from() {
    let server = Server::start().await;
    let id = draft(&server, BOOTSTRAP, 1).await;
    let bare = answer(server.as_admin("PUT", &format!("/v1/rulebooks/{id}")).json(&book(2))).await;
    assert_eq!(bare.problem(), (428, "revision_required".to_owned()));
    assert_eq!(edit(&server, BOOTSTRAP, &id, "one", &book(2)).await.problem(), (400, "bad_parameter".to_owned()));
    assert_eq!(edit(&server, BOOTSTRAP, &id, "1", &book(2)).await.status, 200);
    let stale = edit(&server, BOOTSTRAP, &id, "1", &book(3)).await;
    assert_eq!(stale.problem(), (412, "stale_revision".to_owned()));
    assert_eq!(
        get(&server, &format!("/v1/rulebooks/{id}")).await.json()["rulebook"],
        book(2),
        "nothing was overwritten"
    );
    let version = edit(&server, BOOTSTRAP, "1", "1", &book(3)).await;
    assert_eq!(version.problem(), (409, "draft_published".to_owned()));
}

#[tokio::test]
async fn every_fault_of_a_rulebook_is_told_with_its_place() {
    let server = Server::start().await;
    let mut wrong = book(1);
    wrong["rules"][0]["when"]["feature"] = "order.amuont".into();
    wrong["tiers"][0]["from"] = "many".into();
    wrong["colour"] = "red".into();
    let id = draft(&server, BOOTSTRAP, 1).await;
    for refused in
        [post(&server, BOOTSTRAP, "/v1/rulebooks", &wrong).await, edit(&server, BOOTSTRAP, &id, "1", &wrong).await]
    {
        assert_eq!(refused.problem(), (422, "invalid_body".to_owned()));
        let mut pointers = refused.pointers();
        pointers.sort();
        assert_eq!(pointers, ["/colour", "/rules/0/when/feature", "/tiers/0/from"]);
        assert!(refused.text.contains("order.amount"), "the nearest name is told: {refused:?}");
    }
    let not_json = server.as_admin("POST", "/v1/rulebooks").header("content-type", "application/json").body("{");
    assert_eq!(answer(not_json).await.problem(), (400, "malformed".to_owned()));
    let large = json!({"name": "x".repeat(2 << 20)});
    assert_eq!(post(&server, BOOTSTRAP, "/v1/rulebooks", &large).await.problem(), (413, "too_large".to_owned()));
}

#[tokio::test]
async fn a_published_draft_decides_the_next_order_and_stays_as_it_is() {
    let server = Server::start().await;
    let (analyst, ana) = server.key(&["analyst"]).await;
    let (approver, rita) = server.key(&["approver"]).await;
    let id = draft(&server, &ana, 7).await;
    assert_eq!(publish(&server, &ana, &id).await.status, 403);
    assert_eq!(post(&server, &rita, "/v1/rulebooks", &book(1)).await.status, 403);
    let published = publish(&server, &rita, &id).await;
    assert_eq!(published.status, 200, "{published:?}");
    let position = published.header("orderlight-position").to_owned();
    assert_eq!(published.json(), json!({"version": 2, "position": position}));
    let risk = post(&server, BOOTSTRAP, "/v1/orders", &order("A1")).await.json()["risk"].take();
    assert_eq!((&risk["rulebook_version"], &risk["score"]), (&json!(2), &json!(7)));

    let live = get(&server, "/v1/rulebook").await.json();
    assert_eq!((&live["id"], &live["version"], &live["state"]), (&json!("2"), &json!(2), &json!("live")));
    assert_eq!((&live["author"], &live["approver"]), (&json!(analyst), &json!(approver)));
    assert_eq!((&live["note"], &live["draft"], &live["rulebook"]), (&json!("because"), &json!(id), &book(7)));
    assert_eq!(live["position"], position);
    let hash = domain::rulebook::Rulebook::from_json(&book(7)).unwrap().hash();
    assert_eq!(live["hash"], hash);
    assert_eq!(get(&server, "/v1/rulebooks/1").await.json()["state"], "replaced");

    assert_eq!(publish(&server, &rita, &id).await.json(), published.json(), "asked again, answered the same");
    assert_eq!(edit(&server, &ana, &id, "1", &book(8)).await.problem(), (409, "draft_published".to_owned()));
    let submitted = post(&server, &ana, &format!("/v1/rulebooks/{id}/submit"), &json!({})).await;
    assert_eq!(submitted.problem(), (409, "draft_published".to_owned()));
}

#[tokio::test]
async fn four_eyes_take_two_people() {
    let server = Server::start().await;
    let (analyst, ana) = server.key(&["analyst"]).await;
    let (_, both) = server.key(&["analyst", "approver"]).await;
    let (_, rita) = server.key(&["approver"]).await;
    ask_for_four_eyes(&server).await;
    let id = draft(&server, &ana, 1).await;
    edit(&server, &both, &id, "1", &book(2)).await;
    assert_eq!(publish(&server, &rita, &id).await.problem(), (409, "not_submitted".to_owned()));
    let submitted = post(&server, &ana, &format!("/v1/rulebooks/{id}/submit"), &json!({})).await;
    assert_eq!(submitted.json(), json!({"id": id, "revision": 2, "state": "submitted"}));
    assert_eq!(publish(&server, &both, &id).await.problem(), (409, "four_eyes".to_owned()));
    assert_eq!(publish(&server, &rita, &id).await.json()["version"], 2);
    for (path, asked_for) in
        [("/v1/rulebooks/2", json!(analyst)), ("/v1/rulebook", json!(analyst)), ("/v1/rulebooks/1", json!(null))]
    {
        assert_eq!(get(&server, path).await.json()["submitted_by"], asked_for, "{path}");
    }
}

#[tokio::test]
async fn a_rollback_is_a_new_version_with_an_old_text() {
    let server = Server::start().await;
    let first = get(&server, "/v1/rulebook").await.json()["rulebook"].take();
    publish(&server, BOOTSTRAP, &draft(&server, BOOTSTRAP, 7).await).await;
    let back = |body: Value| {
        let server = &server;
        async move { post(server, BOOTSTRAP, "/v1/rulebook/rollback", &body).await }
    };
    assert_eq!(back(json!({"to_version": 2})).await.problem(), (409, "version_in_force".to_owned()));
    for wrong in [json!(9), json!(0), json!("1"), Value::Null] {
        let refused = back(json!({"to_version": wrong, "note": "x"})).await;
        assert_eq!((refused.problem().0, refused.pointers()), (422, vec!["/to_version".to_owned()]), "{refused:?}");
    }
    let rolled = back(json!({"to_version": 1, "note": "too many"})).await;
    assert_eq!(rolled.json(), json!({"version": 3, "position": rolled.header("orderlight-position")}));
    let live = get(&server, "/v1/rulebook").await.json();
    assert_eq!((&live["version"], &live["restores"], &live["note"]), (&json!(3), &json!(1), &json!("too many")));
    assert_eq!(live["rulebook"], first);
    let risk = post(&server, BOOTSTRAP, "/v1/orders", &order("A1")).await.json()["risk"].take();
    assert_eq!(risk["rulebook_version"], 3);
    let explained = get(&server, "/v1/orders/web:A1/decision").await.json();
    assert_eq!(explained["rulebook"]["version"], 3);
}

#[tokio::test]
async fn drafts_and_versions_are_listed_newest_first_in_pages() {
    let server = Server::start().await;
    let mut made = vec!["1".to_owned()];
    for version in 2..=4 {
        let id = draft(&server, BOOTSTRAP, version).await;
        made.push(id.clone());
        publish(&server, BOOTSTRAP, &id).await;
        made.push(version.to_string());
    }
    made.push(draft(&server, BOOTSTRAP, 5).await);
    made.reverse();
    for limit in [1, 2, 3, 200] {
        let (mut listed, mut cursor) = (vec![], String::new());
        loop {
            let page = get(&server, &format!("/v1/rulebooks?limit={limit}{cursor}")).await.json();
            listed.extend(page["items"].as_array().unwrap().iter().map(|item| item["id"].as_str().unwrap().to_owned()));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(listed, made, "{limit} a page");
    }
    let page = get(&server, "/v1/rulebooks").await.json();
    let states: Vec<_> = page["items"].as_array().unwrap().iter().map(|item| item["state"].as_str().unwrap()).collect();
    assert_eq!(states[..3], ["draft", "live", "published"]);
    assert!(page["items"][0].get("rulebook").is_none(), "texts are read one by one");
    for wrong in ["limit=0", "limit=201", "cursor=x", "color=red"] {
        let refused = get(&server, &format!("/v1/rulebooks?{wrong}")).await;
        assert_eq!(refused.problem(), (400, "bad_parameter".to_owned()), "{wrong}");
    }
}

#[tokio::test]
async fn what_differs_is_named_by_rule_and_place() {
    let server = Server::start().await;
    publish(&server, BOOTSTRAP, &draft(&server, BOOTSTRAP, 7).await).await;
    let mut other = book(9);
    other["rules"]
        .as_array_mut()
        .unwrap()
        .insert(0, json!({"id": "new", "when": {"feature": "device.known", "op": "==", "value": false}, "points": 1}));
    let begun = post(&server, BOOTSTRAP, "/v1/rulebooks", &other).await.json();
    let id = begun["id"].as_str().unwrap();
    let diff = get(&server, &format!("/v1/rulebooks/{id}/diff?against=2")).await.json();
    assert_eq!((&diff["from"], &diff["to"]), (&json!("2"), &json!(id)));
    let changes = diff["changes"].as_array().unwrap();
    let told: Vec<_> = changes.iter().map(|it| (&it["part"], &it["id"], &it["change"])).collect();
    assert_eq!(
        told,
        [(&json!("rule"), &json!("new"), &json!("added")), (&json!("rule"), &json!("any"), &json!("changed"))]
    );
    assert_eq!(changes[1]["fields"], json!([{"pointer": "/rules/1/points", "before": 7, "after": 9}]));
    assert_eq!((&changes[1]["from_pointer"], &changes[0]["before"]), (&json!("/rules/0"), &Value::Null));
    assert_eq!(get(&server, &format!("/v1/rulebooks/{id}/diff")).await.json(), diff, "against what is live");
    assert_eq!(get(&server, "/v1/rulebooks/2/diff?against=2").await.json()["changes"], json!([]));
    for path in [format!("/v1/rulebooks/{id}/diff?against=9"), "/v1/rulebooks/d-none/diff".to_owned()] {
        assert_eq!(get(&server, &path).await.problem(), (404, "not_found".to_owned()));
    }
}

#[tokio::test]
async fn another_merchants_rulebooks_are_not_there() {
    let server = Server::start().await;
    let id = draft(&server, BOOTSTRAP, 7).await;
    publish(&server, BOOTSTRAP, &id).await;
    let other = draft(&server, BOOTSTRAP, 8).await;
    let registered =
        answer(server.as_admin("POST", "/v1/merchants").json(&json!({"id": "north", "name": "North"}))).await;
    let north = registered.json()["key"].as_str().unwrap().to_owned();
    let read = |path: String| answer(server.request("GET", &path).bearer_auth(&north));
    assert_eq!(read("/v1/rulebooks".to_owned()).await.json()["items"].as_array().unwrap().len(), 1);
    assert_eq!(read("/v1/rulebook".to_owned()).await.json()["version"], 1);
    for path in [
        format!("/v1/rulebooks/{other}"),
        "/v1/rulebooks/2".to_owned(),
        format!("/v1/rulebooks/1/diff?against={other}"),
    ] {
        assert_eq!(read(path).await.problem(), (404, "not_found".to_owned()));
    }
    assert_eq!(publish(&server, &north, &other).await.problem(), (404, "not_found".to_owned()));
    assert_eq!(edit(&server, &north, &other, "1", &book(1)).await.problem(), (404, "not_found".to_owned()));
    let submitted = post(&server, &north, &format!("/v1/rulebooks/{other}/submit"), &json!({})).await;
    assert_eq!(submitted.problem(), (404, "not_found".to_owned()));
}

#[tokio::test]
async fn presets_and_features_are_there_to_begin_with() {
    let server = Server::start().await;
    let presets = get(&server, "/v1/presets").await.json();
    let names: Vec<_> = presets["items"].as_array().unwrap().iter().map(|preset| &preset["name"]).collect();
    assert_eq!(names, ["starter", "growth", "enterprise"]);
    // What one of them reads must be there before it can be saved.
    for signal in ["weather", "logistics_pressure"] {
        let declare = server.as_admin("PUT", &format!("/v1/signals/{signal}")).json(&json!({"subject": "region"}));
        assert_eq!(answer(declare).await.status, 201);
    }
    for preset in presets["items"].as_array().unwrap() {
        let name = preset["name"].as_str().unwrap();
        let alone = get(&server, &format!("/v1/presets/{name}")).await.json();
        assert_eq!(alone, preset["rulebook"]);
        assert_eq!(post(&server, BOOTSTRAP, "/v1/rulebooks", &alone).await.status, 201, "{name}");
    }
    assert_eq!(get(&server, "/v1/presets/none").await.problem(), (404, "not_found".to_owned()));
    let features = get(&server, "/v1/features").await.json();
    let features = features["items"].as_array().unwrap();
    assert_eq!(features.len(), domain::feature::CATALOGUE.len() + 2, "the catalogue and the signals");
    let named = |name: &str| features.iter().find(|feature| feature["name"] == name).unwrap();
    assert_eq!(
        *named("device.orders"),
        json!({"name": "device.orders", "type": "int", "unit": "orders", "zh": "同一设备的订单数",
               "en": "orders from this device", "takes_window": true, "window": {"min": "1s", "max": "30d"}, "values": []})
    );
    assert_eq!(named("phone.kind")["window"], Value::Null);
    assert!(named("phone.kind")["values"].as_array().unwrap().contains(&json!("virtual")));
}

#[tokio::test]
async fn settings_are_kept_and_told_in_full() {
    let server = Server::start().await;
    let read = || async { get(&server, "/v1/settings").await.json() };
    let change = |body: Value| answer(server.as_admin("PUT", "/v1/settings").json(&body));
    let mut expected = json!({
        "time_zone": "Asia/Shanghai", "four_eyes": false, "call_attempts": 3, "code_attempts": 5, "code_resends": 2,
        "call_after_sms": null, "sms_per_minute": null, "calls_per_minute": null, "review_lease": "10m",
        "review_sla": null, "stock_release_after": null, "quiet_hours": null, "hold_out_share": 0.0
    });
    assert_eq!(read().await, expected);
    let all = json!({
        "time_zone": "Europe/Berlin", "four_eyes": true, "call_attempts": 2, "code_attempts": 6, "code_resends": 3,
        "call_after_sms": "30m", "sms_per_minute": 600, "calls_per_minute": 20, "review_lease": "15m", "review_sla": "1h",
        "stock_release_after": "2h", "quiet_hours": {"from": "22:00", "to": "08:00"}, "hold_out_share": 0.01
    });
    let changed = change(all.clone()).await;
    assert_eq!((changed.status.as_u16(), changed.json()), (200, all.clone()));
    let after = get(&server, &format!("/v1/settings?after={}", changed.header("orderlight-position"))).await;
    assert_eq!(after.json(), all);
    expected = all;
    expected["quiet_hours"] = Value::Null;
    expected["call_attempts"] = 4.into();
    assert_eq!(change(json!({"quiet_hours": null, "call_attempts": 4})).await.json(), expected, "the others stay");
    let wrong = json!({
        "time_zone": "Asia/Nowhere", "four_eyes": "yes", "call_attempts": 0, "code_attempts": 21, "code_resends": 0,
        "call_after_sms": "8d", "sms_per_minute": 0, "calls_per_minute": -1, "review_lease": "1s", "review_sla": "31d",
        "stock_release_after": "31d", "quiet_hours": "night", "hold_out_share": 1.5, "colour": "red"
    });
    let refused = change(wrong.clone()).await;
    assert_eq!(refused.problem(), (422, "invalid_body".to_owned()));
    let mut pointers = refused.pointers();
    pointers.sort();
    let mut names: Vec<_> = wrong.as_object().unwrap().keys().map(|name| format!("/{name}")).collect();
    names.sort();
    assert_eq!(pointers, names);
    assert_eq!(read().await, expected, "nothing was changed");
}
