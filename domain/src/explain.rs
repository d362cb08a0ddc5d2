//! Decisions in words: why an order passes, is asked about, or is held, in Chinese and in English.
//!
//! The texts name rules and exemptions as people do and word the evidence with the catalogue's descriptions. They are made
//! from the recorded event and its rulebook alone, so an explanation never changes after the fact.

mod customer;
mod otherwise;
mod wording;

use crate::order::{ChallengeMethod, Hit, Readings, Scored, ScoredCause, Trigger};
use crate::rulebook::{Action, Names, PASS, Rulebook, Threshold};
use crate::screening::HOLD_OUT;

pub use customer::{CustomerCase, customer_wording};
pub use otherwise::{ANSWERS_MAX, FACTS_MAX, FactChange, Otherwise, would_pass_if};

use wording::Language;

/// One explanation in both languages.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize)]
pub struct Explanation {
    /// In Chinese.
    pub zh: String,
    /// In English.
    pub en: String,
}

/// Words a screening. `rulebook` is the version that the event names; what it does not know is called by its id.
pub fn explain(scored: &Scored, rulebook: &Rulebook) -> Explanation {
    let words = |language| {
        let sentences =
            [verdict(language, scored, rulebook), fired(language, scored, rulebook), cause(language, scored, rulebook)];
        let sentences: Vec<_> = sentences.into_iter().filter(|sentence| !sentence.is_empty()).collect();
        sentences.join(match language {
            Language::Zh => "",
            Language::En => " ",
        })
    };
    Explanation { zh: words(Language::Zh), en: words(Language::En) }
}

/// Words what would have let an order pass. `features` are those of the screening.
pub fn explain_otherwise(otherwise: &Otherwise, features: &Readings) -> Explanation {
    let words = |language| {
        let facts: Vec<_> =
            otherwise.changes.iter().map(|change| wording::otherwise(language, change, features)).collect();
        match language {
            Language::Zh => format!("{}，订单就会直接放行。", wording::spaced("如果", &facts.join("，并且"))),
            Language::En => format!("The order would have passed if {}.", facts.join(", and ")),
        }
    };
    Explanation { zh: words(Language::Zh), en: words(Language::En) }
}

fn verdict(language: Language, scored: &Scored, rulebook: &Rulebook) -> String {
    let score = scored.score;
    if &*scored.tier == PASS {
        return match (language, scored.hits.is_empty()) {
            (Language::Zh, true) => "订单放行：没有规则命中，得分 0。".to_owned(),
            (Language::En, true) => "The order passes: no rule fired, and the score is 0.".to_owned(),
            (Language::Zh, false) => format!("订单放行：得分 {score}，未达到任何处置档位。"),
            (Language::En, false) => format!("The order passes: the score of {score} reaches no tier."),
        };
    }
    let tier = tier(language, &scored.tier, rulebook);
    if let Some(id) = &scored.exemption {
        let exemption = exemption(language, id, scored, rulebook);
        return match language {
            Language::Zh => format!("订单放行：得分 {score}，达到{tier}，但符合豁免{exemption}。"),
            Language::En => {
                format!(
                    "The order passes although the score of {score} reaches {tier}: exemption {exemption} spares it."
                )
            }
        };
    }
    let action = action(language, rulebook.tier(&scored.tier).map(|tier| tier.action));
    match language {
        Language::Zh => format!("{action}：得分 {score}，达到{tier}。"),
        Language::En => format!("{action}: the score of {score} reaches {tier}."),
    }
}

fn action(language: Language, action: Option<Action>) -> &'static str {
    match (language, action) {
        (Language::Zh, Some(Action::Freeze)) => "订单冻结",
        (Language::En, Some(Action::Freeze)) => "The order is to be held",
        (Language::Zh, Some(Action::Challenge(terms))) => match terms.method {
            ChallengeMethod::Sms => "需要客户短信验证",
            ChallengeMethod::Call => "需要电话向客户核实",
        },
        (Language::En, Some(Action::Challenge(terms))) => match terms.method {
            ChallengeMethod::Sms => "The customer is to be asked by SMS",
            ChallengeMethod::Call => "The customer is to be asked by a call",
        },
        (Language::Zh, None) => "订单需要关注",
        (Language::En, None) => "The order needs attention",
    }
}

fn tier(language: Language, id: &str, rulebook: &Rulebook) -> String {
    let threshold = rulebook.tier(id).map(|tier| tier.threshold);
    match (language, threshold) {
        (Language::Zh, Some(Threshold::From(score))) => format!("“{id}”档（{score} 分及以上）"),
        (Language::Zh, Some(Threshold::Above(score))) => format!("“{id}”档（超过 {score} 分）"),
        (Language::Zh, None) => format!("“{id}”档"),
        (Language::En, Some(Threshold::From(score))) => format!("tier “{id}” ({score} and more)"),
        (Language::En, Some(Threshold::Above(score))) => format!("tier “{id}” (more than {score})"),
        (Language::En, None) => format!("tier “{id}”"),
    }
}

fn exemption(language: Language, id: &str, scored: &Scored, rulebook: &Rulebook) -> String {
    let Some(exemption) = rulebook.exemption(id) else {
        return match language {
            Language::Zh if id == HOLD_OUT => "“对照样本”（随机留出，用于评估规则效果）".to_owned(),
            Language::En if id == HOLD_OUT => "“hold-out” (a random share that shows what rules do)".to_owned(),
            Language::Zh | Language::En => format!("“{id}”"),
        };
    };
    let asked = exemption.when.features().into_iter().map(|feature| feature.to_string());
    let evidence = asked.map(|name| wording::evidence(language, &name, scored.features.get(&name), &scored.features));
    let name = called(language, &exemption.name, id);
    with_evidence(language, &format!("“{name}”"), &evidence.collect::<Vec<_>>())
}

fn fired(language: Language, scored: &Scored, rulebook: &Rulebook) -> String {
    if scored.hits.is_empty() {
        return String::new();
    }
    let hits: Vec<_> = scored.hits.iter().map(|hit| worded_hit(language, hit, scored, rulebook)).collect();
    match language {
        Language::Zh => format!("命中的规则：{}。", hits.join("；")),
        Language::En => format!("Fired: {}.", hits.join("; ")),
    }
}

fn worded_hit(language: Language, hit: &Hit, scored: &Scored, rulebook: &Rulebook) -> String {
    let name = rule_name(language, &hit.rule, rulebook);
    let points = hit.points;
    let title = match language {
        Language::Zh => format!("“{name}”{points:+} 分"),
        Language::En => format!("“{name}” {points:+}"),
    };
    if let Some(swept) = scored.swept.iter().find(|swept| swept.rule == hit.rule) {
        let evidence = each(language, &swept.evidence).join(match language {
            Language::Zh => "，",
            Language::En => ", ",
        });
        let by = &swept.by;
        return match language {
            Language::Zh => format!("{title}（由订单 {by} 触发，{evidence}）"),
            Language::En => format!("{title} (fired for order {by}, {evidence})"),
        };
    }
    let evidence =
        hit.evidence.0.iter().map(|(name, value)| wording::evidence(language, name, value.as_ref(), &scored.features));
    with_evidence(language, &title, &evidence.collect::<Vec<_>>())
}

fn rule_name<'a>(language: Language, id: &'a str, rulebook: &'a Rulebook) -> &'a str {
    rulebook.rule(id).map_or(id, |rule| called(language, &rule.name, id))
}

/// Features and their values, each in words.
fn each(language: Language, readings: &Readings) -> Vec<String> {
    let worded = readings.0.iter().map(|(name, value)| wording::evidence(language, name, value.as_ref(), readings));
    worded.collect()
}

/// Features and their values in words.
pub fn evidence(readings: &Readings) -> Explanation {
    Explanation { zh: each(Language::Zh, readings).join("，"), en: each(Language::En, readings).join(", ") }
}

fn with_evidence(language: Language, title: &str, evidence: &[String]) -> String {
    match language {
        _ if evidence.is_empty() => title.to_owned(),
        Language::Zh => format!("{title}（{}）", evidence.join("，")),
        Language::En => format!("{title} ({})", evidence.join(", ")),
    }
}

fn called<'a>(language: Language, names: &'a Names, id: &'a str) -> &'a str {
    let name = match language {
        Language::Zh => &names.zh,
        Language::En => &names.en,
    };
    name.as_deref().unwrap_or(id)
}

fn cause(language: Language, scored: &Scored, rulebook: &Rulebook) -> String {
    let Some(Trigger { order, left_out }) = &scored.trigger else {
        return plain_cause(language, scored.cause).to_owned();
    };
    let swept = scored.swept.iter().rev().find(|swept| swept.by == *order);
    let why = match (language, scored.cause, swept) {
        (Language::Zh, ScoredCause::Sibling, Some(swept)) => {
            format!("订单 {order} 触发“{}”、本单在其窗口内", rule_name(language, &swept.rule, rulebook))
        }
        (Language::En, ScoredCause::Sibling, Some(swept)) => {
            let rule = rule_name(language, &swept.rule, rulebook);
            format!("“{rule}” fired for order {order}, whose window holds this one")
        }
        (Language::Zh, ScoredCause::LateEvidence, _) => format!("订单 {order} 迟到"),
        (Language::En, ScoredCause::LateEvidence, _) => format!("order {order} arrived late"),
        (Language::Zh, ScoredCause::Amended, _) => format!("订单 {order} 资料更新"),
        (Language::En, ScoredCause::Amended, _) => format!("the facts of order {order} changed"),
        (Language::Zh, _, _) => format!("订单 {order}"),
        (Language::En, _, _) => format!("of order {order}"),
    };
    match (language, left_out) {
        (Language::Zh, 0) => format!("本次评分因{why}而重新进行。"),
        (Language::En, 0) => format!("It was screened again because {why}."),
        (Language::Zh, others) => format!("本次评分因{why}而重新进行；同一窗口内另有 {others} 笔未重新评分。"),
        (Language::En, others) => {
            format!("It was screened again because {why}; {others} more of that window were left as they are.")
        }
    }
}

fn plain_cause(language: Language, cause: ScoredCause) -> &'static str {
    match (language, cause) {
        (_, ScoredCause::Placed) => "",
        (Language::Zh, ScoredCause::Amended) => "本次评分因订单资料更新而重新进行。",
        (Language::En, ScoredCause::Amended) => "It was screened again because its facts changed.",
        (Language::Zh, ScoredCause::LateEvidence) => "本次评分因另一笔订单迟到而重新进行。",
        (Language::En, ScoredCause::LateEvidence) => "It was screened again because another order arrived late.",
        (Language::Zh, ScoredCause::Sibling) => "本次评分因关联订单触发规则而重新进行。",
        (Language::En, ScoredCause::Sibling) => "It was screened again because a rule fired for a related order.",
        (Language::Zh, ScoredCause::Manual) => "本次评分由人工发起。",
        (Language::En, ScoredCause::Manual) => "It was screened again because somebody asked for it.",
    }
}
