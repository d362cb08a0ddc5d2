//! Senders of text messages and calls, against a provider on loopback that verifies what it is sent.

#[cfg(test)]
mod provider;

use domain::ids::ChallengeId;
use domain::time::{Span, Timestamp};
use notify::senders::{Failure, Message, Request, Sender};
use provider::{Arrived, Provider, Vendor};
use serde_json::{Value, json};

const SECRET: &str = "demoSecretKey";
/// A quarter to eight in Shanghai, when the day in UTC is still the one before.
const NOW: &str = "2026-11-28T23:45:00Z";
const UNIX_SECONDS: i64 = 1_795_909_500;
const PHONE: &str = "+8613800138000";
const CODE: &str = "271828";

fn now() -> Timestamp {
    NOW.parse().expect("a time")
}

fn challenge() -> ChallengeId {
    "3-421".parse().expect("an id")
}

/// All four, each with its own settings.
fn settings(provider: &str) -> (Vendor, Value) {
    match provider {
        "aliyun_sms" => (Vendor::Alibaba, json!({"sign_name": "演示 签名", "template_id": "SMS_1"})),
        "aliyun_voice" => (Vendor::Alibaba, json!({"template_id": "TTS_1", "parameters": ["order_tail"]})),
        "tencent_sms" => (
            Vendor::Tencent,
            json!({"sdk_app_id": "1400000001", "sign_name": "演示签名", "template_id": "11", "parameters": ["code", "minutes"]}),
        ),
        "tencent_voice" => {
            (Vendor::Tencent, json!({"sdk_app_id": "1400000001", "template_id": "12", "parameters": ["order_tail"]}))
        }
        "tencent_voice_code" => (Vendor::Tencent, json!({"sdk_app_id": "1400000001"})),
        other => panic!("{other}"),
    }
}

const SENDERS: [&str; 5] = ["aliyun_sms", "aliyun_voice", "tencent_sms", "tencent_voice", "tencent_voice_code"];

/// A sender and its provider, which know the same secret if `secret` is the provider's.
async fn open(name: &str, secret: &str) -> (Sender, Provider) {
    let (vendor, mut settings) = settings(name);
    let provider = Provider::open(vendor, SECRET, UNIX_SECONDS).await;
    let fields = settings.as_object_mut().expect("an object");
    fields.insert("provider".into(), name.trim_end_matches("_code").into());
    fields.insert("access_key_id".into(), "AKIDdemo".into());
    fields.insert("access_key_secret".into(), secret.into());
    fields.insert("base_url".into(), provider.base_url.clone().into());
    (Sender::read(settings, "/sender").unwrap_or_else(|faults| panic!("{faults:?}")), provider)
}

fn request(sender: &Sender, at: Timestamp, nonce: &str) -> Request {
    let challenge = challenge();
    let order_no = "4881995531871913482";
    let expires_at = now().plus(Span::from_mins(10));
    let message = Message { challenge: &challenge, phone: PHONE, code: Some(CODE), order_no, expires_at };
    sender.request(&message, at, nonce).expect("a request")
}

/// Sends a request as it stands, and reads the answer by the sender.
async fn send(sender: &Sender, request: &Request) -> Result<(), Failure> {
    let client = reqwest::Client::builder().no_proxy().build().expect("a client");
    let mut sending = client.request(request.method.parse().expect("a method"), &request.url);
    for (name, value) in &request.headers {
        sending = sending.header(*name, value);
    }
    let answer = sending.body(request.body.clone()).send().await.expect("an answer");
    let status = answer.status().as_u16();
    sender.outcome(status, &answer.bytes().await.expect("a body"))
}

fn accepted(name: &str) -> Value {
    match name {
        "aliyun_sms" => {
            json!({"Code": "OK", "Message": "OK", "BizId": "900619746936498440^0", "RequestId": "F655A8D5"})
        }
        "aliyun_voice" => {
            json!({"Code": "OK", "Message": "OK", "CallId": "116012354148^10281378", "RequestId": "D9CB3933"})
        }
        "tencent_sms" => json!({"Response": {"SendStatusSet": [{
            "SerialNo": "5000:1045710669157053657849499619", "PhoneNumber": PHONE, "Fee": 1, "SessionContext": "3-421",
            "Code": "Ok", "Message": "send success", "IsoCode": "CN",
        }], "RequestId": "a0aabda6"}}),
        _ => {
            json!({"Response": {"SendStatus": {"CallId": "12582bce-403c", "SessionContext": "3-421"}, "RequestId": "91260bb8"}})
        }
    }
}

async fn accepted_request(name: &str) -> Arrived {
    let (sender, provider) = open(name, SECRET).await;
    provider.answers(200, &accepted(name));
    assert_eq!(send(&sender, &request(&sender, now(), "n1")).await, Ok(()), "{name}");
    let mut taken = provider.taken();
    assert_eq!(taken.len(), 1, "{name}");
    taken.remove(0)
}

#[tokio::test]
async fn alibaba_cloud_takes_a_text_message() {
    let arrived = accepted_request("aliyun_sms").await;
    assert_eq!((arrived.header("x-acs-action"), arrived.header("x-acs-version")), ("SendSms", "2017-05-25"));
    assert_eq!(arrived.header("accept"), "application/json");
    let expected = [
        ("OutId", "3-421"),
        ("PhoneNumbers", "13800138000"),
        ("SignName", "演示 签名"),
        ("TemplateCode", "SMS_1"),
        ("TemplateParam", r#"{"code":"271828"}"#),
    ];
    assert_eq!(arrived.parameters(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn alibaba_cloud_takes_a_call() {
    let arrived = accepted_request("aliyun_voice").await;
    assert_eq!((arrived.header("x-acs-action"), arrived.header("x-acs-version")), ("SingleCallByTts", "2017-05-25"));
    let expected = [
        ("CalledNumber", "13800138000"),
        ("OutId", "3-421"),
        ("PlayTimes", "2"),
        ("TtsCode", "TTS_1"),
        ("TtsParam", r#"{"order_tail":"3482"}"#),
    ];
    assert_eq!(arrived.parameters(), expected.map(|(name, value)| (name.to_owned(), value.to_owned())).into());
}

#[tokio::test]
async fn tencent_cloud_takes_a_text_message() {
    let arrived = accepted_request("tencent_sms").await;
    assert_eq!((arrived.header("x-tc-action"), arrived.header("x-tc-version")), ("SendSms", "2021-01-11"));
    assert_eq!(arrived.header("x-tc-region"), "ap-guangzhou");
    let expected = json!({
        "PhoneNumberSet": [PHONE], "SmsSdkAppId": "1400000001", "SignName": "演示签名", "TemplateId": "11",
        "TemplateParamSet": [CODE, "10"], "SessionContext": "3-421",
    });
    assert_eq!(arrived.json(), expected);
}

#[tokio::test]
async fn tencent_cloud_takes_a_call_that_reads_a_template_and_one_that_reads_a_code() {
    let arrived = accepted_request("tencent_voice").await;
    assert_eq!((arrived.header("x-tc-action"), arrived.header("x-tc-version")), ("SendTtsVoice", "2020-09-02"));
    let expected = json!({
        "CalledNumber": PHONE, "VoiceSdkAppid": "1400000001", "TemplateId": "12", "TemplateParamSet": ["3482"],
        "PlayTimes": 2, "SessionContext": "3-421",
    });
    assert_eq!(arrived.json(), expected);

    let arrived = accepted_request("tencent_voice_code").await;
    assert_eq!(arrived.header("x-tc-action"), "SendCodeVoice");
    let expected = json!({
        "CalledNumber": PHONE, "VoiceSdkAppid": "1400000001", "CodeMessage": CODE, "PlayTimes": 2, "SessionContext": "3-421",
    });
    assert_eq!(arrived.json(), expected);
}

#[tokio::test]
async fn what_is_refused_for_a_while_is_told_from_what_is_refused_for_good() {
    let limit =
        json!({"Code": "isv.BUSINESS_LIMIT_CONTROL", "Message": "触发分钟级流控Permits:1", "RequestId": "C0A0BE93"});
    let throttled = json!({"Code": "Throttling.User", "Message": "Request was denied due to user flow control."});
    let template = json!({"Code": "isv.SMS_TEMPLATE_ILLEGAL", "Message": "模板不合法", "RequestId": "C0A0BE94"});
    let of_number = |code: &str| {
        let status = json!({"SerialNo": "", "PhoneNumber": PHONE, "Fee": 0, "SessionContext": "", "Code": code});
        json!({"Response": {"SendStatusSet": [status], "RequestId": "a0aabda6"}})
    };
    let error = |code: &str| json!({"Response": {"Error": {"Code": code, "Message": PHONE}, "RequestId": "a0aabda6"}});
    let page = json!("<html>500</html>");
    let (passing, fatal) = (true, false);
    for (name, status, body, code, passes) in [
        ("aliyun_sms", 200, limit.clone(), "isv.BUSINESS_LIMIT_CONTROL", passing),
        ("aliyun_sms", 400, throttled.clone(), "Throttling.User", passing),
        ("aliyun_sms", 500, page.clone(), "http_500", passing),
        ("aliyun_sms", 200, template, "isv.SMS_TEMPLATE_ILLEGAL", fatal),
        ("aliyun_voice", 200, limit, "isv.BUSINESS_LIMIT_CONTROL", passing),
        ("aliyun_voice", 400, throttled, "Throttling.User", passing),
        ("aliyun_voice", 500, page.clone(), "http_500", passing),
        (
            "tencent_sms",
            200,
            of_number("LimitExceeded.PhoneNumberThirtySecondLimit"),
            "LimitExceeded.PhoneNumberThirtySecondLimit",
            passing,
        ),
        ("tencent_sms", 200, error("RequestLimitExceeded"), "RequestLimitExceeded", passing),
        ("tencent_sms", 500, page.clone(), "http_500", passing),
        (
            "tencent_sms",
            200,
            of_number("FailedOperation.PhoneNumberInBlacklist"),
            "FailedOperation.PhoneNumberInBlacklist",
            fatal,
        ),
        (
            "tencent_voice",
            200,
            error("LimitExceeded.DeliveryFrequencyLimit"),
            "LimitExceeded.DeliveryFrequencyLimit",
            passing,
        ),
        ("tencent_voice", 200, error("RequestLimitExceeded"), "RequestLimitExceeded", passing),
        ("tencent_voice", 500, page, "http_500", passing),
    ] {
        let (sender, provider) = open(name, SECRET).await;
        provider.answers(status, &body);
        let failure = send(&sender, &request(&sender, now(), "n1")).await.expect_err("a failure");
        let code = code.into();
        let expected = if passes { Failure::Passing { code } } else { Failure::Final { code } };
        assert_eq!(failure, expected, "{name}");
    }
}

#[tokio::test]
async fn a_signature_by_another_secret_or_of_another_request_is_refused() {
    let unsigned = |name: &str| {
        let code = if name.starts_with("aliyun") { "SignatureDoesNotMatch" } else { "AuthFailure.SignatureFailure" };
        Err(Failure::Final { code: code.into() })
    };
    for name in SENDERS {
        let (stranger, _provider) = open(name, "anotherSecretKey").await;
        assert_eq!(send(&stranger, &request(&stranger, now(), "n1")).await, unsigned(name), "{name}");

        let (sender, provider) = open(name, SECRET).await;
        let good = request(&sender, now(), "n2");
        let mut altered = vec![good.clone()];
        if good.body.is_empty() {
            altered[0].url = good.url.replace("13800138000", "13800138001");
        } else {
            altered[0].body = String::from_utf8(good.body.clone()).unwrap().replace("8000", "8001").into();
        }
        for (index, (header, _)) in good.headers.iter().enumerate() {
            if matches!(
                *header,
                "host" | "x-acs-action" | "x-acs-date" | "x-tc-action" | "x-tc-timestamp" | "content-type"
            ) {
                let mut request = good.clone();
                request.headers[index].1.push('0');
                altered.push(request);
            }
        }
        assert_eq!(altered.len(), if name.starts_with("aliyun") { 4 } else { 5 }, "{name}");
        for request in altered {
            assert_ne!(request, good);
            assert_eq!(send(&sender, &request).await, unsigned(name), "{name} {:?}", request.headers);
        }
        assert!(provider.taken().is_empty(), "{name}");
        provider.answers(200, &accepted(name));
        assert_eq!(send(&sender, &good).await, Ok(()), "{name}");
    }
}

#[tokio::test]
async fn what_was_signed_too_long_ago_or_sent_already_is_signed_anew() {
    let old = now().minus(Span::from_mins(20));
    for (name, code) in [("aliyun_sms", "InvalidTimeStamp.Expired"), ("tencent_sms", "AuthFailure.SignatureExpire")] {
        let (sender, provider) = open(name, SECRET).await;
        let outcome = send(&sender, &request(&sender, old, "n1")).await;
        assert_eq!(outcome, Err(Failure::Passing { code: code.into() }));
        provider.answers(200, &accepted(name));
        assert_eq!(send(&sender, &request(&sender, now(), "n2")).await, Ok(()));
    }
    let (sender, provider) = open("aliyun_sms", SECRET).await;
    provider.answers(200, &accepted("aliyun_sms"));
    let first = request(&sender, now(), "n1");
    assert_eq!(send(&sender, &first).await, Ok(()));
    assert_eq!(send(&sender, &first).await, Err(Failure::Passing { code: "SignatureNonceUsed".into() }));
    provider.answers(200, &accepted("aliyun_sms"));
    assert_eq!(send(&sender, &request(&sender, now(), "n2")).await, Ok(()));
}
