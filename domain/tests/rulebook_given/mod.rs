//! The rulebook of the documentation, whole and with one place changed.

use domain::rulebook::Rulebook;
use serde_json::{Value as Json, json};

/// The rulebook of the documentation.
pub(crate) fn example() -> Json {
    json!({
        "name": "Double Eleven",
        "rules": [
            {"id": "device_burst", "name": {"zh": "同设备短时多单", "en": "Device burst"},
             "when": {"feature": "device.orders", "window": "5m", "op": ">=", "value": 5},
             "points": {"base": 50, "per": 4, "above": 5, "max": 80}, "sweep": true},
            {"id": "address_changed",
             "when": {"all": [{"feature": "address.changed", "op": "==", "value": true},
                              {"not": {"feature": "address.familiar", "op": "==", "value": true}}]},
             "points": 30},
            {"id": "virtual_phone", "when": {"feature": "phone.kind", "op": "==", "value": "virtual"}, "points": 40}
        ],
        "tiers": [
            {"id": "sms", "from": 80,
             "action": {"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"}},
            {"id": "call", "from": 100,
             "action": {"challenge": "call", "expires_in": "30m", "on_fail": "freeze", "on_expire": "review"}},
            {"id": "freeze", "above": 120, "action": "freeze"}
        ],
        "exemptions": [
            {"id": "vip", "when": {"feature": "customer.level", "op": ">=", "value": 4}, "action": "release"}
        ]
    })
}

/// The example with one place changed; `null` takes an object's field away.
pub(crate) fn changed(pointer: &str, value: Json) -> Json {
    let mut book = example();
    let (parent, field) = pointer.rsplit_once('/').expect("a place of the example");
    match (book.pointer_mut(parent), value) {
        (Some(Json::Object(fields)), Json::Null) => drop(fields.remove(field).expect("a place of the example")),
        (Some(Json::Object(fields)), value) => drop(fields.insert(field.to_owned(), value)),
        (Some(Json::Array(entries)), value) => entries[field.parse::<usize>().expect("a place of the example")] = value,
        _ => panic!("{pointer} has no parent"),
    }
    book
}

/// Pointers and details of all faults.
pub(crate) fn faults(book: &Json) -> Vec<(String, String)> {
    let faults = Rulebook::from_json(book).expect_err("a fault");
    faults.into_iter().map(|fault| (fault.pointer, fault.detail)).collect()
}
