//! A provider's API on loopback. It verifies every request over what arrived, by its own reading of the vendors' pages and
//! with nothing of the crate under test, and answers as the vendors do.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::IntoFuture as _;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, Method, StatusCode, Uri};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};

/// How a provider signs, and how it words its refusals.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Vendor {
    Alibaba,
    Tencent,
}

/// The API, and what it took.
pub(crate) struct Provider {
    pub(crate) base_url: String,
    desk: Arc<Desk>,
}

/// A request as it arrived.
pub(crate) struct Arrived {
    method: String,
    path: String,
    query: String,
    headers: BTreeMap<String, String>,
    body: Vec<u8>,
}

struct Desk {
    vendor: Vendor,
    secret: &'static str,
    host: String,
    unix_seconds: i64,
    nonces: Mutex<BTreeSet<String>>,
    answers: Mutex<VecDeque<(u16, String)>>,
    taken: Mutex<Vec<Arrived>>,
}

impl Provider {
    /// Listens, with the account's secret and the time by its clock.
    pub(crate) async fn open(vendor: Vendor, secret: &'static str, unix_seconds: i64) -> Self {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let host = listener.local_addr().expect("an address").to_string();
        let base_url = format!("http://{host}");
        let desk = Arc::new(Desk {
            vendor,
            secret,
            host,
            unix_seconds,
            nonces: Mutex::default(),
            answers: Mutex::default(),
            taken: Mutex::default(),
        });
        let router = Router::new().fallback(answer).with_state(desk.clone());
        tokio::spawn(axum::serve(listener, router).into_future());
        Self { base_url, desk }
    }

    /// Answers the next good request like this.
    pub(crate) fn answers(&self, status: u16, body: &Value) {
        self.desk.answers.lock().unwrap().push_back((status, body.to_string()));
    }

    /// What was taken since it was asked last.
    pub(crate) fn taken(&self) -> Vec<Arrived> {
        std::mem::take(&mut *self.desk.taken.lock().unwrap())
    }
}

impl Arrived {
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    /// The query's parameters, decoded.
    pub(crate) fn parameters(&self) -> BTreeMap<String, String> {
        pairs(&self.query).into_iter().collect()
    }

    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).expect("json")
    }
}

async fn answer(
    State(desk): State<Arc<Desk>>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Bytes,
) -> (StatusCode, String) {
    let headers = headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
    let query = uri.query().unwrap_or_default().to_owned();
    let arrived = Arrived { method: method.to_string(), path: uri.path().into(), query, headers, body: body.to_vec() };
    let (status, body) = match desk.fault(&arrived) {
        Some(code) => desk.refusal(code),
        None => {
            desk.taken.lock().unwrap().push(arrived);
            desk.answers.lock().unwrap().pop_front().expect("an answer for each request")
        }
    };
    (StatusCode::from_u16(status).unwrap(), body)
}

impl Desk {
    fn fault(&self, request: &Arrived) -> Option<&'static str> {
        match self.vendor {
            Vendor::Alibaba => self.acs3(request).err(),
            Vendor::Tencent => self.tc3(request).err(),
        }
    }

    fn refusal(&self, code: &str) -> (u16, String) {
        match self.vendor {
            Vendor::Alibaba => (400, json!({"RequestId": "F655A8D5", "Code": code, "Message": "refused"}).to_string()),
            Vendor::Tencent => {
                let error = json!({"Code": code, "Message": "refused"});
                (200, json!({"Response": {"Error": error, "RequestId": "ed93f3cb"}}).to_string())
            }
        }
    }

    /// ACS3-HMAC-SHA256 of Alibaba Cloud: a quarter of an hour, each nonce once, every `x-acs-` header signed.
    fn acs3(&self, request: &Arrived) -> Result<(), &'static str> {
        let unsigned = "SignatureDoesNotMatch";
        let claim = request.header("authorization").strip_prefix("ACS3-HMAC-SHA256 ").ok_or(unsigned)?;
        let claim: BTreeMap<&str, &str> = claim.split(',').filter_map(|part| part.split_once('=')).collect();
        let (names, signature) =
            (*claim.get("SignedHeaders").ok_or(unsigned)?, claim.get("Signature").ok_or(unsigned)?);
        let signed: Vec<&str> = names.split(';').collect();
        let must = |name: &str| name == "host" || name == "content-type" || name.starts_with("x-acs-");
        let whole = request.headers.keys().all(|name| !must(name) || signed.contains(&name.as_str()));
        let body_hash = hash(&request.body);
        if !whole || request.header("host") != self.host || request.header("x-acs-content-sha256") != body_hash {
            return Err(unsigned);
        }
        let mut lines = String::new();
        for name in &signed {
            lines += &format!("{name}:{}\n", request.header(name));
        }
        let mut query: Vec<String> =
            pairs(&request.query).iter().map(|(name, value)| format!("{}={}", encode(name), encode(value))).collect();
        query.sort();
        let Arrived { method, path, .. } = request;
        let canonical = format!("{method}\n{path}\n{}\n{lines}\n{names}\n{body_hash}", query.join("&"));
        let to_sign = format!("ACS3-HMAC-SHA256\n{}", hash(canonical.as_bytes()));
        if hex::encode(hmac(self.secret.as_bytes(), &to_sign)) != **signature {
            return Err(unsigned);
        }
        let sent: domain::time::Timestamp = request.header("x-acs-date").parse().map_err(|_| unsigned)?;
        if (sent.millis() / 1_000 - self.unix_seconds).abs() > 900 {
            return Err("InvalidTimeStamp.Expired");
        }
        let nonce = request.header("x-acs-signature-nonce").to_owned();
        if self.nonces.lock().unwrap().insert(nonce) { Ok(()) } else { Err("SignatureNonceUsed") }
    }

    /// TC3-HMAC-SHA256 of Tencent Cloud: five minutes, the day of the time that was sent, content type and host signed.
    fn tc3(&self, request: &Arrived) -> Result<(), &'static str> {
        let unsigned = "AuthFailure.SignatureFailure";
        let claim = request.header("authorization").strip_prefix("TC3-HMAC-SHA256 ").ok_or(unsigned)?;
        let claim: BTreeMap<&str, &str> = claim.split(", ").filter_map(|part| part.split_once('=')).collect();
        let field = |name: &str| claim.get(name).copied().ok_or(unsigned);
        let (scope, names, signature) = (field("Credential")?, field("SignedHeaders")?, field("Signature")?);
        let [_, date, service, "tc3_request"] = scope.split('/').collect::<Vec<_>>()[..] else { return Err(unsigned) };
        let signed: Vec<&str> = names.split(';').collect();
        if !signed.contains(&"host") || !signed.contains(&"content-type") || request.header("host") != self.host {
            return Err(unsigned);
        }
        let mut lines = String::new();
        for name in &signed {
            let value = request.header(name).trim();
            let value = if *name == "x-tc-action" { value.to_lowercase() } else { value.to_owned() };
            lines += &format!("{name}:{value}\n");
        }
        let Arrived { method, path, query, .. } = request;
        let canonical = format!("{method}\n{path}\n{query}\n{lines}\n{names}\n{}", hash(&request.body));
        let timestamp = request.header("x-tc-timestamp");
        let scope = format!("{date}/{service}/tc3_request");
        let to_sign = format!("TC3-HMAC-SHA256\n{timestamp}\n{scope}\n{}", hash(canonical.as_bytes()));
        let key = [date, service, "tc3_request"]
            .iter()
            .fold(format!("TC3{}", self.secret).into_bytes(), |key, part| hmac(&key, part));
        if hex::encode(hmac(&key, &to_sign)) != signature {
            return Err(unsigned);
        }
        let sent: i64 = timestamp.parse().map_err(|_| unsigned)?;
        let day = domain::time::Timestamp::from_millis(sent * 1_000).to_string();
        if (sent - self.unix_seconds).abs() > 300 || day.get(..10) != Some(date) {
            return Err("AuthFailure.SignatureExpire");
        }
        Ok(())
    }
}

fn hash(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// RFC 2104, written out.
fn hmac(key: &[u8], text: &str) -> Vec<u8> {
    let mut block = [0_u8; 64];
    let key = if key.len() > block.len() { Sha256::digest(key).to_vec() } else { key.to_vec() };
    block[..key.len()].copy_from_slice(&key);
    let inner = Sha256::new().chain_update(block.map(|byte| byte ^ 0x36)).chain_update(text).finalize();
    Sha256::new().chain_update(block.map(|byte| byte ^ 0x5c)).chain_update(inner).finalize().to_vec()
}

fn pairs(query: &str) -> Vec<(String, String)> {
    let pairs = query.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(name, value)| (decode(name), decode(value)))
        .collect()
}

fn decode(text: &str) -> String {
    let (bytes, mut decoded, mut at) = (text.as_bytes(), Vec::new(), 0);
    while at < bytes.len() {
        if bytes[at] == b'%' {
            decoded.push(u8::from_str_radix(&text[at + 1..at + 3], 16).expect("two digits"));
            at += 3;
        } else {
            decoded.push(bytes[at]);
            at += 1;
        }
    }
    String::from_utf8(decoded).expect("utf-8")
}

fn encode(text: &str) -> String {
    let kept = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    text.bytes().map(|byte| if kept(byte) { char::from(byte).to_string() } else { format!("%{byte:02X}") }).collect()
}
