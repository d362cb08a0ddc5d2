//! `GET /v1/orders/{id}/history`: all that happened to an order, worded.

use std::collections::HashMap;

use axum::Json;
use axum::extract::State;
use chrono_tz::Tz;
use domain::ids::MerchantId;
use domain::merchant::Merchant;
use domain::order::OrderEvent;
use domain::rulebook::Rulebook;
use eventlog::{LogError, RecordedEvent};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

use super::story::{Chapter, Story};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::{Parameters, PathParameters, order_id};
use crate::http::listing::{Items, limit};
use crate::http::position::{LogPosition, log_reached};
use crate::http::problem::Problem;
use crate::http::view::Bilingual;
use crate::wording::Wording;

/// Who acts where nobody else did: the service itself.
const ORDERLIGHT: &str = "orderlight";

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// `event_time` (the default) or `arrival`.
    #[param(example = "arrival")]
    order: Option<String>,
    /// At most so many items, 1 to 200; 50 when not given.
    #[param(minimum = 1, maximum = 200)]
    limit: Option<u32>,
    /// The `next_cursor` of the page before.
    cursor: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "position": "0-18", "type": "Released", "occurred_at": "2026-11-10T16:00:01.310Z",
    "recorded_at": "2026-11-10T16:00:01.310Z", "actor": "orderlight", "actor_name": null,
    "summary": {"zh": "未发现风险，订单放行", "en": "Released: nothing speaks against it"},
    "data": {"cause": "clean"}
}))]
pub struct HistoryItem {
    /// Where it is in the log.
    #[schema(example = "0-17")]
    pub position: String,
    /// What happened, such as `Placed` or `Released`.
    #[serde(rename = "type")]
    #[schema(example = "Released")]
    pub kind: String,
    /// When it happened, by the clock of who reported it.
    pub occurred_at: String,
    /// When it was recorded.
    pub recorded_at: String,
    /// The key or channel that caused it, or `orderlight` for what followed by itself.
    #[schema(example = "orderlight")]
    pub actor: String,
    /// What people call that key; null where it is none.
    #[schema(example = json!(null))]
    pub actor_name: Option<String>,
    /// It in words, without personal data.
    pub summary: Bilingual,
    /// It in full, as recorded.
    #[schema(value_type = Object, example = json!({"cause": "clean"}))]
    pub data: Box<RawValue>,
}

/// Read an order's history
///
/// In the order of event time; what happened at the same time in the order of arrival.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}/history",
    operation_id = "get_history",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001"), Query),
    responses(
        (status = 200, description = "What happened", body = Items<HistoryItem>),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 404, description = "There is no such order", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<Items<HistoryItem>>, Problem> {
    caller.require(LOOK_UP)?;
    let id = order_id(&id)?;
    let limit = limit(query.limit)?;
    let order = Sequence::read(query.order.as_deref())?;
    let from = query.cursor.as_deref().map(|cursor| order.read_cursor(cursor)).transpose()?;
    log_reached(&app, query.after.as_deref()).await?;
    let Story(mut chapters) = Story::read(&app, &caller.merchant, &id).await?;
    chapters.sort_by_key(|chapter| order.key(&chapter.recorded));
    chapters.retain(|chapter| from.is_none_or(|from| order.key(&chapter.recorded) > from));
    let limit = usize::try_from(limit).unwrap_or(usize::MAX);
    let is_last = chapters.len() <= limit;
    chapters.truncate(limit);
    let next_cursor = chapters.last().filter(|_| !is_last).map(|last| order.cursor(&last.recorded));
    let rulebooks = rulebooks(&app, &caller.merchant, &chapters).await?;
    let merchant = app.directory.merchant(&caller.merchant);
    let people = merchant.as_deref().map(people).unwrap_or_default();
    let wording = Wording { zone: zone(merchant.as_deref()), rulebooks: &rulebooks, people: &people };
    let items = chapters.into_iter().map(|chapter| item(chapter, &wording));
    Ok(Json(Items { items: items.collect::<Result<_, LogError>>()?, next_cursor }))
}

/// In which order a history is told.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Sequence {
    EventTime,
    Arrival,
}

impl Sequence {
    fn read(word: Option<&str>) -> Result<Self, Problem> {
        match word {
            None | Some("event_time") => Ok(Self::EventTime),
            Some("arrival") => Ok(Self::Arrival),
            Some(_) => Err(Problem::bad_parameter("order: expected event_time or arrival")),
        }
    }

    /// What events are sorted by: ascending, and never equal for two of them.
    fn key(self, event: &RecordedEvent) -> (i64, u64) {
        match self {
            Self::EventTime => (event.occurred_at.millis(), event.position),
            Self::Arrival => (0, event.position),
        }
    }

    const fn letter(self) -> char {
        match self {
            Self::EventTime => 't',
            Self::Arrival => 'r',
        }
    }

    fn cursor(self, event: &RecordedEvent) -> String {
        let (time, position) = self.key(event);
        format!("{}{time:016x}{position:016x}", self.letter())
    }

    fn read_cursor(self, text: &str) -> Result<(i64, u64), Problem> {
        let read = || {
            let digits = text.strip_prefix(self.letter()).filter(|digits| digits.len() == 32)?;
            let (time, position) = digits.split_at_checked(16)?;
            let number = |digits: &str| u64::from_str_radix(digits, 16).ok();
            Some((number(time)?.cast_signed(), number(position)?))
        };
        read().ok_or_else(|| Problem::bad_parameter("cursor: cursor is not one that this list gave out"))
    }
}

fn item(chapter: Chapter, wording: &Wording<'_>) -> Result<HistoryItem, LogError> {
    let Chapter { recorded, event } = chapter;
    let actor = actor(&recorded)?;
    Ok(HistoryItem {
        position: LogPosition::from((recorded.partition, recorded.position)).to_string(),
        actor_name: wording.people.get(&*actor).map(ToString::to_string),
        actor,
        summary: wording.summary(&event),
        data: content(&recorded)?,
        kind: recorded.event_type.into(),
        occurred_at: recorded.occurred_at.to_string(),
        recorded_at: recorded.recorded_at.to_string(),
    })
}

/// Who caused an event. What follows from another event names that one in place of an actor.
fn actor(event: &RecordedEvent) -> Result<String, LogError> {
    #[derive(Deserialize)]
    struct Metadata {
        actor: Option<String>,
    }
    let metadata: Metadata = serde_json::from_str(&event.metadata).map_err(|error| damaged(&error))?;
    Ok(metadata.actor.unwrap_or_else(|| ORDERLIGHT.to_owned()))
}

/// The payload without the event's name around it, with the bytes of the log.
fn content(event: &RecordedEvent) -> Result<Box<RawValue>, LogError> {
    let mut named: HashMap<String, Box<RawValue>> =
        serde_json::from_str(&event.payload).map_err(|error| damaged(&error))?;
    named
        .remove(&*event.event_type)
        .ok_or_else(|| LogError::Damaged(format!("payload at position {} is not of its type", event.position)))
}

fn damaged(error: &serde_json::Error) -> LogError {
    LogError::Damaged(error.to_string())
}

/// The rulebooks that these screenings name.
async fn rulebooks(app: &App, merchant: &MerchantId, chapters: &[Chapter]) -> Result<HashMap<u32, Rulebook>, LogError> {
    let mut rulebooks = HashMap::new();
    let versions = chapters.iter().filter_map(|chapter| match &chapter.event {
        OrderEvent::Scored(scored) => Some(scored.rulebook_version),
        _ => None,
    });
    let mut versions: Vec<u32> = versions.collect();
    versions.sort_unstable();
    versions.dedup();
    let partition = app.engine.partition_of(merchant);
    for version in versions {
        if let Some(rulebook) = app.rulebooks.version(partition, merchant, version).await? {
            rulebooks.insert(version, rulebook);
        }
    }
    Ok(rulebooks)
}

/// What the merchant's people call their keys, also those that are revoked by now.
fn people(merchant: &Merchant) -> HashMap<Box<str>, Box<str>> {
    let created = merchant.keys().iter().map(|key| &key.created);
    created.map(|created| (created.id.clone(), created.name.clone())).collect()
}

/// The time zone in which the merchant reads clocks.
fn zone(merchant: Option<&Merchant>) -> Tz {
    let settings = merchant.and_then(Merchant::settings);
    settings.and_then(|settings| settings.time_zone.parse().ok()).unwrap_or(Tz::UTC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_of_one_sequence_is_none_of_the_other() {
        let cursor = format!("t{:016x}{:016x}", -5_i64, 7_u64);
        assert_eq!(Sequence::EventTime.read_cursor(&cursor), Ok((-5, 7)));
        assert!(Sequence::Arrival.read_cursor(&cursor).is_err());
        for text in ["", "t", "t00", "tö00000000000000000000000000000000", &format!("t{}", "g".repeat(32))] {
            assert!(Sequence::EventTime.read_cursor(text).is_err(), "{text}");
        }
    }
}
