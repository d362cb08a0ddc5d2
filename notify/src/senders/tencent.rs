//! Tencent Cloud: `SendSms` of `sms` 2021-01-11, `SendTtsVoice` and `SendCodeVoice` of `vms` 2020-09-02, signed as V3 asks
//! (`TC3-HMAC-SHA256`).
//!
//! Sources: <https://cloud.tencent.com/document/api/213/30654> (signature), <https://cloud.tencent.com/document/api/382/55981>
//! (text messages), <https://cloud.tencent.com/document/api/1128/51558> and
//! <https://cloud.tencent.com/document/api/1128/51559> (calls); error codes
//! <https://cloud.tencent.com/document/api/382/59177> and the vendor's `tencentcloud-sdk-python`, `sms` 3.1.153 and `vms`
//! 3.0.1459.

use domain::time::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{Account, Errand, Failure, PLAY_TIMES, Request, hmac, is_success, sha256_hex};

/// What is asked for.
pub(super) enum Service {
    /// A text message.
    Sms {
        /// The application in the provider's console.
        sdk_app_id: String,
        /// The approved signature, without its brackets.
        sign_name: String,
        /// The approved template, a number.
        template_id: String,
        /// The region that serves it.
        region: String,
    },
    /// A call.
    Voice {
        /// The application in the provider's console.
        sdk_app_id: String,
        /// The approved template, a number; without one the code alone is read, in the provider's words.
        template_id: Option<String>,
        /// The region that serves it.
        region: String,
    },
}

const ALGORITHM: &str = "TC3-HMAC-SHA256";
const TERMINATION: &str = "tc3_request";
const SMS_VERSION: &str = "2021-01-11";
const VOICE_VERSION: &str = "2020-09-02";
const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// One call of an API.
struct Call<'a> {
    /// The API's name in the signature.
    service: &'static str,
    version: &'static str,
    action: &'static str,
    region: &'a str,
    body: String,
}

impl Service {
    pub(super) fn request(&self, errand: &Errand<'_>) -> Request {
        let call = self.call(errand);
        let Account { key_id, base, .. } = errand.account;
        let action = call.action.to_ascii_lowercase();
        let signed = [("content-type", CONTENT_TYPE), ("host", &*base.host), ("x-tc-action", &*action)];
        let authorization = sign(call.service, &signed, &call.body, errand.now).by(key_id, errand.account.secret());
        let headers = vec![
            ("authorization", authorization),
            ("content-type", CONTENT_TYPE.to_owned()),
            ("host", base.host.clone()),
            ("x-tc-action", call.action.to_owned()),
            ("x-tc-region", call.region.to_owned()),
            ("x-tc-timestamp", unix_seconds(errand.now).to_string()),
            ("x-tc-version", call.version.to_owned()),
        ];
        Request { method: "POST", url: format!("{}/", base.url), headers, body: call.body.into_bytes() }
    }

    fn call(&self, errand: &Errand<'_>) -> Call<'_> {
        let values: Vec<&str> = errand.values.iter().map(|(_, value)| &**value).collect();
        let (phone, reference) = (errand.phone, errand.challenge);
        let (service, version, action, region, body) = match self {
            Self::Sms { sdk_app_id, sign_name, template_id, region } => {
                let body = json!({
                    "PhoneNumberSet": [phone], "SmsSdkAppId": sdk_app_id, "SignName": sign_name,
                    "TemplateId": template_id, "TemplateParamSet": values, "SessionContext": reference,
                });
                ("sms", SMS_VERSION, "SendSms", region, body)
            }
            Self::Voice { sdk_app_id, template_id: Some(template_id), region } => {
                let body = json!({
                    "CalledNumber": phone, "VoiceSdkAppid": sdk_app_id, "TemplateId": template_id,
                    "TemplateParamSet": values, "PlayTimes": PLAY_TIMES, "SessionContext": reference,
                });
                ("vms", VOICE_VERSION, "SendTtsVoice", region, body)
            }
            Self::Voice { sdk_app_id, template_id: None, region } => {
                let body = json!({
                    "CalledNumber": phone, "VoiceSdkAppid": sdk_app_id, "CodeMessage": values.first(),
                    "PlayTimes": PLAY_TIMES, "SessionContext": reference,
                });
                ("vms", VOICE_VERSION, "SendCodeVoice", region, body)
            }
        };
        Call { service, version, action, region, body: body.to_string() }
    }

    /// Faults come with 200 too: those of the request as an error, those of the number in its own status.
    pub(super) fn outcome(&self, status: u16, body: &[u8]) -> Result<(), Failure> {
        let Ok(Answer { response }) = serde_json::from_slice(body) else { return Err(Failure::untold(status)) };
        let told = |code: &str| Err(Failure::told(status, code, passes(code)));
        match (response.error, self) {
            (Some(error), _) => told(&error.code),
            (None, _) if !is_success(status) => Err(Failure::untold(status)),
            (None, Self::Sms { .. }) => match &response.messages[..] {
                [message] if message.code.eq_ignore_ascii_case("ok") => Ok(()),
                [message] => told(&message.code),
                _ => Err(Failure::untold(status)),
            },
            (None, Self::Voice { .. }) => match response.call {
                Some(call) if !call.id.is_empty() => Ok(()),
                _ => Err(Failure::untold(status)),
            },
        }
    }
}

/// What is signed of a request.
struct Signing<'a> {
    service: &'a str,
    date: String,
    names: String,
    to_sign: String,
}

/// Writes down what is signed. `headers` are sorted by name, in lower case, their values as the signature wants them.
fn sign<'a>(service: &'a str, headers: &[(&str, &str)], body: &str, now: Timestamp) -> Signing<'a> {
    let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
    let names = names.join(";");
    let lines: String = headers.iter().map(|(name, value)| format!("{name}:{value}\n")).collect();
    let canonical = format!("POST\n/\n\n{lines}\n{names}\n{}", sha256_hex(body));
    // The day of the time that is sent, in UTC: a local day would be refused for hours of it.
    let date = now.to_datetime().format("%Y-%m-%d").to_string();
    let scope = format!("{date}/{service}/{TERMINATION}");
    let to_sign = format!("{ALGORITHM}\n{}\n{scope}\n{}", unix_seconds(now), sha256_hex(canonical));
    Signing { service, date, names, to_sign }
}

impl Signing<'_> {
    /// The header's value.
    fn by(&self, key_id: &str, secret: &str) -> String {
        let Self { service, date, names, to_sign } = self;
        let of_date = hmac(format!("TC3{secret}").as_bytes(), date);
        let of_service = hmac(&of_date, service);
        let signature = hex::encode(hmac(&hmac(&of_service, TERMINATION), to_sign));
        format!(
            "{ALGORITHM} Credential={key_id}/{date}/{service}/{TERMINATION}, SignedHeaders={names}, Signature={signature}"
        )
    }
}

const fn unix_seconds(time: Timestamp) -> i64 {
    time.millis().div_euclid(1_000)
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Response")]
    response: Response,
}

#[derive(Deserialize)]
struct Response {
    #[serde(rename = "Error")]
    error: Option<Coded>,
    #[serde(rename = "SendStatusSet", default)]
    messages: Vec<Coded>,
    #[serde(rename = "SendStatus")]
    call: Option<Called>,
}

#[derive(Deserialize)]
struct Coded {
    #[serde(rename = "Code")]
    code: String,
}

#[derive(Deserialize)]
struct Called {
    #[serde(rename = "CallId")]
    id: String,
}

/// Limits of a number that pass within the hour, too much traffic, faults of the provider, and what a fresh signature mends.
/// Of a day's quota the code would not outlive the end.
fn passes(code: &str) -> bool {
    let listed = matches!(
        code,
        "AuthFailure.SignatureExpire"
            | "FailedOperation.AccessUpstreamTimeout"
            | "InternalError"
            | "InternalError.AccessUpstreamTimeout"
            | "InternalError.OtherError"
            | "InternalError.RequestTimeException"
            | "InternalError.SendAndRecvFail"
            | "InternalError.SsoSendRecvFail"
            | "InternalError.Timeout"
            | "InternalError.UnknownError"
            | "InternalError.UpstreamError"
            | "LimitExceeded.DeliveryFrequencyLimit"
            | "LimitExceeded.PhoneNumberOneHourLimit"
            | "LimitExceeded.PhoneNumberThirtySecondLimit"
            | "RequestLimitExceeded"
    );
    listed || code.starts_with("RequestLimitExceeded.")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The body of the vendor's example, with the spaces and escapes that it prints.
    const BODY: &str = r#"{"Limit": 1, "Filters": [{"Values": ["\u672a\u547d\u540d"], "Name": "instance-name"}]}"#;
    const JSON: (&str, &str) = ("content-type", CONTENT_TYPE);
    const HOST: (&str, &str) = ("host", "cvm.tencentcloudapi.com");

    fn at(text: &str) -> Timestamp {
        text.parse().expect("a time")
    }

    /// The worked example of the vendor's page on signature V3 (see the head of this file). The stars are meant: the key is
    /// published as 32 of them.
    #[test]
    fn the_published_example_is_signed_as_published() {
        let headers = [JSON, HOST, ("x-tc-action", "describeinstances")];
        let signing = sign("cvm", &headers, BODY, at("2019-02-25T16:44:25Z"));
        assert_eq!(
            signing.to_sign,
            "TC3-HMAC-SHA256\n1551113065\n2019-02-25/cvm/tc3_request\n\
             7019a55be8395899b900fb5564e4200d984910f34794a27cb3fb7d10ff6a1e84"
        );
        let stars = "*".repeat(32);
        assert_eq!(
            signing.by(&format!("AKID{stars}"), &stars),
            "TC3-HMAC-SHA256 Credential=AKID********************************/2019-02-25/cvm/tc3_request, \
             SignedHeaders=content-type;host;x-tc-action, \
             Signature=10b1a37a7301a02ca19a647ad722d5e43b4b3cff309d421d85b46093f6ab6c4f"
        );
    }

    /// The same example as the page had it before, without the action among the signed headers.
    #[test]
    fn the_example_of_the_former_page_is_signed_as_published() {
        let signing = sign("cvm", &[JSON, HOST], BODY, at("2019-02-25T16:44:25Z"));
        assert_eq!(
            signing.by("AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******", "Gu5t9xGARNpq86cd98joQYCN3*******"),
            "TC3-HMAC-SHA256 Credential=AKIDz8krbsJ5yKBZQpn74WFkmLPx3*******/2019-02-25/cvm/tc3_request, \
             SignedHeaders=content-type;host, Signature=2230eefd229f582d8b1b891af7107b91597240707d778ab3738f756258d7652c"
        );
    }

    /// Made with invented secrets, by another implementation of the same text.
    #[test]
    fn a_text_message_is_signed_as_another_implementation_signs_it() {
        let body = "{\"PhoneNumberSet\":[\"+8613800138000\"],\"SmsSdkAppId\":\"1400000001\",\"SignName\":\"演示签名\",\
                    \"TemplateId\":\"1000001\",\"TemplateParamSet\":[\"123456\",\"5\"]}";
        let headers = [("content-type", "application/json"), ("host", "sms.tencentcloudapi.com")];
        let signed = sign("sms", &headers, body, at("2026-01-01T04:00:00Z")).by("AKIDdemo", "demoSecretKey");
        let expected = "Signature=76b736218697576651e295c53a5874fdf7a5732182a7cbc271d1a2a8ade46d4c";
        assert!(signed.ends_with(expected), "{signed}");
    }

    #[test]
    fn an_answer_says_whether_another_try_helps() {
        let sms = Service::Sms {
            sdk_app_id: "1400000001".into(),
            sign_name: "演示签名".into(),
            template_id: "1000001".into(),
            region: "ap-guangzhou".into(),
        };
        let voice =
            Service::Voice { sdk_app_id: "1400000001".into(), template_id: None, region: "ap-guangzhou".into() };
        let passing = |code: &str| Err(Failure::Passing { code: code.into() });
        let fatal = |code: &str| Err(Failure::Final { code: code.into() });
        let message = |code: &str| json!({"Response": {"SendStatusSet": [{"Code": code}], "RequestId": "a"}});
        let error = |code: &str| json!({"Response": {"Error": {"Code": code, "Message": ""}, "RequestId": "a"}});
        let called = json!({"Response": {"SendStatus": {"CallId": "1258", "SessionContext": ""}, "RequestId": "a"}});
        let thirty_seconds = "LimitExceeded.PhoneNumberThirtySecondLimit";
        for (service, status, body, expected) in [
            (&sms, 200, message("Ok"), Ok(())),
            (&sms, 200, message(thirty_seconds), passing(thirty_seconds)),
            (&sms, 200, message("LimitExceeded.PhoneNumberDailyLimit"), fatal("LimitExceeded.PhoneNumberDailyLimit")),
            (
                &sms,
                200,
                message("InvalidParameterValue.IncorrectPhoneNumber"),
                fatal("InvalidParameterValue.IncorrectPhoneNumber"),
            ),
            (&sms, 200, error("RequestLimitExceeded"), passing("RequestLimitExceeded")),
            (&sms, 200, error("RequestLimitExceeded.IPLimitExceeded"), passing("RequestLimitExceeded.IPLimitExceeded")),
            (&sms, 200, error("InternalError.Timeout"), passing("InternalError.Timeout")),
            (&sms, 200, error("AuthFailure.SignatureFailure"), fatal("AuthFailure.SignatureFailure")),
            (&sms, 200, json!({"Response": {"SendStatusSet": [], "RequestId": "a"}}), passing("http_200")),
            (&sms, 200, called.clone(), passing("http_200")),
            (&sms, 500, json!("busy"), passing("http_500")),
            (&sms, 403, message("Ok"), fatal("http_403")),
            (&voice, 200, called, Ok(())),
            (&voice, 200, message("Ok"), passing("http_200")),
            (
                &voice,
                200,
                error("FailedOperation.AccessUpstreamTimeout"),
                passing("FailedOperation.AccessUpstreamTimeout"),
            ),
            (
                &voice,
                200,
                error("UnauthorizedOperation.ServiceSuspendDueToArrears"),
                fatal("UnauthorizedOperation.ServiceSuspendDueToArrears"),
            ),
        ] {
            assert_eq!(service.outcome(status, body.to_string().as_bytes()), expected, "{status} {body}");
        }
    }
}
