//! Rulebooks on the engine: when a publication takes effect, what it knows of the orders before it, and what a failing store does.

mod support;

use domain::draft::{DraftRejection, Eyes};
use domain::ids::DraftId;
use domain::merchant::MerchantCommand;
use domain::order::Scored;
use domain::rulebook::Rulebook;
use domain::settings::SettingsChanges;
use engine::{DraftChange, InForce, Publication, PublicationReceipt, Refusal, WhenFull, replay};
use eventlog::EventLog;
use serde_json::{Value, json};
use support::{Shop, notice, origin, placed};

/// What none of the presets asks for.
fn unheard_of() -> Rulebook {
    let rule = |id: &str, feature: &str, window: Value, points: u32| {
        let mut when = json!({"feature": feature, "op": ">=", "value": 1});
        if !window.is_null() {
            when["window"] = window;
        }
        json!({"id": id, "when": when, "points": points})
    };
    book(&[
        rule("machines", "ip.devices", json!("29d"), 1),
        rule("sum", "customer.amount", json!("30d"), 1),
        rule("units", "device.sku_quantity", json!("13h"), 1),
        rule("people", "address.customers", json!("7d"), 1),
        rule("size", "order.lines", Value::Null, 1),
    ])
}

fn book(rules: &[Value]) -> Rulebook {
    let tiers = json!([{"id": "hold", "from": 1000, "action": "freeze"}]);
    Rulebook::from_json(&json!({"name": "Unheard of", "rules": rules, "tiers": tiers})).expect("a rulebook")
}

fn id(text: &str) -> DraftId {
    text.parse().expect("an id")
}

async fn change(shop: &Shop, change: DraftChange) -> Result<u32, Refusal> {
    shop.engine.change_draft(&shop.merchant, origin(), change).await.map(|receipt| receipt.revision)
}

async fn put_in_force(shop: &Shop, publication: Publication) -> Result<PublicationReceipt, Refusal> {
    shop.engine.publish(&shop.merchant, origin(), publication).await
}

async fn begin(shop: &Shop, draft: &str, rulebook: Rulebook) {
    assert_eq!(change(shop, DraftChange::Begin { draft: id(draft), rulebook, drafts: 0 }).await, Ok(1));
}

fn publish(draft: &str) -> Publication {
    Publication::OfDraft { draft: id(draft), eyes: Eyes::Two, note: None, expected: None, tried: None }
}

/// The version of a receipt, and since when it is in force.
fn told(receipt: Result<PublicationReceipt, Refusal>) -> Result<(u32, InForce), Refusal> {
    receipt.map(|receipt| (receipt.version, receipt.since))
}

async fn screening(shop: &Shop, line: Value) -> Scored {
    shop.send(line).await.expect("taken").risk.expect("placed").screening.expect("screened")
}

/// Orders of one customer from three devices.
fn history(number: u32) -> Value {
    let mut line = placed(&format!("A{number}"), number * 10);
    line["order"]["device"]["id"] = format!("d-{}", number % 3).into();
    line
}

#[tokio::test]
async fn a_feature_that_no_rule_asked_for_is_right_from_the_first_order_on() {
    let (late, early) = (Shop::open().await, Shop::open().await);
    begin(&early, "d1", unheard_of()).await;
    put_in_force(&early, publish("d1")).await.unwrap();
    for shop in [&late, &early] {
        for number in 1..=20 {
            shop.send(history(number)).await.unwrap();
        }
    }
    begin(&late, "d1", unheard_of()).await;
    put_in_force(&late, publish("d1")).await.unwrap();
    let first = screening(&late, history(21)).await;
    let features = serde_json::to_value(&first.features).unwrap();
    assert_eq!(
        features,
        json!({"ip.devices[29d]": 3, "customer.amount[30d]": 21 * 39_900, "device.sku_quantity[13h]": 14,
               "address.customers[7d]": 1, "order.lines": 1})
    );
    assert_eq!(first, screening(&early, history(21)).await, "as if the rules had always been these");
}

#[tokio::test]
async fn what_is_asked_for_after_a_snapshot_was_read_is_right_as_well() {
    let shop = Shop::open().await;
    for number in 1..=20 {
        shop.send(history(number)).await.unwrap();
    }
    let shop = shop.reopen().await;
    begin(&shop, "d1", unheard_of()).await;
    put_in_force(&shop, publish("d1")).await.unwrap();
    let shop = shop.reopen().await;
    let first = screening(&shop, history(21)).await;
    assert_eq!((first.rulebook_version, first.score), (2, 5), "{:?}", first.hits);
    let replayed = replay(shop.log.clone(), 0, |_| {}).await.unwrap();
    assert!(replayed.decisions >= 21, "a decision each, and those that bursts corrected");
    assert_eq!(replayed.identical, replayed.decisions);
}

#[tokio::test]
async fn a_publication_is_in_force_for_the_orders_after_its_position_and_for_no_other() {
    let shop = Shop::open().await;
    begin(&shop, "d1", unheard_of()).await;
    let before =
        [1, 2, 3].map(|number| shop.engine.submit(&shop.merchant, origin(), notice(history(number)), WhenFull::Wait));
    let before = futures_util::future::join_all(before).await;
    let published = put_in_force(&shop, publish("d1"));
    let after =
        [4, 5, 6].map(|number| shop.engine.submit(&shop.merchant, origin(), notice(history(number)), WhenFull::Wait));
    let (published, after) = tokio::join!(published, futures_util::future::join_all(after));
    let published = published.unwrap();
    assert_eq!((published.version, published.since), (2, InForce::Now));
    for pending in before.into_iter().chain(after) {
        pending.unwrap().receipt().await.unwrap();
    }
    let mut versions = vec![];
    for event in shop.events().await.iter().filter(|event| &*event.event_type == "Scored") {
        let scored: Value = serde_json::from_str(&event.payload).unwrap();
        let expected = if event.position > published.position.1 { 2 } else { 1 };
        assert_eq!(scored["Scored"]["rulebook_version"], expected, "at {}", event.position);
        // Those that bursts corrected come besides.
        if scored["Scored"]["cause"] == "placed" {
            versions.push(expected);
        }
    }
    assert_eq!(versions, [1, 1, 1, 2, 2, 2]);
    let last = shop.log.read(0, published.position.1 - 2, 2).await.unwrap();
    let names: Vec<_> = last.iter().map(|event| &*event.event_type).collect();
    assert_eq!(names, ["DraftPublished", "RulebookPublished"], "one commit, and its position is the version's");
}

#[tokio::test]
async fn an_old_version_comes_back_as_a_new_one() {
    let shop = Shop::open().await;
    begin(&shop, "d1", unheard_of()).await;
    put_in_force(&shop, publish("d1")).await.unwrap();
    let first = support::first_rulebook();
    let back = |to_version| Publication::RollBack { to_version, rulebook: first.clone(), author: None, note: None };
    assert!(put_in_force(&shop, back(2)).await.is_err(), "it is in force");
    assert!(put_in_force(&shop, back(3)).await.is_err(), "it never was");
    assert_eq!(told(put_in_force(&shop, back(1)).await), Ok((3, InForce::Now)));
    let scored = screening(&shop, history(1)).await;
    assert_eq!((scored.rulebook_version, &*scored.rulebook_hash), (3, &*first.hash()));
}

#[tokio::test]
async fn a_publication_whose_commit_failed_is_in_force_for_nothing_and_can_be_asked_for_again() {
    let shop = Shop::open().await;
    begin(&shop, "d1", unheard_of()).await;
    shop.log.fail_next(1);
    assert_eq!(put_in_force(&shop, publish("d1")).await, Err(Refusal::Unavailable));
    let scored = loop {
        // The writer begins again from the log.
        match shop.send(history(1)).await {
            Ok(receipt) => break receipt.risk.unwrap().screening.unwrap(),
            Err(refusal) => assert_eq!(refusal, Refusal::Unavailable),
        }
    };
    assert_eq!(scored.rulebook_version, 1);
    assert_eq!(told(put_in_force(&shop, publish("d1")).await), Ok((2, InForce::Now)));
    let head = shop.log.head(0).await.unwrap();
    assert_eq!(told(put_in_force(&shop, publish("d1")).await), Ok((2, InForce::Before)));
    assert_eq!(shop.log.head(0).await.unwrap(), head, "nothing was written");
}

#[tokio::test]
async fn drafts_outlive_a_start_and_more_of_them_than_are_kept_at_hand() {
    let shop = Shop::open().await;
    for number in 1..=40 {
        begin(&shop, &format!("d{number}"), unheard_of()).await;
    }
    let edit = |draft: &str, revision| {
        let rulebook = domain::rulebook::preset("starter").unwrap();
        DraftChange::Edit { draft: id(draft), rulebook, revision }
    };
    assert_eq!(change(&shop, edit("d1", 1)).await, Ok(2));
    let shop = shop.reopen().await;
    assert_eq!(change(&shop, edit("d1", 1)).await, Err(DraftRejection::Stale { revision: 2 }.into()));
    assert_eq!(change(&shop, edit("d41", 1)).await, Err(DraftRejection::NoSuchDraft.into()));
    assert_eq!(change(&shop, edit("d1", 2)).await, Ok(3));
}

#[tokio::test]
async fn another_merchants_draft_is_not_there_and_neither_is_a_merchant_that_nobody_registered() {
    let shop = Shop::open().await;
    begin(&shop, "d1", unheard_of()).await;
    let nobody = "nobody".parse().unwrap();
    let refused = shop.engine.publish(&nobody, origin(), publish("d1")).await;
    assert_eq!(refused, Err(Refusal::UnknownMerchant));
    assert_eq!(put_in_force(&shop, publish("d2")).await, Err(DraftRejection::NoSuchDraft.into()));
}

#[tokio::test]
async fn another_time_zone_counts_from_the_next_order_on() {
    let shop = Shop::open().await;
    let hour = json!({"id": "hour", "when": {"feature": "order.hour", "op": ">=", "value": 0}, "points": 1});
    begin(&shop, "d1", book(&[hour])).await;
    put_in_force(&shop, publish("d1")).await.unwrap();
    let mut hours = vec![];
    for (number, zone) in [(1, "Asia/Shanghai"), (2, "Europe/Berlin"), (3, "Europe/Berlin")] {
        let changes = SettingsChanges { time_zone: Some(zone.into()), ..SettingsChanges::default() };
        shop.engine.command(&shop.merchant, origin(), MerchantCommand::ChangeSettings(changes)).await.unwrap();
        let scored = screening(&shop, placed(&format!("A{number}"), number)).await;
        hours.push(serde_json::to_value(&scored.features).unwrap()["order.hour"].as_i64().unwrap());
    }
    assert_eq!([hours[0] - hours[1], hours[1] - hours[2]], [7, 0].map(|it: i64| it.rem_euclid(24)));
    let shop = shop.reopen().await;
    let replayed = replay(shop.log.clone(), 0, |_| {}).await.unwrap();
    assert_eq!((replayed.decisions, replayed.identical), (3, 3));
}
