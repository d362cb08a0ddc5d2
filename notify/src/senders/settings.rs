//! The settings of a sender: one object, read whole, with every fault at its field.

use domain::fault::{Fault, escape};
use http::Uri;
use secrecy::SecretString;
use serde_json::{Map, Value};

use super::{Account, Base, Parameter, Provider, Sender, Service, aliyun, tencent};
use crate::guard::is_loopback;

/// The longest text of a setting, in characters, and the longest secret and address, in bytes.
const TEXT_CHARS_MAX: usize = 64;
const SECRET_BYTES_MAX: usize = 256;
const ADDRESS_BYTES_MAX: usize = 300;
/// How many parameters a template has at most.
const PARAMETERS_MAX: usize = 8;
/// Tencent's requests name a region; text messages and calls of the mainland are served by this one.
const REGION: &str = "ap-guangzhou";

impl Sender {
    /// Reads a sender's settings; `docs/SENDERS.md` lists them.
    ///
    /// # Errors
    /// All faults, with pointers that begin with `pointer`. None repeats what was given.
    pub fn read(settings: Value, pointer: &str) -> Result<Self, Vec<Fault>> {
        let mut fields = Fields::open(settings, pointer)?;
        let Some(provider) = fields.provider() else { return Err(fields.faults) };
        let account = Account {
            key_id: fields.required("access_key_id", plain),
            key_secret: SecretString::from(fields.required("access_key_secret", secret)),
            base: fields.base_url(provider),
        };
        let service = fields.service(provider);
        let parameters = match &service {
            Service::Tencent(tencent::Service::Voice { template_id: None, .. }) => vec![Parameter::Code],
            Service::Aliyun(aliyun::Service::Sms { .. }) | Service::Tencent(tencent::Service::Sms { .. }) => {
                fields.parameters().unwrap_or_else(|| vec![Parameter::Code])
            }
            Service::Aliyun(_) | Service::Tencent(_) => fields.parameters().unwrap_or_default(),
        };
        fields.close()?;
        Ok(Self { account, service, parameters })
    }
}

/// An object whose fields are taken one by one; what was wrong is collected.
struct Fields {
    left: Map<String, Value>,
    pointer: String,
    faults: Vec<Fault>,
}

/// Whether a text can be the value of a field; if not, what was expected.
type Check = fn(&str) -> Result<(), String>;

impl Fields {
    fn open(settings: Value, pointer: &str) -> Result<Self, Vec<Fault>> {
        match settings {
            Value::Object(left) => Ok(Self { left, pointer: pointer.to_owned(), faults: Vec::new() }),
            _ => Err(vec![Fault::new(pointer, "expected an object")]),
        }
    }

    fn fault(&mut self, name: &str, detail: impl Into<String>) {
        self.faults.push(Fault::new(format!("{}/{}", self.pointer, escape(name)), detail));
    }

    /// A text that may be left out.
    fn optional(&mut self, name: &str, check: Check) -> Option<String> {
        match self.left.remove(name)? {
            Value::String(text) => match check(&text) {
                Ok(()) => return Some(text),
                Err(expected) => self.fault(name, expected),
            },
            _ => self.fault(name, "expected a string"),
        }
        None
    }

    /// A text that must be there; empty where a fault was told.
    fn required(&mut self, name: &str, check: Check) -> String {
        if !self.left.contains_key(name) {
            self.fault(name, "is required");
        }
        self.optional(name, check).unwrap_or_default()
    }

    fn provider(&mut self) -> Option<Provider> {
        let name = self.left.remove("provider");
        let provider = Provider::ALL.into_iter().find(|provider| name == Some(Value::from(provider.name())));
        if provider.is_none() {
            self.fault("provider", format!("expected one of {}", Provider::ALL.map(Provider::name).join(", ")));
        }
        provider
    }

    fn service(&mut self, provider: Provider) -> Service {
        match provider {
            Provider::AliyunSms => Service::Aliyun(aliyun::Service::Sms {
                sign_name: self.required("sign_name", text),
                template_id: self.required("template_id", plain),
            }),
            Provider::AliyunVoice => Service::Aliyun(aliyun::Service::Voice {
                template_id: self.required("template_id", plain),
                caller_number: self.optional("caller_number", plain),
            }),
            Provider::TencentSms => Service::Tencent(tencent::Service::Sms {
                sdk_app_id: self.required("sdk_app_id", plain),
                sign_name: self.required("sign_name", text),
                template_id: self.required("template_id", plain),
                region: self.optional("region", plain).unwrap_or_else(|| REGION.to_owned()),
            }),
            Provider::TencentVoice => Service::Tencent(tencent::Service::Voice {
                sdk_app_id: self.required("sdk_app_id", plain),
                template_id: self.optional("template_id", plain),
                region: self.optional("region", plain).unwrap_or_else(|| REGION.to_owned()),
            }),
        }
    }

    fn base_url(&mut self, provider: Provider) -> Base {
        let given = self.optional("base_url", |text| address(text).map(drop));
        address(given.as_deref().unwrap_or(provider.base_url())).expect("checked above, or our own")
    }

    fn parameters(&mut self) -> Option<Vec<Parameter>> {
        let names = Parameter::ALL.map(Parameter::name).join(", ");
        let Value::Array(given) = self.left.remove("parameters")? else {
            self.fault("parameters", format!("expected a list of {names}"));
            return None;
        };
        if given.len() > PARAMETERS_MAX {
            self.fault("parameters", format!("expected at most {PARAMETERS_MAX}"));
            return None;
        }
        let mut parameters = Vec::with_capacity(given.len());
        for (index, name) in given.iter().enumerate() {
            match Parameter::ALL.into_iter().find(|parameter| name == parameter.name()) {
                Some(parameter) => parameters.push(parameter),
                None => {
                    let place = format!("{}/parameters/{index}", self.pointer);
                    self.faults.push(Fault::new(place, format!("expected one of {names}")));
                }
            }
        }
        Some(parameters)
    }

    /// Ends the reading: what nobody took does not belong here.
    fn close(mut self) -> Result<(), Vec<Fault>> {
        for name in std::mem::take(&mut self.left).keys() {
            self.fault(name, "is not a field of this sender");
        }
        if self.faults.is_empty() { Ok(()) } else { Err(self.faults) }
    }
}

/// An identifier; it may stand in a header.
fn plain(text: &str) -> Result<(), String> {
    let good = text.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.'));
    if good && (1..=TEXT_CHARS_MAX).contains(&text.len()) {
        return Ok(());
    }
    Err(format!("expected 1 to {TEXT_CHARS_MAX} letters, digits, -, _ or ."))
}

fn text(text: &str) -> Result<(), String> {
    let good = !text.chars().any(char::is_control);
    if good && (1..=TEXT_CHARS_MAX).contains(&text.chars().count()) {
        return Ok(());
    }
    Err(format!("expected 1 to {TEXT_CHARS_MAX} characters"))
}

fn secret(text: &str) -> Result<(), String> {
    if (1..=SECRET_BYTES_MAX).contains(&text.len()) {
        Ok(())
    } else {
        Err(format!("expected 1 to {SECRET_BYTES_MAX} bytes"))
    }
}

/// Scheme, host and port. A code is worth an order: it leaves in the clear only towards this machine.
fn address(text: &str) -> Result<Base, String> {
    let expected =
        || "expected https:// with a host and nothing after it, or http:// with a loopback address".to_owned();
    if text.len() > ADDRESS_BYTES_MAX {
        return Err(format!("expected at most {ADDRESS_BYTES_MAX} bytes"));
    }
    let uri: Uri = text.parse().map_err(|_| expected())?;
    let (Some(scheme), Some(authority)) = (uri.scheme_str(), uri.authority()) else { return Err(expected()) };
    let safe = scheme == "https" || (scheme == "http" && is_loopback(authority.host()));
    let bare = uri.path() == "/" && uri.query().is_none() && !authority.as_str().contains('@');
    if !safe || !bare || text.contains('#') {
        return Err(expected());
    }
    let host = authority.as_str().to_ascii_lowercase();
    Ok(Base { url: format!("{scheme}://{host}"), host })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn settings(provider: &str, more: Value) -> Value {
        let mut all = json!({"provider": provider, "access_key_id": "AKIDdemo", "access_key_secret": "demoSecretKey"});
        let (Value::Object(into), Value::Object(more)) = (&mut all, more) else { panic!("objects") };
        into.extend(more);
        all
    }

    fn faults(settings: Value) -> Vec<String> {
        let faults = Sender::read(settings, "/sender").expect_err("faults");
        faults.into_iter().map(|fault| fault.to_string()).collect()
    }

    #[test]
    fn each_provider_is_read_with_its_own_fields() {
        for (provider, more, base_url) in [
            ("aliyun_sms", json!({"sign_name": "演示签名", "template_id": "SMS_1"}), "https://dysmsapi.aliyuncs.com"),
            (
                "aliyun_voice",
                json!({"template_id": "TTS_1", "caller_number": "05710000"}),
                "https://dyvmsapi.aliyuncs.com",
            ),
            (
                "tencent_sms",
                json!({"sdk_app_id": "1400000001", "sign_name": "演示签名", "template_id": "1", "region": "ap-beijing"}),
                "https://sms.tencentcloudapi.com",
            ),
            ("tencent_voice", json!({"sdk_app_id": "1400000001"}), "https://vms.tencentcloudapi.com"),
        ] {
            let sender = Sender::read(settings(provider, more), "").unwrap_or_else(|faults| panic!("{faults:?}"));
            assert_eq!((sender.provider().name(), sender.base_url()), (provider, base_url));
        }
    }

    #[test]
    fn every_fault_is_told_at_its_field() {
        assert_eq!(faults(json!([])), ["/sender: expected an object"]);
        let providers = "/sender/provider: expected one of aliyun_sms, aliyun_voice, tencent_sms, tencent_voice";
        assert_eq!(faults(json!({"access_key_id": 1})), [providers]);
        let bad = json!({
            "provider": "aliyun_sms", "access_key_id": "id, with more", "access_key_secret": "", "base_url": "ftp://example.com",
            "template_id": 7, "parameters": ["code", "name"], "sdk/app": "1",
        });
        assert_eq!(
            faults(bad),
            [
                "/sender/access_key_id: expected 1 to 64 letters, digits, -, _ or .",
                "/sender/access_key_secret: expected 1 to 256 bytes",
                "/sender/base_url: expected https:// with a host and nothing after it, or http:// with a loopback address",
                "/sender/sign_name: is required",
                "/sender/template_id: expected a string",
                "/sender/parameters/1: expected one of code, minutes, order_tail",
                "/sender/sdk~1app: is not a field of this sender",
            ]
        );
    }

    #[test]
    fn a_code_that_is_read_without_a_template_has_no_parameters() {
        let spoken = settings("tencent_voice", json!({"sdk_app_id": "1400000001", "parameters": ["code"]}));
        assert_eq!(faults(spoken), ["/sender/parameters: is not a field of this sender"]);
        let endless = settings("aliyun_voice", json!({"template_id": "TTS_1", "parameters": vec!["code"; 9]}));
        assert_eq!(faults(endless), ["/sender/parameters: expected at most 8"]);
    }

    #[test]
    fn codes_leave_in_the_clear_only_towards_this_machine() {
        for (given, base) in [
            ("https://sms.example.com", Some(("https://sms.example.com", "sms.example.com"))),
            ("https://SMS.example.com:8443/", Some(("https://sms.example.com:8443", "sms.example.com:8443"))),
            ("http://127.0.0.1:9000", Some(("http://127.0.0.1:9000", "127.0.0.1:9000"))),
            ("http://[::1]:9000/", Some(("http://[::1]:9000", "[::1]:9000"))),
            ("http://sms.example.com", None),
            ("http://localhost.example.com", None),
            ("http://10.0.0.1", None),
            ("https://user:word@sms.example.com", None),
            ("https://sms.example.com/v1", None),
            ("https://sms.example.com/?a=b", None),
            ("https://sms.example.com/#a", None),
            ("sms.example.com", None),
            ("/", None),
            ("", None),
        ] {
            let read = address(given).ok();
            assert_eq!(read.as_ref().map(|read| (&*read.url, &*read.host)), base, "{given}");
        }
    }
}
