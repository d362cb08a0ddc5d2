//! `GET /v1/features`: the catalogue.

use std::borrow::Cow;

use axum::Json;
use axum::extract::State;
use domain::feature::{CATALOGUE, Feature, FeatureSpec, SIGNAL, WINDOW_MAX, WINDOW_MIN};
use domain::signal::{Declaration, SignalName};
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::auth::LOOK_UP;
use super::body::Parameters;
use super::listing::Items;
use super::position::{After, log_reached};
use super::problem::Problem;
use super::signals::declared;
use crate::directory::Caller;

/// What a rule may ask about an order.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "name": "device.orders", "type": "int", "unit": "orders", "zh": "同一设备的订单数", "en": "orders from this device",
    "takes_window": true, "window": {"min": "1s", "max": "30d"}, "values": []
}))]
pub struct FeatureView {
    /// Its name in rules.
    name: Cow<'static, str>,
    /// `bool`, `int`, `decimal`, `text` or `duration`.
    #[serde(rename = "type")]
    feature_type: &'static str,
    /// The unit of its values; empty where there is none.
    unit: Cow<'static, str>,
    /// What it says, in Chinese; of a signal, what its declaration says.
    zh: Cow<'static, str>,
    /// What it says, in English; of a signal, what its declaration says.
    en: Cow<'static, str>,
    /// Whether a comparison names a window.
    takes_window: bool,
    /// The windows that it takes; null when it takes none.
    window: Option<WindowView>,
    /// The values that a text can have, where they are few.
    values: &'static [&'static str],
}

/// The windows that a feature takes.
#[derive(Serialize, ToSchema)]
pub struct WindowView {
    /// The shortest.
    #[schema(example = "1s")]
    min: String,
    /// The longest.
    #[schema(example = "30d")]
    max: String,
}

/// List features
///
/// Everything that a rule may ask about an order: what the service computes, then the merchant's signals.
#[utoipa::path(
    get,
    path = "/v1/features",
    operation_id = "list_features",
    tag = "Rules",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    params(After),
    responses((status = 200, description = "The catalogue", body = Items<FeatureView>))
)]
pub async fn handle(
    State(app): State<App>,
    caller: Caller,
    Parameters(After { after }): Parameters<After>,
) -> Result<Json<Items<FeatureView>>, Problem> {
    caller.require(LOOK_UP)?;
    log_reached(&app, after.as_deref()).await?;
    let declared = declared(&app, &caller).await?;
    let signals = declared.iter().map(|(name, declaration)| FeatureView::signal(*name, declaration));
    Ok(Json(Items { items: CATALOGUE.iter().map(FeatureView::from).chain(signals).collect(), next_cursor: None }))
}

impl FeatureView {
    fn signal(name: SignalName, declaration: &Declaration) -> Self {
        let feature = Feature::Signal(name).to_string();
        let described = |otherwise: &str| match &*declaration.description {
            "" => format!("{otherwise} {name}").into(),
            description => Cow::Owned(description.to_owned()),
        };
        let (zh, en) = (described(SIGNAL.zh), described(SIGNAL.en));
        Self { name: feature.into(), unit: declaration.unit.to_string().into(), zh, en, ..Self::from(&SIGNAL) }
    }
}

impl From<&FeatureSpec> for FeatureView {
    fn from(spec: &FeatureSpec) -> Self {
        let takes_window = spec.takes_window();
        Self {
            name: spec.name.into(),
            feature_type: spec.feature_type.name(),
            unit: spec.unit.into(),
            zh: spec.zh.into(),
            en: spec.en.into(),
            takes_window,
            window: takes_window.then(|| WindowView { min: WINDOW_MIN.to_string(), max: WINDOW_MAX.to_string() }),
            values: spec.values,
        }
    }
}
