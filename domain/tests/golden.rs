//! The stored form of every event, pinned by one file each: what was written once must be read for ever.

mod support;

use std::fmt::Debug;
use std::sync::Arc;

use cqrs_es::DomainEvent;
use domain::draft::{DraftEvent, DraftPublished, Revision, RulebookSubmitted};
use domain::endpoint::{EndpointCreated, EndpointRemoved, Notification, Target};
use domain::forecast::{Forecast, ForecastLeft, Rate};
use domain::ids::{OrderId, Token};
use domain::merchant::{ChannelConfigured, KeyCreated, KeyRevoked, MerchantEvent, MerchantRegistered, Role};
use domain::order::{
    FreezeConfirmed, Frozen, FrozenCause, LinkedBy, LinkedTo, OrderEvent, PartOf, Reading, Readings, Released,
    ReviewCause, ReviewOpened, Scored, ScoredCause, Swept, Trigger,
};
use domain::publication::{RulebookEvent, RulebookPublished};
use domain::rulebook::Rulebook;
use domain::settings::{QuietHours, Settings};
use domain::shadow::{ShadowEnded, ShadowEnding, ShadowEvent, ShadowStarted, Shadowed};
use domain::signal::{
    Declaration, OrderScore, SignalEvent, SignalSet, SignalValue, SignalWithdrawn, Subject, SubjectKind, ValueEvent,
};
use domain::time::Span;
use serde_json::json;
use support::{every_event, minute, placed_facts, scored};

fn stored_as_golden<E: DomainEvent + Debug>(event: &E) {
    stored_as(&event.event_type(), event);
}

fn stored_as<E: DomainEvent + Debug>(name: &str, event: &E) {
    let path = format!("{}/tests/golden/events/{name}.json", env!("CARGO_MANIFEST_DIR"));
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
fn a_screening_that_another_order_made_necessary_is_stored_as_its_golden_file_says() {
    let (by, device_orders): (OrderId, Arc<str>) = ("web:A5".parse().unwrap(), "device.orders[5m]".into());
    let scored = every_event().into_iter().find_map(|event| match event {
        OrderEvent::Scored(scored) => Some(scored),
        _ => None,
    });
    let evidence = Readings(vec![(device_orders, Some(Reading::Int(5)))]);
    let scored = Scored {
        cause: ScoredCause::Sibling,
        trigger: Some(Trigger { order: by.clone(), left_out: 3 }),
        swept: vec![Swept { rule: "device_burst".into(), by, evidence }],
        ..scored.unwrap()
    };
    stored_as("Scored.swept", &OrderEvent::Scored(scored));
}

#[test]
fn a_decision_that_was_part_of_one_about_many_is_stored_as_its_golden_file_says() {
    let linked_to = LinkedTo { order: "web:A5".parse().unwrap(), by: LinkedBy::Device };
    let part_of = Some(Box::new(PartOf { orders: 5, linked_to: Some(linked_to) }));
    let (actor, reason_code) = (Some("rita".into()), Some("bot_or_script".into()));
    let frozen = Frozen { actor, reason_code, part_of, ..Frozen::by_itself(FrozenCause::Reviewer) };
    let frozen = OrderEvent::Frozen(frozen);
    stored_as("Frozen.part_of", &frozen);
    // As it was stored before.
    let before =
        serde_json::to_string(&frozen).expect("an event has a JSON form").replace(r#""order_id""#, r#""order""#);
    assert_eq!(serde_json::from_str::<OrderEvent>(&before).expect("a stored event is readable"), frozen);
}

#[test]
fn a_review_for_what_was_said_on_the_phone_is_stored_as_its_golden_file_says() {
    let (reason_code, note) = (Some("customer_confused".into()), Some("heard".into()));
    let opened = ReviewOpened::by_itself(Some("c1".parse().expect("an id")), ReviewCause::ChallengeFailed);
    stored_as("ReviewOpened.said", &OrderEvent::ReviewOpened(ReviewOpened { reason_code, note, ..opened }));
}

#[test]
fn a_decision_that_holds_for_a_while_is_stored_as_its_golden_file_says() {
    for event in every_event() {
        let (name, event) = match event {
            OrderEvent::Frozen(it) => {
                ("Frozen.claim", OrderEvent::Frozen(Frozen { claim_until: Some(minute(10)), ..it }))
            }
            OrderEvent::FreezeConfirmed(it) => (
                "FreezeConfirmed.claim",
                OrderEvent::FreezeConfirmed(FreezeConfirmed { claim_until: Some(minute(10)), ..it }),
            ),
            OrderEvent::Released(it) => {
                ("Released.claim", OrderEvent::Released(Released { claim_until: Some(minute(10)), ..it }))
            }
            _ => continue,
        };
        stored_as(name, &event);
    }
}

#[test]
fn an_order_that_a_model_scored_is_stored_as_its_golden_file_says() {
    let signal = "model".parse().expect("a name");
    let score = OrderScore { signal, value: SignalValue::read(&json!("0.87")).expect("a value") };
    let mut placed = placed_facts();
    placed.facts.score = Some(score);
    stored_as("Placed.scored", &OrderEvent::Placed(placed));
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
        MerchantEvent::SettingsChanged(Settings {
            four_eyes: true,
            stock_release_after: Some(Span::from_hours(2)),
            quiet_hours: Some(QuietHours { from: 1_320, to: 480 }),
            hold_out_basis_points: 100,
            ..Settings::in_zone("Asia/Shanghai")
        }),
        MerchantEvent::EndpointCreated(EndpointCreated {
            id: "0011223344556677".into(),
            target: Target::Url("https://oms.example.com/hooks".into()),
            events: Notification::ALL.to_vec(),
            secret: "c2VhbGVk".into(),
        }),
        MerchantEvent::EndpointRemoved(EndpointRemoved { id: "0011223344556677".into() }),
    ];
    events.iter().for_each(stored_as_golden);
}

fn small() -> Rulebook {
    let rulebook = r#"{
        "name": "Small",
        "rules": [{"id": "large", "name": {"zh": "大额", "en": "Large"}, "points": 80,
                   "when": {"feature": "order.amount", "op": ">=", "value": 100000}}],
        "tiers": [{"id": "hold", "from": 80, "action": "freeze"}],
        "exemptions": []
    }"#;
    Rulebook::read(rulebook.as_bytes()).expect("a rulebook")
}

fn publication() -> RulebookPublished {
    RulebookPublished {
        version: 1,
        rulebook: small(),
        hash: small().hash().into(),
        actor: "rita".into(),
        author: None,
        draft: None,
        restores: None,
        note: Some("first".into()),
        expected: None,
        forecast_left: None,
    }
}

#[test]
fn a_publication_is_stored_as_its_golden_file_says() {
    stored_as_golden(&RulebookEvent::RulebookPublished(publication()));
    let of_a_draft =
        RulebookPublished { author: Some("ana".into()), draft: Some("d1".parse().unwrap()), ..publication() };
    stored_as("RulebookPublished.draft", &RulebookEvent::RulebookPublished(of_a_draft));
    let rolled_back = RulebookPublished { version: 3, restores: Some(1), ..publication() };
    stored_as("RulebookPublished.rollback", &RulebookEvent::RulebookPublished(rolled_back.clone()));
    let expected = Forecast { challenge_ppm: 12_000, freeze_ppm: 500, factor_percent: 250, after_orders: 300 };
    let bound = RulebookPublished { version: 2, expected: Some(expected), ..publication() };
    stored_as("RulebookPublished.expected", &RulebookEvent::RulebookPublished(bound));
    let (rate, expected_ppm, factor_percent) = (Rate::Freeze, 500, 250);
    let left = ForecastLeft { version: 2, rate, expected_ppm, factor_percent, held: 9, orders: 312 };
    let by_itself = RulebookPublished { note: None, forecast_left: Some(left), ..rolled_back };
    stored_as("RulebookPublished.forecast_left", &RulebookEvent::RulebookPublished(by_itself));
}

#[test]
fn an_event_of_a_shadow_is_stored_as_its_golden_file_says() {
    let (draft, actor) = (|| "d1".parse().unwrap(), || "ana".into());
    let (rulebook, hash) = (small(), small().hash().into());
    let started = ShadowStarted { draft: draft(), revision: 2, rulebook, hash, actor: actor() };
    stored_as_golden(&ShadowEvent::ShadowStarted(started));
    let ended = |cause| ShadowEvent::ShadowEnded(ShadowEnded { draft: draft(), cause, actor: actor() });
    stored_as_golden(&ended(ShadowEnding::Asked));
    stored_as("ShadowEnded.published", &ended(ShadowEnding::Published));
}

#[test]
fn what_a_shadow_found_is_stored_with_the_screening_that_it_ran_beside() {
    let shadowed = Shadowed {
        draft: "d1".parse().unwrap(),
        revision: 2,
        score: 95,
        tier: "hold".into(),
        hits: vec!["large".into()],
        exemption: Some("vip".into()),
    };
    let OrderEvent::Scored(scored) = scored(30) else { panic!("it is a screening") };
    stored_as("Scored.shadow", &OrderEvent::Scored(Scored { shadow: Some(Box::new(shadowed)), ..scored }));
}

#[test]
fn an_event_of_a_draft_is_stored_as_its_golden_file_says() {
    let revision =
        |revision| Revision { revision, rulebook: small(), hash: small().hash().into(), actor: "ana".into() };
    let events = [
        DraftEvent::RulebookDrafted(revision(1)),
        DraftEvent::RulebookEdited(revision(2)),
        DraftEvent::RulebookSubmitted(RulebookSubmitted { revision: 2, actor: "ana".into() }),
        DraftEvent::DraftPublished(DraftPublished { revision: 2, version: 4, actor: "rita".into() }),
    ];
    events.iter().for_each(stored_as_golden);
}

#[test]
fn an_event_of_a_signal_is_stored_as_its_golden_file_says() {
    let declared =
        Declaration {
            subject: SubjectKind::Region, unit: "0..1".into(), description: "天气影响配送的程度".into()
        };
    stored_as_golden(&SignalEvent::SignalDeclared(declared));
    let plain = Declaration { subject: SubjectKind::Merchant, unit: "".into(), description: "".into() };
    stored_as("SignalDeclared.plain", &SignalEvent::SignalDeclared(plain));
    let set = |subject, value: &str| {
        let value = SignalValue::read(&json!(value)).expect("a value");
        ValueEvent::SignalSet(SignalSet { subject, value, expires_at: minute(5) })
    };
    let token = Token::new([7; 16]);
    stored_as_golden(&set(Subject::Region("浙江省".into()), "0.80"));
    let others = [
        Subject::Ip(token),
        Subject::Ip24(token),
        Subject::Phone(token),
        Subject::Device(token),
        Subject::Customer(token),
        Subject::Address(token),
        Subject::Merchant,
    ];
    for subject in others {
        stored_as(&format!("SignalSet.{}", subject.kind()), &set(subject, "-1"));
    }
    stored_as_golden(&ValueEvent::SignalWithdrawn(SignalWithdrawn { subject: Subject::Device(token) }));
}
