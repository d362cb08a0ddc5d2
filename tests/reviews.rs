//! Many reviewers at one queue: nobody ever holds what another holds, and every order is decided once.
//!
//! `ORDERLIGHT_REVIEWED_ORDERS` says how many orders there are in place of some hundreds; 10,000 make the long proof.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, PoisonError};

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::support::orders::{at, plain, with};
use crate::support::process::PATIENCE;
use crate::support::service::Service;
use crate::support::shop::Shop;

/// How many orders there are where the environment does not say.
const ORDERS: usize = 600;
/// How many people review.
const REVIEWERS: usize = 64;
/// How often all of them may find the queue empty and come back for what was returned meanwhile.
const ROUNDS_MAX: usize = 40;

#[test]
fn sixty_four_reviewers_never_hold_the_same_order_on_the_embedded_store() {
    reviewed_by_many(&Shop::embedded(), orders());
}

#[test]
fn sixty_four_reviewers_never_hold_the_same_order_on_postgres() {
    reviewed_by_many(&Shop::on_postgres(), orders());
}

#[test]
fn of_two_opposite_decisions_at_once_one_is_refused_on_the_embedded_store() {
    one_of_two_opposite_decisions_is_refused(&Shop::embedded());
}

#[test]
fn of_two_opposite_decisions_at_once_one_is_refused_on_postgres() {
    one_of_two_opposite_decisions_is_refused(&Shop::on_postgres());
}

/// How many orders two people decide about at the same time.
const DISPUTED: usize = 40;

fn one_of_two_opposite_decisions_is_refused(shop: &Shop) {
    let service = serve(shop);
    place(&service, DISPUTED);
    let desk = Desk::of(&service);
    let client = Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client");
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let decide = |number: usize, reviewer: usize, action: &str, reason_code: &str| {
        let url = format!("{}/web:A{number}/decision", desk.url);
        let decision = json!({"action": action, "reason_code": reason_code});
        desk.told(client.post(url).bearer_auth(&desk.reviewers[reviewer].key).json(&decision))
    };
    for number in 0..DISPUTED {
        let (one, other) = runtime.block_on(async {
            tokio::join!(decide(number, 0, "release", "false_alarm"), decide(number, 1, "freeze", "stock_hoarding"))
        });
        let (taken, refused) = if one.0 == 200 { (&one, &other) } else { (&other, &one) };
        assert_eq!(
            (taken.0, refused.0, &refused.1["code"]),
            (200, 409, &json!("claimed_by_other")),
            "{taken:?} {refused:?}"
        );
    }
    drop(desk);
    service.stop().expect_code(0);
    each_was_held_by_one_at_a_time(shop, DISPUTED, 1);
}

fn orders() -> usize {
    let told = std::env::var("ORDERLIGHT_REVIEWED_ORDERS");
    told.map_or(ORDERS, |told| told.parse().expect("ORDERLIGHT_REVIEWED_ORDERS is a number"))
}

/// Every order is frozen and waits for a person.
fn serve(shop: &Shop) -> Service {
    let rulebook = json!({
        "name": "All", "tiers": [{"id": "freeze", "above": 120, "action": "freeze"}],
        "rules": [{"id": "any", "when": {"feature": "order.amount", "op": ">=", "value": 1}, "points": 130}],
    });
    shop.serve_by(&rulebook)
}

fn reviewed_by_many(shop: &Shop, orders: usize) {
    let service = serve(shop);
    place(&service, orders);
    let desk = Desk::of(&service);
    let begun = std::time::Instant::now();
    let mut rounds = 0;
    while desk.decided() < orders {
        rounds += 1;
        assert!(rounds <= ROUNDS_MAX, "{} of {orders} are decided", desk.decided());
        desk.work();
    }
    println!("{orders} orders by {REVIEWERS} reviewers in {:?}, {rounds} rounds", begun.elapsed());
    settle(&service, &desk);
    let open = service.get("/v1/reviews?limit=1").json();
    assert_eq!(open["items"], json!([]), "nothing is left");
    let reviewers = desk.reviewers.len();
    drop(desk);
    service.stop().expect_code(0);
    each_was_held_by_one_at_a_time(shop, orders, reviewers);
}

fn place(service: &Service, orders: usize) {
    let numbers: Vec<usize> = (0..orders).collect();
    for some in numbers.chunks(1_000) {
        let lines: Vec<String> = some.iter().map(|number| line(*number)).collect();
        let answers = service.notices(lines.join("\n")).lines();
        assert!(answers.len() == some.len() && answers.iter().all(|answer| answer["ok"] == true), "{answers:?}");
    }
    // Its position is behind all of them.
    let paid = json!({"status": "paid", "occurred_at": at(60_000), "source": "wms"});
    assert_eq!(service.post("/v1/orders/web:A0/status", &paid).status, 200);
    service.settle();
}

fn line(number: usize) -> String {
    let amount = 1_000 + 7_919 * number % 90_000;
    let order = with(plain(&format!("A{number}")), json!({"amount": amount}));
    json!({"kind": "placed", "order": order}).to_string()
}

/// Waits until look-ups see the last decision.
fn settle(service: &Service, desk: &Desk) {
    let position = desk.state().position.clone();
    assert_eq!(service.get(&format!("/v1/reviews?limit=1&after={position}")).status, 200);
}

/// Those who review, and who holds what by the answers that they got.
struct Desk {
    url: String,
    reviewers: Vec<Reviewer>,
    state: Mutex<State>,
}

#[derive(Default)]
struct State {
    held: BTreeMap<String, String>,
    decided: BTreeSet<String>,
    returned: usize,
    position: String,
}

struct Reviewer {
    id: String,
    key: String,
}

impl Desk {
    fn of(service: &Service) -> Self {
        let reviewers = (0..REVIEWERS).map(|number| {
            let made = service.post("/v1/keys", &json!({"name": format!("reviewer {number}"), "roles": ["reviewer"]}));
            let made = made.json();
            let text = |name: &str| made[name].as_str().expect("a key is a text").to_owned();
            Reviewer { id: text("id"), key: text("key") }
        });
        let url = format!("http://{}/v1/reviews", service.address());
        Self { url, reviewers: reviewers.collect(), state: Mutex::default() }
    }

    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn decided(&self) -> usize {
        self.state().decided.len()
    }

    /// All of them work at the same time until each finds nothing more.
    fn work(&self) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client");
        let work = self.reviewers.iter().map(|reviewer| self.review(&client, reviewer));
        runtime.block_on(futures_util::future::join_all(work));
    }

    async fn review(&self, client: &Client, reviewer: &Reviewer) {
        let post = |path: &str| client.post(format!("{}/{path}", self.url)).bearer_auth(&reviewer.key);
        loop {
            let (status, item) = self.told(post("next")).await;
            if status == 204 {
                return;
            }
            assert_eq!(status, 200, "{item}");
            let order = item["order_id"].as_str().expect("a review has an order").to_owned();
            self.takes(reviewer, &order);
            self.tries_what_another_holds(reviewer, &post).await;
            // Given back here, so that it is free for others only after the service says so.
            let gives_back = self.gives_back();
            self.state().held.remove(&order);
            let (status, told) = if gives_back {
                self.told(post(&format!("{order}/return"))).await
            } else {
                let (action, reason_code) =
                    if order.ends_with('3') { ("release", "false_alarm") } else { ("freeze", "stock_hoarding") };
                let decision = json!({"action": action, "reason_code": reason_code});
                self.told(post(&format!("{order}/decision")).json(&decision)).await
            };
            assert_eq!(status, 200, "{told}");
            if !gives_back {
                assert!(self.state().decided.insert(order), "it was decided before: {told}");
            }
        }
    }

    fn takes(&self, reviewer: &Reviewer, order: &str) {
        let mut state = self.state();
        assert!(!state.decided.contains(order), "{order} was decided and is handed out again");
        let before = state.held.insert(order.to_owned(), reviewer.id.clone());
        assert_eq!(before, None, "{order} is handed out to {} as well", reviewer.id);
    }

    /// Every ninth order goes back to the queue.
    fn gives_back(&self) -> bool {
        let mut state = self.state();
        state.returned += 1;
        state.returned.is_multiple_of(9)
    }

    async fn tries_what_another_holds(&self, reviewer: &Reviewer, post: &impl Fn(&str) -> RequestBuilder) {
        let another =
            self.state().held.iter().find(|(_, holder)| **holder != reviewer.id).map(|(order, _)| order.clone());
        let Some(order) = another else { return };
        let (status, told) = self.told(post(&format!("{order}/claim"))).await;
        // Its holder may have decided it or given it back a moment ago.
        match (status, told["code"].as_str()) {
            (409, Some("claimed_by_other" | "not_under_review")) => {}
            (200, _) => {
                let (status, told) = self.told(post(&format!("{order}/return"))).await;
                assert_eq!(status, 200, "{told}");
            }
            other => panic!("{other:?}: {told}"),
        }
    }

    async fn told(&self, request: RequestBuilder) -> (u16, Value) {
        let answer = request.send().await.expect("the service answers");
        let status = answer.status().as_u16();
        if let Some(position) = answer.headers().get("orderlight-position") {
            let position = position.to_str().expect("a position is a text");
            let mut state = self.state();
            if number(position) > number(&state.position) {
                position.clone_into(&mut state.position);
            }
        }
        let text = answer.text().await.expect("the answer comes whole");
        (status, if text.is_empty() { Value::Null } else { serde_json::from_str(&text).expect("an answer is JSON") })
    }
}

/// Of one partition, where one merchant's orders are.
fn number(position: &str) -> u64 {
    position.split_once('-').and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
}

/// What the log says: a claim follows only the same reviewer's or the return of another's, and the one who holds an order decides it.
fn each_was_held_by_one_at_a_time(shop: &Shop, orders: usize, reviewers: usize) {
    let mut holders: BTreeMap<String, Option<String>> = BTreeMap::new();
    let (mut decided, mut busy) = (BTreeSet::new(), BTreeSet::new());
    for event in shop.events().iter().filter(|event| &*event.key.aggregate_type == "order") {
        let order = event.key.aggregate_id.to_string();
        let told: Value = serde_json::from_str(&event.payload).expect("an event is JSON");
        let told = &told[&*event.event_type];
        let holder = holders.entry(order.clone()).or_default();
        match &*event.event_type {
            "ReviewClaimed" => {
                let reviewer = told["reviewer"].as_str().expect("a claim has a reviewer").to_owned();
                assert!(holder.as_ref().is_none_or(|holder| *holder == reviewer), "{order}: {holder:?} and {reviewer}");
                busy.insert(reviewer.clone());
                *holder = Some(reviewer);
            }
            "ReviewReturned" => assert_eq!(holder.take().as_deref(), told["reviewer"].as_str(), "{order}"),
            "FreezeConfirmed" | "Released" => {
                assert_eq!(holder.take().as_deref(), told["actor"].as_str(), "{order} is decided by who holds it");
                assert!(decided.insert(order), "it is decided twice");
            }
            _ => {}
        }
    }
    assert_eq!(decided.len(), orders);
    assert!(busy.len() > reviewers / 2, "only {} of {reviewers} had something to do", busy.len());
}
