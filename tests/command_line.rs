//! The other commands: rulebooks checked, keys made and revoked, read models rebuilt, decisions replayed.

use std::path::Path;
use std::process::{Command, Stdio};

use reqwest::Method;
use serde_json::json;
use tempfile::tempdir;

use crate::support::orders::plain;
use crate::support::process::{Finished, import, orderlight, run, run_on};
use crate::support::service::{Service, serving};
use crate::support::{store, traffic};

#[test]
fn a_good_rulebook_is_called_good_and_every_fault_of_a_bad_one_is_named() {
    let directory = tempdir().unwrap();
    let growth = Path::new(env!("CARGO_MANIFEST_DIR")).join("../domain/src/rulebook/presets/growth.json");
    let good = check(&growth).expect_code(0);
    assert!(good.stdout.contains("good") && good.stdout.contains("3 tiers"), "{good:?}");

    let file = directory.path().join("bad.json");
    let bad = json!({
        "name": "Bad",
        "rules": [
            {"id": "one", "when": {"feature": "device.order", "window": "5m", "op": ">=", "value": 5}, "points": 1},
            {"id": "two", "when": {"feature": "order.amount", "op": ">=", "value": "much"}, "points": "many"},
        ],
        "tiers": [], "exemptions": [], "colour": "red",
    });
    std::fs::write(&file, bad.to_string()).unwrap();
    let bad = check(&file).expect_code(1);
    for place in ["/rules/0/when/feature", "/rules/1/when/value", "/rules/1/points", "/colour"] {
        assert!(bad.stderr.contains(place), "{place} is missing in\n{}", bad.stderr);
    }
    assert!(bad.stderr.contains("device.orders"), "the nearest feature is named:\n{}", bad.stderr);
    check(&directory.path().join("nothing.json")).expect_code(1);
}

#[test]
fn rulebooks_that_nest_without_end_are_refused() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("deep.json");
    for depth in [17, 60, 300, 100_000] {
        let (open, close) = (r#"{"not":"#.repeat(depth), "}".repeat(depth));
        let comparison = r#"{"feature":"order.amount","op":">","value":1}"#;
        let rule = format!(r#"{{"id":"deep","when":{open}{comparison}{close},"points":1}}"#);
        std::fs::write(&file, format!(r#"{{"name":"Deep","rules":[{rule}],"tiers":[],"exemptions":[]}}"#)).unwrap();
        let refused = check(&file).expect_code(1);
        assert!(refused.stderr.contains("levels"), "{depth} levels: {refused:?}");
    }
}

#[test]
fn a_key_counts_until_it_is_revoked() {
    let directory = tempdir().unwrap();
    let data = directory.path();
    let made = run_on(data, &["keys", "create", "till 3", "--role", "ingest", "--role", "service"]).expect_code(0);
    let key =
        made.stdout.split_whitespace().find(|word| word.starts_with("olk_")).expect("the key is shown").to_owned();
    let id = made.stdout.split_whitespace().nth(1).expect("its id is shown").to_owned();
    let listed = run_on(data, &["keys", "list"]).expect_code(0);
    assert!(
        listed.stdout.contains(&id) && listed.stdout.contains("till 3") && listed.stdout.contains("ingest,service")
    );
    assert!(!listed.stdout.contains(&key), "a key is shown once only");

    let place = |service: &Service, order_no: &str| {
        let request = service.anonymous(Method::POST, "/v1/orders").bearer_auth(&key);
        service.send(request.json(&plain(order_no))).status
    };
    let service = Service::start(data);
    assert_eq!(place(&service, "A1"), 201);
    service.stop().expect_code(0);

    run_on(data, &["keys", "revoke", &id]).expect_code(0);
    assert!(run_on(data, &["keys", "list"]).stdout.contains("revoked"));
    let service = Service::start(data);
    assert_eq!(place(&service, "A2"), 401);
    assert_eq!(service.get("/v1/orders/web:A2").status, 404);
    service.stop().expect_code(0);

    let unknown = run_on(data, &["keys", "revoke", "0000000000000000"]).expect_code(1);
    assert!(unknown.stderr.contains("no such key"), "{unknown:?}");
    run_on(data, &["keys", "create", "x", "--role", "king"]).expect_code(2);
}

#[test]
fn read_models_are_rebuilt_to_what_they_were() {
    let directory = tempdir().unwrap();
    let file = traffic::file(directory.path(), &traffic::lines(5, 300));
    let data = directory.path().join("data");
    import(&data, &file).expect_code(0);
    let look = || {
        let service = Service::start(&data);
        let found = service.all_orders("");
        let mut reviews = service.get("/v1/reviews?limit=200").json()["items"].as_array().unwrap().clone();
        for review in &mut reviews {
            // It grows while one looks.
            review["age_seconds"].take();
        }
        service.stop().expect_code(0);
        (found, reviews)
    };
    let before = look();
    assert_eq!(before.0.len(), 300);
    assert!(!before.1.is_empty(), "nothing waits for anybody");
    let rebuilt = run_on(&data, &["projections", "rebuild"]).expect_code(0);
    for name in ["order_status", "review_queue"] {
        assert!(rebuilt.stdout.contains(name), "{rebuilt:?}");
    }
    run_on(&data, &["projections", "rebuild", "order_status"]).expect_code(0);
    assert!(look() == before, "a rebuilt read model differs");
    for suffix in ["", "-wal", "-shm"] {
        let _absent = std::fs::remove_file(data.join(format!("read.sqlite{suffix}")));
    }
    run_on(&data, &["projections", "rebuild"]).expect_code(0);
    assert!(look() == before, "read models do not come from the log alone");
    let unknown = run_on(&data, &["projections", "rebuild", "no_such_model"]).expect_code(2);
    assert!(unknown.stderr.contains("order_status") && unknown.stderr.contains("review_queue"), "{unknown:?}");
}

#[test]
fn a_replay_finds_every_decision_as_it_was_recorded() {
    let directory = tempdir().unwrap();
    let file = traffic::file(directory.path(), &traffic::lines(6, 500));
    let data = directory.path().join("data");
    import(&data, &file).expect_code(0);
    let replayed = run_on(&data, &["replay"]).expect_code(0);
    let decisions = store::events(&data).iter().filter(|event| &*event.event_type == "Scored").count();
    assert!(decisions >= 500);
    assert!(
        replayed.stdout.contains(&format!("{decisions} decisions, {decisions} identical, 0 different")),
        "{replayed:?}"
    );
}

#[test]
fn a_store_that_a_service_has_open_is_not_opened_twice() {
    let directory = tempdir().unwrap();
    let file = traffic::file(directory.path(), &traffic::lines(7, 3));
    let data = directory.path().join("data");
    let service = Service::start(&data);
    service.place(&plain("A1"));
    for refused in [import(&data, &file), run_on(&data, &["replay"]), run_on(&data, &["keys", "list"])] {
        let refused = refused.expect_code(1);
        assert!(refused.stderr.contains("in use by another process"), "{refused:?}");
    }
    assert_eq!(service.place(&plain("A1"))["duplicate"], json!(true));
    service.stop().expect_code(0);
    import(&data, &file).expect_code(0);
}

#[test]
fn a_mistyped_directory_is_told_and_not_made() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("dta");
    for arguments in [
        &["replay"][..],
        &["projections", "rebuild"],
        &["projections", "rebuild", "order_status"],
        &["keys", "list"],
        &["keys", "revoke", "0000000000000000"],
    ] {
        let refused = run_on(&data, arguments).expect_code(1);
        assert!(refused.stderr.contains("there is no store in") && refused.stderr.contains("dta"), "{refused:?}");
        assert!(!data.exists(), "{arguments:?} made something");
    }
    std::fs::create_dir(&data).unwrap();
    run_on(&data, &["replay"]).expect_code(1);
    assert_eq!(std::fs::read_dir(&data).unwrap().count(), 0, "something was made");
    run_on(&data, &["keys", "create", "first", "--role", "admin"]).expect_code(0);
    run_on(&data, &["keys", "list"]).expect_code(0);
}

#[test]
fn an_empty_token_is_one_that_is_not_set() {
    let directory = tempdir().unwrap();
    let mut command = serving(directory.path());
    command.env("ORDERLIGHT_BOOTSTRAP_TOKEN", "");
    let service = Service::start_as(command);
    assert_eq!(service.send(service.anonymous(Method::GET, "/v1/keys").header("authorization", "Bearer ")).status, 401);
    let stopped = service.stop().expect_code(0);
    assert!(stopped.stdout.contains("administrator's key of the merchant default"), "{stopped:?}");
}

fn check(file: &Path) -> Finished {
    run(["rulebook".as_ref(), "check".as_ref(), file.as_os_str()])
}

#[test]
fn a_store_is_not_opened_with_another_key_or_without_its_key() {
    let directory = tempdir().unwrap();
    let data = directory.path().join("data");
    let file = traffic::file(directory.path(), &traffic::lines(1, 5));
    import(&data, &file).expect_code(0);

    let other_key = run_on(&data, &["keys", "list", "--master-key", &"00".repeat(32)]).expect_code(1);
    assert!(other_key.stderr.contains("not the one that the store was made with"), "{other_key:?}");

    std::fs::rename(data.join("master.key"), directory.path().join("moved.key")).unwrap();
    let no_key = run_on(&data, &["keys", "list"]).expect_code(1);
    assert!(no_key.stderr.contains("its master key") && no_key.stderr.contains("missing"), "{no_key:?}");
    assert!(!data.join("master.key").exists(), "no key is made in its place");

    std::fs::rename(directory.path().join("moved.key"), data.join("master.key")).unwrap();
    let again = import(&data, &file).expect_code(0);
    assert_eq!(again.count("orders"), 0);
}

/// The exit code of a command whose output goes to somebody who has closed the pipe, and what it said beside.
fn cut_off(mut command: Command) -> (Option<i32>, String) {
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let ended = command.stdout(writer).stderr(Stdio::piped()).output().unwrap();
    (ended.status.code(), String::from_utf8(ended.stderr).unwrap())
}

#[test]
fn who_has_seen_enough_may_close_the_pipe() {
    let directory = tempdir().unwrap();
    let file = directory.path().join("growth.json");
    std::fs::write(&file, domain::rulebook::preset("growth").unwrap().to_json()).unwrap();
    let mut check = orderlight(["rulebook", "check"]);
    check.arg(&file);
    let mut simulate = orderlight(["simulate", "--orders", "2000", "--labels"]);
    simulate.arg(directory.path().join("labels.ndjson"));
    for command in [check, simulate] {
        let told = format!("{command:?}");
        let (code, said) = cut_off(command);
        assert_eq!(code, Some(0), "{told}: {said}");
        assert!(!said.contains("panicked") && !said.contains("Broken pipe"), "{told}: {said}");
    }
}
