//! Rulebooks: written, run in the shadow, published, rolled back, compared.

pub mod backtest;
pub mod begin;
pub mod check;
pub mod diff;
pub mod edit;
pub mod forecast;
pub mod get;
pub mod list;
pub mod live;
pub mod presets;
pub mod publish;
mod refused;
pub mod roll_back;
pub mod shadow;
pub mod submit;
pub mod view;

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue, header};
use axum::response::Response;
use domain::draft::DraftRejection;
use domain::fault::Fault;
use domain::ids::{DraftId, MerchantId};
use domain::rulebook::Rulebook;
use engine::{DraftChange, DraftReceipt, Origin};
use serde_json::Value;

use super::App;
use super::fields::{Fields, text};
use super::problem::Problem;
use super::signals::declared;
use crate::directory::Caller;
use crate::rulebooks::{Card, Shelf};
use refused::revision_required;

/// A merchant's rulebooks.
async fn shelf(app: &App, merchant: &MerchantId) -> Result<Arc<Shelf>, Problem> {
    Ok(app.rulebooks.of(app.engine.partition_of(merchant), merchant).await?)
}

/// Lets the engine decide a change of a draft in the caller's name.
async fn change(app: &App, caller: &Caller, change: DraftChange) -> Result<DraftReceipt, Problem> {
    Ok(app.engine.change_draft(&caller.merchant, origin(caller), change).await?)
}

/// The caller as whoever something comes from.
fn origin(caller: &Caller) -> Origin {
    Origin { actor: caller.key.clone(), source: "api".to_owned() }
}

/// Reads a rulebook with all of its faults; one that reads a signal that nobody declared has a fault there.
async fn rulebook(app: &App, caller: &Caller, body: &Value) -> Result<Rulebook, Problem> {
    let rulebook = Rulebook::from_json(body).map_err(Problem::invalid)?;
    let faults = undeclared(app, caller, &rulebook).await?;
    if faults.is_empty() { Ok(rulebook) } else { Err(Problem::invalid(faults)) }
}

/// Where a rulebook reads signals that the caller's merchant has not declared.
async fn undeclared(app: &App, caller: &Caller, rulebook: &Rulebook) -> Result<Vec<Fault>, Problem> {
    if rulebook.signals().is_empty() {
        return Ok(vec![]);
    }
    let declared: Vec<_> = declared(app, caller).await?.keys().copied().collect();
    Ok(rulebook.undeclared_signals(&declared))
}

/// The draft of a path that is to be changed, which a version cannot be.
async fn changeable(app: &App, merchant: &MerchantId, text: &str) -> Result<DraftId, Problem> {
    if let Some(Card::Version(card)) = shelf(app, merchant).await?.find(text) {
        return Err(DraftRejection::Published { version: card.version }.into());
    }
    draft_id(text)
}

/// The draft of a path. What cannot be a draft's id is not there.
fn draft_id(text: &str) -> Result<DraftId, Problem> {
    text.parse().map_err(|_| no_rulebook(text))
}

fn no_rulebook(id: &str) -> Problem {
    Problem::not_found(format!("there is no rulebook {id:?}"))
}

/// The `note` of a body that may hold nothing else.
fn note(fields: &mut Fields) -> Option<Box<str>> {
    fields.optional("note", text).map(String::into_boxed_str)
}

/// An answer that names the revision as its entity tag.
fn tagged(mut response: Response, revision: u32) -> Response {
    let tag = HeaderValue::try_from(format!("\"{revision}\"")).expect("digits and quotes are a header value");
    response.headers_mut().insert(header::ETAG, tag);
    response
}

/// The revision of `If-Match`, plain or as an entity tag, which a proxy that compresses may have made weak.
fn seen(headers: &HeaderMap) -> Result<u32, Problem> {
    let Some(told) = headers.get(header::IF_MATCH) else { return Err(revision_required()) };
    let told = told.to_str().unwrap_or_default().trim();
    let tag = told.strip_prefix("W/").unwrap_or(told);
    let digits = tag.strip_prefix('"').and_then(|told| told.strip_suffix('"')).unwrap_or(tag);
    digits.parse().map_err(|_| Problem::bad_parameter("If-Match: expected the draft's revision, such as 3"))
}
