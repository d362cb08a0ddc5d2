//! Reading notices from JSON: what is taken, what is refused, and that everything wrong is told at once.

use domain::ids::OrderId;
use domain::notice::{
    AMOUNT_MAX, Content, LEVEL_MAX, LINES_MAX, Notice, OrderFacts, QUANTITY_MAX, TEXT_BYTES_MAX, read_amendment,
    read_notice, read_notice_at, read_order, read_status, validate,
};
use domain::order::{Line, Status};
use proptest::prelude::*;
use serde_json::{Value, json};

fn order() -> Value {
    json!({
        "channel": "web", "order_no": "A1001", "placed_at": "2026-11-11T00:00:01.250+08:00",
        "currency": "CNY", "amount": 39900,
        "lines": [{"sku": "MASK-01", "title": "面膜", "quantity": 2, "unit_price": 19950}],
        "customer": {
            "id": "u-77", "name": "张三", "phone": "13800138000", "level": 2, "registered_at": "2026-01-02T08:00:00Z"
        },
        "delivery": {
            "recipient": "李四", "phone": "13900139000", "country": "CN", "province": "浙江省", "city": "杭州市",
            "district": "西湖区", "street": "文三路 1 号", "postcode": "310000"
        },
        "device": {"id": "d-9f1c", "user_agent": "Mozilla/5.0"}, "ip": "203.0.113.7",
        "payment_due_at": "2026-11-11T00:30:01+08:00", "display_no": "#1001"
    })
}

/// The smallest order there is.
fn thin() -> Value {
    json!({
        "channel": "web", "order_no": "A1001", "placed_at": "2026-11-11T00:00:01Z", "currency": "CNY", "amount": 0,
        "lines": [{"sku": "S", "quantity": 1}]
    })
}

/// The thin order with one value put at a pointer whose parent exists.
fn thin_with(pointer: &str, value: Value) -> Value {
    let mut order = thin();
    let (parent, name) = pointer.rsplit_once('/').expect("a pointer");
    match order.pointer_mut(parent).expect("a parent") {
        Value::Object(map) => {
            map.insert(name.into(), value);
        }
        Value::Array(list) => list[name.parse::<usize>().expect("an index")] = value,
        _ => panic!("no parent at {parent}"),
    }
    order
}

fn id() -> OrderId {
    "web:A1001".parse().expect("an id")
}

fn pointers<T>(read: Result<T, Vec<domain::fault::Fault>>) -> Vec<String> {
    let Err(faults) = read else { panic!("read without a fault") };
    let mut pointers: Vec<String> = faults.into_iter().map(|fault| fault.pointer).collect();
    pointers.sort();
    pointers
}

fn facts(notice: Notice) -> OrderFacts {
    match notice.content {
        Content::Placed(facts) | Content::Amended(facts) => facts,
        Content::Status { .. } => panic!("a status has no facts"),
    }
}

#[test]
fn a_whole_order_is_read() {
    let notice = read_order(order()).expect("an order");
    assert_eq!((&notice.order, notice.occurred_at, &notice.message_id), (&id(), None, &None));
    assert_eq!(notice.content.kind(), "placed");
    assert_eq!(validate(&notice), []);
    let facts = facts(notice);
    assert_eq!(facts.placed_at.expect("a time").to_string(), "2026-11-10T16:00:01.250Z");
    assert_eq!((facts.currency.as_deref(), facts.amount), (Some("CNY"), Some(39_900)));
    assert_eq!(facts.display_no.as_deref(), Some("#1001"));
    let line = Line { sku: "MASK-01".into(), title: Some("面膜".into()), quantity: 2, unit_price: Some(19_950) };
    assert_eq!(facts.lines, Some(vec![line]));
    let customer = facts.customer.expect("a customer");
    assert_eq!((customer.id.as_deref(), customer.name.as_deref()), (Some("u-77"), Some("张三")));
    assert_eq!((customer.phone.as_deref(), customer.level), (Some("13800138000"), Some(2)));
    assert_eq!(customer.registered_at.expect("a time").to_string(), "2026-01-02T08:00:00.000Z");
    let delivery = facts.delivery.expect("a delivery");
    assert_eq!((delivery.recipient.as_deref(), delivery.phone.as_deref()), (Some("李四"), Some("13900139000")));
    assert_eq!((delivery.country.as_deref(), delivery.province.as_deref()), (Some("CN"), Some("浙江省")));
    assert_eq!((delivery.city.as_deref(), delivery.district.as_deref()), (Some("杭州市"), Some("西湖区")));
    assert_eq!((delivery.street.as_deref(), delivery.postcode.as_deref()), (Some("文三路 1 号"), Some("310000")));
    let device = facts.device.expect("a device");
    assert_eq!((device.id.as_deref(), device.user_agent.as_deref()), (Some("d-9f1c"), Some("Mozilla/5.0")));
    assert_eq!(facts.ip.expect("an address").to_string(), "203.0.113.7");
    assert_eq!(facts.payment_due_at.expect("a time").to_string(), "2026-11-10T16:30:01.000Z");
}

#[test]
fn the_smallest_order_and_nulls_are_read() {
    let mut body = thin();
    for name in ["customer", "delivery", "device", "ip", "display_no", "payment_due_at"] {
        body[name] = Value::Null;
    }
    body["lines"][0]["unit_price"] = Value::Null;
    let read = facts(read_order(body).expect("an order"));
    assert_eq!((read.customer, read.delivery, read.device, read.ip), (None, None, None, None));
    let blank = thin_with("/customer", json!({"name": " ", "phone": "", "id": null}));
    assert_eq!(facts(read_order(blank).expect("an order")).customer, None);
}

#[test]
fn all_faults_of_a_body_are_told_at_once() {
    let body = json!({
        "channel": "Web Shop", "placed_at": "yesterday", "currency": "yuan", "amount": 399.0, "colour": "red",
        "lines": [{"sku": "", "quantity": 0}, {"quantity": "2", "unit_price": -1, "size/xl": 1}, 7, null],
        "customer": {"id": "", "level": 1001, "vip": true}, "delivery": {"country": "china", "street": 1},
        "device": [], "ip": "203.0.113.300", "payment_due_at": 1_760_000_000
    });
    assert_eq!(
        pointers(read_order(body)),
        [
            "/amount",
            "/channel",
            "/colour",
            "/currency",
            "/customer/id",
            "/customer/level",
            "/customer/vip",
            "/delivery/country",
            "/delivery/street",
            "/device",
            "/ip",
            "/lines/0/quantity",
            "/lines/0/sku",
            "/lines/1/quantity",
            "/lines/1/size~1xl",
            "/lines/1/sku",
            "/lines/1/unit_price",
            "/lines/2",
            "/lines/3",
            "/order_no",
            "/payment_due_at",
            "/placed_at",
        ]
    );
}

#[test]
fn each_wrong_value_is_told_at_its_place() {
    let long = "x".repeat(TEXT_BYTES_MAX + 1);
    let cases = [
        ("/channel", json!(""), "expected 1 to 32"),
        ("/channel", json!("抖音"), "expected 1 to 32"),
        ("/order_no", json!("a\nb"), "no control characters"),
        ("/order_no", json!(1001), "expected a string, found a number"),
        ("/placed_at", json!("2026-11-11 00:00:00"), "RFC 3339"),
        ("/placed_at", json!("1999-01-01T00:00:00Z"), "between 2000-01-01 and 2100-01-01"),
        ("/currency", json!("cny"), "three capital letters"),
        ("/currency", json!("￥￥￥"), "three capital letters"),
        ("/amount", json!("39900"), "expected a whole number, found a string"),
        ("/amount", json!(-1), "expected a whole number from 0 to"),
        ("/amount", json!(AMOUNT_MAX + 1), "expected a whole number from 0 to"),
        ("/amount", json!(true), "expected a whole number, found true or false"),
        ("/lines", json!([]), "expected 1 to 200 lines, found 0"),
        ("/lines", json!({}), "expected a list, found an object"),
        ("/lines", json!(vec![json!({"sku": "S", "quantity": 1}); LINES_MAX + 1]), "expected 1 to 200 lines"),
        ("/lines/0/quantity", json!(0), "expected a whole number from 1 to"),
        ("/lines/0/quantity", json!(QUANTITY_MAX + 1), "expected a whole number from 1 to"),
        ("/lines/0/quantity", json!(null), "is required"),
        ("/lines/0/sku", json!(" "), "not empty"),
        ("/lines/0/sku", json!(long), "expected at most 512 bytes"),
        ("/lines/0/title", json!("a\u{0}b"), "no control characters"),
        ("/customer", json!("u-77"), "expected an object, found a string"),
        ("/customer", json!({"level": -1}), "from 0 to 1000"),
        ("/customer", json!({"level": LEVEL_MAX + 1}), "from 0 to 1000"),
        ("/delivery", json!({"country": "CHN"}), "two capital letters"),
        ("/delivery", json!({"street": long}), "expected at most 512 bytes"),
        ("/ip", json!("localhost"), "an IPv4 or IPv6 address"),
        ("/ip", json!("203.0.113.0/24"), "an IPv4 or IPv6 address"),
        ("/colour", json!(null), "not a known field"),
        ("/message_id", json!("m"), "not a known field"),
    ];
    for (pointer, value, detail) in cases {
        let faults = read_order(thin_with(pointer, value.clone())).expect_err("a fault");
        assert_eq!(faults.len(), 1, "{pointer} {value}: {faults:?}");
        assert!(faults[0].pointer.starts_with(pointer), "{pointer} {value}: {faults:?}");
        assert!(faults[0].detail.contains(detail), "{pointer} {value}: {faults:?}");
    }
}

#[test]
fn whole_numbers_alone_are_numbers() {
    for (amount, detail) in [
        ("39900.0", "without a fraction or an exponent"),
        ("1e3", "without a fraction or an exponent"),
        ("0.5", "without a fraction or an exponent"),
        ("-0.0", "without a fraction or an exponent"),
        ("9223372036854775807", "from 0 to"),
        ("9223372036854775808", "out of range"),
        ("18446744073709551616", "out of range"),
        ("-9223372036854775809", "out of range"),
        ("1e300", "out of range"),
    ] {
        let text = thin().to_string().replace("\"amount\":0", &format!("\"amount\":{amount}"));
        let faults = read_order(serde_json::from_str(&text).expect("json")).expect_err("a fault");
        assert_eq!(faults.len(), 1, "{amount}: {faults:?}");
        assert_eq!(faults[0].pointer, "/amount");
        assert!(faults[0].detail.contains(detail), "{amount}: {faults:?}");
    }
}

#[test]
fn limits_themselves_are_within_them() {
    let line = json!({"sku": "s".repeat(TEXT_BYTES_MAX), "quantity": QUANTITY_MAX, "unit_price": AMOUNT_MAX});
    let mut body = thin_with("/lines", json!(vec![line; LINES_MAX]));
    body["amount"] = json!(AMOUNT_MAX);
    body["customer"] = json!({"level": LEVEL_MAX});
    body["ip"] = json!("::ffff:203.0.113.7");
    assert_eq!(validate(&read_order(body).expect("an order")), []);
}

#[test]
fn what_is_no_object_is_told_as_a_whole() {
    for body in [json!(null), json!([]), json!("order"), json!(1)] {
        assert_eq!(pointers(read_order(body.clone())), [""]);
        assert_eq!(pointers(read_amendment(body.clone(), id())), [""]);
        assert_eq!(pointers(read_status(body.clone(), id())), [""]);
        assert_eq!(pointers(read_notice(body)), [""]);
    }
}

#[test]
fn a_hostile_body_is_not_answered_at_its_own_length() {
    let fields = (0..5_000).map(|index| (format!("field_{index}"), Value::Null));
    assert_eq!(pointers(read_order(Value::Object(fields.collect()))).len(), 1_000);
}

#[test]
fn an_amendment_is_any_part_of_an_order() {
    let notice = read_amendment(json!({"delivery": {"city": "杭州市"}}), id()).expect("an amendment");
    assert_eq!((notice.content.kind(), &notice.order), ("amended", &id()));
    assert_eq!(facts(notice).delivery.expect("a delivery").city.as_deref(), Some("杭州市"));
    assert!(read_amendment(order(), id()).is_ok());
}

#[test]
fn an_amendment_of_another_order_or_of_nothing_is_refused() {
    let other = json!({"channel": "store", "order_no": "A1002", "amount": 1});
    assert_eq!(pointers(read_amendment(other, id())), ["/channel", "/order_no"]);
    for empty in [json!({}), json!({"channel": "web"}), json!({"customer": {}}), json!({"amount": null})] {
        assert_eq!(pointers(read_amendment(empty, id())), [""]);
    }
    assert_eq!(pointers(read_amendment(json!({"lines": []}), id())), ["/lines"]);
}

#[test]
fn a_status_is_read() {
    let body = json!({
        "status": "partially_shipped", "occurred_at": "2026-11-11T00:00:00Z", "source": "wms-1.east", "message_id": "m1"
    });
    let notice = read_status(body, id()).expect("a status");
    let content =
        Content::Status { source: Some("wms-1.east".into()), status: Status::PartiallyShipped, refunded: None };
    assert_eq!((notice.order, notice.content), (id(), content));
    assert_eq!(notice.message_id.as_deref(), Some("m1"));
    assert_eq!(notice.occurred_at.expect("a time").to_string(), "2026-11-11T00:00:00.000Z");
}

#[test]
fn every_stored_status_can_be_reported_and_placed_is_none() {
    let body = |status: &str| json!({"status": status, "occurred_at": "2026-11-11T00:00:00Z"});
    for name in [
        "paid",
        "partially_shipped",
        "shipped",
        "delivered",
        "completed",
        "cancelled",
        "refund_requested",
        "partially_refunded",
        "refunded",
    ] {
        let Content::Status { status, .. } = read_status(body(name), id()).expect("a status").content else {
            panic!("{name} is a status");
        };
        assert_eq!(serde_json::to_value(status).expect("json"), name);
    }
    let faults = read_status(body("placed"), id()).expect_err("a fault");
    assert_eq!(faults[0].pointer, "/status");
    assert!(faults[0].detail.contains("by sending the order"), "{faults:?}");
    assert_eq!(pointers(read_status(body("lost"), id())), ["/status"]);
}

#[test]
fn all_faults_of_a_status_are_told_at_once() {
    let body = json!({"occurred_at": "now", "source": "WMS", "message_id": "m".repeat(257), "order_id": "web:A1001"});
    assert_eq!(pointers(read_status(body, id())), ["/message_id", "/occurred_at", "/order_id", "/source", "/status"]);
    assert_eq!(pointers(read_status(json!({"status": 1, "source": "", "message_id": ""}), id())).len(), 4);
}

#[test]
fn a_line_places_amends_or_reports() {
    let placed = json!({"kind": "placed", "message_id": "m1", "occurred_at": "2026-11-11T01:00:00Z", "order": order()});
    let placed = read_notice(placed).expect("a notice");
    assert_eq!((placed.content.kind(), placed.message_id.as_deref()), ("placed", Some("m1")));
    assert!(placed.occurred_at.is_some());

    let by_id = json!({"kind": "amended", "order_id": "web:A1001", "order": {"amount": 1}});
    let by_parts = json!({"kind": "amended", "order": {"channel": "web", "order_no": "A1001", "amount": 1}});
    assert_eq!(read_notice(by_id).expect("a notice"), read_notice(by_parts).expect("a notice"));

    let status = json!({
        "kind": "status", "order_id": "web:A1001", "status": "paid", "occurred_at": "2026-11-11T00:00:00Z", "source": "wms"
    });
    assert_eq!(read_notice(status).expect("a notice").order, id());
}

#[test]
fn faults_of_a_line_point_into_it() {
    let mut bad = order();
    bad["lines"][0]["quantity"] = json!(0);
    bad["size"] = json!(1);
    let placed = json!({"kind": "placed", "order": bad, "order_id": "web:A1001", "message_id": ""});
    assert_eq!(
        pointers(read_notice(placed.clone())),
        ["/message_id", "/order/lines/0/quantity", "/order/size", "/order_id"]
    );
    assert_eq!(pointers(read_notice_at(placed, "/7"))[1], "/7/order/lines/0/quantity");
    for (line, expected) in [
        (json!({}), vec!["/kind"]),
        (json!({"kind": "created"}), vec!["/kind"]),
        (json!({"kind": 1}), vec!["/kind"]),
        (json!({"kind": "placed"}), vec!["/order"]),
        (json!({"kind": "placed", "order": null}), vec!["/order"]),
        (json!({"kind": "placed", "order": []}), vec!["/order"]),
        (json!({"kind": "amended", "order": {"amount": 1}}), vec!["/order/channel", "/order/order_no"]),
        (json!({"kind": "amended", "order_id": "web:A1001", "order": {}}), vec!["/order"]),
        (
            json!({"kind": "amended", "order_id": "web:A1001", "order": {"channel": "store", "amount": 1}}),
            vec!["/order/channel"],
        ),
        (
            json!({"kind": "amended", "order_id": "A1001", "order": {"channel": "web", "order_no": "A1001", "amount": 1}}),
            vec!["/order_id"],
        ),
        (json!({"kind": "status"}), vec!["/occurred_at", "/order_id", "/status"]),
        (
            json!({"kind": "status", "order_id": "web", "status": "paid", "occurred_at": "2026-11-11T00:00:00Z"}),
            vec!["/order_id"],
        ),
    ] {
        assert_eq!(pointers(read_notice(line.clone())), expected, "{line}");
    }
}

#[test]
fn a_channels_notice_is_held_to_the_same_limits() {
    let thin = OrderFacts { placed_at: "2026-11-11T00:00:00Z".parse().ok(), ..OrderFacts::default() };
    let placed = |facts| Notice { order: id(), occurred_at: None, message_id: None, content: Content::Placed(facts) };
    assert_eq!(validate(&placed(thin.clone())), []);

    let line = Line { sku: "".into(), title: Some("a\tb".into()), quantity: 0, unit_price: Some(-1) };
    let wrong = placed(OrderFacts {
        placed_at: None,
        currency: Some("cny".into()),
        amount: Some(-1),
        lines: Some(vec![line]),
        ..thin
    });
    let faults = pointers(Err::<(), _>(validate(&wrong)));
    assert_eq!(
        faults,
        [
            "/amount",
            "/currency",
            "/lines/0/quantity",
            "/lines/0/sku",
            "/lines/0/title",
            "/lines/0/unit_price",
            "/placed_at"
        ]
    );

    let status = Notice {
        order: id(),
        occurred_at: None,
        message_id: Some(String::new()),
        content: Content::Status { source: Some("WMS".into()), status: Status::Paid, refunded: Some(-1) },
    };
    assert_eq!(pointers(Err::<(), _>(validate(&status))), ["/message_id", "/refunded", "/source"]);
}

/// Any JSON of a few levels, with the names of real fields among its own.
fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        ".{0,12}".prop_map(Value::from),
        Just(json!("2026-11-11T00:00:00Z")),
    ];
    let name = prop_oneof![
        Just("channel"),
        Just("order_no"),
        Just("order"),
        Just("kind"),
        Just("lines"),
        Just("customer"),
        Just("sku"),
        Just("quantity"),
        Just("amount"),
        Just("delivery"),
        Just("ip"),
        Just("status"),
        Just("other/~")
    ];
    leaf.prop_recursive(4, 64, 6, move |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(name.clone().prop_map(String::from), inner, 0..6)
                .prop_map(|map| Value::Object(map.into_iter().collect())),
        ]
    })
}

proptest! {
    #[test]
    fn whatever_comes_is_read_or_refused_with_faults_that_point_into_it(body in any_json()) {
        let read = read_order(body.clone());
        match read {
            Ok(notice) => prop_assert_eq!(validate(&notice), []),
            Err(faults) => {
                prop_assert!(!faults.is_empty());
                for fault in faults.iter().filter(|fault| fault.detail != "is required") {
                    prop_assert!(body.pointer(&fault.pointer).is_some(), "{:?}", fault);
                }
            }
        }
        prop_assert!(read_notice(body).map_or_else(|faults| !faults.is_empty(), |_| true));
    }
}
