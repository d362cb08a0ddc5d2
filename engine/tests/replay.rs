//! Replay: what it compares, and that each alteration of a stored decision is named.

mod support;

use std::sync::Arc;

use domain::draft::Eyes;
use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::rulebook::Rulebook;
use engine::{DraftChange, Publication, Replayed, Scope, WhenFull, replay};
use eventlog::EventLog;
use eventlog::sqlite::SqliteLog;
use serde_json::{Value, json};
use support::{Shop, notice, origin, placed, status};

/// Ordinary orders pass, large ones are challenged, huge ones frozen.
fn by_amount() -> Rulebook {
    let rule = |id: &str, amount: u32, points: u32| json!({"id": id, "when": {"feature": "order.amount", "op": ">=", "value": amount}, "points": points});
    let challenge = json!({"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"});
    let book = json!({
        "name": "By amount", "rules": [rule("large", 50_000, 80), rule("huge", 90_000, 60)],
        "tiers": [{"id": "sms", "from": 80, "action": challenge}, {"id": "freeze", "above": 120, "action": "freeze"}]
    });
    Rulebook::from_json(&book).expect("a rulebook")
}

fn of_amount(order_no: &str, at: u32, amount: u32) -> Value {
    let mut line = placed(order_no, at);
    line["order"]["amount"] = amount.into();
    line
}

/// Orders that are let go, challenged, held and screened again, under two rulebooks.
async fn shop() -> Shop {
    let shop = Shop::open().await;
    for number in 0..5 {
        shop.send(placed(&format!("EARLIER-{number}"), number)).await.expect("what a test sets up holds");
    }
    let draft: domain::ids::DraftId = "d1".parse().expect("what a test sets up holds");
    let begin = DraftChange::Begin { draft: draft.clone(), rulebook: by_amount(), drafts: 0 };
    shop.engine.change_draft(&shop.merchant, origin(), begin).await.expect("what a test sets up holds");
    let publication = Publication::OfDraft { draft, eyes: Eyes::Two, note: None, expected: None, tried: None };
    shop.engine.publish(&shop.merchant, origin(), publication).await.expect("what a test sets up holds");
    shop.send(of_amount("SMALL", 10, 39_900)).await.expect("what a test sets up holds");
    shop.send(of_amount("LARGE", 20, 60_000)).await.expect("what a test sets up holds");
    shop.send(of_amount("HUGE", 30, 95_000)).await.expect("what a test sets up holds");
    shop.send(status("SMALL", "paid", 40)).await.expect("what a test sets up holds");
    // What left the door is scored and not held.
    shop.send(status("GONE", "shipped", 41)).await.expect("what a test sets up holds");
    shop.send(of_amount("GONE", 42, 95_000)).await.expect("what a test sets up holds");
    for (order_no, amount) in [("LARGE", 20_000), ("SMALL", 70_000)] {
        let order = json!({"amount": amount});
        shop.send(json!({"kind": "amended", "order_id": format!("web:{order_no}"), "order": order}))
            .await
            .expect("what a test sets up holds");
    }
    shop
}

/// A copy of a shop's log, altered as nobody may.
async fn altered(shop: &Shop, alteration: &str) -> (tempfile::TempDir, Arc<SqliteLog>) {
    let directory = tempfile::tempdir().expect("what a test sets up holds");
    let copy = directory.path().join("log.sqlite");
    let original = rusqlite::Connection::open(shop.log_file()).expect("what a test sets up holds");
    original
        .execute("VACUUM INTO ?1", [copy.to_str().expect("what a test sets up holds")])
        .expect("what a test sets up holds");
    let raw = rusqlite::Connection::open(&copy).expect("what a test sets up holds");
    let trigger: String = raw
        .query_row("SELECT sql FROM sqlite_schema WHERE name = 'log_refuses_update'", [], |row| row.get(0))
        .expect("what a test sets up holds");
    raw.execute_batch("DROP TRIGGER log_refuses_update").expect("what a test sets up holds");
    assert_eq!(raw.execute(alteration, []).expect("what a test sets up holds"), 1, "{alteration}");
    raw.execute_batch(&trigger).expect("what a test sets up holds");
    drop(raw);
    let log = SqliteLog::open(&copy).await.expect("what a test sets up holds");
    (directory, Arc::new(log))
}

async fn replayed(log: Arc<dyn EventLog>, scope: impl Into<Scope>) -> Replayed {
    replay(log, scope, |_| {}).await.expect("what a test sets up holds")
}

/// Where a decision stands: of an order, the last event of a type.
async fn place(shop: &Shop, order_no: &str, event_type: &str) -> u64 {
    let id = format!("web:{order_no}");
    let events = shop.events().await;
    let of_order =
        |event: &&Arc<eventlog::RecordedEvent>| *event.key.aggregate_id == *id && *event.event_type == *event_type;
    events.iter().rfind(of_order).unwrap_or_else(|| panic!("{order_no} has no {event_type}")).position
}

#[tokio::test]
async fn screenings_and_what_they_led_to_come_out_as_they_are() {
    let shop = shop().await;
    let names: Vec<String> = shop.order_events().await.into_iter().map(|(name, _)| name).collect();
    for name in ["Released", "Challenged", "Frozen", "Amended", "StatusReported"] {
        assert!(names.iter().any(|found| found == name), "{names:?}");
    }
    let found = replayed(shop.log.clone(), 0).await;
    let scored = names.iter().filter(|name| *name == "Scored").count() as u64;
    assert_eq!((found.decisions, found.identical, found.different), (scored, scored, vec![]));
}

#[tokio::test]
async fn each_alteration_of_a_decision_is_named_and_nothing_else() {
    let shop = shop().await;
    let all = replayed(shop.log.clone(), 0).await;
    let cases = [
        ("SMALL", "Scored", r#"replace(payload, '"score":80', '"score":81')"#),
        ("HUGE", "Scored", r#"replace(payload, '"points":60', '"points":61')"#),
        ("HUGE", "Scored", r#"replace(payload, '"cause":"placed"', '"cause":"manual"')"#),
        ("LARGE", "Scored", r#"replace(payload, '"cause":"amended"', '"cause":"placed"')"#),
        ("HUGE", "Scored", r#"replace(payload, '"score":', 'score":')"#),
        ("GONE", "Scored", r#"replace(payload, '"tier":"freeze"', '"tier":"sms"')"#),
        ("EARLIER-2", "Released", r#"replace(payload, '"clean"', '"exempt"')"#),
        ("LARGE", "Released", r#"replace(payload, '"rescored"', '"reviewer"')"#),
        ("LARGE", "Challenged", r#"replace(payload, '"sms"', '"call"')"#),
        ("SMALL", "Challenged", r#"replace(payload, '0Z"', '1Z"')"#),
        ("HUGE", "Frozen", r#"replace(payload, '"score"', '"reviewer"')"#),
        ("HUGE", "Frozen", r#"replace(payload, '}}', '}')"#),
    ];
    for (order_no, event_type, payload) in cases {
        let position = place(&shop, order_no, event_type).await;
        let alteration =
            format!("UPDATE log SET payload = {payload} WHERE position = {position} AND payload <> {payload}");
        let (_directory, log) = altered(&shop, &alteration).await;
        let found = replayed(log.clone(), 0).await;
        assert_eq!((found.decisions, found.identical), (all.decisions, all.decisions - 1), "{alteration}");
        let [only] = &found.different[..] else { panic!("{alteration}: {found:?}") };
        assert_eq!((&*only.order, only.partition, only.position), (&*format!("web:{order_no}"), 0, position));
        let original = &shop.events().await[usize::try_from(position).unwrap() - 1];
        assert_eq!(only.recomputed.as_deref(), Some(&*original.payload), "what should stand there is told");
        assert_ne!(only.recorded, only.recomputed);
        log.close().await;
    }
}

#[tokio::test]
async fn an_outcome_that_is_missing_and_one_that_no_screening_led_to_are_named() {
    let shop = shop().await;
    let all = replayed(shop.log.clone(), 0).await;
    let held = place(&shop, "HUGE", "Frozen").await;
    let noted = r#"UPDATE log SET event_type = 'Noted', payload = '{"Noted":{}}' WHERE position = "#;
    let (_directory, log) = altered(&shop, &format!("{noted}{held}")).await;
    let found = replayed(log.clone(), 0).await;
    assert_eq!((found.decisions, found.identical), (all.decisions, all.decisions - 1));
    let [missing] = &found.different[..] else { panic!("{found:?}") };
    assert_eq!((&*missing.order, missing.position, &missing.recorded), ("web:HUGE", held - 1, &None));
    assert!(missing.recomputed.as_ref().unwrap().contains("Frozen"), "{missing:?}");
    log.close().await;

    let reported = place(&shop, "SMALL", "StatusReported").await;
    let released =
        r#"UPDATE log SET event_type = 'Released', payload = '{"Released":{"cause":"clean"}}' WHERE position = "#;
    let (_directory, log) = altered(&shop, &format!("{released}{reported}")).await;
    let found = replayed(log.clone(), 0).await;
    let [invented] = &found.different[..] else { panic!("{found:?}") };
    assert_eq!((&*invented.order, invented.position, &invented.recomputed), ("web:SMALL", reported, &None));
    log.close().await;
}

#[tokio::test]
async fn a_screening_that_is_missing_is_named_where_its_message_stands() {
    let shop = shop().await;
    let all = replayed(shop.log.clone(), 0).await;
    let noted = r#"UPDATE log SET event_type = 'Noted', payload = '{"Noted":{}}' WHERE position = "#;
    // An order that was placed, one that left before, and two that were amended: what had hits before may have some of others.
    for (order_no, is_told) in [("HUGE", true), ("GONE", true), ("LARGE", false), ("SMALL", true)] {
        let missing = place(&shop, order_no, "Scored").await;
        let original = &shop.events().await[usize::try_from(missing).unwrap() - 1];
        let (_directory, log) = altered(&shop, &format!("{noted}{missing}")).await;
        let found = replayed(log.clone(), 0).await;
        assert_eq!((found.decisions, found.identical), (all.decisions, all.decisions - 1), "{order_no}");
        let [only] = &found.different[..] else { panic!("{order_no}: {found:?}") };
        assert_eq!((&*only.order, only.position, &only.recorded), (&*format!("web:{order_no}"), missing - 1, &None));
        assert_eq!(only.recomputed.as_deref(), Some(&*original.payload).filter(|_| is_told), "{order_no}");
        let behind = Scope { from: missing + 2, ..Scope::from(0) };
        assert_eq!(replayed(log.clone(), behind).await.different, vec![], "{order_no}");
        log.close().await;
    }
}

#[tokio::test]
async fn a_screening_that_is_missing_at_the_end_of_the_log_is_named() {
    let shop = Shop::open().await;
    shop.send(status("GONE", "shipped", 0)).await.unwrap();
    shop.send(placed("GONE", 1)).await.unwrap();
    let (placement, screening) = (place(&shop, "GONE", "Placed").await, place(&shop, "GONE", "Scored").await);
    let to = Scope { to: Some(placement), ..Scope::from(0) };
    assert_eq!(replayed(shop.log.clone(), to.clone()).await.different, vec![], "it lies beyond what is asked for");
    let noted = r#"UPDATE log SET event_type = 'Noted', payload = '{"Noted":{}}' WHERE position = "#;
    let (_directory, log) = altered(&shop, &format!("{noted}{screening}")).await;
    for scope in [to, Scope::from(0)] {
        let found = replayed(log.clone(), scope).await;
        let [only] = &found.different[..] else { panic!("{found:?}") };
        assert_eq!((only.position, only.recorded.is_none(), only.recomputed.is_some()), (placement, true, true));
    }
    log.close().await;
}

#[tokio::test]
async fn no_other_order_counts_in_the_screening_of_one_that_was_just_placed() {
    let shop = shop().await;
    let position = place(&shop, "HUGE", "Scored").await;
    let events = shop.events().await;
    let original = &*events[usize::try_from(position).unwrap() - 1].payload;
    let mut screening: Value = serde_json::from_str(original).unwrap();
    let evidence = screening["Scored"]["hits"][0]["evidence"].clone();
    screening["Scored"]["swept"] = json!([{"rule": "large", "by": "web:LARGE", "evidence": evidence}]);
    let invented = screening.to_string().replace('\'', "''");
    let alter = format!("UPDATE log SET payload = '{invented}' WHERE position = {position}");
    let (_directory, log) = altered(&shop, &alter).await;
    let found = replayed(log.clone(), 0).await;
    let [only] = &found.different[..] else { panic!("{found:?}") };
    assert_eq!((only.position, only.recomputed.as_deref()), (position, Some(original)));
    log.close().await;
}

#[tokio::test]
async fn of_a_part_of_the_log_only_its_decisions_are_compared() {
    let shop = shop().await;
    let all = replayed(shop.log.clone(), 0).await;
    let head = shop.log.head(0).await.unwrap();
    let part = |from, to| Scope { partition: 0, merchant: None, from, to };
    for cut in 0..=head {
        let before = replayed(shop.log.clone(), part(1, Some(cut))).await;
        let after = replayed(shop.log.clone(), part(cut + 1, None)).await;
        assert_eq!(before.decisions + after.decisions, all.decisions, "cut after {cut}");
        assert_eq!((before.different, after.different), (vec![], vec![]), "cut after {cut}");
    }
    let position = place(&shop, "LARGE", "Scored").await;
    let alter =
        format!(r#"UPDATE log SET payload = replace(payload, '"score":0', '"score":7') WHERE position = {position}"#);
    let (_directory, log) = altered(&shop, &alter).await;
    for (from, to, differences) in [
        (1, Some(position - 1), 0),
        (position + 1, None, 0),
        (position, Some(position), 1),
        (position - 1, Some(position + 1), 1),
    ] {
        let found = replayed(log.clone(), part(from, to)).await;
        assert_eq!(found.different.len(), differences, "from {from} to {to:?}");
    }
    log.close().await;
}

#[tokio::test]
async fn of_one_merchant_no_decision_of_another_is_compared_or_told() {
    let shop = shop().await;
    let other: domain::ids::MerchantId = "north".parse().unwrap();
    let registered = MerchantRegistered { name: "North".into(), time_zone: "UTC".into(), currency: "CNY".into() };
    shop.engine.command(&other, origin(), MerchantCommand::Register(registered)).await.unwrap();
    for number in 0..3 {
        let line = notice(placed(&format!("N{number}"), 50 + number));
        let pending = shop.engine.submit(&other, origin(), line, WhenFull::Refuse).await.unwrap();
        pending.receipt().await.unwrap();
    }
    let of = |merchant: &domain::ids::MerchantId| Scope { merchant: Some(merchant.clone()), ..Scope::from(0) };
    let (all, first, second) = (
        replayed(shop.log.clone(), 0).await,
        replayed(shop.log.clone(), of(&shop.merchant)).await,
        replayed(shop.log.clone(), of(&other)).await,
    );
    assert_eq!((second.decisions, second.identical), (3, 3));
    assert_eq!((first.decisions, first.identical), (all.decisions - 3, all.decisions - 3));

    let position = place(&shop, "N1", "Scored").await;
    let alter =
        format!(r#"UPDATE log SET payload = replace(payload, '"score":0', '"score":7') WHERE position = {position}"#);
    let (_directory, log) = altered(&shop, &alter).await;
    assert_eq!(replayed(log.clone(), of(&shop.merchant)).await.different, vec![]);
    assert_eq!(replayed(log.clone(), of(&other)).await.different.len(), 1);
    log.close().await;
}

#[tokio::test]
async fn a_replay_reads_every_event_once() {
    let shop = shop().await;
    for number in 0..700 {
        shop.send(placed(&format!("LATER-{number}"), 100 + number)).await.expect("what a test sets up holds");
    }
    let head = shop.log.head(0).await.expect("readable");
    assert!(head > 2_000, "more than a page");
    shop.log.handed_out();
    let replayed = replay(shop.log.clone(), 0, |_| {}).await.expect("what a test sets up holds");
    assert_eq!(replayed.identical, replayed.decisions);
    assert_eq!(shop.log.handed_out() as u64, head);
}
