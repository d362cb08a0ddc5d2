//! A draft in the shadow on the engine: what it finds is recorded beside what is decided, counted, and the same in a replay.

mod support;

use domain::draft::{DraftRejection, Eyes};
use domain::ids::DraftId;
use domain::order::Scored;
use domain::rulebook::Rulebook;
use domain::shadow::{ShadowRejection, Shadowed};
use engine::{Comparison, DraftChange, Publication, Refusal, ShadowWish, replay};
use serde_json::{Value, json};
use support::{Shop, origin, placed, second};

/// Gives its points from the second order of a device in a day on; so much is not read by any preset.
fn book(points: u32) -> Rulebook {
    let second = json!({"feature": "device.orders", "window": "23h", "op": ">=", "value": 2});
    let lines = json!({"feature": "order.lines", "op": ">=", "value": 1});
    Rulebook::from_json(&json!({
        "name": "Second",
        "rules": [{"id": "second", "when": second, "points": points}, {"id": "any", "when": lines, "points": 1}],
        "tiers": [{"id": "hold", "from": 50, "action": "freeze"}]
    }))
    .expect("a rulebook")
}

fn id(text: &str) -> DraftId {
    text.parse().expect("an id")
}

async fn begin(shop: &Shop, draft: &str, points: u32) {
    let begin = DraftChange::Begin { draft: id(draft), rulebook: book(points), drafts: 0 };
    shop.engine.change_draft(&shop.merchant, origin(), begin).await.expect("begun");
}

async fn edit(shop: &Shop, draft: &str, revision: u32, points: u32) {
    let edit = DraftChange::Edit { draft: id(draft), rulebook: book(points), revision };
    shop.engine.change_draft(&shop.merchant, origin(), edit).await.expect("edited");
}

async fn publish(shop: &Shop, draft: &str) {
    let publish = Publication::OfDraft { draft: id(draft), eyes: Eyes::Two, note: None, expected: None, tried: None };
    shop.engine.publish(&shop.merchant, origin(), publish).await.expect("published");
}

async fn wish(shop: &Shop, wish: ShadowWish) -> Result<Comparison, Refusal> {
    shop.engine.shadow(&shop.merchant, origin(), wish).await.map(|receipt| receipt.comparison)
}

async fn start(shop: &Shop, draft: &str) -> Result<Comparison, Refusal> {
    wish(shop, ShadowWish::Start(id(draft))).await
}

async fn see(shop: &Shop, draft: &str) -> Result<Comparison, Refusal> {
    wish(shop, ShadowWish::See(id(draft))).await
}

/// Places an order; answers with its screening.
async fn order(shop: &Shop, number: u32) -> Scored {
    let receipt = shop.send(placed(&format!("A{number}"), number * 10)).await.expect("taken");
    receipt.risk.expect("placed").screening.expect("screened")
}

fn matrix(comparison: &Comparison) -> (u64, Value) {
    (comparison.orders, serde_json::to_value(&comparison.matrix).expect("json"))
}

async fn replays(shop: &Shop) {
    let replayed = replay(shop.log.clone(), 0, |_| {}).await.expect("replayed");
    assert_eq!(replayed.decisions, replayed.identical, "{:?}", replayed.different);
    assert!(replayed.decisions > 0);
}

#[tokio::test]
async fn what_a_draft_finds_is_recorded_beside_what_is_decided_and_changes_nothing_of_it() {
    let (shop, alone) = (Shop::open().await, Shop::open().await);
    begin(&shop, "d1", 60).await;
    let before = order(&shop, 1).await;
    assert_eq!(before.shadow, None);
    start(&shop, "d1").await.expect("started");
    let beside = order(&shop, 2).await;
    let hits = ["second", "any"].map(Into::into).to_vec();
    let found = Shadowed { draft: id("d1"), revision: 1, score: 61, tier: "hold".into(), hits, exemption: None };
    assert_eq!(beside.shadow.as_deref(), Some(&found));
    order(&alone, 1).await;
    let alone = order(&alone, 2).await;
    assert_eq!(Scored { shadow: None, ..beside }, alone, "nothing else is different");
    let stored = shop.order_events().await.into_iter().filter(|(name, _)| name == "Scored").map(|(_, scored)| scored);
    let shadows: Vec<Value> = stored.map(|scored| scored.get("shadow").cloned().unwrap_or_default()).collect();
    let recorded = json!({"draft": "d1", "revision": 1, "score": 61, "tier": "hold", "hits": ["second", "any"]});
    assert_eq!(shadows, [Value::Null, recorded], "where none runs nothing is written");
    replays(&shop).await;
}

#[tokio::test]
async fn the_comparison_counts_each_order_once_from_the_beginning_to_the_end() {
    let shop = Shop::open().await;
    begin(&shop, "d1", 60).await;
    order(&shop, 1).await;
    shop.set_clock(second(500));
    let begun = start(&shop, "d1").await.expect("started");
    assert_eq!((begun.revision, begun.since, begun.until), (1, second(500), None));
    assert_eq!(&*begun.hash, book(60).hash());
    assert_eq!(matrix(&begun), (0, json!({})));
    for number in 2..=4 {
        order(&shop, number).await;
    }
    let mut elsewhere = placed("B1", 50);
    elsewhere["order"]["device"]["id"] = "another".into();
    shop.send(elsewhere).await.expect("taken");
    let amended = json!({"kind": "amended", "order_id": "web:A2", "order": {"amount": 100}});
    shop.send(amended).await.expect("taken");
    let so_far = see(&shop, "d1").await.expect("it runs");
    assert_eq!(matrix(&so_far), (4, json!({"pass": {"pass": 1, "hold": 3}})), "the amended order is none more");
    shop.set_clock(second(600));
    let ended = wish(&shop, ShadowWish::End(id("d1"))).await.expect("ended");
    assert_eq!(ended, Comparison { until: Some(second(600)), ..so_far });
    assert_eq!(order(&shop, 9).await.shadow, None);
    assert_eq!(see(&shop, "d1").await, Ok(ended), "the last comparison can still be seen");
    replays(&shop).await;
}

#[tokio::test]
async fn the_comparison_goes_on_after_a_start_with_and_without_a_snapshot() {
    let shop = Shop::open().await;
    begin(&shop, "d1", 60).await;
    start(&shop, "d1").await.expect("started");
    for number in 1..=400 {
        order(&shop, number).await;
    }
    let before = see(&shop, "d1").await.expect("it runs");
    assert_eq!(before.orders, 400);
    let shop = shop.reopen().await;
    assert_eq!(see(&shop, "d1").await, Ok(before.clone()), "from a snapshot");
    assert!(order(&shop, 401).await.shadow.is_some());
    let shop = shop.without_snapshots().await;
    let after = see(&shop, "d1").await.expect("it runs");
    assert_eq!((after.orders, after.since), (401, before.since), "from the log alone");
    assert!(order(&shop, 402).await.shadow.is_some());
    replays(&shop).await;
}

#[tokio::test]
async fn an_edit_changes_nothing_of_what_runs_until_somebody_begins_anew() {
    let shop = Shop::open().await;
    begin(&shop, "d1", 60).await;
    start(&shop, "d1").await.expect("started");
    order(&shop, 1).await;
    edit(&shop, "d1", 1, 70).await;
    let second = order(&shop, 2).await.shadow.expect("it runs");
    assert_eq!((second.revision, second.score), (1, 61));
    let anew = start(&shop, "d1").await.expect("begun anew");
    assert_eq!((anew.revision, anew.orders), (2, 0));
    let third = order(&shop, 3).await.shadow.expect("it runs");
    assert_eq!((third.revision, third.score), (2, 71));
    assert_eq!(start(&shop, "d1").await.expect("it runs").orders, 1, "what runs already is not begun again");
    replays(&shop).await;
}

#[tokio::test]
async fn one_draft_runs_at_a_time_and_only_what_is_there_can_be_seen_or_ended() {
    let shop = Shop::open().await;
    begin(&shop, "d1", 60).await;
    begin(&shop, "d2", 70).await;
    let not_there = || Err(ShadowRejection::NotThere.into());
    assert_eq!(see(&shop, "d1").await, not_there());
    assert_eq!(wish(&shop, ShadowWish::End(id("d1"))).await, not_there());
    assert_eq!(start(&shop, "d3").await, Err(DraftRejection::NoSuchDraft.into()));
    start(&shop, "d1").await.expect("started");
    assert_eq!(start(&shop, "d2").await, Err(ShadowRejection::AnotherRuns { draft: id("d1") }.into()));
    assert_eq!(see(&shop, "d2").await, not_there());
    wish(&shop, ShadowWish::End(id("d1"))).await.expect("ended");
    wish(&shop, ShadowWish::End(id("d1"))).await.expect("it has ended already");
    start(&shop, "d2").await.expect("started");
    let nobody = shop.engine.shadow(&"nobody".parse().unwrap(), origin(), ShadowWish::Start(id("d1"))).await;
    assert_eq!(nobody, Err(Refusal::UnknownMerchant));
}

#[tokio::test]
async fn a_publication_of_the_draft_ends_its_shadow_and_one_of_another_does_not() {
    let shop = Shop::open().await;
    begin(&shop, "d1", 60).await;
    begin(&shop, "d2", 10).await;
    start(&shop, "d1").await.expect("started");
    order(&shop, 1).await;
    publish(&shop, "d2").await;
    let beside_another = order(&shop, 2).await;
    assert_eq!(beside_another.rulebook_version, 2);
    assert_eq!(beside_another.shadow.expect("it runs").score, 61);
    publish(&shop, "d1").await;
    let decided = order(&shop, 3).await;
    assert_eq!((decided.rulebook_version, decided.score, decided.shadow), (3, 61, None));
    let ended = see(&shop, "d1").await.expect("it was the last one");
    assert_eq!((ended.until, matrix(&ended)), (Some(shop.now()), (2, json!({"pass": {"pass": 1, "hold": 1}}))));
    assert_eq!(start(&shop, "d1").await, Err(DraftRejection::Published { version: 3 }.into()));
    let names: Vec<_> = shop.events().await.iter().map(|event| event.event_type.to_string()).collect();
    let at = names.iter().position(|name| name == "ShadowEnded").expect("it is recorded");
    assert_eq!(names[at - 1..=at + 1], ["DraftPublished", "ShadowEnded", "RulebookPublished"], "one commit");
    let shop = shop.reopen().await;
    assert_eq!(order(&shop, 4).await.shadow, None);
    replays(&shop).await;
}

#[tokio::test]
async fn a_shadow_whose_commit_failed_does_not_run() {
    let shop = Shop::open().await;
    begin(&shop, "d1", 60).await;
    shop.log.fail_next(1);
    assert_eq!(start(&shop, "d1").await, Err(Refusal::Unavailable));
    let refused = loop {
        // The writer begins again from the log.
        match see(&shop, "d1").await {
            Err(Refusal::Unavailable) => {}
            other => break other,
        }
    };
    assert_eq!(refused, Err(ShadowRejection::NotThere.into()));
    assert_eq!(order(&shop, 1).await.shadow, None);
    start(&shop, "d1").await.expect("asked again");
}
