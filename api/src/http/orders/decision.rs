//! `GET /v1/orders/{id}/decision`: one screening in full, with its explanation.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use domain::explain::{CustomerCase, Explanation, customer_wording, explain, explain_otherwise, would_pass_if};
use domain::feature::FeatureRef;
use domain::order::{Order, OrderEvent, Readings, Scored, evolve};
use domain::rulebook::Rulebook;
use eventlog::LogError;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::task::spawn_blocking;
use utoipa::{IntoParams, ToSchema};

use super::story::{Chapter, Story};
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::LOOK_UP;
use crate::http::body::{Parameters, PathParameters, order_id};
use crate::http::position::{LogPosition, log_reached};
use crate::http::problem::Problem;
use crate::http::view::{Bilingual, HitView, word};

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct Query {
    /// Where an earlier screening is, as the history names it; the last one when not given.
    #[param(example = "0-17")]
    position: Option<String>,
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    after: Option<String>,
}

/// One screening in full.
#[derive(Clone, Debug, Serialize, ToSchema)]
#[schema(example = json!({
    "order_id": "web:A1001", "position": "0-17", "score": 50, "tier": "pass",
    "features": {"customer.level": null, "device.orders[5m]": 5},
    "hits": [{"rule": "device_burst", "points": 50, "evidence": {"device.orders[5m]": 5}}],
    "exemption": null, "cause": "placed",
    "rulebook": {"version": 3, "hash": "ed642f644077a6b1a2e8245bc2cd0278ab04b53c09912e465944a58888b25fef",
                 "name": "Double Eleven"},
    "decided_at": "2026-11-10T16:00:01.310Z",
    "explanation": {
        "zh": "订单放行：得分 50，未达到任何处置档位。命中的规则：“同设备短时多单”+50 分（5 分钟内同一设备的订单数：5 单）。",
        "en": "The order passes: the score of 50 reaches no tier. Fired: “Device burst” +50 \
               (orders from this device within 5 minutes: 5)."
    },
    "would_pass_if": [],
    "customer_wording": {"zh": "您的订单已确认，正在处理。", "en": "Your order is confirmed and is being processed."}
}))]
pub struct DecisionView {
    /// Which order.
    #[schema(example = "web:A1001")]
    pub order_id: String,
    /// Where it is in the log.
    #[schema(example = "0-17")]
    pub position: String,
    /// The sum of the hits' points.
    #[schema(example = 80)]
    pub score: i64,
    /// `pass` or the id of the tier that the score reaches.
    #[schema(example = "sms")]
    pub tier: String,
    /// Every feature that the rulebook reads, with its value; null is unknown.
    #[schema(value_type = Object, example = json!({"device.orders[5m]": 5, "address.familiar": null}))]
    pub features: Readings,
    /// The rules that fired.
    pub hits: Vec<HitView>,
    /// The exemption that spared the order.
    pub exemption: Option<String>,
    /// Why it was screened: `placed`, `amended`, `late_evidence`, `sibling` or `manual`.
    #[schema(example = "placed")]
    pub cause: String,
    /// The rulebook that was in force.
    pub rulebook: RulebookName,
    /// When it was recorded.
    pub decided_at: String,
    /// The decision in words.
    pub explanation: Bilingual,
    /// The smallest changes of fact that would have let it pass, fewest facts first and then the nearest values: each is
    /// enough by itself, and no part of it is. Changes of more than 4 facts are not looked for, and at most 20 are listed;
    /// empty when the order passed.
    pub would_pass_if: Vec<OtherwiseView>,
    /// What the customer may be told of the order as it stands now: nothing of rules, facts or scores.
    pub customer_wording: Bilingual,
}

/// Facts that would have let the order pass.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct OtherwiseView {
    /// What would have had to be otherwise, all of it.
    pub changes: Vec<FactChangeView>,
    /// The same in words.
    pub explanation: Bilingual,
}

/// A fact that would have had to be otherwise.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct FactChangeView {
    /// Which.
    #[schema(example = "device.orders")]
    pub feature: String,
    /// Its window; left out where it takes none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(example = "5m")]
    pub window: Option<String>,
    /// What it was; null is not known.
    #[schema(value_type = Object, example = 5)]
    pub from: Value,
    /// What would have been enough, as rules write it.
    pub to: BoundView,
}

/// What would have been enough.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct BoundView {
    /// `==`, `!=`, `<`, `<=`, `>`, `>=`, `in` or `not_in`.
    #[schema(example = "<=")]
    pub op: &'static str,
    /// A constant, or a list of them.
    #[schema(value_type = Object, example = 4)]
    pub value: Value,
}

/// Which rulebook.
#[derive(Clone, Debug, Serialize, ToSchema)]
pub struct RulebookName {
    /// Its version.
    #[schema(example = 3)]
    pub version: u32,
    /// Hex SHA-256 of its canonical form.
    pub hash: String,
    /// What people call it.
    #[schema(example = "Double Eleven")]
    pub name: String,
}

/// Explain a decision
///
/// The last screening of the order, or the one at `position`: what was looked at, what fired, and what that means in words.
#[utoipa::path(
    get,
    path = "/v1/orders/{id}/decision",
    operation_id = "get_decision",
    tag = "Looking up",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(("id" = String, Path, description = "`{channel}:{order_no}`, percent-encoded", example = "web:A1001"), Query),
    responses(
        (status = 200, description = "The screening", body = DecisionView),
        (status = 400, description = "A parameter is wrong or unknown", body = Problem),
        (status = 404, description = "There is no such order, or no such screening of it", body = Problem),
        (status = 503, description = "`after` was not reached in time", body = Problem),
    )
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
    Parameters(query): Parameters<Query>,
) -> Result<Json<DecisionView>, Problem> {
    caller.require(LOOK_UP)?;
    let id = order_id(&id)?;
    let position = query.position.as_deref().map(position).transpose()?;
    log_reached(&app, query.after.as_deref()).await?;
    let story = Story::read(&app, &caller.merchant, &id).await?;
    let (chapter, scored) = screening(&story, position).ok_or_else(|| {
        Problem::not_found(match position {
            Some(position) => format!("the order {:?} was not screened at {position}", id.as_str()),
            None => format!("the order {:?} was not screened so far", id.as_str()),
        })
    })?;
    let (partition, version) = (app.engine.partition_of(&caller.merchant), scored.rulebook_version);
    let rulebook = app.rulebooks.version(partition, &caller.merchant, version).await?;
    let rulebook =
        rulebook.ok_or_else(|| LogError::Damaged(format!("rulebook version {version} was never published")))?;
    let customer = customer_wording(CustomerCase::of(&order(&story)));
    let name = rulebook.name().to_owned();
    let explanation = explain(scored, &rulebook);
    let otherwise = {
        let scored = scored.clone();
        spawn_blocking(move || otherwise(&scored, &rulebook)).await.map_err(|error| Problem::internal(&error))?
    };
    Ok(Json(DecisionView {
        order_id: id.to_string(),
        position: place(chapter).to_string(),
        score: scored.score,
        tier: scored.tier.to_string(),
        features: scored.features.clone(),
        hits: scored.hits.iter().map(HitView::from).collect(),
        exemption: scored.exemption.as_ref().map(ToString::to_string),
        cause: word(&scored.cause),
        rulebook: RulebookName { version, hash: scored.rulebook_hash.to_string(), name },
        decided_at: chapter.recorded.recorded_at.to_string(),
        explanation: explanation.into(),
        would_pass_if: otherwise,
        customer_wording: customer.into(),
    }))
}

/// The order as it stands now.
fn order(story: &Story) -> Order {
    story.0.iter().fold(Order::default(), |order, chapter| evolve(order, &chapter.event))
}

fn otherwise(scored: &Scored, rulebook: &Rulebook) -> Vec<OtherwiseView> {
    let evaluator = rulebook.compile(scored.rulebook_version);
    let values = evaluator.values(&scored.features);
    // What fired for another order counts whatever this one's own facts are.
    let is_swept = |rule: &Arc<str>| scored.swept.iter().any(|swept| swept.rule == *rule);
    let evaluate = |values: &[_], findings: &mut _| evaluator.evaluate_swept(values, is_swept, findings);
    let found = would_pass_if(rulebook, &evaluator, &values, &evaluate);
    let view = |otherwise: domain::explain::Otherwise| {
        let explanation = explain_otherwise(&otherwise, &scored.features).into();
        let change = |change: domain::explain::FactChange| FactChangeView {
            feature: name(&change.feature),
            window: change.feature.window.map(|window| window.to_string()),
            from: json!(change.from.map(|value| value.reading())),
            to: BoundView { op: change.to.symbol(), value: json!(change.to.constant()) },
        };
        OtherwiseView { changes: otherwise.changes.into_iter().map(change).collect(), explanation }
    };
    found.into_iter().map(view).collect()
}

/// A feature as rules name it, without its window.
fn name(feature: &FeatureRef) -> String {
    let name = feature.to_string();
    name.split_once('[').map_or(name.clone(), |(name, _)| name.to_owned())
}

impl From<Explanation> for Bilingual {
    fn from(Explanation { zh, en }: Explanation) -> Self {
        Self { zh, en }
    }
}

fn position(text: &str) -> Result<LogPosition, Problem> {
    text.parse().map_err(|_| Problem::bad_parameter("position: expected a position of the history, such as 0-17"))
}

fn place(chapter: &Chapter) -> LogPosition {
    LogPosition::from((chapter.recorded.partition, chapter.recorded.position))
}

/// The last screening, or the one at a position.
fn screening(story: &Story, at: Option<LogPosition>) -> Option<(&Chapter, &Scored)> {
    let mut screenings = story.0.iter().rev().filter_map(|chapter| match &chapter.event {
        OrderEvent::Scored(scored) => Some((chapter, scored)),
        _ => None,
    });
    screenings.find(|(chapter, _)| at.is_none_or(|at| place(chapter) == at))
}
