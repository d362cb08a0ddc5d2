//! Shapes that several answers share.

use domain::order::{Hit, StatusReported};
use engine::RiskView;
use serde::Serialize;
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
#[derive(Clone, Debug, Serialize, ToSchema)]
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
