//! Bodies of orders.

use domain::time::Timestamp;
use serde_json::{Value, json};

/// A point in time as the API writes it: so many milliseconds after the night of a shopping festival began.
pub(crate) fn at(millis: i64) -> String {
    // 2025-11-10T16:00:00Z is midnight in Shanghai.
    Timestamp::from_millis(1_762_790_400_000 + millis).to_string()
}

/// The least that an order says.
pub(crate) fn plain(order_no: &str) -> Value {
    json!({
        "channel": "web", "order_no": order_no, "placed_at": at(0), "currency": "CNY", "amount": 39_900,
        "lines": [{"sku": "MASK-01", "quantity": 2, "unit_price": 19_950}],
    })
}

/// The order with more fields, or with others.
pub(crate) fn with(mut order: Value, more: Value) -> Value {
    let (Value::Object(fields), Value::Object(more)) = (&mut order, more) else { panic!("orders are objects") };
    fields.extend(more);
    order
}

/// A rulebook that has customers asked by SMS from 5,000.00 on, and by a call from 9,000.00 on. What follows when they fail is said; where
/// they do not answer a person looks.
pub(crate) fn asking(name: &str, on_fail: &str) -> Value {
    let from = |id: &str, amount: u32, points: u32| json!({"id": id, "when": {"feature": "order.amount", "op": ">=", "value": amount}, "points": points});
    let ask =
        |method: &str| json!({"challenge": method, "expires_in": "30m", "on_fail": on_fail, "on_expire": "review"});
    json!({
        "name": name,
        "rules": [from("large", 500_000, 80), from("huge", 900_000, 20)],
        "tiers": [{"id": "sms", "from": 80, "action": ask("sms")}, {"id": "call", "from": 100, "action": ask("call")}],
        "exemptions": [],
    })
}

/// An order of a customer with the number 138 0013 8000.
pub(crate) fn reachable(order_no: &str, amount: u32) -> Value {
    let customer = json!({"id": "u-1", "name": "王五", "phone": "13800138000"});
    with(plain(order_no), json!({"amount": amount, "customer": customer}))
}
