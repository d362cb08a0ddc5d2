//! Signals: declared, pushed one by one or as a stream, listed.

pub mod declare;
pub mod list;
pub mod send;
pub mod set;

use axum::http::StatusCode;
use domain::fault::Fault;
use domain::notice::read_delivery;
use domain::signal::{SignalName, SignalRejection, SignalValue, Told};
use domain::time::Timestamp;
use engine::{Origin, SignalChange, SignalReceipt, WhenFull};
use serde_json::Value;

use super::App;
use super::fields::{Fields, Read, parsed};
use super::problem::Problem;
use crate::directory::Caller;
use crate::signals::Declared;

const VALUE: &str = "expected a decimal with at most 4 places, as a text or a number of at most 15 digits, or null";

/// A merchant's signals.
pub(super) async fn declared(app: &App, caller: &Caller) -> Result<Declared, Problem> {
    let partition = app.engine.partition_of(&caller.merchant);
    Ok(app.signals.of(partition, &caller.merchant).await?)
}

/// Puts a change to the engine in the caller's name, and waits for the durable answer.
async fn change(app: &App, caller: &Caller, name: SignalName, change: SignalChange) -> Result<SignalReceipt, Problem> {
    let pending = app.engine.signal(&caller.merchant, origin(caller), name, change, WhenFull::Refuse).await?;
    Ok(pending.receipt().await?)
}

fn origin(caller: &Caller) -> Origin {
    Origin { actor: caller.key.clone(), source: "api".to_owned() }
}

/// The signal of a path. What cannot be its name is not there.
fn name(text: &str) -> Result<SignalName, Problem> {
    text.parse().map_err(|_| Problem::not_found(format!("there is no signal {text:?}")))
}

/// What the fields `value` and `expires_at` want of a subject's value; `null` as the value takes it away.
struct Wanted {
    value: Option<SignalValue>,
    expires_at: Option<Timestamp>,
}

impl Wanted {
    fn read(fields: &mut Fields, is_withdrawn: bool) -> Option<Self> {
        if is_withdrawn {
            fields.optional("value", |_| Ok(()));
            return Some(Self { value: None, expires_at: fields.optional("expires_at", parsed) });
        }
        let value = fields.required("value", |value| SignalValue::read(&value).ok_or_else(|| VALUE.to_owned()));
        let expires_at = fields.required("expires_at", parsed);
        Some(Self { value: Some(value?), expires_at: Some(expires_at?) })
    }

    fn change(self, subject: Told) -> SignalChange {
        match (self.value, self.expires_at) {
            (Some(value), Some(expires_at)) => SignalChange::Set { subject, value, expires_at },
            (_, _) => SignalChange::Withdraw { subject },
        }
    }
}

/// Whether a body takes a value away. Asked before the fields are read, for which a null says as little as an absent field.
fn is_withdrawn(body: &Value) -> bool {
    body.get("value").is_some_and(Value::is_null)
}

/// What a line is about: a text, or where something is delivered.
fn told(value: Value) -> Read<Told> {
    match value {
        Value::String(text) => Ok(Told::Text(text)),
        Value::Object(_) => match read_delivery(value, "/subject") {
            Ok(delivery) => Ok(Told::Address(Box::new(delivery))),
            Err(faults) => Err(faults.iter().map(Fault::to_string).collect::<Vec<_>>().join("; ")),
        },
        _ => Err("expected a text, or for an address an object as in an order's delivery".to_owned()),
    }
}

impl From<SignalRejection> for Problem {
    fn from(rejection: SignalRejection) -> Self {
        let detail = rejection.to_string();
        let forbidden = |code| Self::new(StatusCode::CONFLICT, code, "The signal's state forbids it", detail.clone());
        match rejection {
            SignalRejection::NotDeclared { .. } => Self::not_found(detail),
            SignalRejection::BadSubject { .. } => Self::invalid(vec![Fault::new("/subject", detail)]),
            SignalRejection::OtherSubject { .. } => forbidden("other_subject"),
            SignalRejection::TooManySignals => forbidden("too_many_signals"),
            SignalRejection::TooManyValues => forbidden("too_many_values"),
        }
    }
}
