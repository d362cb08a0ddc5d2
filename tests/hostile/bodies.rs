//! Orders, amendments and reports that say what cannot be.

use reqwest::Method;
use serde_json::{Value, json};

use super::{Case, FIRST};
use crate::support::orders::{at, plain, with};

const INVALID: &str = "invalid_body";
const MALFORMED: &str = "malformed";

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    cases.extend(invalid_orders().into_iter().map(|(name, more, pointers)| {
        Case::new(name, Method::POST, "/v1/orders", 422, INVALID).json(&with(plain("BAD"), more)).pointers(pointers)
    }));
    cases.extend(malformed().into_iter().map(|(name, body)| {
        Case::new(name, Method::POST, "/v1/orders", 400, MALFORMED).text(body).mentions("not JSON")
    }));
    // Which of the two is meant nobody can say.
    cases.extend(
        [
            ("a field given twice", plain("BAD").to_string().replacen('{', r#"{"amount":1,"#, 1), "amount"),
            (
                "a field of a line given twice",
                plain("BAD").to_string().replace(r#""sku""#, r#""quantity":1,"sku""#),
                "quantity",
            ),
        ]
        .map(|(name, body, field)| {
            Case::new(name, Method::POST, "/v1/orders", 400, MALFORMED).text(body).mentions(field)
        }),
    );
    cases.extend(not_an_order());
    cases.extend(amendments_and_reports());
    cases
}

type Invalid = (&'static str, Value, &'static [&'static str]);

fn invalid_orders() -> Vec<Invalid> {
    let line = |more: Value| json!({"lines": [with(json!({"sku": "A", "quantity": 1}), more)]});
    let customer = |more: Value| json!({"customer": more});
    let delivery = |more: Value| json!({"delivery": more});
    let long = "x".repeat(513);
    let mut cases = numbers(line);
    cases.extend([
        ("an unknown field", json!({"colour": "red"}), &["/colour"][..]),
        ("a field with slash and tilde", json!({"a/b~c": 1}), &["/a~1b~0c"]),
        ("a field without a name", json!({"": 1}), &["/"]),
        (
            "unknown fields at every level",
            json!({"x": 1, "customer": {"x": 1}, "delivery": {"x": 1}, "device": {"x": 1}}),
            &["/x", "/customer/x", "/delivery/x", "/device/x"],
        ),
        ("no channel", json!({"channel": null}), &["/channel"]),
        ("a channel in capitals", json!({"channel": "Web"}), &["/channel"]),
        ("a channel with a colon", json!({"channel": "web:x"}), &["/channel"]),
        ("a channel as a number", json!({"channel": 7}), &["/channel"]),
        ("an empty order number", json!({"order_no": ""}), &["/order_no"]),
        ("an order number with a NUL", json!({"order_no": "A\u{0}1"}), &["/order_no"]),
        ("an order number with a line break", json!({"order_no": "A\n1"}), &["/order_no"]),
        ("an order number of 129 bytes", json!({"order_no": "A".repeat(129)}), &["/order_no"]),
        ("an order number as a list", json!({"order_no": ["A"]}), &["/order_no"]),
        ("no placement", json!({"placed_at": null}), &["/placed_at"]),
        ("a placement without a zone", json!({"placed_at": "2025-11-11T00:00:00"}), &["/placed_at"]),
        ("the year 0000", json!({"placed_at": "0000-01-01T00:00:00Z"}), &["/placed_at"]),
        ("the year 9999", json!({"placed_at": "9999-12-31T23:59:59Z"}), &["/placed_at"]),
        ("the 30th of February", json!({"placed_at": "2025-02-30T00:00:00Z"}), &["/placed_at"]),
        ("a time in seconds", json!({"placed_at": 1_762_790_400}), &["/placed_at"]),
        ("a time in words", json!({"placed_at": "now"}), &["/placed_at"]),
        ("a payment due in year 2101", json!({"payment_due_at": "2101-01-01T00:00:00Z"}), &["/payment_due_at"]),
        ("a currency in lower case", json!({"currency": "cny"}), &["/currency"]),
        ("a currency of four letters", json!({"currency": "CNYX"}), &["/currency"]),
        ("lines as an object", json!({"lines": {}}), &["/lines"]),
        ("no lines", json!({"lines": []}), &["/lines"]),
        ("201 lines", json!({"lines": vec![json!({"sku": "A", "quantity": 1}); 201]}), &["/lines"]),
        ("null as a line", json!({"lines": [null]}), &["/lines/0"]),
        ("a line without anything", json!({"lines": [{}]}), &["/lines/0/sku", "/lines/0/quantity"]),
        (
            "a wrong third line",
            json!({"lines": [{"sku": "A", "quantity": 1}, {"sku": "B", "quantity": 1}, {"sku": "", "quantity": 0}]}),
            &["/lines/2/sku", "/lines/2/quantity"],
        ),
        ("a title of 513 bytes", line(json!({"title": long})), &["/lines/0/title"]),
        ("a customer as a text", json!({"customer": "u-77"}), &["/customer"]),
        ("a customer's id as a number", customer(json!({"id": 77})), &["/customer/id"]),
        ("an empty customer's id", customer(json!({"id": ""})), &["/customer/id"]),
        ("a name with an escape character", customer(json!({"name": "\u{1b}[31mred"})), &["/customer/name"]),
        ("a name of 513 bytes", customer(json!({"name": long})), &["/customer/name"]),
        ("a phone as a number", customer(json!({"phone": 13_800_138_000_i64})), &["/customer/phone"]),
        (
            "registered in 1900",
            customer(json!({"registered_at": "1900-01-01T00:00:00Z"})),
            &["/customer/registered_at"],
        ),
        ("a country in words", delivery(json!({"country": "China"})), &["/delivery/country"]),
        ("a street with a NUL", delivery(json!({"street": "a\u{0}b"})), &["/delivery/street"]),
        ("a recipient as an object", delivery(json!({"recipient": {"name": "x"}})), &["/delivery/recipient"]),
        ("a device as a text", json!({"device": "d-1"}), &["/device"]),
        ("a device's id of 513 bytes", json!({"device": {"id": long}}), &["/device/id"]),
        ("an address that is none", json!({"ip": "300.1.2.3"}), &["/ip"]),
        ("an address with a port", json!({"ip": "203.0.113.7:80"}), &["/ip"]),
        (
            "many faults at once",
            json!({"channel": "?", "order_no": "", "placed_at": "?", "currency": "?", "amount": "?", "lines": "?"}),
            &["/channel", "/order_no", "/placed_at", "/currency", "/amount", "/lines"],
        ),
    ]);
    cases
}

/// Numbers that are none of ours.
fn numbers(line: impl Fn(Value) -> Value) -> Vec<Invalid> {
    vec![
        ("a negative amount", json!({"amount": -1}), &["/amount"]),
        ("an amount of 2^63", json!({"amount": 9_223_372_036_854_775_808_u64}), &["/amount"]),
        ("an amount of 2^64 - 1", json!({"amount": u64::MAX}), &["/amount"]),
        ("the least amount of 64 bits", json!({"amount": i64::MIN}), &["/amount"]),
        ("an amount of 1e308", json!({"amount": 1e308}), &["/amount"]),
        ("an amount one over the limit", json!({"amount": 1_000_000_000_001_i64}), &["/amount"]),
        ("a fractional amount", json!({"amount": 399.5}), &["/amount"]),
        ("an amount as a text", json!({"amount": "39900"}), &["/amount"]),
        ("an amount as a truth", json!({"amount": true}), &["/amount"]),
        ("no amount", json!({"amount": null}), &["/amount"]),
        ("no units", line(json!({"quantity": 0})), &["/lines/0/quantity"]),
        ("negative units", line(json!({"quantity": -5})), &["/lines/0/quantity"]),
        ("2^32 units", line(json!({"quantity": 4_294_967_296_i64})), &["/lines/0/quantity"]),
        ("half a unit", line(json!({"quantity": 0.5})), &["/lines/0/quantity"]),
        ("a negative price", line(json!({"unit_price": -1})), &["/lines/0/unit_price"]),
        ("an endless price", line(json!({"unit_price": 1e300})), &["/lines/0/unit_price"]),
        ("a negative level", json!({"customer": {"level": -1}}), &["/customer/level"]),
        ("a level of 2^31", json!({"customer": {"level": 2_147_483_648_i64}}), &["/customer/level"]),
    ]
}

fn malformed() -> Vec<(&'static str, Vec<u8>)> {
    let whole = plain("BAD").to_string();
    let deep = format!("{}1{}", "[".repeat(300), "]".repeat(300));
    let in_field = |text: &[u8]| [br#"{"channel":"web","order_no":""#, text, br#""}"#].concat();
    vec![
        ("an empty body", vec![]),
        ("spaces alone", b"  \n ".to_vec()),
        ("a body that breaks off", whole.as_bytes()[..whole.len() / 2].to_vec()),
        ("something after the body", format!("{whole}}}").into_bytes()),
        ("two bodies", format!("{whole}{whole}").into_bytes()),
        ("a body in single quotes", whole.replace('"', "'").into_bytes()),
        ("NaN", whole.replace("39900", "NaN").into_bytes()),
        ("a number with a leading zero", whole.replace("39900", "039900").into_bytes()),
        ("a number beyond all bounds", whole.replace("39900", "1e999").into_bytes()),
        ("bytes that are not UTF-8", in_field(b"\xff\xfe\x80")),
        ("a surrogate in UTF-8", in_field(b"\xed\xa0\x80")),
        ("an overlong slash", in_field(b"\xc0\xaf")),
        ("half a surrogate pair", in_field(br"\ud800")),
        ("a NUL byte in a text", in_field(b"A\x001")),
        ("300 levels of lists", deep.clone().into_bytes()),
        ("300 levels inside a field", whole.replace("39900", &deep).into_bytes()),
        ("300 levels of objects", format!("{}1{}", r#"{"a":"#.repeat(300), "}".repeat(300)).into_bytes()),
        ("a million brackets", "[".repeat(1_000_000).into_bytes()),
        ("a byte order mark", [b"\xef\xbb\xbf", whole.as_bytes()].concat()),
        ("XML", b"<order/>".to_vec()),
    ]
}

fn not_an_order() -> Vec<Case> {
    let post = |name, status, code| Case::new(name, Method::POST, "/v1/orders", status, code);
    let mut cases: Vec<Case> = [("null", "null"), ("a list", "[]"), ("a text", "\"order\""), ("a number", "7")]
        .map(|(name, body)| post(name, 422, INVALID).text(body).pointers(&[""]))
        .into();
    let all = ["/channel", "/order_no", "/placed_at", "/currency", "/amount", "/lines"];
    cases.push(post("an empty object", 422, INVALID).text("{}").pointers(&all));
    let large = with(plain("BAD"), json!({"customer": {"name": "x".repeat(10 << 20)}}));
    cases.push(post("a body of 10 MB", 413, "too_large").json(&large));
    let spaces = [vec![b' '; 10 << 20], plain("BAD").to_string().into_bytes()].concat();
    cases.push(post("10 MB of spaces before the body", 413, "too_large").text(spaces));
    let other = with(plain(FIRST), json!({"amount": 1}));
    cases.push(post("another body under a known key", 422, "delivery_key_reused").json(&other).mentions("PATCH"));
    cases
}

fn amendments_and_reports() -> Vec<Case> {
    let patch = |name, path, status, code| Case::new(name, Method::PATCH, path, status, code);
    let report = |name, status, code| Case::new(name, Method::POST, "/v1/orders/web:FIRST/status", status, code);
    let first = "/v1/orders/web:FIRST";
    let good = json!({"status": "paid", "occurred_at": at(0), "source": "wms"});
    vec![
        patch("an amendment of an order that is not placed", "/v1/orders/web:NONE", 404, "not_found")
            .json(&json!({"amount": 1})),
        patch("an amendment of what is no order's id", "/v1/orders/none", 404, "not_found").json(&json!({"amount": 1})),
        patch("an amendment that says nothing", first, 422, INVALID).text("{}").pointers(&[""]),
        patch("an amendment that is no object", first, 422, INVALID).text("[]").pointers(&[""]),
        patch("an amendment to another channel", first, 422, INVALID)
            .json(&json!({"channel": "jd", "amount": 1}))
            .pointers(&["/channel"]),
        patch("an amendment to another number", first, 422, INVALID)
            .json(&json!({"order_no": "X", "amount": 1}))
            .pointers(&["/order_no"]),
        patch("an amendment with a negative amount", first, 422, INVALID)
            .json(&json!({"amount": -1}))
            .pointers(&["/amount"]),
        patch("an amendment that takes all lines away", first, 422, INVALID)
            .json(&json!({"lines": []}))
            .pointers(&["/lines"]),
        patch("a broken amendment", first, 400, MALFORMED).text("{"),
        report("a report of nothing", 422, INVALID).text("{}").pointers(&["/status", "/occurred_at"]),
        report("an unknown status", 422, INVALID)
            .json(&with(good.clone(), json!({"status": "lost"})))
            .pointers(&["/status"]),
        report("a report that it was placed", 422, INVALID)
            .json(&with(good.clone(), json!({"status": "placed"})))
            .pointers(&["/status"]),
        report("a report from the year 1000", 422, INVALID)
            .json(&with(good.clone(), json!({"occurred_at": "1000-01-01T00:00:00Z"})))
            .pointers(&["/occurred_at"]),
        report("a source with a quote", 422, INVALID)
            .json(&with(good.clone(), json!({"source": "w'ms"})))
            .pointers(&["/source"]),
        report("an empty message id", 422, INVALID)
            .json(&with(good.clone(), json!({"message_id": ""})))
            .pointers(&["/message_id"]),
        report("a message id of 257 bytes", 422, INVALID)
            .json(&with(good.clone(), json!({"message_id": "x".repeat(257)})))
            .pointers(&["/message_id"]),
        report("a report that names an order in its body", 422, INVALID)
            .json(&with(good, json!({"order_id": "web:FIRST"})))
            .pointers(&["/order_id"]),
    ]
}
