//! Reading a rulebook: what is accepted, and what is wrong with the rest.

mod rulebook_given;

use domain::feature::{FeatureRef, Value};
use domain::rulebook::{Condition, Points, Rulebook, Test, Threshold};
use rulebook_given::{changed, example, faults};
use rust_decimal::Decimal;
use serde_json::{Value as Json, json};
use sha2::{Digest, Sha256};

/// Its canonical form: rulebooks are stored in the log by these bytes, so they may never change.
const CANONICAL: &str = concat!(
    r#"{"name":"Double Eleven","rules":["#,
    r#"{"id":"device_burst","name":{"zh":"同设备短时多单","en":"Device burst"},"#,
    r#""when":{"feature":"device.orders","window":"5m","op":">=","value":5},"#,
    r#""points":{"base":50,"per":4,"above":5,"max":80},"sweep":true},"#,
    r#"{"id":"address_changed","when":{"all":[{"feature":"address.changed","op":"==","value":true},"#,
    r#"{"not":{"feature":"address.familiar","op":"==","value":true}}]},"points":30},"#,
    r#"{"id":"virtual_phone","when":{"feature":"phone.kind","op":"==","value":"virtual"},"points":40}],"tiers":["#,
    r#"{"id":"sms","from":80,"action":{"challenge":"sms","expires_in":"10m","on_fail":"freeze","on_expire":"review"}},"#,
    r#"{"id":"call","from":100,"action":{"challenge":"call","expires_in":"30m","on_fail":"freeze","on_expire":"review"}},"#,
    r#"{"id":"freeze","above":120,"action":"freeze"}],"exemptions":["#,
    r#"{"id":"vip","when":{"feature":"customer.level","op":">=","value":4},"action":"release"}]}"#,
);

#[test]
fn the_documented_example_is_read_as_it_is_meant() {
    let book = Rulebook::read(example().to_string().as_bytes()).unwrap();
    assert_eq!(book.name(), "Double Eleven");
    assert_eq!((book.rules().len(), book.tiers().len(), book.exemptions().len()), (3, 3, 1));
    let burst = book.rule("device_burst").unwrap();
    let (per, above) = (Decimal::from(4), Decimal::from(5));
    assert_eq!(burst.points, Points::Graded { base: 50, per, above, max: 80 });
    assert!(burst.sweep && !book.rule("virtual_phone").unwrap().sweep);
    assert_eq!(book.tier("freeze").unwrap().threshold, Threshold::Above(120));
    let named: Vec<_> =
        book.rule("address_changed").unwrap().when.features().iter().map(FeatureRef::to_string).collect();
    assert_eq!(named, ["address.changed", "address.familiar"]);
}

#[test]
fn the_canonical_form_and_its_hash_are_pinned() {
    let book = Rulebook::from_json(&example()).unwrap();
    assert_eq!(book.to_json(), CANONICAL);
    assert_eq!(book.hash(), hex::encode(Sha256::digest(CANONICAL)));
    assert_eq!(book.hash(), "32bec95fde70749e259ffb4d2ab7d78b91be6f16789eab0808d5c347e453bca7");
}

#[test]
fn ways_of_writing_the_same_share_one_canonical_form() {
    let when = |window: &str, heat: Json, age: &str| {
        json!({"all": [
            {"feature": "region.heat", "window": window, "op": "in", "value": [heat]},
            {"feature": "customer.age", "op": "<", "value": age},
        ]})
    };
    let canonical = Rulebook::from_json(&changed("/rules/1/when", when("1h", json!("2.5"), "1d"))).unwrap();
    for other in [when("60m", json!(2.5), "24h"), when("3600s", json!("2.5000"), "86400s")] {
        let other = Rulebook::from_json(&changed("/rules/1/when", other)).unwrap();
        assert_eq!((other.to_json(), other.hash()), (canonical.to_json(), canonical.hash()));
    }
    let mut spelled_out = example();
    spelled_out["rules"][1]["sweep"] = json!(false);
    spelled_out["rules"][2]["name"] = Json::Null;
    spelled_out["rules"][0]["points"]["per"] = json!("4.0");
    assert_eq!(Rulebook::from_json(&spelled_out), Rulebook::from_json(&example()));
    assert_ne!(canonical.hash(), Rulebook::from_json(&example()).unwrap().hash());
}

#[test]
fn a_decimal_is_taken_by_its_digits() {
    for (written, meant) in [
        (json!(0.1), "0.1"),
        (json!("0.3"), "0.3"),
        (json!(1e3), "1000"),
        (json!(1e-4), "0.0001"),
        (json!(-7), "-7"),
        (json!(1_000_000_000_000_000_i64), "1000000000000000"),
        (json!("-0.0001"), "-0.0001"),
    ] {
        let when = json!({"feature": "region.heat", "window": "1h", "op": ">=", "value": written});
        let book = Rulebook::from_json(&changed("/rules/1/when", when)).unwrap();
        let Condition::Compare(comparison) = &book.rules()[1].when else { panic!("not a comparison") };
        let Test::Is(_, constant) = &comparison.test else { panic!("not one constant") };
        assert_eq!(*constant, Value::Decimal(meant.parse().unwrap()), "{written}");
    }
}

#[test]
fn every_fault_names_its_place_and_what_was_expected() {
    let compare = |feature: &str, op: &str, value: Json| json!({"feature": feature, "op": op, "value": value});
    let windowed = |window: Json| json!({"feature": "device.orders", "window": window, "op": ">=", "value": 5});
    let heat = |value: Json| json!({"feature": "region.heat", "window": "1h", "op": ">", "value": value});
    let graded = |base: i64, per: Json, max: i64| json!({"base": base, "per": per, "above": 5, "max": max});
    let when = "/rules/2/when";
    let long = "x".repeat(65);
    let rows: Vec<(&str, Json, &str, &str)> = vec![
        // The frame.
        ("/name", Json::Null, "/name", "missing field \"name\""),
        ("/name", json!(""), "/name", "expected a text of 1 to 100 characters"),
        ("/name", json!("a\u{7}b"), "/name", "no control characters"),
        ("/name", json!("x".repeat(101)), "/name", "expected a text of 1 to 100 characters"),
        ("/name", json!(5), "/name", "expected a text, found a number"),
        ("/rules", Json::Null, "/rules", "missing field \"rules\""),
        ("/rules", json!({}), "/rules", "expected a list of rules, found an object"),
        ("/tiers", Json::Null, "/tiers", "missing field \"tiers\""),
        ("/exemptions", json!("none"), "/exemptions", "expected a list of exemptions, found a text"),
        ("/rule", json!([]), "/rule", "unknown field \"rule\"; did you mean \"rules\"?"),
        ("/a~b", json!(1), "/a~0b", "unknown field"),
        // Rules.
        ("/rules/1", json!(7), "/rules/1", "expected an object, found a number"),
        ("/rules/1/score", json!(7), "/rules/1/score", "unknown field \"score\""),
        ("/rules/1/id", Json::Null, "/rules/1/id", "missing field \"id\""),
        ("/rules/1/id", json!("device_burst"), "/rules/1/id", "the id \"device_burst\" is used twice"),
        ("/rules/1/id", json!("Burst"), "/rules/1/id", "expected 1 to 64 of the characters a-z, 0-9, _ and -"),
        ("/rules/1/id", json!(""), "/rules/1/id", "expected 1 to 64"),
        ("/rules/1/id", json!(long), "/rules/1/id", "expected 1 to 64"),
        ("/rules/1/id", json!(3), "/rules/1/id", "found a number"),
        ("/rules/1/name", json!("Burst"), "/rules/1/name", "expected an object, found a text"),
        ("/rules/1/name", json!({"fr": "Rafale"}), "/rules/1/name/fr", "unknown field \"fr\""),
        ("/rules/1/name", json!({"zh": " 突发"}), "/rules/1/name/zh", "no space at either end"),
        ("/rules/1/sweep", json!("yes"), "/rules/1/sweep", "expected true or false, found \"yes\""),
        ("/rules/1/when", Json::Null, "/rules/1/when", "missing field \"when\""),
        // Points.
        ("/rules/1/points", Json::Null, "/rules/1/points", "missing field \"points\""),
        ("/rules/1/points", json!("30"), "/rules/1/points", "expected an integer, or an object with base"),
        ("/rules/1/points", json!(30.5), "/rules/1/points", "expected an integer from -1000000 to 1000000, found 30.5"),
        ("/rules/1/points", json!(1_000_001), "/rules/1/points", "from -1000000 to 1000000, found 1000001"),
        ("/rules/1/points", json!(-1_000_001), "/rules/1/points", "found -1000001"),
        ("/rules/0/points", json!({"base": 5, "per": 1, "above": 1}), "/rules/0/points/max", "missing field \"max\""),
        ("/rules/0/points/step", json!(1), "/rules/0/points/step", "unknown field \"step\""),
        ("/rules/0/points", graded(50, json!(0), 80), "/rules/0/points/per", "expected more than 0"),
        (
            "/rules/0/points",
            graded(50, json!(4), 49),
            "/rules/0/points/max",
            "expected at least the base of 50, found 49",
        ),
        ("/rules/0/points", graded(50, json!("0.00001"), 80), "/rules/0/points/per", "at most 4 places"),
        ("/rules/1/points", graded(50, json!(4), 80), "/rules/1/points", "address.changed is of type bool"),
        // Conditions.
        (when, json!([]), when, "expected exactly one of \"all\", \"any\", \"not\", or a comparison"),
        (when, json!({}), when, "expected exactly one of"),
        (when, json!({"all": [], "any": []}), when, "expected exactly one of"),
        (when, json!({"all": []}), "/rules/2/when/all", "expected at least one condition"),
        (when, json!({"any": {}}), "/rules/2/when/any", "expected a list of conditions, found an object"),
        (when, json!({"not": [{}]}), "/rules/2/when/not", "found a list"),
        (when, json!({"not": example()["rules"][2]["when"], "op": "=="}), "/rules/2/when/op", "unknown field \"op\""),
        (when, json!({"feature": "phone.kind", "op": "=="}), "/rules/2/when/value", "missing field \"value\""),
        (when, json!({"feature": "phone.kind", "value": "virtual"}), "/rules/2/when/op", "missing field \"op\""),
        (when, compare("phone.kin", "==", json!("x")), "/rules/2/when/feature", "did you mean \"phone.kind\"?"),
        (when, compare("device.order", "==", json!(1)), "/rules/2/when/feature", "did you mean \"device.orders\"?"),
        (
            when,
            compare("zzzzzzzzzzzzzzzzzzzz", "==", json!(1)),
            "/rules/2/when/feature",
            "expected the name of a feature",
        ),
        (when, json!({"feature": 1, "op": "==", "value": 1}), "/rules/2/when/feature", "found 1"),
        // Windows.
        (when, compare("device.orders", ">=", json!(5)), "/rules/2/when/window", "device.orders needs a window"),
        (
            when,
            windowed(json!("999ms")),
            "/rules/2/when/window",
            "from \"1s\" to \"30d\", such as \"5m\", found \"999ms\"",
        ),
        (when, windowed(json!("31d")), "/rules/2/when/window", "found \"31d\""),
        (when, windowed(json!(300)), "/rules/2/when/window", "expected a duration from \"1s\" to \"30d\""),
        (when, windowed(json!("5 minutes")), "/rules/2/when/window", "found \"5 minutes\""),
        (
            when,
            json!({"feature": "phone.kind", "window": "5m", "op": "==", "value": "virtual"}),
            "/rules/2/when/window",
            "phone.kind takes no window",
        ),
        // Operators.
        (
            when,
            compare("customer.level", "=", json!(1)),
            "/rules/2/when/op",
            "expected ==, !=, <, <=, >, >=, in or not_in",
        ),
        (when, compare("customer.level", "IN", json!([1])), "/rules/2/when/op", "found \"IN\""),
        (
            when,
            compare("phone.kind", ">=", json!("virtual")),
            "/rules/2/when/op",
            "phone.kind is of type text, which has no order",
        ),
        (when, compare("customer.is_new", "<", json!(true)), "/rules/2/when/op", "is of type bool, which has no order"),
        // Constants.
        (
            when,
            compare("customer.level", "in", json!(4)),
            "/rules/2/when/value",
            "expected a list of constants, found a number",
        ),
        (when, compare("customer.level", "in", json!([])), "/rules/2/when/value", "expected at least one constant"),
        (
            when,
            compare("customer.level", "in", json!([1, "2"])),
            "/rules/2/when/value/1",
            "expected an integer, found \"2\"",
        ),
        (when, compare("customer.level", "==", json!([4])), "/rules/2/when/value", "expected an integer, found a list"),
        (
            when,
            compare("customer.level", ">=", json!(4.5)),
            "/rules/2/when/value",
            "customer.level is of type int: expected an integer, found 4.5",
        ),
        (when, compare("customer.level", ">=", json!(u64::MAX)), "/rules/2/when/value", "expected an integer"),
        (when, compare("customer.is_new", "==", json!("true")), "/rules/2/when/value", "expected true or false"),
        (when, compare("customer.age", "<", json!(30)), "/rules/2/when/value", "expected a duration such as"),
        (when, compare("customer.age", "<", json!("soon")), "/rules/2/when/value", "found \"soon\""),
        (when, compare("phone.kind", "==", json!("virtul")), "/rules/2/when/value", "did you mean \"virtual\"?"),
        (
            when,
            compare("phone.kind", "in", json!(["mobile", "x"])),
            "/rules/2/when/value/1",
            "phone.kind is never \"x\"",
        ),
        (
            when,
            compare("order.channel", "==", json!(1)),
            "/rules/2/when/value",
            "order.channel is of type text: expected a text",
        ),
        (when, compare("order.channel", "==", json!("x".repeat(129))), "/rules/2/when/value", "1 to 128 characters"),
        (when, heat(json!("2.50001")), "/rules/2/when/value", "at most 4 places"),
        (when, heat(json!("1e3")), "/rules/2/when/value", "expected a decimal"),
        (when, heat(json!("1_000")), "/rules/2/when/value", "expected a decimal"),
        (when, heat(json!(".5")), "/rules/2/when/value", "expected a decimal"),
        (when, heat(json!("")), "/rules/2/when/value", "expected a decimal"),
        (when, heat(json!(0.123_456_789_012_345_67)), "/rules/2/when/value", "a number of at most 15 digits"),
        (when, heat(json!(1e300)), "/rules/2/when/value", "expected a decimal"),
        (when, heat(json!("1000000000000000.0001")), "/rules/2/when/value", "to 1000000000000000"),
        (when, heat(json!(true)), "/rules/2/when/value", "found true"),
        // Tiers.
        ("/tiers/1/id", json!("sms"), "/tiers/1/id", "the id \"sms\" is used twice"),
        ("/tiers/1/id", json!("pass"), "/tiers/1/id", "\"pass\" is reserved"),
        ("/tiers/1/name", json!("x"), "/tiers/1/name", "unknown field \"name\""),
        ("/tiers/1/from", Json::Null, "/tiers/1", "expected \"from\" (this score and more) or \"above\""),
        ("/tiers/1/above", json!(99), "/tiers/1", "expected only one of \"from\" and \"above\""),
        ("/tiers/1/from", json!("100"), "/tiers/1/from", "expected an integer"),
        ("/tiers/1/from", json!(80), "/tiers/1/from", "this one begins at 80, just like the one before it"),
        ("/tiers/1/from", json!(79), "/tiers/1/from", "this one begins at 79, the one before it at 80"),
        ("/tiers/1/from", json!(121), "/tiers/2/above", "this one begins at 121, just like the one before it"),
        ("/tiers/2/above", json!(1_000_000_001), "/tiers/2/above", "from -1000000000 to 1000000000"),
        ("/tiers/2/action", json!("freze"), "/tiers/2/action", "did you mean \"freeze\"?"),
        ("/tiers/2/action", json!(1), "/tiers/2/action", "expected \"freeze\", or an object with challenge"),
        ("/tiers/2/action", Json::Null, "/tiers/2/action", "missing field \"action\""),
        (
            "/tiers/0/action/challenge",
            json!("fax"),
            "/tiers/0/action/challenge",
            "expected \"sms\" or \"call\", found \"fax\"",
        ),
        ("/tiers/0/action/challenge", Json::Null, "/tiers/0/action/challenge", "missing field"),
        ("/tiers/0/action/expires_in", json!("0s"), "/tiers/0/action/expires_in", "from \"1s\" to \"30d\""),
        ("/tiers/0/action/expires_in", json!("31d"), "/tiers/0/action/expires_in", "from \"1s\" to \"30d\""),
        ("/tiers/0/action/on_fail", json!("release"), "/tiers/0/action/on_fail", "expected \"freeze\" or \"review\""),
        (
            "/tiers/0/action/on_expire",
            json!("wait"),
            "/tiers/0/action/on_expire",
            "\"review\" or \"freeze\" or \"release\"",
        ),
        ("/tiers/0/action/then", json!(1), "/tiers/0/action/then", "unknown field \"then\""),
        // Exemptions.
        ("/exemptions/0/id", json!("V I P"), "/exemptions/0/id", "expected 1 to 64"),
        ("/exemptions/0/points", json!(1), "/exemptions/0/points", "unknown field \"points\""),
        ("/exemptions/0/action", json!("freeze"), "/exemptions/0/action", "expected \"release\", found \"freeze\""),
        ("/exemptions/0/action", Json::Null, "/exemptions/0/action", "missing field \"action\""),
        ("/exemptions/0/when/op", json!("~"), "/exemptions/0/when/op", "found \"~\""),
    ];
    for (place, value, pointer, detail) in rows {
        let found = faults(&changed(place, value.clone()));
        let [(at, text)] = found.as_slice() else { panic!("{place} = {value}: {found:#?}") };
        assert_eq!(at, pointer, "{place} = {value}: {text}");
        assert!(text.contains(detail), "{place} = {value}: {text}");
    }
}

#[test]
fn all_faults_of_a_rulebook_are_reported_at_once() {
    let book = json!({
        "rules": [
            {"id": "A", "when": {"all": [
                {"feature": "device.order", "window": "0s", "op": ">=", "value": 5},
                {"feature": "phone.kind", "window": "5m", "op": ">", "value": "virtul"},
            ]}, "points": "many"},
            {"id": "b", "when": {"any": []}, "points": 1, "sweep": 1},
            {"id": "b", "points": 1},
        ],
        "tiers": [{"id": "pass", "action": {"challenge": "fax"}}],
        "exemption": [],
    });
    let mut pointers: Vec<_> = faults(&book).into_iter().map(|(pointer, _)| pointer).collect();
    pointers.sort();
    assert_eq!(
        pointers,
        [
            "/exemption",
            "/name",
            "/rules/0/id",
            "/rules/0/points",
            "/rules/0/when/all/0/feature",
            "/rules/0/when/all/0/window",
            "/rules/0/when/all/1/op",
            "/rules/0/when/all/1/value",
            "/rules/0/when/all/1/window",
            "/rules/1/sweep",
            "/rules/1/when/any",
            "/rules/2/id",
            "/rules/2/when",
            "/tiers/0",
            "/tiers/0/action/challenge",
            "/tiers/0/action/expires_in",
            "/tiers/0/action/on_expire",
            "/tiers/0/action/on_fail",
            "/tiers/0/id",
        ]
    );
}

#[test]
fn text_that_is_no_json_is_one_fault_that_says_where() {
    let deep = format!("{{\"name\": {}{}}}", "[".repeat(300), "]".repeat(300));
    let rows = [
        ("", "not JSON at line 1 column 0: EOF while parsing a value"),
        ("{\n  \"name\": \"x\",\n}", "not JSON at line 3 column 1: trailing comma"),
        ("{\"name\": \"x\"} {}", "not JSON at line 1 column 15: trailing characters"),
        ("{\"name\": 1e999}", "number out of range"),
        (deep.as_str(), "nested deeper than 127 levels at line 1 column "),
    ];
    for (text, detail) in rows {
        let faults = Rulebook::read(text.as_bytes()).expect_err("a fault");
        let [fault] = faults.as_slice() else { panic!("{text}: {faults:#?}") };
        assert!(fault.pointer.is_empty() && fault.detail.contains(detail), "{text}: {fault}");
    }
    assert!(Rulebook::read(b"\"\xff\"").is_err());
    let huge = vec![b' '; domain::rulebook::BYTES_MAX + 1];
    assert!(Rulebook::read(&huge).expect_err("a fault")[0].detail.contains("expected at most 1048576 bytes"));
}

#[test]
fn a_field_given_twice_is_a_fault_although_the_parser_would_take_the_last() {
    let text = example().to_string().replacen("\"points\":30", "\"points\":3000,\"points\":30", 1);
    let faults = Rulebook::read(text.as_bytes()).expect_err("a fault");
    assert_eq!(faults.len(), 1);
    assert!(faults[0].detail.ends_with("field \"points\" is given twice"), "{}", faults[0]);
}

#[test]
fn a_rulebook_inside_another_document_is_checked_too() {
    let book: Rulebook = serde_json::from_value(example()).unwrap();
    assert_eq!(book, Rulebook::from_json(&example()).unwrap());
    let error = serde_json::from_value::<Rulebook>(changed("/tiers/1/from", json!(80))).expect_err("a fault");
    assert!(error.to_string().starts_with("not a rulebook: /tiers/1/from: "), "{error}");
}
