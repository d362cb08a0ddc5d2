//! Rulebooks as the API shows them.

use domain::rulebook::Rulebook;
use serde::Serialize;
use utoipa::ToSchema;

use super::forecast::{ForecastLeftView, ForecastView};
use crate::http::position::LogPosition;
use crate::rulebooks::{Card, DraftCard, Shelf, VersionCard};

/// A draft as it was written just now.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "d-4f1c9a2be0d35786", "revision": 1,
    "rulebook": {
        "name": "Double Eleven",
        "rules": [{"id": "large", "name": {"zh": "大额", "en": "Large"},
                   "when": {"feature": "order.amount", "op": ">=", "value": 500_000}, "points": 80}],
        "tiers": [{"id": "hold", "from": 80, "action": "freeze"}], "exemptions": []
    }
}))]
pub struct DraftView {
    /// Its id.
    pub id: String,
    /// From 1; what an edit names in `If-Match`.
    pub revision: u32,
    /// In its canonical form.
    #[schema(value_type = Object)]
    pub rulebook: Rulebook,
}

/// A draft or a version, without its text.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "id": "3", "state": "live", "version": 3, "revision": null, "name": "Double Eleven",
    "hash": "3b2c35c74be3509114cc0729c2275d7b87c69ede6eb567e616a0841b8fb4e22b", "author": "4f1c9a2be0d35786",
    "submitted_by": null, "approver": "b07e11d2c4a9f835", "note": "more room for wholesalers", "draft": "d-4f1c9a2be0d35786",
    "restores": null, "expected": {"challenge_rate": "0.012", "freeze_rate": "0.0005", "factor": "2", "after_orders": 200},
    "forecast_left": null, "position": "0-512", "created_at": "2026-11-10T16:00:01.310Z", "updated_at": "2026-11-10T16:00:01.310Z"
}))]
pub struct RulebookCard {
    /// A draft's id or a version's number: what paths take.
    pub id: String,
    /// Of a version: `live` or `replaced`. Of a draft: `draft`, `submitted` or `published`.
    pub state: &'static str,
    /// The version; of a draft the one that it became, null before.
    pub version: Option<u32>,
    /// Of a draft, from 1; null for a version.
    pub revision: Option<u32>,
    /// What people call it.
    pub name: String,
    /// Hex SHA-256 of its canonical form.
    pub hash: String,
    /// The key with which it was written; null for one that came with the service.
    pub author: Option<String>,
    /// The key with which its publication was asked for; null where nobody asked.
    pub submitted_by: Option<String>,
    /// Who put a version in force: a key, or `orderlight`; null for a draft.
    pub approver: Option<String>,
    /// Why a version was put in force.
    pub note: Option<String>,
    /// The draft that a version was.
    pub draft: Option<String>,
    /// The version whose text a rollback brought back.
    pub restores: Option<u32>,
    /// What a version was expected to do, where it was bound to that.
    pub expected: Option<ForecastView>,
    /// Where a version came back by itself: what the one before it did in place of what was expected.
    pub forecast_left: Option<ForecastLeftView>,
    /// Of a version: in force for every order after it; null for a draft.
    pub position: Option<String>,
    /// When a draft was begun, or a version came into force.
    pub created_at: String,
    /// When something last happened to it.
    pub updated_at: String,
}

/// A draft or a version.
#[derive(Serialize, ToSchema)]
pub struct RulebookView {
    /// What is known of it.
    #[serde(flatten)]
    pub card: RulebookCard,
    /// In its canonical form.
    #[schema(value_type = Object, example = json!({
        "name": "Double Eleven", "rules": [], "tiers": [{"id": "hold", "from": 80, "action": "freeze"}], "exemptions": []
    }))]
    pub rulebook: Rulebook,
}

/// A version that came into force.
#[derive(Serialize, ToSchema)]
pub struct PublishedView {
    /// Its number.
    #[schema(example = 3)]
    pub version: u32,
    /// It is in force for every order after it.
    #[schema(example = "0-512")]
    pub position: String,
}

impl RulebookCard {
    /// Of a merchant's draft or version.
    pub fn of(shelf: &Shelf, card: Card<'_>) -> Self {
        match card {
            Card::Version(card) => Self::of_version(shelf, card),
            Card::Draft(card) => Self::of_draft(card),
        }
    }

    fn of_version(shelf: &Shelf, card: &VersionCard) -> Self {
        let submitted_by = card.draft.as_ref().and_then(|draft| shelf.draft_of(draft)?.submitted_by.as_ref());
        let is_live = shelf.live().is_some_and(|live| live.version == card.version);
        Self {
            id: card.version.to_string(),
            state: if is_live { "live" } else { "replaced" },
            version: Some(card.version),
            revision: None,
            name: card.name.to_string(),
            hash: card.hash.to_string(),
            author: card.author.as_ref().map(ToString::to_string),
            submitted_by: submitted_by.map(ToString::to_string),
            approver: Some(card.approver.to_string()),
            note: card.note.as_ref().map(ToString::to_string),
            draft: card.draft.as_ref().map(ToString::to_string),
            restores: card.restores,
            expected: card.expected.as_ref().map(ForecastView::from),
            forecast_left: card.forecast_left.as_ref().map(ForecastLeftView::from),
            position: Some(LogPosition::from(card.place).to_string()),
            created_at: card.published_at.to_string(),
            updated_at: card.published_at.to_string(),
        }
    }

    fn of_draft(card: &DraftCard) -> Self {
        let state = match (card.version, &card.submitted_by) {
            (Some(_), _) => "published",
            (None, Some(_)) => "submitted",
            (None, None) => "draft",
        };
        Self {
            id: card.id.to_string(),
            state,
            version: card.version,
            revision: Some(card.revision),
            name: card.name.to_string(),
            hash: card.hash.to_string(),
            author: Some(card.author.to_string()),
            submitted_by: card.submitted_by.as_ref().map(ToString::to_string),
            approver: None,
            note: None,
            draft: None,
            restores: None,
            expected: None,
            forecast_left: None,
            position: None,
            created_at: card.created_at.to_string(),
            updated_at: card.updated_at.to_string(),
        }
    }
}
