//! Decisions that correct themselves: bursts pull their first orders back, late orders and amendments change what others look
//! like, and a replay finds all of it in the log.

mod support;

use std::collections::BTreeMap;

use cqrs_es::Aggregate;
use domain::order::{Known, Order, RiskState, Status};
use domain::rulebook::Rulebook;
use domain::time::{Span, Timestamp};
use engine::{REACHED_MAX, Refusal, SWEPT_MAX, replay};
use eventlog::EventLog;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{Shop, placed, second, status};

/// An order from the device of all with a number of a virtual operator, which scores 40.
fn from_device(order_no: &str, at: u32) -> Value {
    let mut line = placed(order_no, at);
    line["order"]["customer"]["phone"] = "17012345678".into();
    line
}

fn amend(order_no: &str, device: &str) -> Value {
    json!({"kind": "amended", "order_id": format!("web:{order_no}"), "order": {"device": {"id": device}}})
}

/// The history of one order: what happened, in a word or two.
async fn history(shop: &Shop, order_no: &str) -> Vec<String> {
    let events = shop.events().await;
    let of_order = events.iter().filter(|event| *event.key.aggregate_id == *format!("web:{order_no}"));
    let word = |event: &std::sync::Arc<eventlog::RecordedEvent>| {
        let payload: Value = serde_json::from_str(&event.payload).expect("what a test sets up holds");
        let payload = &payload[&*event.event_type];
        match &*event.event_type {
            "Scored" => {
                format!("{} {}", payload["cause"].as_str().expect("what a test sets up holds"), payload["score"])
            }
            "Released" => format!("released {}", payload["cause"].as_str().expect("what a test sets up holds")),
            other => other.to_lowercase(),
        }
    };
    of_order.map(word).collect()
}

async fn last_scored(shop: &Shop, order_no: &str) -> Value {
    let events = shop.events().await;
    let mut of_order = events.iter().filter(|event| *event.key.aggregate_id == *format!("web:{order_no}"));
    let last = of_order.rfind(|event| &*event.event_type == "Scored").expect("it was screened");
    serde_json::from_str::<Value>(&last.payload).expect("what a test sets up holds")["Scored"].clone()
}

#[track_caller]
fn identical(replayed: &engine::Replayed) {
    assert_eq!(replayed.different, vec![]);
    assert_eq!(replayed.identical, replayed.decisions);
}

async fn replays(shop: &Shop) {
    identical(&replay(shop.log.clone(), 0, |_| {}).await.expect("what a test sets up holds"));
}

#[tokio::test]
async fn the_fifth_order_of_a_burst_pulls_back_the_first_four() {
    let shop = Shop::open().await;
    for number in 1..=4 {
        let receipt = shop.send(from_device(&format!("A{number}"), number * 60)).await.unwrap();
        assert_eq!(receipt.risk.unwrap().state, RiskState::Released);
    }
    let head = shop.log.head(0).await.unwrap();
    let fifth = shop.send(from_device("A5", 299)).await.unwrap();
    assert_eq!(fifth.risk.unwrap().state, RiskState::Challenged);
    for number in 1..=4 {
        assert_eq!(
            history(&shop, &format!("A{number}")).await,
            ["placed", "placed 40", "released clean", "sibling 90", "challenged"]
        );
    }
    let scored = last_scored(&shop, "A1").await;
    assert_eq!(scored["trigger"], json!({"order": "web:A5"}));
    assert_eq!(
        scored["swept"],
        json!([{"rule": "device_burst", "by": "web:A5", "evidence": {"device.orders[5m]": 5}}])
    );
    let burst = &scored["hits"][0];
    assert_eq!((&burst["rule"], &burst["points"]), (&json!("device_burst"), &json!(50)), "the least that it gives");
    assert_eq!(fifth.position.1, shop.log.head(0).await.unwrap(), "it is told with the fifth");
    let caused: Vec<_> = shop.events().await.iter().filter(|event| event.position > head + 3).cloned().collect();
    assert_eq!(caused.len(), 8);
    let causation = format!("{{\"causation\":{}}}", head + 1);
    assert!(caused.iter().all(|event| *event.metadata == *causation), "they name what made them necessary");
    replays(&shop).await;
}

#[tokio::test]
async fn the_sixth_order_pulls_nothing_back_a_second_time() {
    let shop = Shop::open().await;
    for number in 1..=6 {
        shop.send(from_device(&format!("A{number}"), number)).await.unwrap();
    }
    assert_eq!(history(&shop, "A1").await.len(), 5);
    assert_eq!(history(&shop, "A5").await, ["placed", "placed 90", "challenged"], "the rule fired for it already");
    replays(&shop).await;
}

#[tokio::test]
async fn what_has_left_or_is_off_is_left_alone() {
    let shop = Shop::open().await;
    for number in 1..=4 {
        shop.send(from_device(&format!("A{number}"), number)).await.unwrap();
    }
    shop.send(status("A1", "shipped", 10)).await.unwrap();
    shop.send(status("A2", "cancelled", 10)).await.unwrap();
    shop.send(from_device("A5", 20)).await.unwrap();
    for order_no in ["A1", "A2"] {
        assert_eq!(history(&shop, order_no).await, ["placed", "placed 40", "released clean", "statusreported"]);
    }
    assert_eq!(history(&shop, "A3").await.last().unwrap(), "challenged");
    replays(&shop).await;
}

#[tokio::test]
async fn a_late_order_makes_a_burst_of_what_came_before_it() {
    let shop = Shop::open().await;
    for number in [1, 2, 4, 5] {
        shop.send(from_device(&format!("A{number}"), number * 30)).await.unwrap();
    }
    let late = shop.send(from_device("A3", 90)).await.unwrap();
    assert_eq!(late.risk.unwrap().state, RiskState::Challenged, "the answer tells where it stands after all");
    assert_eq!(history(&shop, "A5").await, ["placed", "placed 40", "released clean", "late_evidence 90", "challenged"]);
    assert_eq!(last_scored(&shop, "A5").await["trigger"], json!({"order": "web:A3"}));
    assert_eq!(history(&shop, "A3").await, ["placed", "placed 40", "released clean", "sibling 90", "challenged"]);
    for order_no in ["A1", "A2", "A4"] {
        assert_eq!(last_scored(&shop, order_no).await["trigger"], json!({"order": "web:A5"}));
    }
    let again = shop.send(from_device("A3", 90)).await.unwrap();
    assert_eq!(again.risk.unwrap().state, RiskState::Challenged, "the same delivery gets the same answer");
    replays(&shop).await;
}

#[tokio::test]
async fn a_late_order_that_takes_evidence_away_releases_what_came_after_it() {
    let moved = json!({
        "name": "Moved",
        "rules": [{"id": "moved", "points": 90, "when": {"feature": "address.changed", "op": "==", "value": true}}],
        "tiers": [{"id": "sms", "from": 80, "action": {"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"}}]
    });
    let shop = Shop::open().await;
    publish(&shop, Rulebook::from_json(&moved).unwrap()).await;
    let to = |order_no: &str, at: u32, street: &str| {
        let mut line = placed(order_no, at);
        line["order"]["delivery"]["street"] = street.into();
        line
    };
    shop.send(to("A1", 10, "文三路 1 号")).await.unwrap();
    let asked = shop.send(to("A3", 30, "天目山路 9 号")).await.unwrap();
    assert_eq!(asked.risk.unwrap().state, RiskState::Challenged);
    let late = shop.send(to("A2", 20, "天目山路 9 号")).await.unwrap();
    assert_eq!(late.risk.unwrap().state, RiskState::Challenged, "it is the one that changed the address");
    assert_eq!(
        history(&shop, "A3").await,
        ["placed", "placed 90", "challenged", "late_evidence 0", "released rescored"]
    );
    assert_eq!(last_scored(&shop, "A3").await["trigger"], json!({"order": "web:A2"}));
    replays(&shop).await;
}

#[tokio::test]
async fn an_order_in_time_or_of_somebody_else_has_nobody_screened_again() {
    let shop = Shop::open().await;
    shop.send(from_device("A1", 100)).await.unwrap();
    let mut other = from_device("B1", 50);
    other["order"]["device"]["id"] = "another".into();
    shop.send(other).await.unwrap();
    shop.send(from_device("A2", 90)).await.unwrap();
    assert_eq!(history(&shop, "A1").await.len(), 3, "two orders of a device change no score");
    replays(&shop).await;
}

#[tokio::test]
async fn an_amendment_that_takes_the_evidence_away_releases_the_others() {
    for amended in ["A5", "A3"] {
        let mut shop = Shop::open().await;
        for number in 1..=5 {
            shop.send(from_device(&format!("A{number}"), number)).await.unwrap();
        }
        // Nothing is at hand then, and all comes from the log.
        shop = shop.reopen().await;
        let receipt = shop.send(amend(amended, "another")).await.unwrap();
        assert_eq!(receipt.risk.unwrap().state, RiskState::Released);
        for number in 1..=5 {
            let order_no = format!("A{number}");
            let history = history(&shop, &order_no).await;
            assert_eq!(history[history.len() - 2..], ["amended 40", "released rescored"], "{order_no}: {history:?}");
            let scored = last_scored(&shop, &order_no).await;
            assert_eq!(scored["swept"], Value::Null);
            let trigger = if order_no == amended { Value::Null } else { json!({"order": format!("web:{amended}")}) };
            assert_eq!(scored["trigger"], trigger);
        }
        replays(&shop).await;
    }
}

#[tokio::test]
async fn an_order_that_is_amended_into_a_burst_pulls_the_others_back_also_where_it_was_not_at_hand() {
    let shop = Shop::open().await;
    for number in 1..=5 {
        shop.send(from_device(&format!("A{number}"), number)).await.unwrap();
    }
    shop.send(amend("A5", "another")).await.unwrap();
    let shop = shop.reopen().await;
    shop.send(amend("A5", "d-9f1c")).await.unwrap();
    for number in 1..=4 {
        let history = history(&shop, &format!("A{number}")).await;
        assert_eq!(history[history.len() - 2..], ["sibling 90", "challenged"], "A{number}: {history:?}");
    }
    replays(&shop).await;
}

#[tokio::test]
async fn what_another_order_proves_as_well_is_not_released() {
    let shop = Shop::open().await;
    for number in 1..=6 {
        shop.send(from_device(&format!("A{number}"), number)).await.unwrap();
    }
    shop.send(amend("A5", "another")).await.unwrap();
    assert_eq!(history(&shop, "A1").await.last().unwrap(), "challenged", "the sixth is the fifth now");
    shop.send(amend("A1", "d-9f1c")).await.unwrap();
    assert_eq!(history(&shop, "A6").await.len(), 3 + 1, "54 points have become 50");
    replays(&shop).await;
    shop.send(amend("A6", "another")).await.unwrap();
    assert_eq!(history(&shop, "A1").await.last().unwrap(), "released rescored");
    replays(&shop).await;
}

#[tokio::test]
async fn an_order_keeps_what_counts_against_it_when_it_is_amended_itself() {
    let shop = Shop::open().await;
    for number in 1..=5 {
        shop.send(from_device(&format!("A{number}"), number)).await.unwrap();
    }
    let amount = json!({"kind": "amended", "order_id": "web:A2", "order": {"amount": 1}});
    let shop = shop.reopen().await;
    let risk = shop.send(amount).await.unwrap().risk.unwrap();
    assert_eq!((risk.state, risk.screening.unwrap().score), (RiskState::Challenged, 90));
    replays(&shop).await;
}

#[tokio::test]
async fn a_burst_in_one_batch_is_pulled_back_before_any_of_it_is_durable() {
    let shop = Shop::open().await;
    let mut pending = vec![];
    for number in 1..=5 {
        let line = support::notice(from_device(&format!("A{number}"), number));
        let submitted = shop.engine.submit(&shop.merchant, support::origin(), line, engine::WhenFull::Wait).await;
        pending.push(submitted.unwrap());
    }
    for pending in pending {
        pending.receipt().await.unwrap();
    }
    assert_eq!(history(&shop, "A1").await.last().unwrap(), "challenged");
    replays(&shop).await;
}

#[tokio::test]
async fn a_failed_commit_takes_the_corrections_along() {
    let shop = Shop::open().await;
    for number in 1..=4 {
        shop.send(from_device(&format!("A{number}"), number)).await.unwrap();
    }
    shop.log.fail_next(1);
    shop.send(from_device("A5", 5)).await.unwrap_err();
    assert_eq!(history(&shop, "A1").await.len(), 3, "nothing of it is there");
    shop.send(from_device("A5", 5)).await.unwrap();
    assert_eq!(history(&shop, "A1").await.len(), 5);
    replays(&shop).await;
}

/// A rulebook with one sweeping rule.
fn sweeping(window: &str, at_least: usize) -> Rulebook {
    let rulebook = json!({
        "name": "Sweep",
        "rules": [{"id": "burst", "when": {"feature": "device.orders", "window": window, "op": ">=", "value": at_least},
                   "points": 90, "sweep": true}],
        "tiers": [{"id": "freeze", "from": 80, "action": "freeze"}]
    });
    Rulebook::from_json(&rulebook).expect("what a test sets up holds")
}

async fn publish(shop: &Shop, rulebook: Rulebook) {
    let draft: domain::ids::DraftId = "sweep".parse().expect("what a test sets up holds");
    let begin = engine::DraftChange::Begin { draft: draft.clone(), rulebook, drafts: 0 };
    shop.engine.change_draft(&shop.merchant, support::origin(), begin).await.expect("what a test sets up holds");
    let publication =
        engine::Publication::OfDraft { draft, eyes: domain::draft::Eyes::Two, note: None, expected: None, tried: None };
    shop.engine.publish(&shop.merchant, support::origin(), publication).await.expect("what a test sets up holds");
}

/// What makes the rule fire is that the device is busy; of whom it speaks says the rule as well.
#[tokio::test]
async fn a_burst_pulls_back_only_those_of_whom_its_rule_could_speak() {
    let new_customers = json!({
        "name": "New",
        "rules": [{"id": "farm", "points": 90, "sweep": true, "when": {"all": [
            {"feature": "device.orders", "window": "1h", "op": ">=", "value": 4},
            {"feature": "customer.level", "op": "<", "value": 3}
        ]}}],
        "tiers": [{"id": "freeze", "from": 80, "action": "freeze"}]
    });
    let shop = Shop::open().await;
    publish(&shop, Rulebook::from_json(&new_customers).unwrap()).await;
    let of_level = |order_no: &str, at: u32, level: Option<u8>| {
        let mut line = from_device(order_no, at);
        line["order"]["customer"] = json!({"id": order_no});
        if let Some(level) = level {
            line["order"]["customer"]["level"] = level.into();
        }
        line
    };
    for line in [of_level("REGULAR", 1, Some(3)), of_level("NEW", 2, Some(1)), of_level("UNKNOWN", 3, None)] {
        assert_eq!(shop.send(line).await.unwrap().risk.unwrap().state, RiskState::Released);
    }
    assert_eq!(shop.send(of_level("LAST", 4, Some(1))).await.unwrap().risk.unwrap().state, RiskState::Frozen);
    for (order_no, score) in [("REGULAR", 0), ("NEW", 90), ("UNKNOWN", 90)] {
        assert_eq!(last_scored(&shop, order_no).await["score"], score, "{order_no}");
    }
    let promoted = json!({"kind": "amended", "order_id": "web:NEW", "order": {"customer": {"level": 3}}});
    assert_eq!(shop.send(promoted).await.unwrap().risk.unwrap().state, RiskState::Released, "it is no newcomer");
    replays(&shop).await;
}

#[tokio::test]
async fn a_late_order_has_a_bounded_number_screened_again_the_latest() {
    let shop = Shop::open().await;
    let graded = json!({
        "name": "Graded",
        "rules": [{"id": "many", "when": {"feature": "device.orders", "window": "1h", "op": ">=", "value": 1},
                   "points": {"base": 1, "per": 1, "above": 1, "max": 900}}],
        "tiers": [{"id": "freeze", "from": 1_000, "action": "freeze"}]
    });
    publish(&shop, Rulebook::from_json(&graded).unwrap()).await;
    for number in 2..=REACHED_MAX + 4 {
        shop.send(from_device(&format!("A{number}"), u32::try_from(number).unwrap())).await.unwrap();
    }
    shop.send(from_device("LATE", 1)).await.unwrap();
    for (number, is_reached) in [(4, false), (5, true), (REACHED_MAX + 4, true)] {
        let cause = last_scored(&shop, &format!("A{number}")).await["cause"].clone();
        assert_eq!(cause == "late_evidence", is_reached, "A{number}: {cause}");
    }
    replays(&shop).await;
}

#[tokio::test]
async fn one_order_has_a_bounded_number_screened_again_and_tells_how_many_it_left() {
    let shop = Shop::open().await;
    let all = SWEPT_MAX + 11;
    publish(&shop, sweeping("1h", all)).await;
    for number in 1..=all {
        let at = u32::try_from(number).unwrap();
        shop.send(from_device(&format!("A{number}"), at)).await.unwrap();
    }
    assert_eq!(history(&shop, "A10").await.len(), 3, "the earliest are left as they are");
    assert!(history(&shop, "A11").await.ends_with(&["frozen".into(), "reviewopened".into()]));
    let trigger = json!({"order": format!("web:A{all}"), "left_out": 10});
    assert_eq!(last_scored(&shop, "A200").await["trigger"], trigger);
    replays(&shop).await;
}

/// The order of an amount, from the device of all, by a customer of its own.
fn of_amount(order_no: &str, at: usize, amount: u32) -> Value {
    let mut line = placed(order_no, u32::try_from(at).expect("seconds fit"));
    line["order"]["amount"] = amount.into();
    line["order"]["customer"]["id"] = order_no.into();
    line
}

#[tokio::test]
async fn what_counted_is_taken_back_only_where_everybody_was_looked_at_who_may_still_prove_it() {
    let large_sweeps = json!({
        "name": "Sweep",
        "rules": [{"id": "large", "points": 90, "sweep": true, "when": {"all": [
            {"feature": "device.orders", "window": "1h", "op": ">=", "value": 1},
            {"feature": "customer.amount", "window": "1h", "op": ">=", "value": 50_000}
        ]}}],
        "tiers": [{"id": "freeze", "from": 80, "action": "freeze"}]
    });
    for (small_orders, risk_state) in [(10, RiskState::Released), (SWEPT_MAX + 10, RiskState::Frozen)] {
        let shop = Shop::open().await;
        publish(&shop, Rulebook::from_json(&large_sweeps).unwrap()).await;
        let first = shop.send(of_amount("FIRST", 1, 70_000)).await.unwrap();
        assert_eq!(first.risk.unwrap().state, RiskState::Frozen);
        for number in 0..small_orders {
            shop.send(of_amount(&format!("SMALL{number}"), 2 + number, 100)).await.unwrap();
        }
        // It makes the rule count for the first as well, but so many lie between them that it is not looked at.
        if risk_state == RiskState::Frozen {
            shop.send(of_amount("LAST", 2 + small_orders, 70_000)).await.unwrap();
        }
        let smaller = json!({"kind": "amended", "order_id": "web:FIRST", "order": {"amount": 100}});
        let amended = shop.send(smaller).await.unwrap();
        assert_eq!(amended.risk.unwrap().state, risk_state);
        let swept = json!([{"rule": "large", "by": "web:FIRST", "evidence": {"device.orders[1h]": 1}}]);
        let swept = if risk_state == RiskState::Frozen { swept } else { Value::Null };
        assert_eq!(last_scored(&shop, "FIRST").await["swept"], swept);
        replays(&shop).await;
    }
}

/// A history of few devices within minutes, in any order of arrival: placements, moves to another device, statuses.
fn history_of_bursts() -> impl Strategy<Value = Vec<Value>> {
    let line = (0..40_u32, 0..3_u8, 0..900_u32, 0..12_u8).prop_map(|(number, device, at, what)| match what {
        0 => status(&number.to_string(), ["shipped", "cancelled", "paid"][usize::from(device)], at),
        1 | 2 => amend(&number.to_string(), &format!("d{device}")),
        3 => json!({"kind": "amended", "order_id": format!("web:{number}"), "order": {"placed_at": second(at).to_string()}}),
        _ => {
            let mut line = from_device(&number.to_string(), at);
            line["order"]["device"]["id"] = format!("d{device}").into();
            line["order"]["customer"]["id"] = format!("u{}", number % 7).into();
            line
        }
    });
    proptest::collection::vec(line, 1..150)
}

/// Of each order its facts, whether a report may have kept it from being touched, and the rules that fired at last.
async fn outcome(shop: &Shop) -> Vec<(Known, Timestamp, bool, Vec<String>)> {
    let mut orders: BTreeMap<String, (Order, Timestamp)> = BTreeMap::new();
    for event in shop.events().await.iter().filter(|event| &*event.key.aggregate_type == "order") {
        let (order, placed) = orders.entry(event.key.aggregate_id.to_string()).or_default();
        order.apply(serde_json::from_str(&event.payload).expect("what a test sets up holds"));
        if &*event.event_type == "Placed" {
            *placed = event.recorded_at;
        }
    }
    let known = orders.into_values().filter_map(|(order, placed)| {
        let known = order.known()?.clone();
        let is_kept = known.reports.all().iter().any(|report| report.status != Status::Paid);
        let hits = known.screening.iter().flat_map(|scored| scored.hits.iter().map(|hit| hit.rule.to_string()));
        Some((known.clone(), placed, is_kept, hits.collect()))
    });
    known.collect()
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    /// Whatever the order of arrival: the rule counts against an order exactly when the order is in a burst in the end.
    #[test]
    fn in_the_end_everybody_in_a_burst_is_held_and_nobody_else(lines in history_of_bursts(), reopen_after in 0..150_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut shop = Shop::open().await;
            shop.set_clock(second(3_600));
            for (index, line) in lines.into_iter().enumerate() {
                if index == reopen_after {
                    shop = shop.reopen().await;
                }
                match shop.send(line).await {
                    Ok(_) | Err(Refusal::Order(_) | Refusal::DeliveryKeyReused) => {}
                    Err(refusal) => panic!("{refusal}"),
                }
            }
            let orders = outcome(&shop).await;
            let lies = |(known, placed, ..): &(Known, Timestamp, bool, Vec<String>)| {
                (known.facts.device, domain::time::window_time(known.facts.placed_at.unwrap(), *placed))
            };
            let holds = |trigger: (_, Timestamp), other: (_, Timestamp)| {
                trigger.0 == other.0 && other.1 <= trigger.1 && other.1 > trigger.1.minus(Span::from_mins(5))
            };
            for order in orders.iter().filter(|order| !order.2) {
                let own = lies(order);
                let is_in_a_burst = orders.iter().map(lies).any(|trigger| {
                    holds(trigger, own) && orders.iter().filter(|other| holds(trigger, lies(other))).count() >= 5
                });
                let is_held = order.3.iter().any(|rule| rule == "device_burst");
                assert_eq!(is_held, is_in_a_burst, "{:?}", order.0.screening);
            }
            replays(&shop).await;
        });
    }
}
