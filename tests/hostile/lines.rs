//! Lines to `/v1/notices` that are wrong, alone and among good ones.

use serde_json::{Value, json};
use tempfile::tempdir;

use super::{FIRST, head, problem_fault, started, well_afterwards};
use crate::support::orders::{at, plain, with};

/// A line, and how it is refused.
struct Bad {
    line: Vec<u8>,
    status: u16,
    code: &'static str,
    pointers: &'static [&'static str],
}

fn bad(line: &(impl ToString + ?Sized), pointers: &'static [&'static str]) -> Bad {
    Bad { line: line.to_string().into_bytes(), status: 422, code: "invalid_body", pointers }
}

fn malformed(line: impl Into<Vec<u8>>) -> Bad {
    Bad { line: line.into(), status: 400, code: "malformed", pointers: &[] }
}

fn placed(order: &Value) -> Value {
    json!({"kind": "placed", "order": order})
}

fn bad_lines() -> Vec<Bad> {
    let status =
        json!({"kind": "status", "order_id": "web:FIRST", "status": "paid", "occurred_at": at(0), "source": "wms"});
    vec![
        malformed("{broken"),
        malformed(b"{\"kind\": \"\xff\xfe\"}".to_vec()),
        malformed("[".repeat(300)),
        malformed("null null"),
        malformed(r#"{"kind": "placed", "kind": "status"}"#),
        bad("[]", &[""]),
        bad("7", &[""]),
        bad("null", &[""]),
        bad("{}", &["/kind"]),
        bad(&json!({"kind": "deleted"}), &["/kind"]),
        bad(&json!({"kind": 7}), &["/kind"]),
        bad(&json!({"kind": "placed"}), &["/order"]),
        bad(&json!({"kind": "placed", "order": "A1"}), &["/order"]),
        bad(&placed(&with(plain("BAD"), json!({"amount": -1, "ip": "x"}))), &["/order/amount", "/order/ip"]),
        bad(&placed(&with(plain("BAD"), json!({"order_no": "a\u{0}b"}))), &["/order/order_no"]),
        bad(&with(placed(&plain("BAD")), json!({"message_id": "\u{7}"})), &["/message_id"]),
        bad(&with(placed(&plain("BAD")), json!({"order_id": "web:BAD"})), &["/order_id"]),
        bad(&with(placed(&plain("BAD")), json!({"occurred_at": "+999999-01-01T00:00:00Z"})), &["/occurred_at"]),
        bad(&json!({"kind": "amended", "order": {"amount": 1}}), &["/order/channel", "/order/order_no"]),
        bad(&json!({"kind": "amended", "order_id": "web:FIRST", "order": {}}), &["/order"]),
        bad(
            &json!({"kind": "amended", "order_id": "?", "order": {"channel": "web", "order_no": "X", "amount": 1}}),
            &["/order_id"],
        ),
        bad(&with(status.clone(), json!({"order_id": "FIRST"})), &["/order_id"]),
        bad(&with(status.clone(), json!({"occurred_at": "2025-11-11"})), &["/occurred_at"]),
        bad(&with(status, json!({"source": "W M S"})), &["/source"]),
        Bad {
            line: json!({"kind": "amended", "order_id": "web:NONE", "order": {"amount": 1}}).to_string().into(),
            status: 404,
            code: "not_found",
            pointers: &[],
        },
        Bad {
            line: placed(&with(plain(FIRST), json!({"amount": 2}))).to_string().into(),
            status: 422,
            code: "delivery_key_reused",
            pointers: &[],
        },
        Bad { line: vec![b'x'; 10 << 20], status: 413, code: "too_large", pointers: &[] },
    ]
}

#[test]
fn bad_lines_are_refused_one_by_one_and_leave_nothing_behind() {
    let directory = tempdir().unwrap();
    let (service, _keys) = started(directory.path());
    let before = head(&service);
    let bad = bad_lines();
    let body = bad.iter().map(|bad| bad.line.clone()).collect::<Vec<_>>().join(&b'\n');
    let answers = service.notices(body).lines();
    assert_eq!(answers.len(), bad.len());
    for ((number, bad), answer) in (1..).zip(&bad).zip(&answers) {
        let line = String::from_utf8_lossy(&bad.line[..bad.line.len().min(200)]);
        assert_eq!((&answer["line"], &answer["ok"]), (&json!(number), &json!(false)), "{line}");
        let fault = problem_fault(&answer["problem"], bad.status, bad.code, bad.pointers, "");
        assert_eq!(fault, None, "{line}\n{answer}");
    }
    assert_eq!(head(&service), before);
    well_afterwards(service);
}

#[test]
fn bad_lines_do_not_stop_the_good_ones_between_them() {
    let directory = tempdir().unwrap();
    let (service, _keys) = started(directory.path());
    let bad = bad_lines();
    let mut body = Vec::new();
    for (number, bad) in bad.iter().enumerate() {
        body.extend_from_slice(&bad.line);
        body.push(b'\n');
        body.extend_from_slice(placed(&plain(&format!("GOOD-{number}"))).to_string().as_bytes());
        body.extend_from_slice(b"\r\n");
    }
    let answers = service.notices(body).lines();
    let good: Vec<&Value> = answers.iter().filter(|answer| answer["ok"] == true).collect();
    assert_eq!((answers.len(), good.len()), (2 * bad.len(), bad.len()));
    for (number, answer) in good.iter().enumerate() {
        assert_eq!(answer["order_id"], format!("web:GOOD-{number}"));
        assert_eq!(answer["line"], json!(2 * number + 2));
    }
    // The answer to a delivery that comes again says how far the log is.
    head(&service);
    service.settle();
    assert_eq!(service.all_orders("").len(), bad.len() + 1);
    well_afterwards(service);
}

#[test]
fn a_body_without_lines_is_answered_without_lines() {
    let directory = tempdir().unwrap();
    let (service, _keys) = started(directory.path());
    for body in ["", "\n", " \r\n\n  \n"] {
        let answer = service.notices(body);
        assert_eq!((answer.status, answer.body.len()), (200, 0), "{body:?}");
    }
    well_afterwards(service);
}
