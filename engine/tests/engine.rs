//! The engine on a real SQLite file: what a notice leads to, what a repeated one does, what a failing store does.

mod support;

use domain::order::{RiskState, Status};
use domain::time::Span;
use engine::{MAILBOX_MAX, Outcome, Refusal, WhenFull, replay};
use eventlog::EventLog;
use futures_util::FutureExt;
use proptest::prelude::*;
use serde_json::{Value, json};
use support::{START, Shop, notice, origin, placed, second, status};

fn names(events: &[(String, Value)]) -> Vec<&str> {
    events.iter().map(|(name, _)| &**name).collect()
}

#[tokio::test]
async fn an_order_is_placed_scored_and_released_in_one_commit() {
    let shop = Shop::open().await;
    let receipt = shop.send(placed("A1", 0)).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Created);
    let risk = receipt.risk.unwrap();
    assert_eq!((risk.state, risk.screening.unwrap().score), (RiskState::Released, 0));
    assert_eq!(receipt.position, (0, shop.log.head(0).await.unwrap()));
    let events = shop.order_events().await;
    assert_eq!(names(&events), ["Placed", "Scored", "Released"]);
    assert!(events[0].1["vault"].is_string(), "the event commits to the vault row");
}

#[tokio::test]
async fn the_fifth_order_of_a_device_at_a_new_address_is_challenged() {
    let shop = Shop::open().await;
    for number in 1..=4 {
        shop.send(placed(&format!("A{number}"), number)).await.unwrap();
    }
    let mut fifth = placed("A5", 5);
    fifth["order"]["delivery"]["street"] = "学院路 9 号".into();
    let risk = shop.send(fifth).await.unwrap().risk.unwrap();
    let screening = risk.screening.unwrap();
    assert_eq!((risk.state, screening.score, &*screening.tier), (RiskState::Challenged, 80, "sms"));
    let challenge = risk.challenge.unwrap();
    assert_eq!(challenge.expires_at, START.plus(Span::from_mins(10)));
    let evidence = serde_json::to_value(&screening.hits[0].evidence).unwrap();
    assert_eq!(evidence, json!({"device.orders[5m]": 5}));
}

#[tokio::test]
async fn the_same_delivery_again_gets_the_answer_of_its_time() {
    let shop = Shop::open().await;
    let first = shop.send(placed("A1", 0)).await.unwrap();
    let mut amended = json!({"kind": "amended", "order": {"channel": "web", "order_no": "A1", "amount": 500}});
    shop.send(amended.clone()).await.unwrap();
    shop.send(status("A1", "paid", 60)).await.unwrap();
    let head = shop.log.head(0).await.unwrap();
    for shop in [shop.reopen().await] {
        let again = shop.send(placed("A1", 0)).await.unwrap();
        assert_eq!((again.outcome, again.risk, again.status), (Outcome::Duplicate, first.risk.clone(), None));
        assert_eq!(shop.log.head(0).await.unwrap(), head, "nothing was written");
        amended["order"]["amount"] = 500.into();
        assert_eq!(shop.send(amended.clone()).await.unwrap().outcome, Outcome::Unchanged);
        assert_eq!(shop.log.head(0).await.unwrap(), head, "facts that are known change nothing");
    }
}

#[tokio::test]
async fn a_delivery_key_with_another_body_is_refused_and_nothing_is_written() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 0)).await.unwrap();
    let head = shop.log.head(0).await.unwrap();
    let mut other = placed("A1", 0);
    other["order"]["amount"] = 1.into();
    assert_eq!(shop.send(other.clone()).await.unwrap_err(), Refusal::DeliveryKeyReused);
    other["message_id"] = "m-1".into();
    assert_eq!(shop.send(other.clone()).await.unwrap().outcome, Outcome::Updated, "a new key says something new");
    other["order"]["order_no"] = "A2".into();
    assert_eq!(shop.send(other).await.unwrap_err(), Refusal::DeliveryKeyReused);
    let events = shop.order_events().await;
    assert_eq!(names(&events), ["Placed", "Scored", "Released", "Amended", "Scored"]);
    assert!(shop.log.head(0).await.unwrap() > head);
}

#[tokio::test]
async fn copies_in_one_batch_are_told_apart_too() {
    let shop = Shop::open().await;
    let mut changed = placed("A1", 0);
    changed["order"]["amount"] = 1.into();
    let mut pending = vec![];
    for line in [placed("A1", 0), placed("A1", 0), changed, placed("A2", 0)] {
        let submitted = shop.engine.submit(&shop.merchant, origin(), notice(line), WhenFull::Wait).await;
        pending.push(submitted.unwrap());
    }
    let mut outcomes = vec![];
    for pending in pending {
        outcomes.push(pending.receipt().await.map(|receipt| receipt.outcome));
    }
    let expected =
        [Ok(Outcome::Created), Ok(Outcome::Duplicate), Err(Refusal::DeliveryKeyReused), Ok(Outcome::Created)];
    assert_eq!(outcomes, expected);
}

#[tokio::test]
async fn a_status_before_placement_is_kept_and_what_left_is_not_held() {
    let shop = Shop::open().await;
    let receipt = shop.send(status("A1", "shipped", 30)).await.unwrap();
    assert_eq!((receipt.risk, receipt.status.unwrap().status), (None, Status::Shipped));
    let mut bought_at_once = placed("A1", 0);
    bought_at_once["order"]["customer"]["registered_at"] = second(0).to_string().into();
    bought_at_once["order"]["customer"]["phone"] = "17012345678".into();
    let receipt = shop.send(bought_at_once).await.unwrap();
    let risk = receipt.risk.unwrap();
    assert_eq!((risk.state, risk.screening.unwrap().score), (RiskState::Scored, 120), "reported, not held");
    let late = shop.send(status("A1", "paid", 10)).await.unwrap();
    assert_eq!(late.status.unwrap().status, Status::Shipped, "a late report does not overwrite a newer one");
}

#[tokio::test]
async fn an_amendment_screens_again() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 0)).await.unwrap();
    let amended = json!({"kind": "amended", "order_id": "web:A1", "order": {
        "customer": {"registered_at": second(0).to_string()}}});
    let risk = shop.send(amended).await.unwrap().risk.unwrap();
    assert_eq!(risk.state, RiskState::Challenged);
    let events = shop.order_events().await;
    assert_eq!(names(&events), ["Placed", "Scored", "Released", "Amended", "Scored", "Challenged"]);
    assert_eq!(events[4].1["cause"], "amended");
    let unknown = json!({"kind": "amended", "order_id": "web:A9", "order": {"amount": 1}});
    assert!(matches!(shop.send(unknown).await.unwrap_err(), Refusal::Order(_)));
}

#[tokio::test]
async fn a_name_alone_is_a_change_that_the_vault_keeps() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 0)).await.unwrap();
    let named = json!({"kind": "amended", "order_id": "web:A1", "order": {"customer": {"name": "王五"}}});
    shop.send(named.clone()).await.unwrap();
    let events = shop.events().await;
    let stream = events.last().unwrap().stream;
    let rows = shop.log.read_vault(&[stream]).await.unwrap();
    assert_eq!(rows.len(), 2);
    let key = &rows[1].subject_key;
    let data_key = shop.vault.unwrap_subject_key(&key.merchant, &key.subject, &key.wrapped).unwrap();
    let opened = shop.vault.open(&data_key, b"web:A1", &rows[1].sealed).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&opened).unwrap(), json!({"name": "王五"}));
    let head = shop.log.head(0).await.unwrap();
    shop.send(named).await.unwrap();
    assert_eq!(shop.log.head(0).await.unwrap(), head, "the same again changes nothing");
}

#[tokio::test]
async fn a_future_dated_order_is_kept_as_reported_and_flagged() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 6 * 60)).await.unwrap();
    shop.send(placed("A2", 4 * 60)).await.unwrap();
    let events = shop.events().await;
    let placed: Vec<_> = events.iter().filter(|event| &*event.event_type == "Placed").collect();
    assert_eq!(placed[0].occurred_at, second(6 * 60));
    assert!(placed[0].metadata.contains("future_dated"));
    assert!(!placed[1].metadata.contains("future_dated"));
}

#[tokio::test]
async fn a_status_from_the_future_does_not_keep_later_ones_out() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 0)).await.unwrap();
    let mut paid = status("A1", "paid", 0);
    paid["occurred_at"] = "2099-01-01T00:00:00Z".into();
    let receipt = shop.send(paid.clone()).await.unwrap();
    assert_eq!(receipt.status.unwrap().occurred_at.to_string(), "2099-01-01T00:00:00.000Z");
    shop.set_clock(second(60));
    let receipt = shop.send(status("A1", "cancelled", 60)).await.unwrap();
    assert_eq!(receipt.status.unwrap().status, Status::Cancelled);
    shop.send(paid).await.unwrap();
    shop.send(status("A1", "delivered", 60 + 4 * 60)).await.unwrap();
    let events = shop.order_events().await;
    let reports = events.iter().filter(|(name, _)| name == "StatusReported");
    let counts_from: Vec<_> = reports.map(|(_, report)| report["counts_from"].as_str()).collect();
    assert_eq!(counts_from, [Some(&*START.to_string()), None, None], "a little ahead is believed");
}

#[tokio::test]
async fn facts_from_the_future_can_be_corrected_at_once() {
    let shop = Shop::open().await;
    let amount = |amount: u32| json!({"kind": "amended", "order_id": "web:A1", "order": {"amount": amount}});
    shop.send(placed("A1", 60)).await.unwrap();
    shop.send(amount(500)).await.unwrap();
    let mut ahead = amount(600);
    ahead["occurred_at"] = second(60 * 60).to_string().into();
    shop.send(ahead).await.unwrap();
    shop.send(amount(700)).await.unwrap();
    let mut again = placed("A1", 120);
    again["message_id"] = "m-1".into();
    shop.send(again).await.unwrap();
    shop.send(amount(800)).await.unwrap();
    let events = shop.events().await;
    let told = events.iter().filter(|event| matches!(&*event.event_type, "Placed" | "Amended"));
    let told: Vec<_> = told
        .map(|event| {
            let payload: Value = serde_json::from_str(&event.payload).unwrap();
            let told = &payload[&*event.event_type];
            assert_eq!(told["as_of"], json!(START.to_string()), "{}", event.payload);
            assert_eq!(told["superseded"], Value::Null);
            let amount = told["facts"]["amount"].as_u64().or_else(|| told["changes"]["amount"].as_u64());
            (amount.unwrap(), event.occurred_at, event.metadata.contains("future_dated"))
        })
        .collect();
    let expected = [
        (39_900, second(60), false),
        (500, START, false),
        (600, second(60 * 60), true),
        (700, START, false),
        (39_900, second(120), false),
        (800, START, false),
    ];
    assert_eq!(told, expected);
}

#[tokio::test]
async fn the_same_street_told_again_is_no_change_of_address() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 0)).await.unwrap();
    shop.send(placed("A2", 1)).await.unwrap();
    let patch = |delivery: Value| json!({"kind": "amended", "order_id": "web:A2", "order": {"amount": 1, "delivery": delivery}});
    let changed = async |delivery: Value| {
        shop.set_clock(shop.now().plus(Span::from_secs(10)));
        let screening = shop.send(patch(delivery)).await.unwrap().risk.unwrap().screening.unwrap();
        serde_json::to_value(screening.features.get("address.changed").cloned()).unwrap()
    };
    assert_eq!(changed(json!({"street": "文三路 1 号"})).await, json!(false));
    assert_eq!(changed(json!({"city": "宁波市"})).await, json!(true));
    assert_eq!(changed(json!({"city": "杭州市"})).await, json!(false));
    assert_eq!(changed(json!({"street": "文三路 2 号"})).await, json!(true));
}

#[tokio::test]
async fn what_an_amendment_tells_is_sealed_for_the_known_customer() {
    let shop = Shop::open().await;
    let mut pending = vec![];
    let phone = |phone: &str| json!({"kind": "amended", "order_id": "web:A1", "order": {"delivery": {"phone": phone}}});
    for line in [placed("A1", 0), phone("13700137000")] {
        // Both in one batch.
        pending.push(shop.engine.submit(&shop.merchant, origin(), notice(line), WhenFull::Wait).await.unwrap());
    }
    for pending in pending {
        pending.receipt().await.unwrap();
    }
    let shop = shop.reopen().await;
    shop.send(phone("13600136000")).await.unwrap();
    let stream = shop.events().await.iter().find(|event| &*event.event_type == "Placed").unwrap().stream;
    let rows = shop.log.read_vault(&[stream]).await.unwrap();
    assert_eq!(rows.len(), 3);
    assert!(rows.iter().all(|row| row.subject_key == rows[0].subject_key));
}

#[tokio::test]
async fn a_clock_that_is_set_back_does_not_set_the_log_back() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 0)).await.unwrap();
    shop.set_clock(START.minus(Span::from_hours(1)));
    shop.send(placed("A2", 0)).await.unwrap();
    let events = shop.events().await;
    assert!(events.windows(2).all(|pair| pair[0].recorded_at <= pair[1].recorded_at));
}

#[tokio::test]
async fn a_failed_commit_is_answered_as_unknown_and_leaves_no_trace_in_memory() {
    let shop = Shop::open().await;
    for number in 1..=4 {
        shop.send(placed(&format!("A{number}"), number)).await.unwrap();
    }
    shop.log.fail_next(1);
    assert_eq!(shop.send(placed("A5", 5)).await.unwrap_err(), Refusal::Unavailable);
    // Had the failed order stayed in the windows, this one would be the sixth of its device.
    let receipt = shop.send(placed("A5", 5)).await.unwrap();
    assert_eq!(receipt.outcome, Outcome::Created);
    let screening = receipt.risk.unwrap().screening.unwrap();
    let orders = screening.features.get("device.orders[5m]").cloned();
    assert_eq!(serde_json::to_value(orders).unwrap(), json!(5));
    assert!(shop.engine.is_healthy());
    let positions: Vec<u64> = shop.events().await.iter().map(|event| event.position).collect();
    assert_eq!(positions, (1..=u64::try_from(positions.len()).unwrap()).collect::<Vec<_>>());
}

#[tokio::test]
async fn while_one_batch_is_committed_the_next_is_decided_and_answered_after_it() {
    let shop = Shop::open().await;
    shop.log.hold();
    let submit =
        async |line| shop.engine.submit(&shop.merchant, origin(), notice(line), WhenFull::Refuse).await.unwrap();
    let first = submit(placed("A1", 1)).await;
    shop.log.append_begins().await;
    let behind = submit(placed("A2", 2)).await;
    let again = submit(placed("A1", 1)).await;
    let mut other = placed("A1", 1);
    other["order"]["amount"] = json!(1);
    let reused = submit(other).await;
    let mut first = std::pin::pin!(first.receipt());
    let mut behind = std::pin::pin!(behind.receipt());
    let mut again = std::pin::pin!(again.receipt());
    for _ in 0..100 {
        tokio::task::yield_now().await;
        assert!((&mut first).now_or_never().is_none(), "nothing is answered before its commit");
        assert!((&mut behind).now_or_never().is_none());
        assert!((&mut again).now_or_never().is_none(), "a duplicate is not answered before what it repeats");
    }
    assert_eq!(shop.order_events().await, vec![]);
    shop.log.let_go();
    let first = first.await.unwrap();
    assert_eq!(first.outcome, Outcome::Created);
    assert_eq!(behind.await.unwrap().outcome, Outcome::Created);
    let again = again.await.unwrap();
    assert_eq!((again.outcome, again.risk), (Outcome::Duplicate, first.risk));
    assert_eq!(reused.receipt().await.unwrap_err(), Refusal::DeliveryKeyReused);
}

#[tokio::test]
async fn a_failed_commit_takes_the_batch_behind_it_along() {
    let shop = Shop::open().await;
    shop.log.hold();
    let submit =
        async |line| shop.engine.submit(&shop.merchant, origin(), notice(line), WhenFull::Refuse).await.unwrap();
    let first = submit(placed("A1", 1)).await;
    shop.log.append_begins().await;
    let behind = submit(placed("A2", 2)).await;
    for _ in 0..100 {
        tokio::task::yield_now().await;
    }
    shop.log.fail_next(1);
    shop.log.let_go();
    assert_eq!(first.receipt().await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(behind.receipt().await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(shop.order_events().await, vec![]);
    for (order_no, orders) in [("A1", 1), ("A2", 2)] {
        let receipt = shop.send(placed(order_no, 1)).await.unwrap();
        assert_eq!(receipt.outcome, Outcome::Created);
        let counted = receipt.risk.unwrap().screening.unwrap().features.get("device.orders[5m]").cloned();
        assert_eq!(serde_json::to_value(counted).unwrap(), json!(orders), "nothing of it stayed in the windows");
    }
}

#[tokio::test]
async fn a_writer_that_panics_begins_again_from_the_log() {
    let shop = Shop::open().await;
    shop.send(placed("A1", 1)).await.unwrap();
    shop.log.panic_next();
    assert_eq!(shop.send(placed("A2", 2)).await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(shop.send(placed("A2", 2)).await.unwrap().outcome, Outcome::Created);
    assert_eq!(shop.send(placed("A1", 1)).await.unwrap().outcome, Outcome::Duplicate);
}

#[tokio::test]
async fn a_writer_that_is_fenced_begins_again_with_an_epoch_of_its_own() {
    let shop = Shop::open().await;
    let other = shop.log.acquire(0).await.unwrap();
    assert_eq!(shop.send(placed("A1", 1)).await.unwrap_err(), Refusal::Unavailable);
    assert_eq!(shop.order_events().await, vec![], "nothing of it is there");
    let again = loop {
        match shop.send(placed("A1", 1)).await {
            Err(Refusal::Unavailable) => tokio::task::yield_now().await,
            answer => break answer.unwrap(),
        }
    };
    assert_eq!(again.outcome, Outcome::Created);
    assert!(shop.log.acquire(0).await.unwrap().epoch > other.epoch + 1);
}

#[tokio::test]
async fn an_unknown_merchant_is_refused() {
    let shop = Shop::open().await;
    let nobody = "nobody".parse().unwrap();
    let pending = shop.engine.submit(&nobody, origin(), notice(placed("A1", 0)), WhenFull::Refuse).await.unwrap();
    assert_eq!(pending.receipt().await.unwrap_err(), Refusal::UnknownMerchant);
}

#[tokio::test]
async fn a_full_mailbox_refuses_and_takes_work_again_later() {
    // On this one-threaded runtime the writer cannot run while the mailbox is filled.
    let shop = Shop::open().await;
    let mut pending = vec![];
    for number in 0..MAILBOX_MAX {
        let line = status(&format!("A{number}"), "paid", 1);
        pending.push(shop.engine.submit(&shop.merchant, origin(), notice(line), WhenFull::Refuse).await.unwrap());
    }
    let one_more = notice(status("B", "paid", 1));
    let refused = shop.engine.submit(&shop.merchant, origin(), one_more.clone(), WhenFull::Refuse).await;
    assert_eq!(refused.err(), Some(Refusal::MailboxFull));
    for pending in pending {
        pending.receipt().await.unwrap();
    }
    let taken = shop.engine.submit(&shop.merchant, origin(), one_more, WhenFull::Refuse).await.unwrap();
    assert_eq!(taken.receipt().await.unwrap().status.unwrap().status, Status::Paid);
}

/// A history of a small shop: few customers, devices and addresses, so that windows fill.
fn history() -> impl Strategy<Value = Vec<Value>> {
    let order = (0..40_u32, 0..6_u8, 0..4_u8, 0..5_u8, 0..3_600_u32, 0..4_u8);
    let line = order.prop_map(|(number, customer, device, address, at, what)| match what {
        0 => status(&number.to_string(), ["paid", "cancelled", "delivered", "refunded"][usize::from(device)], at),
        1 => json!({"kind": "amended", "order_id": format!("web:{number}"), "order": {
                "device": {"id": format!("d{device}")}, "delivery": {"province": "浙江", "street": format!("路 {address}")}}}),
        _ => {
            let mut line = placed(&number.to_string(), at);
            line["message_id"] = format!("{number}-{at}").into();
            line["order"]["customer"]["id"] = format!("u{customer}").into();
            line["order"]["device"]["id"] = format!("d{device}").into();
            line["order"]["delivery"]["street"] = format!("路 {address}").into();
            line
        }
    });
    proptest::collection::vec(line, 1..120)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 16, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_replay_of_the_log_gives_byte_equal_decisions(lines in history(), reopen_after in 0..120_usize) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let mut shop = Shop::open().await;
            for (index, line) in lines.into_iter().enumerate() {
                if index == reopen_after {
                    shop = shop.reopen().await;
                }
                match shop.send(line).await {
                    Ok(_) | Err(Refusal::Order(_) | Refusal::DeliveryKeyReused) => {}
                    Err(refusal) => panic!("{refusal}"),
                }
            }
            let scored = shop.order_events().await.iter().filter(|(name, _)| name == "Scored").count();
            let replayed = replay(shop.log.clone(), 0, |_| {}).await.unwrap();
            assert_eq!(replayed.decisions, u64::try_from(scored).unwrap());
            assert_eq!(replayed.different, vec![]);
            assert_eq!(replayed.identical, replayed.decisions);
        });
    }
}
