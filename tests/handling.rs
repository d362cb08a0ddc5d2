//! What becomes of orders that are held, from the question to the stock, as the people of a shop see it over HTTP.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::orders::{at, plain, with};
use crate::support::process::PATIENCE;
use crate::support::receiver::Receiver;
use crate::support::service::{Answer, Service};
use crate::support::shop::Shop;

/// How many orders of the device in five minutes are a burst.
const BURST: usize = 5;
const HOUR_MS: i64 = 60 * 60 * 1_000;
/// The pause between two looks at a history.
const BETWEEN_LOOKS: Duration = Duration::from_millis(250);

/// Somebody of the shop.
struct Person<'a> {
    service: &'a Service,
    key: String,
}

impl<'a> Person<'a> {
    fn with(service: &'a Service, name: &str, role: &str) -> Self {
        let made = service.post("/v1/keys", &json!({"name": name, "roles": [role]}));
        let key = made.json()["key"].as_str().unwrap_or_else(|| panic!("{made:?}")).to_owned();
        Self { service, key }
    }

    fn post(&self, path: &str, body: &Value) -> Answer {
        let request = self.service.anonymous(Method::POST, path).bearer_auth(&self.key);
        self.service.send(if body.is_null() { request } else { request.json(body) })
    }

    #[track_caller]
    fn told(&self, path: &str, body: &Value) -> Value {
        let answer = self.post(path, body);
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }

    fn get(&self, path: &str) -> Value {
        let answer = self.service.send(self.service.anonymous(Method::GET, path).bearer_auth(&self.key));
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.json()
    }
}

/// A shop that calls whoever orders in bursts from one device.
fn serve(shop: &Shop) -> Service {
    let call = json!({"challenge": "call", "expires_in": "30m", "on_fail": "freeze", "on_expire": "review"});
    let rulebook = json!({
        "name": "Bursts", "tiers": [{"id": "call", "from": 100, "action": call}],
        "rules": [{"id": "device_burst", "name": {"zh": "同设备短时多单", "en": "Device burst"}, "points": 110, "sweep": true,
                   "when": {"feature": "device.orders", "window": "5m", "op": ">=", "value": BURST}}],
    });
    shop.serve_by(&rulebook)
}

/// Waits until other systems were told of an order; answers with what they were told.
#[track_caller]
fn notified(systems: &Receiver, event: &str, order: &str) -> Value {
    let said = || {
        let taken = systems.taken().into_iter();
        let mut messages = taken.map(|(_, body)| serde_json::from_slice::<Value>(&body).expect("a message is JSON"));
        messages.find(|message| message["type"] == event && message["data"]["order_id"] == order)
    };
    systems.until(event, |_| said().is_some());
    said().expect("it was there a moment before")["data"].take()
}

fn id(number: usize) -> String {
    format!("web:B{number}")
}

/// Orders of one device within seconds, each by another customer; answers with the last decision.
fn burst(service: &Service) -> Value {
    let order = |number: usize| {
        let millis = i64::try_from(number).expect("a small number") * 2_000;
        let customer = json!({"id": format!("u-{number}"), "name": "王五", "phone": format!("1380013800{number}")});
        with(
            plain(&format!("B{number}")),
            json!({"placed_at": at(millis), "customer": customer, "device": {"id": "d-9f1c"}}),
        )
    };
    let mut decisions: Vec<Value> = (0..BURST).map(|number| service.place(&order(number))).collect();
    let last = decisions.pop().expect("orders were placed");
    for decision in decisions {
        assert_eq!(decision["risk"]["state"], "released", "nothing speaks against the first ones: {decision}");
    }
    last
}

/// What happened to an order, in the order of arrival.
fn history(person: &Person<'_>, order: &str) -> Vec<(String, Value)> {
    let history = person.get(&format!("/v1/orders/{order}/history?order=arrival&limit=200"));
    let items = history["items"].as_array().expect("a list has items").iter();
    items.map(|item| (item["type"].as_str().expect("an event has a type").to_owned(), item.clone())).collect()
}

fn types(history: &[(String, Value)]) -> Vec<&str> {
    history.iter().map(|(kind, _)| kind.as_str()).collect()
}

/// Waits until something happened to an order by itself.
#[track_caller]
fn wait_for(person: &Person<'_>, order: &str, event: &str) {
    let until = Instant::now() + PATIENCE;
    while !types(&history(person, order)).contains(&event) {
        assert!(Instant::now() < until, "{event} of {order} does not come");
        std::thread::park_timeout(BETWEEN_LOOKS);
    }
}

/// The caller could not get a clear answer, so the order is frozen.
fn call_the_customer(provider: &Person<'_>, decision: &Value) {
    let challenge = &decision["risk"]["challenge"];
    assert_eq!(challenge["method"], "call", "{decision}");
    let result = format!("/v1/challenges/{}/result", challenge["id"].as_str().expect("a challenge has an id"));
    let nobody = provider.told(&result, &json!({"outcome": "no_answer"}));
    assert_eq!(nobody["risk"]["state"], "challenged", "the customer is called again: {nobody}");
    let unclear = json!({"outcome": "unclear", "note": "could not say what was ordered"});
    let unclear = provider.told(&result, &unclear);
    assert_eq!(
        (&unclear["risk"]["state"], &unclear["review"]["state"]),
        (&json!("frozen"), &json!("open")),
        "{unclear}"
    );
}

/// The specialist takes the order, looks at what else came from its device, and freezes all of it by one decision.
fn freeze_all_of_the_device(specialist: &Person<'_>) {
    let next = specialist.told("/v1/reviews/next", &Value::Null);
    assert_eq!((&next["order_id"], &next["state"]), (&json!(id(BURST - 1)), &json!("claimed")), "{next}");
    assert_eq!(next["links"]["device"], BURST - 1, "{next}");
    let why = (&next["cause"], &next["reason_code"]);
    assert_eq!(why, (&json!("challenge_failed"), &json!("customer_confused")), "{next}");
    let decision = json!({
        "action": "freeze", "reason_code": "customer_confused", "note": "five orders in eight seconds, nobody knows of them",
        "linked_to": {"order_id": id(BURST - 1), "by": "device"},
    });
    let preview = specialist.told("/v1/reviews/bulk", &with(decision.clone(), json!({"preview": true})));
    let decided = specialist.told("/v1/reviews/bulk", &decision);
    assert_eq!(preview["results"], decided["results"], "as it was shown before");
    let results = decided["results"].as_array().expect("a decision has results");
    assert_eq!(results.len(), BURST, "{decided}");
    assert!(results.iter().all(|result| result["ok"] == true && result["unchanged"] == false), "{decided}");
}

#[test]
fn a_burst_is_asked_about_frozen_with_its_siblings_and_gives_its_stock_back() {
    burst_is_frozen(&Shop::embedded());
}

#[test]
fn a_burst_is_asked_about_frozen_with_its_siblings_and_gives_its_stock_back_on_postgres() {
    burst_is_frozen(&Shop::on_postgres());
}

fn burst_is_frozen(shop: &Shop) {
    let service = serve(shop);
    let settings = service.request(Method::PUT, "/v1/settings").json(&json!({"stock_release_after": "1m"}));
    assert_eq!(service.send(settings).status, 200);
    let provider = Person::with(&service, "calls", "ingest");
    let specialist = Person::with(&service, "Ann", "reviewer");
    let helper = Person::with(&service, "Eve", "service");
    let systems = Receiver::steady();
    systems.subscribe(
        &service,
        &["challenge.call", "order.frozen", "review.opened", "review.closed", "stock.release_due"],
    );

    let asked = burst(&service);
    let call = notified(&systems, "challenge.call", &id(BURST - 1));
    assert_eq!(call["challenge"]["id"], asked["risk"]["challenge"]["id"], "whoever calls knows what to answer to");
    assert_eq!(call["challenge"]["phone"], format!("+861380013800{}", BURST - 1), "{call}");
    service.settle();
    let waiting = specialist.get("/v1/reviews?state=waiting");
    assert_eq!(waiting["items"].as_array().expect("a list").len(), BURST, "the first four are pulled back: {waiting}");

    call_the_customer(&provider, &asked);
    let held = notified(&systems, "order.frozen", &id(BURST - 1));
    assert_eq!(
        (&held["cause"], &held["reason_code"]),
        (&json!("challenge_failed"), &json!("customer_confused")),
        "{held}"
    );
    let opened = notified(&systems, "review.opened", &id(BURST - 1));
    assert_eq!(opened["cause"], "challenge_failed", "the specialist is notified: {opened}");
    assert_eq!(opened["reason_code"], "customer_confused", "{opened}");
    service.settle();
    freeze_all_of_the_device(&specialist);
    let closed = notified(&systems, "review.closed", &id(BURST - 1));
    assert_eq!(closed["cause"], "freeze_confirmed", "{closed}");
    let text = "a customer asked in the chat why the order is held";
    helper.told(&format!("/v1/orders/{}/notes", id(BURST - 1)), &json!({"text": text}));
    let revealed = specialist.told(&format!("/v1/orders/{}/reveal", id(BURST - 1)), &json!({"reason": "to call back"}));
    assert_eq!(revealed["customer"]["name"], "王五", "{revealed}");

    service.settle();
    let queue = specialist.get("/v1/reviews");
    assert_eq!(queue["items"], json!([]), "nobody has to look any more");
    for number in 0..BURST {
        let order = helper.get(&format!("/v1/orders/{}", id(number)));
        assert_eq!(order["risk"]["state"], "frozen", "{order}");
        wait_for(&helper, &id(number), "StockReleaseDue");
        let freed = notified(&systems, "stock.release_due", &id(number));
        assert_eq!(freed["cause"], "frozen", "{freed}");
    }

    let told = history(&helper, &id(BURST - 1));
    assert_eq!(
        types(&told),
        [
            "Placed",
            "Scored",
            "Challenged",
            "CallUnanswered",
            "Frozen",
            "ReviewOpened",
            "ReviewClaimed",
            "FreezeConfirmed",
            "Noted",
            "PersonalDataRevealed",
            "StockReleaseDue",
        ]
    );
    for (_, item) in &told {
        let summary = &item["summary"];
        let is_said = |language: &str| summary[language].as_str().is_some_and(|text| !text.is_empty());
        assert!(is_said("zh") && is_said("en"), "{item}");
        println!("{} | {}", summary["en"], summary["zh"]);
    }
    // The confused answer, and not wrong codes or a denial.
    let [held, opened] = [&told[4].1["summary"], &told[5].1["summary"]];
    assert_eq!(held["zh"], "客户未通过验证，订单冻结（原因：客户答复含糊）");
    assert_eq!(opened["zh"], "客户未通过验证，转人工审核（原因：客户答复含糊）");
    let reason = "(reason: The customer could not say what was ordered)";
    assert_eq!(held["en"], format!("Frozen because the customer failed the verification {reason}"));
    assert_eq!(opened["en"], format!("The customer failed the verification; a person has to look {reason}"));
    // Each history names the one decision, and the order that it came from.
    let part_of = json!({"orders": BURST, "linked_to": {"order_id": id(BURST - 1), "by": "device"}});
    let (_, confirmed) = &told[7];
    assert_eq!(confirmed["data"]["part_of"], part_of, "{confirmed}");
    for number in 0..BURST - 1 {
        let sibling = history(&helper, &id(number));
        assert_eq!(
            types(&sibling),
            ["Placed", "Scored", "Released", "Scored", "Challenged", "Frozen", "StockReleaseDue"]
        );
        let (_, frozen) = &sibling[5];
        assert_eq!(
            (&frozen["data"]["cause"], &frozen["data"]["reason_code"], &frozen["data"]["part_of"]),
            (&json!("reviewer"), &json!("customer_confused"), &part_of),
            "{frozen}"
        );
        let (zh, en) = (&frozen["summary"]["zh"], &frozen["summary"]["en"]);
        assert_eq!(zh, "Ann 冻结了订单（原因：客户答复含糊），与其他订单一并决定（共 5 个：web:B4 及设备相同的订单）");
        assert_eq!(
            en,
            "Ann froze the order (reason: The customer could not say what was ordered), by one decision about 5 orders: \
             web:B4 and those with the same device"
        );
    }
    stock_comes_back(&service, &helper);
    service.stop().expect_code(0);
    shop.replay();
}

/// The shop does as it was asked and calls the orders off, after which they hold nothing, and the figures say what came back.
fn stock_comes_back(service: &Service, helper: &Person<'_>) {
    let held = helper.get("/v1/stock-holds");
    let [held] = &held["items"].as_array().expect("a list")[..] else { panic!("one unit is held: {held}") };
    let of_all = 2 * BURST;
    assert_eq!(
        (&held["sku"], &held["orders"], &held["units"]),
        (&json!("MASK-01"), &json!(BURST), &json!({"unpaid": 0, "challenged": 0, "frozen": of_all}))
    );
    for number in 0..BURST {
        let cancelled = json!({"status": "cancelled", "occurred_at": at(HOUR_MS), "source": "web"});
        let answer = service.post(&format!("/v1/orders/{}/status", id(number)), &cancelled);
        assert_eq!(answer.status, 200, "{answer:?}");
    }
    service.settle();
    assert_eq!(helper.get("/v1/stock-holds")["items"], json!([]), "what is off holds nothing");
    let summary = helper.get(&format!("/v1/metrics/summary?from={}&to={}", at(0), at(HOUR_MS)));
    let freed = &summary["stock"];
    assert_eq!((&freed["orders_freed"], &freed["units_freed"]), (&json!(BURST), &json!(of_all)), "{freed}");
    // Two units of each order for an hour, but for the seconds in which they were placed: 2 h less 0, 4, 8, 12 and 16 s.
    assert_eq!(freed["unit_hours_freed"], 10.0, "{freed}");
}

#[test]
fn a_frozen_orders_customer_is_heard() {
    customer_is_heard(&Shop::embedded());
}

#[test]
fn a_frozen_orders_customer_is_heard_on_postgres() {
    customer_is_heard(&Shop::on_postgres());
}

fn customer_is_heard(shop: &Shop) {
    let service = serve(shop);
    let provider = Person::with(&service, "calls", "ingest");
    let specialist = Person::with(&service, "Ann", "reviewer");
    let helper = Person::with(&service, "Eve", "service");
    call_the_customer(&provider, &burst(&service));
    let order = id(BURST - 1);
    let decision = json!({"action": "freeze", "reason_code": "customer_confused"});
    specialist.told(&format!("/v1/reviews/{order}/decision"), &decision);
    let appeal = json!({"cause": "appeal", "note": "presents for five colleagues, the bill was sent along"});
    helper.told(&format!("/v1/reviews/{order}/reopen"), &appeal);
    service.settle();
    let next = specialist.told("/v1/reviews/next", &Value::Null);
    assert_eq!((&next["order_id"], &next["reopened"]), (&json!(order), &json!(1)), "{next}");
    let decision = json!({"action": "release", "reason_code": "family_or_gift"});
    let released = specialist.told(&format!("/v1/reviews/{order}/decision"), &decision);
    assert_eq!(released["risk"]["state"], "released");
    let told = history(&helper, &order);
    let (first, second) = (["ReviewClaimed", "FreezeConfirmed"], ["ReviewReopened", "ReviewClaimed", "Released"]);
    assert_eq!(types(&told)[6..], [&first[..], &second[..]].concat());
}

#[test]
fn one_decision_is_about_all_that_share_something() {
    decided_by_what_is_shared(&Shop::embedded());
}

#[test]
fn one_decision_is_about_all_that_share_something_on_postgres() {
    decided_by_what_is_shared(&Shop::on_postgres());
}

/// What orders can share, with the facts of two that do and of one that does not, however like them it is.
fn shared() -> [(&'static str, [Value; 3]); 5] {
    let device = |id: &str| json!({"device": {"id": id}});
    let ip = |ip: &str| json!({"ip": ip});
    let buyer = |phone: &str| json!({"customer": {"id": format!("buyer-{phone}"), "phone": phone}});
    let recipient = |phone: &str| json!({"delivery": {"recipient": "李四", "phone": phone}});
    let address = |street: &str| {
        json!({"delivery": {"recipient": "李四", "country": "CN", "province": "浙江省", "city": "杭州市",
                            "district": "西湖区", "street": street}})
    };
    [
        ("device", [device("d-1"), device("d-1"), device("d-2")]),
        ("ip", [ip("198.51.100.7"), ip("198.51.100.7"), ip("198.51.100.8")]),
        ("ip24", [ip("192.0.2.1"), ip("192.0.2.200"), ip("192.0.3.1")]),
        // One's buyer is the other's recipient.
        ("phone", [buyer("13800138000"), recipient("+86 138 0013 8000"), buyer("13800138001")]),
        ("address", [address("文三路 1 号"), address("文三路1号"), address("文三路 11 号")]),
    ]
}

/// First shown, then decided, and by then nothing else has changed.
fn decided_by_what_is_shared(shop: &Shop) {
    let service = serve(shop);
    let specialist = Person::with(&service, "Ann", "reviewer");
    let name = |by: &str, number: usize| format!("web:{by}-{number}");
    for (by, facts) in shared() {
        for (number, facts) in facts.into_iter().enumerate() {
            let placed = service.place(&with(plain(&format!("{by}-{number}")), facts));
            assert_eq!(placed["risk"]["state"], "released", "{placed}");
        }
    }
    service.settle();
    for (by, _) in shared() {
        let order = specialist.get(&format!("/v1/orders/{}", name(by, 0)));
        assert_eq!(order["links"][by], 1, "{by}: {order}");
        let decision = json!({
            "action": "freeze", "reason_code": "bot_or_script", "linked_to": {"order_id": name(by, 0), "by": by},
        });
        let preview = specialist.told("/v1/reviews/bulk", &with(decision.clone(), json!({"preview": true})));
        let results: Vec<Value> =
            [0, 1].map(|number| json!({"order_id": name(by, number), "ok": true, "unchanged": false})).into();
        assert_eq!(preview, json!({"preview": true, "results": results}), "{by}");
        let states = || [0, 1, 2].map(|number| specialist.get(&format!("/v1/orders/{}", name(by, number))));
        let states = || states().map(|order| order["risk"]["state"].clone());
        service.settle();
        assert_eq!(states(), ["released", "released", "released"], "{by}: it was only shown");
        let decided = specialist.post("/v1/reviews/bulk", &decision);
        let position = decided.header("orderlight-position").to_owned();
        assert_eq!(decided.json(), json!({"preview": false, "results": results}), "{by}");
        assert_eq!(service.get(&format!("/v1/orders?limit=1&after={position}")).status, 200);
        assert_eq!(states(), ["frozen", "frozen", "released"], "{by}");
        let again = specialist.told("/v1/reviews/bulk", &decision);
        let unchanged = again["results"].as_array().expect("results").iter().all(|result| result["unchanged"] == true);
        assert!(unchanged, "{by}: {again}");
    }
}
