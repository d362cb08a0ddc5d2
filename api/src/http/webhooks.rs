//! `POST` and `GET /v1/webhooks/{merchant}/{channel}`: deliveries of sales channels, under the channels' own signatures.
//!
//! * Nothing of a delivery is stored before its signature was verified.
//! * The channel's word for success leaves only when all of its notices are durable. What cannot be stored now is answered so
//!   that the channel sends it again.
//! * A message of a batch that cannot be read does not keep the others from being stored; it is counted, and the channel
//!   gets its own word for failure.
//! * A message id names one message of its channel: one that comes again, whatever it says, is taken as delivered, for
//!   channels want the word for success for what they sent before. One that says something else changes nothing and is counted. Only
//!   `standard`, whose deliveries are our own form, is told of a reused id as the API tells it.

use std::pin::pin;

use axum::body::Body;
use axum::extract::{RawQuery, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use channels::{Adapter, Received, Receiver, Reply, Request};
use domain::ids::MerchantId;
use domain::notice::{Content, Notice};
use domain::order::Rejection;
use engine::{Origin, Refusal, WhenFull};
use eventlog::Position;
use futures_util::stream::{self, StreamExt};
use serde::Deserialize;

use super::App;
use super::body::{PathParameters, whole};
use super::channels::{DEFAULT_SHOP, receiver};
use super::position::{LogPosition, ORDERLIGHT_POSITION};
use super::problem::Problem;
use crate::clock;

/// The most notices of one delivery that the merchants' own model is asked about at once.
const SCORED_AT_ONCE_MAX: usize = 16;
/// The channel whose messages are in our own form.
const STANDARD: &str = "standard";

/// Whose channel a delivery is for.
#[derive(Deserialize)]
pub struct Address {
    merchant: String,
    channel: String,
}

/// A configured channel with its keys.
struct Found {
    merchant: MerchantId,
    adapter: &'static dyn Adapter,
    shop: String,
    receiver: Box<dyn Receiver>,
}

/// Take a channel's delivery in
///
/// The address to enter in the channel's console. The body is the channel's own, and so is the answer; see the manual for
/// each channel's form. No key: the channel's signature stands for one.
#[utoipa::path(
    post,
    path = "/v1/webhooks/{merchant}/{channel}",
    operation_id = "receive_webhook",
    tag = "Channels",
    extensions(("x-roles" = json!([]))),
    params(
        ("merchant" = String, Path, description = "The merchant's id", example = "default"),
        ("channel" = String, Path, description = "`standard`, `shopify` or `douyin`", example = "shopify"),
        ("shop" = Option<String>, Query, description = "Which of the merchant's shops there; `default` when it is left out"),
    ),
    request_body(content = Object, content_type = "application/json", description = "The channel's own form"),
    responses(
        (status = 200, description = "Stored, all but messages of a batch that cannot be read; the body is what the channel expects", body = Object,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`")),
         example = json!({"code": 0, "msg": "success"})),
        (status = 204, description = "Stored, for channels that expect no body",
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 400, description = "`standard`: signed, but not JSON; nothing was stored", body = Problem),
        (status = 401, description = "The signature does not match; nothing was stored. The body is what the channel expects"),
        (status = 404, description = "The merchant has not configured such a channel", body = Problem),
        (status = 422, description = "Signed, but not a message of this channel; nothing was stored. `douyin` has its failure code in a 200 in its place"),
        (status = 503, description = "It could not be stored now; the channel sends it again"),
    )
)]
pub async fn receive(
    State(app): State<App>,
    PathParameters(address): PathParameters<Address>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    body: Body,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let found = find(&app, &address, &query)?;
    let body = whole(body).await?;
    deliver(&app, &found, &query, &headers, &body).await
}

/// Answer a channel that verifies the address
///
/// For channels that call the address once before they send anything to it.
#[utoipa::path(
    get,
    path = "/v1/webhooks/{merchant}/{channel}",
    operation_id = "verify_webhook",
    tag = "Channels",
    extensions(("x-roles" = json!([]))),
    params(
        ("merchant" = String, Path, description = "The merchant's id", example = "default"),
        ("channel" = String, Path, description = "`standard`, `shopify` or `douyin`", example = "shopify"),
        ("shop" = Option<String>, Query, description = "Which of the merchant's shops there; `default` when it is left out"),
    ),
    responses(
        (status = 200, description = "What the channel expects", body = String, content_type = "text/plain", example = "4375120948345356249"),
        (status = 401, description = "The signature does not match"),
        (status = 404, description = "The merchant has not configured such a channel", body = Problem),
    )
)]
pub async fn verify(
    State(app): State<App>,
    PathParameters(address): PathParameters<Address>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let query = query.unwrap_or_default();
    let found = find(&app, &address, &query)?;
    deliver(&app, &found, &query, &headers, &[]).await
}

/// The channel that a delivery is for. Whatever is missing of it is told in the same words.
fn find(app: &App, address: &Address, query: &str) -> Result<Found, Problem> {
    let unknown = || Problem::not_found("no such channel is configured");
    let id: MerchantId = address.merchant.parse().map_err(|_| unknown())?;
    let adapter = channels::channel(&address.channel).ok_or_else(unknown)?;
    let merchant = app.directory.merchant(&id).ok_or_else(unknown)?;
    let shop = shop(query);
    let configured = merchant.channels().iter().find(|one| *one.channel == *adapter.name() && *one.shop == *shop);
    let configured = configured.ok_or_else(unknown)?;
    let receiver = receiver(&app.vault, &id, adapter, configured).map_err(|error| Problem::internal(&error))?;
    Ok(Found { merchant: id, adapter, shop, receiver })
}

/// The shop that a query names. Its characters need no escapes.
fn shop(query: &str) -> String {
    let named = query.split('&').find_map(|pair| pair.strip_prefix("shop="));
    named.unwrap_or(DEFAULT_SHOP).to_owned()
}

async fn deliver(app: &App, found: &Found, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Response, Problem> {
    let channel = found.adapter.name();
    let received = match verified(found, query, headers, body) {
        Ok(received) => received,
        Err(refused) => {
            count(
                channel,
                match refused.refusal {
                    channels::Refusal::BadSignature => "bad_signature",
                    channels::Refusal::Stale => "stale",
                    channels::Refusal::Malformed { .. } => "malformed",
                },
            );
            return Ok(answer(refused.reply));
        }
    };
    let faults = received.faults;
    if let Some(first) = faults.first() {
        let (pointer, reason) = (&*first.pointer, &*first.detail);
        tracing::warn!(channel, faults = faults.len(), pointer, reason, "messages of a delivery cannot be read");
    }
    match store(app, found, received.notices).await {
        Ok(Stored { position, is_reused }) => {
            let outcome = match (faults.is_empty(), is_reused) {
                (false, _) => "malformed",
                (true, true) => "reused",
                (true, false) => "stored",
            };
            count(channel, outcome);
            let mut response = answer(received.reply);
            if let Some(position) = position {
                response.headers_mut().insert(ORDERLIGHT_POSITION, HeaderValue::from(LogPosition::from(position)));
            }
            Ok(response)
        }
        Err(
            Refusal::MailboxFull
            | Refusal::Unavailable
            | Refusal::Elsewhere
            | Refusal::Order(Rejection::NotPlaced | Rejection::UnknownOrder),
        ) => {
            count(channel, "unavailable");
            Ok(answer(found.adapter.unavailable()))
        }
        Err(refusal) => {
            count(channel, "refused");
            Err(refusal.into())
        }
    }
}

fn verified(found: &Found, query: &str, headers: &HeaderMap, body: &[u8]) -> Result<Received, channels::Refused> {
    let header = |name: &str| headers.get(name)?.to_str().ok();
    found.receiver.receive(&Request { query, header: &header, body, received_at: clock::now() })
}

/// What became of a delivery.
struct Stored {
    /// How far the log went, where anything was stored.
    position: Option<(u32, Position)>,
    /// Whether a notice was left out because its id came before with something else.
    is_reused: bool,
}

/// Stores all notices of a delivery; what stands in the way of one does not stop the others.
async fn store(app: &App, found: &Found, notices: Vec<Notice>) -> Result<Stored, Refusal> {
    let Found { merchant, adapter, shop, .. } = found;
    let channel = adapter.name();
    let origin = Origin { actor: channel.to_owned(), source: format!("webhook:{channel}:{shop}") };
    let (mut waiting, mut refusals, mut position) = (vec![], vec![], None);
    let scored = stream::iter(notices.into_iter().map(|notice| async move {
        let belated = belated(&notice);
        let notice = named(notice, channel);
        let score = app.score(merchant, &notice).await;
        (belated, notice, score)
    }));
    let mut scored = pin!(scored.buffered(SCORED_AT_ONCE_MAX));
    while let Some((belated, notice, score)) = scored.next().await {
        match app.engine.submit_scored(merchant, origin.clone(), notice, score, WhenFull::Refuse).await {
            Ok(pending) => waiting.push((pending, belated)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    for (pending, belated) in waiting {
        let mut outcome = pending.receipt().await;
        if let (Err(Refusal::Order(Rejection::NotPlaced | Rejection::UnknownOrder)), Some(placement)) =
            (&outcome, belated)
        {
            let pending = app.engine.submit(merchant, origin.clone(), placement, WhenFull::Refuse).await;
            outcome = match pending {
                Ok(pending) => pending.receipt().await,
                Err(refusal) => Err(refusal),
            };
        }
        match outcome {
            Ok(receipt) => position = position.max(Some(receipt.position)),
            Err(refusal) => refusals.push(refusal),
        }
    }
    let all = refusals.len();
    if channel != STANDARD {
        refusals.retain(|refusal| *refusal != Refusal::DeliveryKeyReused);
    }
    let is_reused = refusals.len() < all;
    // When sending again may help in part, that is what the channel is told.
    let retry =
        |refusal: &Refusal| !matches!(refusal, Refusal::MailboxFull | Refusal::Unavailable | Refusal::Elsewhere);
    refusals.sort_by_key(retry);
    refusals.into_iter().next().map_or(Ok(Stored { position, is_reused }), Err)
}

/// A status that names no source is the channel's.
fn named(mut notice: Notice, channel: &str) -> Notice {
    if let Content::Status { source: source @ None, .. } = &mut notice.content {
        *source = Some(channel.to_owned());
    }
    notice
}

/// Deliveries come in any order. An amendment that says when the order was placed can place it, should it come first; it then
/// has an id of its own, so that the amendment, coming again, is not taken for another message.
fn belated(notice: &Notice) -> Option<Notice> {
    let Content::Amended(facts) = &notice.content else { return None };
    facts.placed_at?;
    let message_id = notice.message_id.as_ref().map(|id| format!("{id}:placed"));
    Some(Notice { message_id, content: Content::Placed(facts.clone()), ..notice.clone() })
}

fn answer(Reply { status, content_type, body }: Reply) -> Response {
    let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    let mut response = (status, body.into_owned()).into_response();
    match content_type {
        Some(content_type) => {
            response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
        }
        None => {
            response.headers_mut().remove(header::CONTENT_TYPE);
        }
    }
    response
}

fn count(channel: &'static str, outcome: &'static str) {
    metrics::counter!("orderlight_webhooks_total", "channel" => channel, "outcome" => outcome).increment(1);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shop_is_the_default_one_unless_the_query_names_another() {
        assert_eq!(shop(""), "default");
        assert_eq!(shop("signature=1&shop=north.example"), "north.example");
        assert_eq!(shop("workshop=1"), "default");
    }
}
