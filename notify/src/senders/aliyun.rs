//! Alibaba Cloud: `SendSms` of `dysmsapi` and `SingleCallByTts` of `dyvmsapi`, both of 2017-05-25, signed as V3 asks
//! (`ACS3-HMAC-SHA256`).
//!
//! Sources: <https://www.alibabacloud.com/help/en/sdk/product-overview/v3-request-structure-and-signature>;
//! the vendor's SDKs `alibabacloud_dysmsapi20170525` 4.6.0 and `alibabacloud_dyvmsapi20170525` 5.3.0, where all parameters
//! of both calls stand in the query; error codes <https://help.aliyun.com/document_detail/101346.html> (text messages) and
//! <https://help.aliyun.com/document_detail/178344.html> (calls).

use chrono::SecondsFormat;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{Account, Errand, Failure, PLAY_TIMES, Request, hmac, is_success, sha256_hex};

/// What is asked for.
pub(super) enum Service {
    /// A text message.
    Sms {
        /// The approved signature, without its brackets.
        sign_name: String,
        /// The approved template, `SMS_…`.
        template_id: String,
    },
    /// A call.
    Voice {
        /// The approved template, `TTS_…`.
        template_id: String,
        /// The number of one's own that calls; none for the provider's pool.
        caller_number: Option<String>,
    },
}

const ALGORITHM: &str = "ACS3-HMAC-SHA256";
const VERSION: &str = "2017-05-25";
/// A call's reference is 1 to 15 bytes long; a longer one is left out.
const VOICE_OUT_ID_BYTES_MAX: usize = 15;
/// RFC 3986: what is not unreserved is encoded, a space as `%20`.
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');

/// One call of an API in the style RPC, whose parameters all stand in the query.
struct Call<'a> {
    action: &'a str,
    version: &'a str,
    /// Encoded, and sorted by name.
    query: &'a str,
    /// UTC, to the second.
    date: &'a str,
    nonce: &'a str,
}

type Headers = Vec<(&'static str, String)>;

impl Service {
    pub(super) fn request(&self, errand: &Errand<'_>) -> Request {
        let template: Map<String, Value> =
            errand.values.iter().map(|(name, value)| ((*name).to_owned(), Value::from(&**value))).collect();
        let template = Value::from(template).to_string();
        let (action, parameters) = match self {
            Self::Sms { sign_name, template_id } => {
                let mut parameters = vec![
                    ("PhoneNumbers", dialled(errand.phone)),
                    ("SignName", sign_name.clone()),
                    ("TemplateCode", template_id.clone()),
                    ("OutId", errand.challenge.to_owned()),
                ];
                parameters.extend((!errand.values.is_empty()).then_some(("TemplateParam", template)));
                ("SendSms", parameters)
            }
            Self::Voice { template_id, caller_number } => {
                let mut parameters = vec![
                    ("CalledNumber", dialled(errand.phone)),
                    ("TtsCode", template_id.clone()),
                    ("PlayTimes", PLAY_TIMES.to_string()),
                ];
                parameters.extend((!errand.values.is_empty()).then_some(("TtsParam", template)));
                parameters.extend(caller_number.clone().map(|number| ("CalledShowNumber", number)));
                let reference = errand.challenge;
                parameters.extend((reference.len() <= VOICE_OUT_ID_BYTES_MAX).then(|| ("OutId", reference.to_owned())));
                ("SingleCallByTts", parameters)
            }
        };
        let query = query(parameters);
        let date = errand.now.to_datetime().to_rfc3339_opts(SecondsFormat::Secs, true);
        let call = Call { action, version: VERSION, query: &query, date: &date, nonce: errand.nonce };
        let mut headers = call.signed(errand.account);
        // Without it some of these APIs answer in XML. It is not one of the headers that are signed.
        headers.push(("accept", "application/json".to_owned()));
        Request { method: "POST", url: format!("{}/?{query}", errand.account.base.url), headers, body: Vec::new() }
    }
}

impl Call<'_> {
    /// The headers that are signed: `host` and all `x-acs-`, sorted by name.
    fn headers(&self, host: &str) -> Headers {
        vec![
            ("host", host.to_owned()),
            ("x-acs-action", self.action.to_owned()),
            ("x-acs-content-sha256", sha256_hex("")),
            ("x-acs-date", self.date.to_owned()),
            ("x-acs-signature-nonce", self.nonce.to_owned()),
            ("x-acs-version", self.version.to_owned()),
        ]
    }

    /// The canonical request, and the names of its headers.
    fn canonical(&self, headers: &Headers) -> (String, String) {
        let names: Vec<&str> = headers.iter().map(|(name, _)| *name).collect();
        let names = names.join(";");
        let lines: String = headers.iter().map(|(name, value)| format!("{name}:{}\n", value.trim())).collect();
        (format!("POST\n/\n{}\n{lines}\n{names}\n{}", self.query, sha256_hex("")), names)
    }

    fn signed(&self, account: &Account) -> Headers {
        let mut headers = self.headers(&account.base.host);
        let (canonical, names) = self.canonical(&headers);
        let to_sign = format!("{ALGORITHM}\n{}", sha256_hex(canonical));
        let signature = hex::encode(hmac(account.secret().as_bytes(), &to_sign));
        let id = &account.key_id;
        let authorization = format!("{ALGORITHM} Credential={id},SignedHeaders={names},Signature={signature}");
        headers.push(("authorization", authorization));
        headers
    }
}

/// The canonical query, which is also the one that is sent.
fn query(mut parameters: Vec<(&'static str, String)>) -> String {
    parameters.sort_unstable();
    let pairs: Vec<String> =
        parameters.iter().map(|(name, value)| format!("{name}={}", utf8_percent_encode(value, ENCODED))).collect();
    pairs.join("&")
}

/// A number as these APIs take it: one of the mainland as it is dialled there, any other by its country code without a sign.
fn dialled(e164: &str) -> String {
    match e164.strip_prefix("+86") {
        Some(mobile) if mobile.len() == 11 && mobile.starts_with('1') => mobile.to_owned(),
        Some(landline) => format!("0{landline}"),
        None => e164.trim_start_matches('+').to_owned(),
    }
}

#[derive(Deserialize)]
struct Answer {
    #[serde(rename = "Code")]
    code: String,
}

/// Business faults come with 200, those of the gateway with 400 or 500; either is told by the same field.
pub(super) fn outcome(status: u16, body: &[u8]) -> Result<(), Failure> {
    match serde_json::from_slice(body) {
        Ok(Answer { code }) if code == "OK" && is_success(status) => Ok(()),
        Ok(Answer { code }) if code != "OK" => Err(Failure::told(status, &code, passes(&code))),
        Ok(_) | Err(_) => Err(Failure::untold(status)),
    }
}

/// Limits of a number that pass within minutes, too much traffic, faults of the provider, and what a fresh signature mends.
/// Of a day's and a month's quota the code would not outlive the end.
fn passes(code: &str) -> bool {
    let listed = matches!(
        code,
        "isv.BUSINESS_LIMIT_CONTROL"
            | "isp.SYSTEM_ERROR"
            | "isp.GATEWAY_ERROR"
            | "isp.UNKNOWN"
            | "InternalError"
            | "ServiceUnavailable"
            | "SignatureNonceUsed"
            | "InvalidTimeStamp.Expired"
    );
    listed || code == "Throttling" || code.starts_with("Throttling.")
}

#[cfg(test)]
mod tests {
    use super::super::Base;
    use super::*;

    fn account(host: &str, id: &str, secret: &str) -> Account {
        let base = Base { url: format!("https://{host}"), host: host.into() };
        Account { key_id: id.into(), key_secret: secret.into(), base }
    }

    fn authorization(call: &Call<'_>, account: &Account) -> String {
        let headers = call.signed(account);
        headers.into_iter().find(|(name, _)| *name == "authorization").expect("a signature").1
    }

    /// The example with fixed values of the vendor's page on signature V3 (see the head of this file).
    #[test]
    fn the_published_example_is_signed_as_published() {
        let query = query(vec![
            ("RegionId", "cn-shanghai".into()),
            ("ImageId", "win2019_1809_x64_dtc_zh-cn_40G_alibase_20230811.vhd".into()),
        ]);
        let call = Call {
            action: "RunInstances",
            version: "2014-05-26",
            query: &query,
            date: "2023-10-26T10:22:32Z",
            nonce: "3156853299f313e23d1673dc12e1703d",
        };
        let account = account("ecs.cn-shanghai.aliyuncs.com", "YourAccessKeyId", "YourAccessKeySecret");
        let (canonical, _) = call.canonical(&call.headers(&account.base.host));
        assert_eq!(sha256_hex(canonical), "7ea06492da5221eba5297e897ce16e55f964061054b7695beedaac1145b1e259");
        assert_eq!(
            authorization(&call, &account),
            "ACS3-HMAC-SHA256 Credential=YourAccessKeyId,\
             SignedHeaders=host;x-acs-action;x-acs-content-sha256;x-acs-date;x-acs-signature-nonce;x-acs-version,\
             Signature=06563a9e1b43f5dfe96b81484da74bceab24a1d853912eee15083a6f0f3283c0"
        );
    }

    /// Made with invented secrets, by another implementation of the same text.
    #[test]
    fn both_calls_are_signed_as_another_implementation_signs_them() {
        let json = r#"{"code":"123456"}"#;
        let sms = vec![
            ("PhoneNumbers", "13800138000".into()),
            ("SignName", "演示签名".into()),
            ("TemplateCode", "SMS_000000001".into()),
            ("TemplateParam", json.into()),
        ];
        let voice = vec![
            ("CalledNumber", "13800138000".into()),
            ("TtsCode", "TTS_000000001".into()),
            ("TtsParam", json.into()),
            ("PlayTimes", "2".into()),
            ("OutId", "demo-1".into()),
        ];
        for (host, action, nonce, parameters, expected) in [
            (
                "dysmsapi.aliyuncs.com",
                "SendSms",
                "demo-nonce-0001",
                sms,
                "1967ca2f95ef30c2497e133acfb040c5e4f802d5bed8ba3d3ec2582686c75e9e",
            ),
            (
                "dyvmsapi.aliyuncs.com",
                "SingleCallByTts",
                "demo-nonce-0002",
                voice,
                "895e1e498be2c14f32ca3dcd45046572f0a40de6fbd5e482bf53de1eda5c405a",
            ),
        ] {
            let query = query(parameters);
            let call = Call { action, version: VERSION, query: &query, date: "2026-01-01T04:00:00Z", nonce };
            let signed = authorization(&call, &account(host, "LTAIdemoKeyId", "demoKeySecret"));
            assert!(signed.ends_with(&format!(",Signature={expected}")), "{action}: {signed}");
        }
    }

    #[test]
    fn numbers_are_written_as_they_are_dialled() {
        for (e164, expected) in [
            ("+8613800138000", "13800138000"),
            ("+8657188886666", "057188886666"),
            ("+861062345678", "01062345678"),
            ("+85291234567", "85291234567"),
            ("+14155552671", "14155552671"),
        ] {
            assert_eq!(dialled(e164), expected);
        }
    }

    #[test]
    fn an_answer_says_whether_another_try_helps() {
        let passing = |code: &str| Err(Failure::Passing { code: code.into() });
        let fatal = |code: &str| Err(Failure::Final { code: code.into() });
        for (status, body, expected) in [
            (200, r#"{"Code":"OK","Message":"OK","BizId":"9006","RequestId":"F6"}"#, Ok(())),
            (
                200,
                r#"{"Code":"isv.BUSINESS_LIMIT_CONTROL","Message":"触发分钟级流控Permits:1"}"#,
                passing("isv.BUSINESS_LIMIT_CONTROL"),
            ),
            (200, r#"{"Code":"isp.SYSTEM_ERROR"}"#, passing("isp.SYSTEM_ERROR")),
            (400, r#"{"Code":"Throttling.User"}"#, passing("Throttling.User")),
            (400, r#"{"Code":"SignatureNonceUsed"}"#, passing("SignatureNonceUsed")),
            (200, r#"{"Code":"isv.MOBILE_NUMBER_ILLEGAL"}"#, fatal("isv.MOBILE_NUMBER_ILLEGAL")),
            (200, r#"{"Code":"isv.AMOUNT_NOT_ENOUGH"}"#, fatal("isv.AMOUNT_NOT_ENOUGH")),
            (200, r#"{"Code":"isv.DAY_LIMIT_CONTROL"}"#, fatal("isv.DAY_LIMIT_CONTROL")),
            (404, r#"{"Code":"InvalidAccessKeyId.NotFound"}"#, fatal("InvalidAccessKeyId.NotFound")),
            (500, r#"{"Code":"SomethingNew"}"#, passing("SomethingNew")),
            (400, r#"{"Code":"ThrottlingNot"}"#, fatal("ThrottlingNot")),
            (503, "<html>busy</html>", passing("http_503")),
            (429, "", passing("http_429")),
            (200, "<html>a page in between</html>", passing("http_200")),
            (302, "", fatal("http_302")),
            (403, r#"{"Message":"no code"}"#, fatal("http_403")),
            (400, r#"{"Code":"OK"}"#, fatal("http_400")),
        ] {
            assert_eq!(outcome(status, body.as_bytes()), expected, "{status} {body}");
        }
    }
}
