//! Senders of text messages behind the real service: an order is doubted, the provider is asked to send, and what it would have sent is
//! the right answer. The provider is a server on the loopback interface that verifies each request's signature by its own reading of
//! the vendors' pages.

use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::support::orders::{plain, with};
use crate::support::receiver::Receiver;
use crate::support::service::{Service, serving};

#[path = "../notify/tests/senders/provider.rs"]
mod provider;

use provider::{Arrived, Provider, Vendor};

const SECRET: &str = "demoSecretKey";

fn serve(directory: &std::path::Path) -> Service {
    let rulebook = json!({
        "name": "Large orders",
        "rules": [{"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": 500_000}, "points": 80}],
        "tiers": [{"id": "sms", "from": 80,
                   "action": {"challenge": "sms", "expires_in": "30m", "on_fail": "freeze", "on_expire": "review"}}],
        "exemptions": [],
    });
    let file = directory.join("rulebook.json");
    std::fs::write(&file, rulebook.to_string()).unwrap();
    let mut command = serving(&directory.join("data"));
    command.arg("--rulebook").arg(file).arg("--allow-private-endpoints");
    Service::start_as(command)
}

fn opened(runtime: &Runtime, vendor: Vendor) -> Provider {
    runtime.block_on(Provider::open(vendor, SECRET, orderlight::clock::now().millis() / 1_000))
}

/// Creates a sender; answers with the endpoint's id.
#[track_caller]
fn sender(service: &Service, provider: &Provider, name: &str, secret: &str, more: Value) -> String {
    let account = json!({
        "provider": name, "access_key_id": "AKIDdemo", "access_key_secret": secret, "base_url": provider.base_url,
    });
    let created = service.post("/v1/endpoints", &json!({"sender": with(account, more), "events": ["challenge.sms"]}));
    assert_eq!(created.status, 201, "{created:?}");
    assert!(!String::from_utf8_lossy(&created.body).contains(secret), "the secret is shown to nobody");
    created.json()["id"].as_str().expect("an endpoint has an id").to_owned()
}

/// Waits until the only message of an endpoint is settled; answers with it.
#[track_caller]
fn settled(service: &Service, clock: &Receiver, endpoint: &str) -> Value {
    let path = format!("/v1/endpoints/{endpoint}/deliveries");
    let item = || service.get(&path).json()["items"].get(0).cloned().unwrap_or_default();
    clock.until("it is settled", |_| !matches!(item()["state"].as_str(), None | Some("pending")));
    item()
}

/// What a request asks to be sent: the number, the code, and the reference.
fn asked(vendor: Vendor, arrived: &Arrived) -> [String; 3] {
    let text = |value: &Value| value.as_str().unwrap_or_else(|| panic!("{value}")).to_owned();
    match vendor {
        Vendor::Alibaba => {
            assert_eq!(arrived.header("x-acs-action"), "SendSms");
            let sent = arrived.parameters();
            let filled: Value = serde_json::from_str(&sent["TemplateParam"]).expect("parameters are JSON");
            [sent["PhoneNumbers"].clone(), text(&filled["code"]), sent["OutId"].clone()]
        }
        Vendor::Tencent => {
            assert_eq!(arrived.header("x-tc-action"), "SendSms");
            let sent = arrived.json();
            [&sent["PhoneNumberSet"][0], &sent["TemplateParamSet"][0], &sent["SessionContext"]].map(text)
        }
    }
}

#[test]
fn a_doubted_order_has_the_provider_send_the_code_that_verifies_it() {
    let directory = tempfile::tempdir().unwrap();
    let service = serve(directory.path());
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let (alibaba, tencent) = (opened(&runtime, Vendor::Alibaba), opened(&runtime, Vendor::Tencent));
    let waiting = Receiver::steady();
    let template = json!({"sign_name": "演示签名", "template_id": "SMS_1"});
    let first = sender(&service, &alibaba, "aliyun_sms", SECRET, template.clone());
    let second = sender(
        &service,
        &tencent,
        "tencent_sms",
        SECRET,
        json!({"sdk_app_id": "1400000001", "sign_name": "演示签名", "template_id": "11"}),
    );
    let wrong = sender(&service, &alibaba, "aliyun_sms", "another secret", template);
    // At first the one provider has too much to do.
    alibaba.answers(400, &json!({"Code": "Throttling.User", "Message": "too much traffic"}));
    alibaba.answers(
        200,
        &json!({"Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "F655A8D5"}),
    );
    tencent.answers(
        200,
        &json!({"Response": {"SendStatusSet": [{"Code": "Ok", "Message": "send success"}], "RequestId": "a0aabda6"}}),
    );

    let customer = json!({"id": "u-1", "name": "王五", "phone": "13800138000"});
    let decision = service.place(&with(plain("S1"), json!({"amount": 600_000, "customer": customer})));
    let challenge = decision["risk"]["challenge"]["id"].as_str().unwrap_or_else(|| panic!("{decision}")).to_owned();
    let delivered = settled(&service, &waiting, &first);
    assert_eq!((&delivered["state"], &delivered["attempts"]), (&json!("delivered"), &json!(2)), "{delivered}");
    assert_eq!(settled(&service, &waiting, &second)["state"], "delivered");
    let refused = settled(&service, &waiting, &wrong);
    assert_eq!((&refused["state"], &refused["attempts"]), (&json!("parked"), &json!(1)), "{refused}");
    assert_eq!(refused["last_error"], "the provider refuses it: SignatureDoesNotMatch");
    let metrics = || String::from_utf8(service.get("/metrics").body).unwrap();
    waiting.until("what is parked is counted", |_| {
        metrics().lines().any(|line| line == "orderlight_notifications_parked 1")
    });

    let (by_alibaba, by_tencent) = (alibaba.taken(), tencent.taken());
    assert_eq!((by_alibaba.len(), by_tencent.len()), (2, 1), "what is signed wrongly is not taken");
    let [_, code, _] = asked(Vendor::Alibaba, &by_alibaba[0]);
    for arrived in &by_alibaba {
        assert_eq!(asked(Vendor::Alibaba, arrived), ["13800138000", &code, &challenge]);
    }
    assert_eq!(asked(Vendor::Tencent, &by_tencent[0]), ["+8613800138000", &code, &challenge]);
    let answer = service.post(&format!("/v1/challenges/{challenge}/answer"), &json!({"code": code}));
    assert_eq!((answer.status, &answer.json()["risk"]["state"]), (200, &json!("released")), "{answer:?}");
    let finished = service.stop().expect_code(0);
    for hidden in ["13800138000", &code, SECRET] {
        assert!(!finished.stderr.contains(hidden) && !finished.stdout.contains(hidden), "{hidden} was logged");
    }
}
