//! Shapes that several answers share.

use domain::order::{Hit, StatusReported};
use engine::RiskView;
use projections::{LinkCounts, OrderStatusRow};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

/// Where an order stands.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Risk {
    /// `placed`, `scored`, `challenged`, `verified`, `frozen` or `released`.
    #[schema(example = "challenged")]
    pub state: &'static str,
    /// The sum of the hits' points; null before the first screening.
    #[schema(example = 80)]
    pub score: Option<i64>,
    /// `pass` or a tier's id; null before the first screening.
    #[schema(example = "sms")]
    pub tier: Option<String>,
    /// The rulebook that was in force.
    #[schema(example = 1)]
    pub rulebook_version: Option<u32>,
    /// The exemption that spared the order.
    pub exemption: Option<String>,
    /// The rules that fired.
    pub hits: Vec<HitView>,
    /// The question that is put to the customer.
    pub challenge: Option<Challenge>,
}

/// A rule that fired.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct HitView {
    /// The rule's id.
    #[schema(example = "device_burst")]
    pub rule: String,
    /// What it added to the score.
    #[schema(example = 50)]
    pub points: i64,
    /// The features it looked at, with their values.
    #[schema(value_type = Object, example = json!({"device.orders[5m]": 5}))]
    pub evidence: Value,
}

/// A question put to a customer.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct Challenge {
    /// Its id.
    pub id: String,
    /// `sms` or `call`.
    #[schema(example = "sms")]
    pub method: String,
    /// Until when the answer counts.
    pub expires_at: String,
}

/// How far an order is, by the newest report.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct UnifiedStatus {
    /// Such as `paid`.
    #[schema(example = "paid")]
    pub value: Value,
    /// When, by the source's clock.
    pub occurred_at: String,
    /// Who said so.
    #[schema(example = "wms")]
    pub source: String,
}

/// Where an order stands, and since when or by whom.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RiskStanding {
    /// Where it stands.
    #[serde(flatten)]
    pub risk: Risk,
    /// Since when it is challenged or frozen; null when it is not held.
    pub held_since: Option<String>,
    /// The reviewer who released it, or else the cause of its release; null when it is not released.
    #[schema(example = "clean")]
    pub released_by: Option<String>,
}

/// An order in a list.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001", "channel": "web", "order_no": "A1001", "placed_at": "2026-11-10T16:00:01.250Z",
    "amount": 39900, "currency": "CNY",
    "risk": {
        "state": "challenged", "score": 80, "tier": "sms", "rulebook_version": 3, "exemption": null,
        "hits": [
            {"rule": "device_burst", "points": 50, "evidence": {"device.orders[5m]": 5}},
            {"rule": "address_changed", "points": 30, "evidence": {"address.changed": true, "address.familiar": false}}
        ],
        "challenge": {"id": "0-17", "method": "sms", "expires_at": "2026-11-10T16:10:01.250Z"},
        "held_since": "2026-11-10T16:00:01.310Z", "released_by": null
    },
    "status": {"value": "paid", "occurred_at": "2026-11-10T16:03:00.000Z", "source": "wms"}
}))]
pub struct OrderSummary {
    /// Its id.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// Where it was placed.
    #[schema(example = "web")]
    pub channel: String,
    /// Its number there.
    #[schema(example = "A1001")]
    pub order_no: String,
    /// The number people see, where it is another one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub display_no: Option<String>,
    /// When it was placed; null for an order that is known only by its statuses.
    pub placed_at: Option<String>,
    /// Minor units.
    #[schema(example = 39900)]
    pub amount: Option<i64>,
    /// ISO 4217.
    #[schema(example = "CNY")]
    pub currency: Option<String>,
    /// Where it stands; null for an order that is known only by its statuses.
    pub risk: Option<RiskStanding>,
    /// How far it is by the newest report; null while nothing was reported.
    pub status: Option<UnifiedStatus>,
}

/// How many other orders share something with an order; never the order itself, and each counted up to 10 000.
#[derive(Clone, Copy, Debug, Serialize, ToSchema)]
pub struct Links {
    /// The device.
    #[schema(example = 12)]
    pub device: u32,
    /// The IP address.
    #[schema(example = 3)]
    pub ip: u32,
    /// Its /24, or /48 for IPv6.
    #[schema(example = 40)]
    pub ip24: u32,
    /// The buyer's or the recipient's number, on either side.
    #[schema(example = 1)]
    pub phone: u32,
    /// The delivery address.
    #[schema(example = 1)]
    pub address: u32,
}

/// A text in both languages.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Bilingual {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

impl From<&OrderStatusRow> for OrderSummary {
    fn from(row: &OrderStatusRow) -> Self {
        let facts = &row.facts;
        Self {
            order_id: row.order_id.to_string(),
            channel: row.order_id.channel().to_owned(),
            order_no: row.order_id.order_no().to_owned(),
            display_no: facts.display_no.as_deref().map(Into::into),
            placed_at: facts.placed_at.map(|at| at.to_string()),
            amount: facts.amount,
            currency: facts.currency.as_deref().map(Into::into),
            risk: standing(row),
            status: row.status.clone().map(UnifiedStatus::from),
        }
    }
}

fn standing(row: &OrderStatusRow) -> Option<RiskStanding> {
    let known = &row.risk;
    let challenge = known.challenge.as_ref().map(|challenge| Challenge {
        id: challenge.id.to_string(),
        method: word(&challenge.method),
        expires_at: challenge.expires_at.to_string(),
    });
    let risk = Risk {
        state: known.state?.name(),
        score: known.score,
        tier: known.tier.as_deref().map(Into::into),
        rulebook_version: known.rulebook_version,
        exemption: known.exemption.as_deref().map(Into::into),
        // The read model keeps the bytes of a recorded event, which always holds such a list.
        hits: serde_json::from_str(&known.hits).unwrap_or_default(),
        challenge,
    };
    Some(RiskStanding {
        risk,
        held_since: known.held_since.map(|since| since.to_string()),
        released_by: known.released_by.as_deref().map(Into::into),
    })
}

impl From<LinkCounts> for Links {
    fn from(LinkCounts { device, ip, ip24, phone, address }: LinkCounts) -> Self {
        Self { device, ip, ip24, phone, address }
    }
}

impl From<projections::UnifiedStatus> for UnifiedStatus {
    fn from(status: projections::UnifiedStatus) -> Self {
        Self {
            value: json!(status.value),
            occurred_at: status.occurred_at.to_string(),
            source: status.source.into_string(),
        }
    }
}

impl From<RiskView> for Risk {
    fn from(view: RiskView) -> Self {
        let screening = view.screening;
        let challenge = view.challenge.map(|challenge| Challenge {
            id: challenge.id.to_string(),
            method: word(&challenge.method),
            expires_at: challenge.expires_at.to_string(),
        });
        Self {
            state: view.state.name(),
            score: screening.as_ref().map(|scored| scored.score),
            tier: screening.as_ref().map(|scored| scored.tier.to_string()),
            rulebook_version: screening.as_ref().map(|scored| scored.rulebook_version),
            exemption: screening.as_ref().and_then(|scored| Some(scored.exemption.as_ref()?.to_string())),
            hits: screening.map(|scored| scored.hits.iter().map(HitView::from).collect()).unwrap_or_default(),
            challenge,
        }
    }
}

impl From<&Hit> for HitView {
    fn from(hit: &Hit) -> Self {
        Self { rule: hit.rule.to_string(), points: hit.points, evidence: json!(hit.evidence) }
    }
}

impl From<StatusReported> for UnifiedStatus {
    fn from(report: StatusReported) -> Self {
        Self {
            value: json!(report.status),
            occurred_at: report.occurred_at.to_string(),
            source: report.source.into_string(),
        }
    }
}

/// The word for a plain enum's variant in the API.
pub fn word(variant: &impl Serialize) -> String {
    match json!(variant) {
        Value::String(word) => word,
        other => other.to_string(),
    }
}
