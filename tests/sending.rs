//! Senders of text messages and calls behind the real service: an order is doubted, and the provider is asked to send the code that is
//! the right answer, or to call. The provider is a server on the loopback interface that verifies each request's signature by its own
//! reading of the vendors' pages.

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::orders::{asking, reachable, with};
use crate::support::process::Finished;
use crate::support::receiver::Receiver;
use crate::support::service::Service;
use crate::support::shop::Shop;

#[path = "../notify/tests/senders/provider.rs"]
mod provider;

use provider::{Arrived, Provider, Vendor};

const SECRET: &str = "demoSecretKey";

fn serve(shop: &Shop) -> Service {
    shop.serve_by(&asking("Large orders", "freeze"))
}

/// The two providers.
struct Providers {
    alibaba: Provider,
    tencent: Provider,
    _runtime: Runtime,
}

impl Providers {
    fn open() -> Self {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
        let seconds = orderlight::clock::now().millis() / 1_000;
        let [alibaba, tencent] =
            [Vendor::Alibaba, Vendor::Tencent].map(|vendor| runtime.block_on(Provider::open(vendor, SECRET, seconds)));
        Self { alibaba, tencent, _runtime: runtime }
    }
}

/// A sender of an account.
struct Account<'a> {
    provider: &'a Provider,
    sender: &'a str,
    secret: &'a str,
    template: Value,
}

impl Account<'_> {
    /// Has the sender told of an event; answers with the endpoint's id.
    #[track_caller]
    fn subscribe(self, service: &Service, event: &str) -> String {
        let Self { provider, sender, secret, template } = self;
        let account = json!({
            "provider": sender, "access_key_id": "AKIDdemo", "access_key_secret": secret, "base_url": provider.base_url,
        });
        let created = service.post("/v1/endpoints", &json!({"sender": with(account, template), "events": [event]}));
        assert_eq!(created.status, 201, "{created:?}");
        assert!(!String::from_utf8_lossy(&created.body).contains(secret), "the secret is shown to nobody");
        created.json()["id"].as_str().expect("an endpoint has an id").to_owned()
    }
}

/// Waits until an endpoint has so many messages and none of them waits; answers with the newest.
#[track_caller]
fn settled(service: &Service, clock: &Receiver, endpoint: &str, messages: usize) -> Value {
    let path = format!("/v1/endpoints/{endpoint}/deliveries");
    let items = || service.get(&path).json()["items"].as_array().cloned().unwrap_or_default();
    clock.until("all of it is settled", |_| {
        let items = items();
        items.len() == messages && items.iter().all(|item| item["state"] != "pending")
    });
    items().swap_remove(0)
}

/// What a request asks of its provider: what is to be done, the number, what fills the template, and the reference.
fn asked(vendor: Vendor, arrived: &Arrived) -> [String; 4] {
    match vendor {
        Vendor::Alibaba => {
            let (action, sent) = (arrived.header("x-acs-action"), arrived.parameters());
            let [number, filled] =
                if action == "SendSms" { ["PhoneNumbers", "TemplateParam"] } else { ["CalledNumber", "TtsParam"] };
            [action, &sent[number], &sent[filled], &sent["OutId"]].map(str::to_owned)
        }
        Vendor::Tencent => {
            let (action, sent) = (arrived.header("x-tc-action"), arrived.json());
            let number = if action == "SendSms" { &sent["PhoneNumberSet"][0] } else { &sent["CalledNumber"] };
            let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value} in {sent}")).to_owned();
            [action.to_owned(), text(number), sent["TemplateParamSet"].to_string(), text(&sent["SessionContext"])]
        }
    }
}

fn nothing_of_it_was_logged(finished: &Finished, hidden: &[&str]) {
    for hidden in hidden {
        assert!(!finished.stderr.contains(hidden) && !finished.stdout.contains(hidden), "{hidden} was logged");
    }
}

#[test]
fn a_doubted_order_has_the_provider_send_the_code_that_verifies_it() {
    code_is_sent(&Shop::embedded());
}

#[test]
fn a_doubted_order_has_the_provider_send_the_code_that_verifies_it_on_postgres() {
    code_is_sent(&Shop::on_postgres());
}

fn code_is_sent(shop: &Shop) {
    let (service, waiting) = (serve(shop), Receiver::steady());
    let Providers { alibaba, tencent, .. } = &Providers::open();
    let by_alibaba = |secret| {
        let template = json!({"sign_name": "演示签名", "template_id": "SMS_1"});
        Account { provider: alibaba, sender: "aliyun_sms", secret, template }.subscribe(&service, "challenge.sms")
    };
    let (first, wrong) = (by_alibaba(SECRET), by_alibaba("another secret"));
    let template = json!({"sdk_app_id": "1400000001", "sign_name": "演示签名", "template_id": "11"});
    let by_tencent = Account { provider: tencent, sender: "tencent_sms", secret: SECRET, template };
    let second = by_tencent.subscribe(&service, "challenge.sms");
    // At first the one provider has too much to do.
    alibaba.answers(400, &json!({"Code": "Throttling.User", "Message": "too much traffic"}));
    alibaba.answers(200, &json!({"Code": "OK", "Message": "OK", "BizId": "900619746936498440^0"}));
    tencent.answers(200, &json!({"Response": {"SendStatusSet": [{"Code": "Ok", "Message": "send success"}]}}));

    let challenge = service.ask_about(&reachable("S1", 600_000));
    let delivered = settled(&service, &waiting, &first, 1);
    assert_eq!((&delivered["state"], &delivered["attempts"]), (&json!("delivered"), &json!(2)), "{delivered}");
    assert_eq!(settled(&service, &waiting, &second, 1)["state"], "delivered");
    let refused = settled(&service, &waiting, &wrong, 1);
    assert_eq!((&refused["state"], &refused["attempts"]), (&json!("parked"), &json!(1)), "{refused}");
    assert_eq!(refused["last_error"], "the provider refuses it: SignatureDoesNotMatch");
    let metrics = || String::from_utf8(service.get("/metrics").body).unwrap();
    waiting.until("what is parked is counted", |_| {
        metrics().lines().any(|line| line == "orderlight_notifications_parked 1")
    });

    let (by_alibaba, by_tencent) = (alibaba.taken(), tencent.taken());
    assert_eq!((by_alibaba.len(), by_tencent.len()), (2, 1), "what is signed wrongly is not taken");
    let [_, number, filled, reference] = asked(Vendor::Tencent, &by_tencent[0]);
    let [code]: [String; 1] = serde_json::from_str(&filled).expect("the code alone fills it");
    assert_eq!((&*number, &reference), ("+8613800138000", &challenge));
    let filled = json!({"code": code}).to_string();
    for arrived in &by_alibaba {
        assert_eq!(asked(Vendor::Alibaba, arrived), ["SendSms", "13800138000", &filled, &challenge]);
    }
    let answer = service.post(&format!("/v1/challenges/{challenge}/answer"), &json!({"code": code}));
    assert_eq!((answer.status, &answer.json()["risk"]["state"]), (200, &json!("released")), "{answer:?}");
    nothing_of_it_was_logged(&service.stop().expect_code(0), &["13800138000", &code, SECRET]);
}

#[test]
fn a_customer_whose_number_nobody_told_is_asked_by_whoever_knows_it_and_by_no_sender() {
    let (service, shop_itself) = (serve(&Shop::embedded()), Receiver::steady());
    let Providers { alibaba, .. } = &Providers::open();
    let template = json!({"sign_name": "演示签名", "template_id": "SMS_1"});
    let account = Account { provider: alibaba, sender: "aliyun_sms", secret: SECRET, template };
    let sender = account.subscribe(&service, "challenge.sms");
    shop_itself.subscribe(&service, &["challenge.sms"]);

    let challenge = service.ask_about(&with(reachable("S1", 600_000), json!({"customer": {"id": "u-1"}})));
    let parked = settled(&service, &shop_itself, &sender, 1);
    let told = (&parked["state"], &parked["last_error"]);
    assert_eq!(told, (&json!("parked"), &json!("the phone number is not in E.164")), "{parked}");
    assert!(alibaba.taken().is_empty(), "nothing is sent");
    shop_itself.until("the shop is told", |systems| systems.distinct() == 1);
    let message: Value = serde_json::from_slice(&shop_itself.taken()[0].1).expect("a message is JSON");
    let question = &message["data"]["challenge"];
    let told = (&question["id"], &question["phone"], &question["customer_erased"]);
    assert_eq!(told, (&json!(challenge), &Value::Null, &json!(false)), "{message}");
    service.settle();
    let waiting = service.get("/v1/orders/web:S1").json();
    assert_eq!(waiting["risk"]["challenge"]["id"], challenge, "what is parked changes nothing: {waiting}");
    let answer = service.post(&format!("/v1/challenges/{challenge}/answer"), &json!({"code": question["code"]}));
    assert_eq!((answer.status, &answer.json()["risk"]["state"]), (200, &json!("released")), "{answer:?}");
    service.stop().expect_code(0);
}

#[test]
fn a_doubted_order_has_the_provider_call_and_once_more_when_nobody_answers() {
    customer_is_called(&Shop::embedded());
}

#[test]
fn a_doubted_order_has_the_provider_call_and_once_more_when_nobody_answers_on_postgres() {
    customer_is_called(&Shop::on_postgres());
}

fn customer_is_called(shop: &Shop) {
    let (service, waiting) = (serve(shop), Receiver::steady());
    let Providers { alibaba, tencent, .. } = &Providers::open();
    let senders = [
        ("aliyun_voice", alibaba, json!({"template_id": "TTS_1", "parameters": ["order_tail"]})),
        (
            "tencent_voice",
            tencent,
            json!({"sdk_app_id": "1400000001", "template_id": "12", "parameters": ["order_tail"]}),
        ),
    ];
    let endpoints = senders.map(|(sender, provider, template)| {
        Account { provider, sender, secret: SECRET, template }.subscribe(&service, "challenge.call")
    });
    let challenge = service.ask_about(&reachable("C20261111", 1_000_000));
    let result = format!("/v1/challenges/{challenge}/result");
    for (call, outcome, state) in [(1, "no_answer", "challenged"), (2, "confirmed", "released")] {
        alibaba.answers(200, &json!({"Code": "OK", "Message": "OK", "CallId": "116012354148^10281378"}));
        tencent.answers(200, &json!({"Response": {"SendStatus": {"CallId": "12582bce-403c"}}}));
        for endpoint in &endpoints {
            let delivered = settled(&service, &waiting, endpoint, call);
            assert_eq!((&delivered["state"], &delivered["attempts"]), (&json!("delivered"), &json!(1)), "{delivered}");
        }
        let [by_alibaba] = &alibaba.taken()[..] else { panic!("one call by the one") };
        let filled = r#"{"order_tail":"1111"}"#;
        assert_eq!(asked(Vendor::Alibaba, by_alibaba), ["SingleCallByTts", "13800138000", filled, &challenge]);
        let [by_tencent] = &tencent.taken()[..] else { panic!("one call by the other") };
        assert_eq!(asked(Vendor::Tencent, by_tencent), ["SendTtsVoice", "+8613800138000", r#"["1111"]"#, &challenge]);
        let answer = service.post(&result, &json!({"outcome": outcome}));
        assert_eq!((answer.status, &answer.json()["risk"]["state"]), (200, &json!(state)), "{answer:?}");
    }
    nothing_of_it_was_logged(&service.stop().expect_code(0), &["13800138000", SECRET]);
}
