//! Signals on the engine: what orders read of them, and that a replay reads the same.

mod support;

use domain::draft::Eyes;
use domain::ids::MerchantId;
use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::order::{Reading, RiskState, Scored};
use domain::rulebook::Rulebook;
use domain::signal::{Declaration, OrderScore, SignalRejection, SignalValue, SubjectKind, Told};
use domain::time::Timestamp;
use engine::{DraftChange, Effect, Outcome, Publication, Refusal, SignalChange, WhenFull, replay};
use eventlog::EventLog;
use serde_json::{Value, json};
use support::{Shop, notice, origin, placed, second};

/// How long an expired value is kept, in seconds.
const KEPT: u32 = 60 * 86_400;

fn declare(subject: SubjectKind) -> SignalChange {
    SignalChange::Declare(Declaration { subject, unit: "".into(), description: "for these tests".into() })
}

fn text(subject: &str) -> Told {
    Told::Text(subject.to_owned())
}

fn set(subject: &str, value: &str, expires_at: Timestamp) -> SignalChange {
    let value = SignalValue::read(&json!(value)).expect("a value");
    SignalChange::Set { subject: text(subject), value, expires_at }
}

async fn push_as(shop: &Shop, merchant: &MerchantId, name: &str, change: SignalChange) -> Result<Effect, Refusal> {
    let name = name.parse().expect("a name");
    let pending = shop.engine.signal(merchant, origin(), name, change, WhenFull::Refuse).await?;
    pending.receipt().await.map(|receipt| receipt.effect)
}

async fn push(shop: &Shop, name: &str, change: SignalChange) -> Result<Effect, Refusal> {
    push_as(shop, &shop.merchant.clone(), name, change).await
}

/// Freezes what a signal says 1 of, and reads others.
fn book(others: &[&str]) -> Rulebook {
    let blocked =
        json!({"id": "blocked", "points": 200, "when": {"feature": "signal.blocked", "op": "==", "value": 1}});
    let read = others.iter().map(
        |name| json!({"id": name, "points": 1, "when": {"feature": format!("signal.{name}"), "op": ">=", "value": 0}}),
    );
    let rules: Vec<Value> = std::iter::once(blocked).chain(read).collect();
    let tiers = json!([{"id": "freeze", "from": 100, "action": "freeze"}]);
    Rulebook::from_json(&json!({"name": "Lists", "rules": rules, "tiers": tiers})).expect("a rulebook")
}

async fn put_in_force(shop: &Shop, merchant: &MerchantId, rulebook: Rulebook) {
    let draft: domain::ids::DraftId = "d1".parse().expect("an id");
    let begin = DraftChange::Begin { draft: draft.clone(), rulebook, drafts: 0 };
    shop.engine.change_draft(merchant, origin(), begin).await.expect("begun");
    let publish = Publication::OfDraft { draft, eyes: Eyes::Two, note: None, expected: None, tried: None };
    shop.engine.publish(merchant, origin(), publish).await.expect("published");
}

async fn with_book(others: &[&str]) -> Shop {
    let shop = Shop::open().await;
    put_in_force(&shop, &shop.merchant.clone(), book(others)).await;
    shop
}

async fn screening(shop: &Shop, line: Value) -> Scored {
    shop.send(line).await.expect("taken").risk.expect("placed").screening.expect("screened")
}

fn read(scored: &Scored, name: &str) -> Option<String> {
    scored.features.get(name).map(|reading| match reading {
        Reading::Text(text) => text.to_string(),
        other => panic!("a signal is a decimal: {other:?}"),
    })
}

async fn is_identical(shop: &Shop, decisions: u64) {
    let replayed = replay(shop.log.clone(), 0, |_| {}).await.expect("replayed");
    assert_eq!((replayed.decisions, replayed.identical), (decisions, decisions), "{:?}", replayed.different);
}

#[tokio::test]
async fn an_order_of_a_device_on_the_block_list_is_frozen_and_a_replay_agrees() {
    let shop = with_book(&[]).await;
    assert_eq!(push(&shop, "blocked", declare(SubjectKind::Device)).await, Ok(Effect::New));
    let before = shop.send(placed("A1", 0)).await.unwrap();
    assert_eq!(before.risk.unwrap().state, RiskState::Released);
    assert_eq!(push(&shop, "blocked", set("d-9f1c", "1", second(60))).await, Ok(Effect::Changed));
    assert_eq!(push(&shop, "blocked", set("d-9f1c", "1.0", second(60))).await, Ok(Effect::None));
    let after = shop.send(placed("A2", 1)).await.unwrap();
    assert_eq!(after.risk.unwrap().state, RiskState::Frozen);
    let mut other = placed("A3", 2);
    other["order"]["device"]["id"] = "d-other".into();
    assert_eq!(shop.send(other).await.unwrap().risk.unwrap().state, RiskState::Released);
    is_identical(&shop, 3).await;

    let shop = shop.reopen().await;
    let again = shop.send(placed("A4", 3)).await.unwrap();
    assert_eq!(again.risk.unwrap().state, RiskState::Frozen, "after a start it is known as before");
    assert_eq!(push(&shop, "blocked", SignalChange::Withdraw { subject: text("d-9f1c") }).await, Ok(Effect::Changed));
    assert_eq!(push(&shop, "blocked", SignalChange::Withdraw { subject: text("d-9f1c") }).await, Ok(Effect::None));
    assert_eq!(shop.send(placed("A5", 4)).await.unwrap().risk.unwrap().state, RiskState::Released);
    is_identical(&shop, 5).await;
}

#[tokio::test]
async fn a_value_counts_for_orders_from_before_its_expiry_however_late_they_come() {
    let shop = with_book(&["weather"]).await;
    push(&shop, "weather", declare(SubjectKind::Region)).await.unwrap();
    push(&shop, "weather", set("浙江", "0.8", second(100))).await.unwrap();
    for (order, at, value) in [("A1", 99, Some("0.8")), ("A2", 100, None)] {
        assert_eq!(read(&screening(&shop, placed(order, at)).await, "signal.weather").as_deref(), value, "{order}");
    }
    shop.set_clock(second(100 + KEPT - 1));
    assert_eq!(read(&screening(&shop, placed("A3", 99)).await, "signal.weather").as_deref(), Some("0.8"));
    shop.set_clock(second(100 + KEPT));
    push(&shop, "weather", set("上海市", "0.1", second(2 * KEPT))).await.unwrap();
    let forgotten = screening(&shop, placed("A4", 99)).await;
    assert_eq!((read(&forgotten, "signal.weather"), forgotten.score), (None, 0), "what is unknown never scores");
    is_identical(&shop, 4).await;
}

#[tokio::test]
async fn every_kind_of_subject_is_found_by_the_orders_it_is_about() {
    let address = r#"{"country": "CN", "province": "浙江省", "city": "杭州市", "street": "文三路 1 号"}"#;
    let told = [
        (SubjectKind::Region, "浙江省"),
        (SubjectKind::Ip, "203.0.113.7"),
        (SubjectKind::Ip24, "203.0.113.0/24"),
        (SubjectKind::Phone, "138-0013-8000"),
        (SubjectKind::Device, "d-9f1c"),
        (SubjectKind::Customer, "u-77"),
        (SubjectKind::Address, address),
        (SubjectKind::Merchant, "default"),
    ];
    let names: Vec<_> = told.iter().map(|(kind, _)| kind.name()).collect();
    let shop = with_book(&names).await;
    for (kind, subject) in told {
        push(&shop, kind.name(), declare(kind)).await.unwrap();
        push(&shop, kind.name(), set(subject, "-0.5", second(60))).await.unwrap();
    }
    let scored = screening(&shop, placed("A1", 1)).await;
    for name in &names {
        assert_eq!(read(&scored, &format!("signal.{name}")).as_deref(), Some("-0.5"), "{name}");
    }
    let log: Vec<String> = shop.events().await.iter().map(|event| event.payload.to_string()).collect();
    for personal in ["203.0.113", "13800138000", "138-0013", "d-9f1c", "u-77", "文三路"] {
        assert!(!log.concat().contains(personal), "{personal}");
    }
    is_identical(&shop, 1).await;
}

#[tokio::test]
async fn merchants_have_signals_of_their_own() {
    let shop = with_book(&[]).await;
    let other: MerchantId = "other".parse().unwrap();
    let registered = MerchantRegistered { name: "Other".into(), time_zone: "UTC".into(), currency: "CNY".into() };
    shop.engine.command(&other, origin(), MerchantCommand::Register(registered)).await.unwrap();
    put_in_force(&shop, &other, book(&[])).await;
    push(&shop, "blocked", declare(SubjectKind::Device)).await.unwrap();
    let undeclared = push_as(&shop, &other, "blocked", set("d-9f1c", "1", second(60))).await;
    let name = "blocked".parse().unwrap();
    assert_eq!(undeclared, Err(Refusal::Signal(SignalRejection::NotDeclared { name })));
    push(&shop, "blocked", set("d-9f1c", "1", second(60))).await.unwrap();
    push_as(&shop, &other, "blocked", declare(SubjectKind::Device)).await.unwrap();
    let pending = shop.engine.submit(&other, origin(), notice(placed("A1", 1)), WhenFull::Refuse).await.unwrap();
    assert_eq!(pending.receipt().await.unwrap().risk.unwrap().state, RiskState::Released);
    assert_eq!(shop.send(placed("A1", 1)).await.unwrap().risk.unwrap().state, RiskState::Frozen);
    is_identical(&shop, 2).await;
}

#[tokio::test]
async fn what_is_wrong_is_refused_and_changes_nothing() {
    let shop = with_book(&[]).await;
    push(&shop, "blocked", declare(SubjectKind::Ip)).await.unwrap();
    let head = shop.log.head(0).await.unwrap();
    let bad = push(&shop, "blocked", set("d-9f1c", "1", second(60))).await;
    let expected = "expected an IPv4 or IPv6 address".into();
    assert_eq!(bad, Err(Refusal::Signal(SignalRejection::BadSubject { expected })));
    let (name, declared) = ("blocked".parse().unwrap(), SubjectKind::Ip);
    let other = push(&shop, "blocked", declare(SubjectKind::Device)).await;
    assert_eq!(other, Err(Refusal::Signal(SignalRejection::OtherSubject { name, declared })));
    let stranger = push_as(&shop, &"nobody".parse().unwrap(), "blocked", declare(SubjectKind::Ip)).await;
    assert_eq!(stranger, Err(Refusal::UnknownMerchant));
    assert_eq!(shop.log.head(0).await.unwrap(), head);
}

#[tokio::test]
async fn a_value_whose_commit_failed_is_in_force_for_nobody() {
    let shop = with_book(&[]).await;
    push(&shop, "blocked", declare(SubjectKind::Device)).await.unwrap();
    shop.log.fail_next(1);
    assert_eq!(push(&shop, "blocked", set("d-9f1c", "1", second(60))).await, Err(Refusal::Unavailable));
    assert_eq!(shop.send(placed("A1", 1)).await.unwrap().risk.unwrap().state, RiskState::Released);
    push(&shop, "blocked", set("d-9f1c", "1", second(60))).await.unwrap();
    assert_eq!(shop.send(placed("A2", 2)).await.unwrap().risk.unwrap().state, RiskState::Frozen);
    is_identical(&shop, 2).await;
}

#[tokio::test]
async fn orders_and_values_that_wait_together_are_decided_in_their_order() {
    let shop = with_book(&[]).await;
    push(&shop, "blocked", declare(SubjectKind::Device)).await.unwrap();
    let name = "blocked".parse().unwrap();
    shop.log.hold();
    let held = shop.engine.submit(&shop.merchant, origin(), notice(placed("A0", 0)), WhenFull::Wait).await.unwrap();
    shop.log.append_begins().await;
    let mut pending = vec![];
    for round in 1..=3 {
        for (step, value) in [(0, "1"), (1, "0")] {
            let change = set("d-9f1c", value, second(1_000));
            drop(shop.engine.signal(&shop.merchant, origin(), name, change, WhenFull::Wait).await.unwrap());
            let line = notice(placed(&format!("A{round}-{step}"), round));
            pending.push(shop.engine.submit(&shop.merchant, origin(), line, WhenFull::Wait).await.unwrap());
        }
    }
    shop.log.let_go();
    held.receipt().await.unwrap();
    let mut states = vec![];
    for pending in pending {
        states.push(pending.receipt().await.unwrap().risk.unwrap().state);
    }
    let (frozen, released) = (RiskState::Frozen, RiskState::Released);
    assert_eq!(states, [frozen, released, frozen, released, frozen, released]);
    is_identical(&shop, 7).await;
}

#[tokio::test]
async fn what_a_model_said_of_an_order_is_recorded_with_it_and_read_again_in_a_replay() {
    let shop = with_book(&["model"]).await;
    push(&shop, "model", declare(SubjectKind::Order)).await.unwrap();
    assert!(push(&shop, "model", set("web:A1", "1", second(60))).await.is_err(), "nobody pushes it");
    let scored = async |order_no: &str, value: &str| {
        let (signal, value) = ("model".parse().unwrap(), SignalValue::read(&json!(value)).unwrap());
        let (line, score) = (notice(placed(order_no, 1)), Some(OrderScore { signal, value }));
        let pending = shop.engine.submit_scored(&shop.merchant, origin(), line, score, WhenFull::Refuse).await;
        pending.unwrap().receipt().await.unwrap()
    };
    let first = scored("A1", "0.87").await.risk.unwrap().screening.unwrap();
    assert_eq!(read(&first, "signal.model").as_deref(), Some("0.87"));
    let again = scored("A1", "0.1").await;
    assert_eq!((again.outcome, again.risk.unwrap().screening), (Outcome::Duplicate, Some(first)));
    assert_eq!(read(&screening(&shop, placed("A2", 2)).await, "signal.model"), None, "of this one it said nothing");
    is_identical(&shop, 2).await;
}
