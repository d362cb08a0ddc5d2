//! The stored form of every event, pinned by one file each: what was written once must be read for ever.

mod support;

use std::fmt::Debug;

use cqrs_es::DomainEvent;
use domain::merchant::{ChannelConfigured, KeyCreated, KeyRevoked, MerchantEvent, MerchantRegistered, Role};
use domain::publication::{RulebookEvent, RulebookPublished};
use domain::rulebook::Rulebook;
use support::{every_event, minute};

fn stored_as_golden<E: DomainEvent + Debug>(event: &E) {
    let path = format!("{}/tests/golden/events/{}.json", env!("CARGO_MANIFEST_DIR"), event.event_type());
    let stored = serde_json::to_string(event).expect("an event has a JSON form");
    let golden = std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{path}: {error}; would be {stored}"));
    assert_eq!(stored, golden.trim_end(), "{path}");
    assert_eq!(&serde_json::from_str::<E>(&golden).expect("a stored event is readable"), event, "{path}");
}

#[test]
fn an_event_of_an_order_is_stored_as_its_golden_file_says() {
    every_event().iter().for_each(stored_as_golden);
}

#[test]
fn an_event_of_a_merchant_is_stored_as_its_golden_file_says() {
    let events = [
        MerchantEvent::MerchantRegistered(MerchantRegistered {
            name: "小店".into(),
            time_zone: "Asia/Shanghai".into(),
            currency: "CNY".into(),
        }),
        MerchantEvent::KeyCreated(KeyCreated {
            id: "0011223344556677".into(),
            name: "till".into(),
            hash: "00".repeat(32).into(),
            roles: Role::ALL.to_vec(),
            expires_at: Some(minute(0)),
        }),
        MerchantEvent::KeyRevoked(KeyRevoked { id: "0011223344556677".into() }),
        MerchantEvent::ChannelConfigured(ChannelConfigured {
            channel: "douyin".into(),
            shop: "default".into(),
            credentials: "c2VhbGVk".into(),
            previous_credentials: Some("b2xk".into()),
        }),
    ];
    events.iter().for_each(stored_as_golden);
}

#[test]
fn a_publication_is_stored_as_its_golden_file_says() {
    let rulebook = r#"{
        "name": "Small",
        "rules": [{"id": "large", "name": {"zh": "大额", "en": "Large"}, "points": 80,
                   "when": {"feature": "order.amount", "op": ">=", "value": 100000}}],
        "tiers": [{"id": "hold", "from": 80, "action": "freeze"}],
        "exemptions": []
    }"#;
    let rulebook = Rulebook::read(rulebook.as_bytes()).unwrap();
    let hash = rulebook.hash().into();
    let note = Some("first".into());
    stored_as_golden(&RulebookEvent::RulebookPublished(RulebookPublished {
        version: 1,
        rulebook,
        hash,
        actor: "rita".into(),
        note,
    }));
}
