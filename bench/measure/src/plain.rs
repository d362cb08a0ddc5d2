//! The order as other event stores get it: a new stream with three events of about 345, 227 and 63 bytes, which is what three
//! lean events of an order come to.

use std::fmt::Write;

/// An order as text.
#[derive(Clone, Debug)]
pub struct PlainOrder {
    /// The name of its stream, without what a store puts before it.
    pub id: String,
    /// Names and JSON payloads of its events.
    pub events: [(&'static str, String); 3],
}

/// So many orders, numbered from 0.
pub fn plain_orders(count: u64) -> Vec<PlainOrder> {
    (0..count).map(plain_order).collect()
}

fn plain_order(number: u64) -> PlainOrder {
    let placed = format!(
        r#"{{"channel":"douyin","order_no":"{number:012}","customer":"{}","device":"{}","ip":"{}","phone":"{}","address":"{}","amount":19900,"currency":"CNY","lines":1,"level":{},"at":"2026-11-11T00:00:00Z"}}"#,
        token(number % 5_000, 1),
        token(number % 4_000, 2),
        token(number % 1_757, 3),
        token(number % 5_000, 4),
        token(number % 6_000, 5),
        number % 6,
    );
    let scored = format!(
        r#"{{"score":{},"tier":"pass","hits":[{{"rule":"address_changed","points":30}}],"features":{{"device.orders[5m]":{},"phone.kind":"mobile"}},"rulebook_version":1,"rulebook_hash":"{}","cause":"placed"}}"#,
        number % 80,
        number % 5,
        token(7, 6),
    );
    let released = r#"{"cause":"clean","actor":null,"reason_code":null,"note":null}"#.to_owned();
    PlainOrder { id: format!("{number:012}"), events: [("Placed", placed), ("Scored", scored), ("Released", released)] }
}

/// Thirty-two digits that look like a keyed digest.
fn token(number: u64, kind: u64) -> String {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ (kind << 56);
    let mut text = String::with_capacity(32);
    for _ in 0..2 {
        state = (state ^ (state >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9).rotate_left(23);
        write!(text, "{state:016x}").expect("a text can be written to");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_events_are_json_of_about_the_sizes_that_are_told() {
        for order in plain_orders(20_000).iter().step_by(997) {
            for ((name, payload), about) in order.events.iter().zip([345, 227, 63]) {
                serde_json::from_str::<serde_json::Value>(payload).unwrap();
                assert!(payload.len().abs_diff(about) <= 8, "{name} has {} bytes", payload.len());
            }
        }
    }
}
