//! Every role at every operation: what the document says, and nothing else, may pass.

use std::fmt::Write as _;

use domain::merchant::Role;
use serde_json::Value;

use crate::document::operations;
use crate::given::{Server, answer};
use crate::golden::golden;

/// What a caller gets to see of an operation.
fn verdict(status: u16) -> &'static str {
    match status {
        401 => "401",
        403 => "403",
        _ => "yes",
    }
}

/// A path with something in place of each parameter.
fn filled(path: &str) -> String {
    let segment = |segment: &str| if segment.starts_with('{') { "web:none" } else { segment }.to_owned();
    path.split('/').map(segment).collect::<Vec<_>>().join("/")
}

#[tokio::test]
async fn an_operation_is_open_to_the_roles_it_names_and_to_no_other() {
    let server = Server::start().await;
    let document = answer(server.request("GET", "/openapi.json")).await.json();
    let mut keys = vec![];
    for role in Role::ALL {
        keys.push((role.name(), server.key(&[role.name()]).await.1));
    }
    let mut matrix = format!("{:<48}{:>10}", "operation", "no key");
    keys.iter().for_each(|(role, _)| write!(matrix, "{role:>10}").unwrap());
    for (path, method, operation) in operations(&document) {
        let roles = operation["x-roles"].as_array().unwrap();
        let (open, url) = (roles.is_empty(), filled(&path));
        let bare = answer(server.request(&method, &url)).await;
        write!(matrix, "\n{:<48}{:>10}", format!("{method} {path}"), verdict(bare.status.as_u16())).unwrap();
        assert_eq!(bare.status == 401, !open, "{method} {path} without a key: {bare:?}");
        for (role, key) in &keys {
            let told = answer(server.request(&method, &url).bearer_auth(key)).await;
            let allowed = open || roles.contains(&Value::from(*role));
            let expected = if allowed { "yes" } else { "403" };
            assert_eq!(verdict(told.status.as_u16()), expected, "{method} {path} as {role}: {told:?}");
            write!(matrix, "{expected:>10}").unwrap();
        }
    }
    golden("authz-roles.txt", &(matrix + "\n"));
}

#[tokio::test]
async fn a_revoked_key_is_as_good_as_none_everywhere() {
    let server = Server::start().await;
    let document = answer(server.request("GET", "/openapi.json")).await.json();
    let (id, key) = server.key(&["admin"]).await;
    answer(server.as_admin("DELETE", &format!("/v1/keys/{id}"))).await;
    for (path, method, operation) in operations(&document) {
        let open = operation["x-roles"].as_array().unwrap().is_empty();
        let told = answer(server.request(&method, &filled(&path)).bearer_auth(&key)).await;
        assert_eq!(told.status == 401, !open, "{method} {path}: {told:?}");
    }
}
