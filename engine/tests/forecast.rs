//! Versions that are bound to their forecast, on the engine: the one before comes back by itself, at the same order whatever
//! happens in between, and only when chance does not explain what came.

mod support;

use domain::draft::Eyes;
use domain::forecast::Forecast;
use domain::ids::DraftId;
use domain::publication::RulebookRejection;
use domain::rulebook::Rulebook;
use engine::{DraftChange, Publication, Refusal, replay};
use serde_json::{Value, json};
use support::{Shop, origin, placed};

const EXPECTED: Forecast =
    Forecast { challenge_ppm: 20_000, freeze_ppm: 1_000, factor_percent: 200, after_orders: 100 };

/// Freezes orders of this amount and asks about the next one.
fn book() -> Rulebook {
    let amount = |id: &str, value: u32, points: u32| json!({"id": id, "when": {"feature": "order.amount", "op": "==", "value": value}, "points": points});
    Rulebook::from_json(&json!({
        "name": "By amount",
        "rules": [amount("frozen", FROZEN, 100), amount("asked", ASKED, 50)],
        "tiers": [
            {"id": "ask", "from": 50, "action": {"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"}},
            {"id": "hold", "from": 100, "action": "freeze"}
        ],
        "exemptions": [{"id": "many", "when": {"feature": "order.quantity", "op": ">=", "value": 100}, "action": "release"}]
    }))
    .expect("a rulebook")
}

const FROZEN: u32 = 7_000;
const ASKED: u32 = 8_000;
const PASSED: u32 = 9_000;

/// Publishes a book that is expected to do something; answers with its version.
async fn publish(shop: &Shop, draft: &str, rulebook: Rulebook, expected: Option<Forecast>) -> u32 {
    let draft: DraftId = draft.parse().expect("an id");
    let begin = DraftChange::Begin { draft: draft.clone(), rulebook, drafts: 0 };
    shop.engine.change_draft(&shop.merchant, origin(), begin).await.expect("begun");
    let publish = Publication::OfDraft { draft, eyes: Eyes::Two, note: None, expected, tried: None };
    shop.engine.publish(&shop.merchant, origin(), publish).await.expect("published").version
}

/// An order of nobody known, with an amount.
fn line(number: u32, amount: u32) -> Value {
    let mut line = placed(&format!("A{number}"), number);
    line["order"]["amount"] = amount.into();
    for field in ["customer", "delivery", "device", "ip"] {
        line["order"].as_object_mut().expect("an order").remove(field);
    }
    line
}

/// Places an order; answers with the version that decided it.
async fn order(shop: &Shop, number: u32, amount: u32) -> u32 {
    let receipt = shop.send(line(number, amount)).await.expect("taken");
    receipt.risk.expect("placed").screening.expect("screened").rulebook_version
}

/// The publications that the log holds.
async fn publications(shop: &Shop) -> Vec<Value> {
    let events = shop.events().await;
    let events = events.iter().filter(|event| &*event.event_type == "RulebookPublished");
    let payload = |payload: &str| serde_json::from_str::<Value>(payload).expect("json")["RulebookPublished"].take();
    events.map(|event| payload(&event.payload)).collect()
}

async fn replays(shop: &Shop) {
    let replayed = replay(shop.log.clone(), 0, |_| {}).await.expect("replayed");
    assert_eq!(replayed.decisions, replayed.identical, "{:?}", replayed.different);
}

#[tokio::test]
async fn a_version_that_freezes_more_than_expected_is_followed_by_the_one_before_it() {
    let shop = Shop::open().await;
    assert_eq!(publish(&shop, "d1", book(), Some(EXPECTED)).await, 2);
    let mut versions = vec![];
    for number in 1..=120 {
        versions.push(order(&shop, number, if number <= 50 { PASSED } else { FROZEN }).await);
    }
    assert!(versions[..100].iter().all(|version| *version == 2), "no share is told from fewer orders");
    assert!(versions[100..].iter().all(|version| *version == 3), "{versions:?}");
    let [_, bound, back] = &publications(&shop).await[..] else { panic!("three versions") };
    assert_eq!(
        bound["expected"],
        json!({"challenge_ppm": 20_000, "freeze_ppm": 1_000, "factor_percent": 200, "after_orders": 100})
    );
    assert_eq!((&back["version"], &back["restores"], &back["actor"]), (&json!(3), &json!(1), &json!("orderlight")));
    assert_eq!(
        back["forecast_left"],
        json!({"version": 2, "rate": "freeze", "expected_ppm": 1_000, "factor_percent": 200, "held": 50, "orders": 100})
    );
    assert_eq!(back["hash"], support::first_rulebook().hash());
    let events = shop.events().await;
    let at = events.iter().rposition(|event| &*event.event_type == "RulebookPublished").expect("a rollback");
    let before: Vec<&str> = events[at - 3..at].iter().map(|event| &*event.event_type).collect();
    assert_eq!(before, ["Scored", "Frozen", "ReviewOpened"], "it follows the order that shows it");
    assert!(events[at - 3..at].iter().all(|event| &*event.key.aggregate_id == "web:A100"));
    assert_eq!(&*events[at].metadata, r#"{"actor":"orderlight","source":"forecast"}"#);
    replays(&shop).await;
}

#[tokio::test]
async fn it_comes_back_at_the_same_order_whatever_lies_between_and_however_orders_arrive() {
    let amounts: Vec<u32> = (1..=300).map(|number| if number % 9 == 0 { ASKED } else { PASSED }).collect();
    let mut ends = vec![];
    for reopened_after in [None, Some((60, true)), Some((110, false))] {
        let mut shop = Shop::open().await;
        // So many that a snapshot is worth the while.
        for number in 1_000..1_300 {
            order(&shop, number, PASSED).await;
        }
        publish(&shop, "d1", book(), Some(EXPECTED)).await;
        for (number, amount) in (1..).zip(&amounts) {
            order(&shop, number, *amount).await;
            match reopened_after {
                Some((after, true)) if after == number => shop = shop.reopen().await,
                Some((after, false)) if after == number => shop = shop.without_snapshots().await,
                _ => {}
            }
        }
        ends.push(publications(&shop).await.remove(2)["forecast_left"].take());
        replays(&shop).await;
    }
    let shop = Shop::open().await;
    publish(&shop, "d1", book(), Some(EXPECTED)).await;
    let lines = (1..).zip(&amounts).map(|(number, amount)| shop.send(line(number, *amount)));
    for taken in futures_util::future::join_all(lines).await {
        taken.expect("taken");
    }
    ends.push(publications(&shop).await.remove(2)["forecast_left"].take());
    replays(&shop).await;
    assert_eq!(ends[0]["rate"], "challenge");
    assert!(ends[0]["orders"].as_u64() > Some(100), "{ends:?}");
    assert!(ends.iter().all(|end| *end == ends[0]), "{ends:?}");
}

#[tokio::test]
async fn a_version_that_does_what_is_expected_stays() {
    let shop = Shop::open().await;
    publish(&shop, "d1", book(), Some(EXPECTED)).await;
    for number in 1..=1_200 {
        let amount = match number {
            600 => FROZEN,
            number if number % 40 == 0 => ASKED,
            _ => PASSED,
        };
        assert_eq!(order(&shop, number, amount).await, 2);
    }
    assert_eq!(publications(&shop).await.len(), 2);
}

#[tokio::test]
async fn a_version_that_asks_far_less_than_expected_is_followed_as_well() {
    let shop = Shop::open().await;
    let much = Forecast { challenge_ppm: 300_000, ..EXPECTED };
    publish(&shop, "d1", book(), Some(much)).await;
    for number in 1..=100 {
        order(&shop, number, PASSED).await;
    }
    let left = publications(&shop).await.remove(2)["forecast_left"].take();
    assert_eq!((&left["rate"], &left["held"], &left["orders"]), (&json!("challenge"), &json!(0), &json!(100)));
}

#[tokio::test]
async fn spared_orders_and_later_screenings_count_nothing_and_neither_does_a_version_without_a_forecast() {
    let shop = Shop::open().await;
    publish(&shop, "d1", book(), Some(EXPECTED)).await;
    for number in 1..=110 {
        let mut spared = line(number, FROZEN);
        spared["order"]["lines"][0]["quantity"] = 100.into();
        shop.send(spared).await.expect("taken");
    }
    for number in 1..=110 {
        let amended = json!({"kind": "amended", "order_id": format!("web:A{number}"),
                             "order": {"lines": [{"sku": "MASK-01", "quantity": 1}]}});
        shop.send(amended).await.expect("taken");
    }
    assert_eq!(order(&shop, 200, PASSED).await, 2);
    let shop = Shop::open().await;
    publish(&shop, "d1", book(), None).await;
    for number in 1..=110 {
        assert_eq!(order(&shop, number, FROZEN).await, 2);
    }
}

#[tokio::test]
async fn a_publication_by_hand_ends_what_was_expected_of_the_version_before() {
    let shop = Shop::open().await;
    publish(&shop, "d1", book(), Some(EXPECTED)).await;
    for number in 1..=99 {
        order(&shop, number, FROZEN).await;
    }
    assert_eq!(publish(&shop, "d2", book(), None).await, 3);
    for number in 100..=300 {
        assert_eq!(order(&shop, number, FROZEN).await, 3);
    }
}

#[tokio::test]
async fn what_is_in_force_cannot_be_bound_afterwards_and_asking_again_changes_nothing() {
    let shop = Shop::open().await;
    let again = async |draft: &str, expected| {
        let draft = draft.parse().expect("an id");
        let publish = Publication::OfDraft { draft, eyes: Eyes::Two, note: None, expected, tried: None };
        shop.engine.publish(&shop.merchant, origin(), publish).await.map(|receipt| receipt.version)
    };
    let too_late = |version| Err::<u32, _>(Refusal::from(RulebookRejection::ForecastTooLate { version }));
    publish(&shop, "d1", book(), None).await;
    assert_eq!(again("d1", Some(EXPECTED)).await, too_late(2));
    assert_eq!(again("d1", None).await, Ok(2));
    publish(&shop, "d2", book(), Some(EXPECTED)).await;
    assert_eq!(again("d2", Some(EXPECTED)).await, Ok(3), "the answer may have been lost");
    assert_eq!(again("d2", Some(Forecast { after_orders: 500, ..EXPECTED })).await, too_late(3));
    assert_eq!(again("d2", None).await, Ok(3));
    assert_eq!(publications(&shop).await.len(), 3, "nothing was written");
}

#[tokio::test]
async fn a_rollback_whose_commit_failed_comes_with_the_order_when_it_is_sent_again() {
    let shop = Shop::open().await;
    publish(&shop, "d1", book(), Some(EXPECTED)).await;
    for number in 1..=99 {
        order(&shop, number, FROZEN).await;
    }
    shop.log.fail_next(1);
    assert_eq!(shop.send(line(100, FROZEN)).await.map(|_| ()), Err(Refusal::Unavailable));
    while let Err(refusal) = shop.send(line(100, FROZEN)).await {
        // The writer begins again from the log.
        assert_eq!(refusal, Refusal::Unavailable);
    }
    assert_eq!(publications(&shop).await.len(), 3);
    assert_eq!(order(&shop, 101, FROZEN).await, 3);
    replays(&shop).await;
}
