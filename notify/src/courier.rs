//! One try of one message, to a system of the merchant or to a provider of text messages and calls.

use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::endpoint::Target;
use domain::time::Timestamp;
use eventlog::Position;
use eventlog::vault::{Vault, VaultError};
use http::Method;
use http::header::{CONTENT_TYPE, HeaderName, HeaderValue, USER_AGENT};
use secrecy::ExposeSecret as _;
use sha2::{Digest as _, Sha256};
use standardwebhooks::Webhook;

use crate::client::{Answer, Client, NoAnswer, Outgoing, Wanted};
use crate::guard::leaves_in_the_clear;
use crate::message::{Composer, Errand, Message};
use crate::roster::Endpoint;
use crate::senders::{self, Failure, Sender};

/// How much of a provider's answer is read.
const PROVIDER_ANSWER_BYTES_MAX: usize = 65_536;

/// Takes messages to one endpoint.
pub(crate) struct Courier {
    id: Box<str>,
    partition: u32,
    to: To,
    composer: Arc<Composer>,
    client: Arc<Client>,
}

enum To {
    Receiver { url: String, webhook: Webhook, in_the_clear: bool },
    Provider(Box<Sender>),
}

/// Why an endpoint cannot be told anything.
#[derive(Debug, thiserror::Error)]
pub(crate) enum NoCourier {
    #[error("its secret does not open")]
    Sealed(#[from] VaultError),
    #[error("its secret is damaged")]
    Damaged,
}

/// What came of a try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Tried {
    pub(crate) result: Result<(), Fault>,
    pub(crate) status: Option<u16>,
}

/// What was wrong.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Fault {
    /// The receiver: it is tried again, and counts as down when that happens often.
    Receiver(Box<str>),
    /// The receiver: it wants to be told nothing more.
    Gone(Box<str>),
    /// This message: the receiver will never take it, as it answered.
    Message(Box<str>),
    /// This message: it cannot be sent and was not, which says nothing of the receiver.
    Unsendable(Box<str>),
    /// Something here: it is tried again, and says nothing of the receiver.
    Here(Box<str>),
    /// What the message asks for was settled before it could be sent, so it was not.
    Settled,
}

/// What an endpoint's secret is sealed for, so that it opens nowhere else.
pub fn secret_label(endpoint: &str) -> String {
    format!("endpoint/{endpoint}")
}

/// What names a message: the same at every try.
pub fn message_id(endpoint: &str, position: Position) -> String {
    format!("msg_{endpoint}_{position}")
}

impl Courier {
    pub(crate) fn new(
        endpoint: &Endpoint,
        partition: u32,
        composer: Arc<Composer>,
        client: Arc<Client>,
    ) -> Result<Self, NoCourier> {
        let secret = open(composer.vault(), endpoint)?;
        let to = match &endpoint.target {
            Target::Url(url) => To::Receiver {
                url: url.to_string(),
                webhook: webhook(&secret)?,
                in_the_clear: leaves_in_the_clear(url),
            },
            Target::Sender(_) => {
                let settings = serde_json::from_slice(&secret).map_err(|_| NoCourier::Damaged)?;
                To::Provider(Box::new(Sender::read(settings, "").map_err(|_| NoCourier::Damaged)?))
            }
        };
        Ok(Self { id: endpoint.id.clone(), partition, to, composer, client })
    }

    /// Tries a message for the first time or again.
    pub(crate) async fn take(&self, position: Position, attempts: u32, now: Timestamp) -> Tried {
        let message = match self.composer.compose(self.partition, position, now).await {
            Ok(Some(message)) => message,
            Ok(None) => return Tried { result: Err(Fault::Settled), status: None },
            Err(error) => {
                let error = &error as &dyn std::error::Error;
                tracing::error!(partition = self.partition, position, error, "notification cannot be made");
                return Tried::broken();
            }
        };
        let id = message_id(&self.id, position);
        match &self.to {
            To::Receiver { in_the_clear: true, .. } if message.errand.is_some() => {
                let why = "a code or a number is not sent without https beyond this machine";
                Tried::unsendable(why)
            }
            To::Receiver { url, webhook, .. } => self.post(url, webhook, &id, message, now).await,
            To::Provider(sender) => self.ask(sender, &format!("{id}_{attempts}"), message.errand.as_ref(), now).await,
        }
    }

    async fn post(&self, url: &str, webhook: &Webhook, id: &str, message: Message, now: Timestamp) -> Tried {
        let seconds = now.millis().div_euclid(1_000);
        let Ok(signature) = webhook.sign(id, seconds, message.body.as_bytes()) else {
            return Tried { result: Err(Fault::Here("the message cannot be signed".into())), status: None };
        };
        let said = [("webhook-id", id), ("webhook-timestamp", &seconds.to_string()), ("webhook-signature", &signature)];
        let mut headers: Vec<(HeaderName, HeaderValue)> = said
            .into_iter()
            .filter_map(|(name, value)| Some((HeaderName::from_static(name), value.parse().ok()?)))
            .collect();
        headers.push((CONTENT_TYPE, HeaderValue::from_static("application/json")));
        headers.push((USER_AGENT, HeaderValue::from_static("Orderlight")));
        let outgoing = Outgoing {
            method: Method::POST,
            url: url.to_owned(),
            headers,
            body: message.body.into_bytes(),
            wanted: Wanted::Status,
        };
        Tried::of(self.client.send(outgoing).await, |answer| match answer.status {
            200..=299 => Ok(()),
            300..=399 => Err(Fault::Receiver("answered with a redirect, which is not followed".into())),
            410 => Err(Fault::Gone("answered with status 410: the endpoint is disabled".into())),
            status => Err(Fault::Receiver(format!("answered with status {status}").into())),
        })
    }

    async fn ask(&self, sender: &Sender, try_id: &str, errand: Option<&Errand>, now: Timestamp) -> Tried {
        let Some(errand) = errand else { return Tried::unsendable("there is nothing to send") };
        let message = senders::Message {
            challenge: &errand.challenge,
            phone: errand.phone.as_ref().map_or("", |phone| phone.expose_secret()),
            code: errand.code.as_ref().map(secrecy::ExposeSecret::expose_secret),
            order_no: errand.order.order_no(),
            expires_at: errand.expires_at,
        };
        // A try has a number of its own only until it is replayed; the time tells those tries apart.
        let nonce = hex::encode(&Sha256::digest(format!("{try_id}_{}", now.millis()))[..16]);
        let request = match sender.request(&message, now, &nonce) {
            Ok(request) => request,
            Err(unsendable) => return Tried::unsendable(&unsendable.to_string()),
        };
        let Some(outgoing) = outgoing(request) else { return Tried::unsendable("the request cannot be made") };
        Tried::of(self.client.send(outgoing).await, |answer| match sender.outcome(answer.status, &answer.body) {
            Ok(()) => Ok(()),
            Err(failure @ Failure::Passing { .. }) => Err(Fault::Receiver(failure.to_string().into())),
            Err(failure @ Failure::Final { .. }) => Err(Fault::Message(failure.to_string().into())),
        })
    }
}

impl Tried {
    /// Of a try that broke off here, as none should.
    pub(crate) fn broken() -> Self {
        Self { result: Err(Fault::Here("the message cannot be made now".into())), status: None }
    }

    fn unsendable(why: &str) -> Self {
        Self { result: Err(Fault::Unsendable(why.into())), status: None }
    }

    fn of(answer: Result<Answer, NoAnswer>, judge: impl FnOnce(&Answer) -> Result<(), Fault>) -> Self {
        match answer {
            Ok(answer) => Self { result: judge(&answer), status: Some(answer.status) },
            Err(none) => {
                let status = if let NoAnswer::TooLong(status) = none { Some(status) } else { None };
                Self { result: Err(Fault::Receiver(none.to_string().into())), status }
            }
        }
    }
}

fn open(vault: &Vault, endpoint: &Endpoint) -> Result<Vec<u8>, NoCourier> {
    let sealed = BASE64.decode(&*endpoint.secret).map_err(|_| NoCourier::Damaged)?;
    let secret = vault.open_secret(&endpoint.merchant, &secret_label(&endpoint.id), &sealed)?;
    Ok(secret.to_vec())
}

fn webhook(secret: &[u8]) -> Result<Webhook, NoCourier> {
    let secret = std::str::from_utf8(secret).map_err(|_| NoCourier::Damaged)?;
    Webhook::new(secret).map_err(|_| NoCourier::Damaged)
}

fn outgoing(request: senders::Request) -> Option<Outgoing> {
    let headers =
        request.headers.into_iter().map(|(name, value)| Some((HeaderName::from_static(name), value.parse().ok()?)));
    Some(Outgoing {
        method: request.method.parse().ok()?,
        url: request.url,
        headers: headers.collect::<Option<_>>()?,
        body: request.body,
        wanted: Wanted::Body { bytes_max: PROVIDER_ANSWER_BYTES_MAX },
    })
}
