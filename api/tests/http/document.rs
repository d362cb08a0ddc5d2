//! The OpenAPI document: what it says is what the service does, and it changes only on purpose.

use std::collections::BTreeSet;

use domain::notice::{read_amendment, read_notice, read_order, read_status};
use serde_json::{Value, json};

use crate::given::{Server, answer};
use crate::golden::golden;

/// Every operation of a document: path, method, and what is said of it.
pub(crate) fn operations(document: &Value) -> Vec<(String, String, Value)> {
    let paths = document["paths"].as_object().unwrap();
    let operations = paths.iter().flat_map(|(path, item)| {
        let item = item.as_object().unwrap();
        item.iter().map(|(method, operation)| (path.clone(), method.to_uppercase(), operation.clone()))
    });
    operations.collect()
}

fn document() -> Value {
    serde_json::to_value(orderlight::http::document()).unwrap()
}

#[test]
fn the_document_changes_only_on_purpose() {
    golden("openapi.json", &(orderlight::http::document().to_pretty_json().unwrap() + "\n"));
}

#[test]
fn it_is_openapi_3_1_of_this_server() {
    let document = document();
    assert_eq!(document["openapi"], "3.1.0");
    assert_eq!(document["servers"][0]["url"], "/");
    assert_eq!(document["components"]["securitySchemes"]["key"], json!({"type": "http", "scheme": "bearer"}));
}

#[test]
fn every_operation_names_its_roles_and_asks_for_a_key_unless_there_are_none() {
    let known: BTreeSet<_> = domain::merchant::Role::ALL.iter().map(|role| role.name()).collect();
    for (path, method, operation) in operations(&document()) {
        let roles = operation["x-roles"].as_array().unwrap_or_else(|| panic!("{method} {path} has no x-roles"));
        assert!(roles.iter().all(|role| known.contains(role.as_str().unwrap())), "{method} {path}: {roles:?}");
        let public = roles.is_empty();
        assert_eq!(operation.get("security").is_none(), public, "{method} {path}");
        assert_eq!(
            operation["responses"].get("401").is_none(),
            public && !path.contains("webhooks"),
            "{method} {path}"
        );
    }
}

#[test]
fn every_operation_has_a_name_of_its_own_a_summary_and_a_known_tag() {
    let document = document();
    let tags: Vec<_> = document["tags"].as_array().unwrap().iter().map(|tag| &tag["name"]).collect();
    let mut names = BTreeSet::new();
    for (path, method, operation) in operations(&document) {
        let name = operation["operationId"].as_str().unwrap().to_owned();
        assert!(name != "handle" && names.insert(name), "{method} {path} needs an operation_id of its own");
        assert!(operation["summary"].is_string(), "{method} {path}");
        let used = operation["tags"].as_array().unwrap();
        assert!(used.len() == 1 && tags.contains(&&used[0]), "{method} {path}: {used:?}");
    }
}

#[test]
fn every_problem_is_of_its_media_type() {
    for (path, method, operation) in operations(&document()) {
        for (status, response) in operation["responses"].as_object().unwrap() {
            let text = response["content"]["application/json"].to_string();
            assert!(!text.contains("schemas/Problem"), "{method} {path} {status}");
        }
    }
}

/// Every reference in a document.
fn references(value: &Value, found: &mut BTreeSet<String>) {
    match value {
        Value::Object(map) => {
            found.extend(map.get("$ref").and_then(Value::as_str).map(str::to_owned));
            map.values().for_each(|value| references(value, found));
        }
        Value::Array(list) => list.iter().for_each(|value| references(value, found)),
        _ => {}
    }
}

#[test]
fn every_reference_leads_somewhere() {
    let document = document();
    let mut found = BTreeSet::new();
    references(&document, &mut found);
    assert!(found.contains("#/components/schemas/Problem"));
    for reference in found {
        assert!(document.pointer(reference.trim_start_matches('#')).is_some(), "{reference}");
    }
}

#[test]
fn the_examples_of_bodies_are_what_the_service_reads() {
    let document = document();
    let example = |schema: &str| document["components"]["schemas"][schema]["example"].clone();
    let id = || "web:A1001".parse().unwrap();
    read_order(example("OrderBody")).unwrap();
    read_amendment(example("AmendmentBody"), id()).unwrap();
    read_status(example("StatusBody"), id()).unwrap();
    read_notice(example("NoticeLine")).unwrap();
}

#[tokio::test]
async fn the_examples_of_administration_are_what_the_service_takes() {
    let server = Server::start().await;
    let document = document();
    let example = |schema: &str| document["components"]["schemas"][schema]["example"].clone();
    for (method, path, schema, status) in [
        ("POST", "/v1/merchants", "MerchantBody", 201),
        ("POST", "/v1/keys", "KeyBody", 201),
        ("PUT", "/v1/channels/standard", "ChannelBody", 200),
        ("POST", "/v1/rulebooks", "RulebookBody", 201),
        ("PUT", "/v1/settings", "SettingsBody", 200),
    ] {
        let taken = answer(server.as_admin(method, path).json(&example(schema))).await;
        assert_eq!(taken.status.as_u16(), status, "{taken:?}");
    }
}

/// What is the same whatever is written.
const FIXED: [&str; 4] = ["/v1/presets", "/v1/presets/{name}", "/v1/reason-codes", "/v1/webhooks/{merchant}/{channel}"];

#[test]
fn every_read_of_what_is_written_can_wait_for_a_write() {
    for (path, method, operation) in operations(&document()) {
        if method == "GET" && path.starts_with("/v1/") && !FIXED.contains(&&*path) {
            let parameters = operation["parameters"].as_array().into_iter().flatten();
            let waits = parameters.into_iter().any(|parameter| parameter["name"] == "after");
            assert!(waits, "{path}");
        }
    }
}

#[tokio::test]
async fn the_document_and_its_pages_come_from_here() {
    let server = Server::start().await;
    let published = answer(server.request("GET", "/openapi.json")).await;
    assert_eq!(published.header("content-type"), "application/json");
    assert_eq!(published.json(), document());
    let page = answer(server.request("GET", "/docs")).await;
    assert_eq!(page.status, 200);
    assert!(page.header("content-type").starts_with("text/html"), "{page:?}");
    assert_eq!(answer(server.request("GET", "/docs/")).await.text, page.text);
    let files: Vec<_> = page.text.split('"').filter(|text| text.starts_with("/docs/")).collect();
    assert_eq!(files.len(), 6, "{}", page.text);
    for file in files {
        assert_eq!(answer(server.request("GET", file)).await.status, 200, "{file}");
    }
    assert_eq!(answer(server.request("GET", "/docs/nothing.js")).await.problem(), (404, "not_found".to_owned()));
    assert!(!page.text.contains("https://"), "{}", page.text);
    let start = answer(server.request("GET", "/docs/swagger-initializer.js")).await;
    assert!(start.text.contains("/openapi.json") && !start.text.contains("https://"), "{}", start.text);
}
