//! `GET /v1/reason-codes`: why a reviewer decides as they do. A fixed list, so that figures of all merchants and times mean the
//! same.

use axum::Json;
use engine::ReviewAction;
use serde::Serialize;
use utoipa::ToSchema;

use crate::directory::Caller;
use crate::http::auth::LOOK_UP;
use crate::http::fields::Fields;
use crate::http::problem::Problem;
use crate::http::view::Bilingual;

const RELEASE: &[ReviewAction] = &[ReviewAction::Release];
const FREEZE: &[ReviewAction] = &[ReviewAction::Freeze];
const EITHER: &[ReviewAction] = &[ReviewAction::Release, ReviewAction::Freeze];

/// A reason with its labels and the decisions that it can be given for.
struct Reason {
    code: &'static str,
    zh: &'static str,
    en: &'static str,
    actions: &'static [ReviewAction],
}

/// Says nothing by itself, so a note has to.
const OTHER: &str = "other";

const REASONS: [Reason; 17] = [
    reason("customer_confirmed", "客户确认是本人下单", "The customer confirmed the order", RELEASE),
    reason("family_or_gift", "为家人或朋友下单、送礼", "An order for family, or a gift", RELEASE),
    reason("regular_customer", "老客户，历史良好", "A regular customer with a good history", RELEASE),
    reason("wholesale_agreed", "已约定的批量采购", "An agreed bulk purchase", RELEASE),
    reason("moved_or_travelling", "客户搬家或出行，地址有变", "The customer moved or travels", RELEASE),
    reason("shared_device_or_network", "合理共用的设备或网络", "A device or network that is rightly shared", RELEASE),
    reason("false_alarm", "规则误报", "The rules are mistaken", RELEASE),
    reason("customer_denied", "客户否认下单", "The customer did not place the order", FREEZE),
    reason("customer_confused", "客户答复含糊", "The customer could not say what was ordered", FREEZE),
    reason("customer_unreachable", "无法联系到客户", "The customer cannot be reached", FREEZE),
    reason("bot_or_script", "机器或脚本下单", "Placed by a bot or a script", FREEZE),
    reason("stock_hoarding", "占库存，无意购买", "Holds stock without meaning to buy", FREEZE),
    reason("reseller_limit", "超出限购或违规转售", "Beyond the limit for one buyer, or for resale", FREEZE),
    reason("stolen_account", "账号被盗", "A stolen account", FREEZE),
    reason("payment_fraud", "支付欺诈", "Fraud in the payment", FREEZE),
    reason("duplicate", "重复订单", "A duplicate of another order", FREEZE),
    reason(OTHER, "其他原因（须填写备注）", "Another reason, which the note tells", EITHER),
];

const fn reason(code: &'static str, zh: &'static str, en: &'static str, actions: &'static [ReviewAction]) -> Reason {
    Reason { code, zh, en, actions }
}

/// All reasons.
#[derive(Serialize, ToSchema)]
pub struct Reasons {
    /// In a fixed order.
    pub items: Vec<ReasonView>,
}

/// A reason for a decision.
#[derive(Serialize, ToSchema)]
#[schema(example = json!({
    "code": "family_or_gift", "label": {"zh": "为家人或朋友下单、送礼", "en": "An order for family, or a gift"},
    "actions": ["release"], "note_required": false
}))]
pub struct ReasonView {
    /// What a decision names.
    #[schema(example = "family_or_gift")]
    pub code: &'static str,
    /// What people read.
    pub label: Bilingual,
    /// The decisions it can be given for: `release`, `freeze` or both.
    pub actions: Vec<&'static str>,
    /// Whether the decision needs a note as well.
    #[schema(example = false)]
    pub note_required: bool,
}

/// List the reasons for decisions
///
/// What `reason_code` may be in a decision about a review. The list grows, and nothing in it changes its meaning.
#[utoipa::path(
    get,
    path = "/v1/reason-codes",
    operation_id = "list_reason_codes",
    tag = "Reviews",
    extensions(("x-roles" = json!(["service", "reviewer", "analyst", "approver", "auditor", "admin"]))),
    responses((status = 200, description = "The reasons", body = Reasons))
)]
pub async fn handle(caller: Caller) -> Result<Json<Reasons>, Problem> {
    caller.require(LOOK_UP)?;
    let items = REASONS.iter().map(|reason| ReasonView {
        code: reason.code,
        label: reason.label(),
        actions: reason.actions.iter().copied().map(action_word).collect(),
        note_required: reason.code == OTHER,
    });
    Ok(Json(Reasons { items: items.collect() }))
}

/// What a code means; `None` for one that is not in the list.
pub fn label(code: &str) -> Option<Bilingual> {
    REASONS.iter().find(|reason| reason.code == code).map(Reason::label)
}

impl Reason {
    fn label(&self) -> Bilingual {
        Bilingual { zh: self.zh.to_owned(), en: self.en.to_owned() }
    }
}

/// Notes a fault where a code is none of the list, none for this decision, or one that a note must explain and none does.
pub(super) fn check(fields: &mut Fields, action: ReviewAction, code: &str, note: Option<&str>) {
    let fits = |reason: &&Reason| reason.actions.contains(&action);
    match REASONS.iter().find(|reason| reason.code == code) {
        None => fields.fault("/reason_code", "expected a code of GET /v1/reason-codes"),
        Some(reason) if !fits(&reason) => {
            let fitting: Vec<_> = REASONS.iter().filter(fits).map(|reason| reason.code).collect();
            let detail = format!("{code} is no reason to {}; expected {}", action_word(action), fitting.join(", "));
            fields.fault("/reason_code", detail);
        }
        Some(_) if code == OTHER && note.is_none() => fields.fault("/note", format!("is required with {OTHER}")),
        Some(_) => {}
    }
}

/// The word for a decision in the API.
pub(super) const fn action_word(action: ReviewAction) -> &'static str {
    match action {
        ReviewAction::Release => "release",
        ReviewAction::Freeze => "freeze",
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_reason_has_a_code_of_its_own_that_figures_can_be_kept_by() {
        let codes: BTreeSet<_> = REASONS.iter().map(|reason| reason.code).collect();
        assert_eq!(codes.len(), REASONS.len());
        for code in codes {
            assert!(code.bytes().all(|byte| byte.is_ascii_lowercase() || byte == b'_'), "{code}");
        }
        assert!(REASONS.iter().all(|reason| !reason.actions.is_empty()));
    }
}
