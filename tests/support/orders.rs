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
