//! What happened to an order, in a sentence each of Chinese and English.
//!
//! The sentences are for people who look an order up. They are made from recorded events and their rulebooks alone, so they
//! never change after the fact, and they hold nothing personal: free text that somebody wrote is left to the event itself.

mod facts;
mod money;
mod words;

use std::collections::HashMap;

use chrono_tz::Tz;
use domain::explain;
use domain::order::{
    Challenged, ClosedCause, FreezeConfirmed, Frozen, FrozenCause, OrderEvent, PASS, Released, ReleasedCause,
    ReopenCause, ReviewCause, ReviewClosed, ReviewOpened, ReviewReopened, Scored, StatusReported, StockCause,
    StockReleaseDue,
};
use domain::rulebook::{Names, Rulebook};
use domain::screening::HOLD_OUT;
use domain::time::Timestamp;

use crate::http::reviews::reasons;
use crate::http::view::Bilingual;

/// What sentences depend on beside the event.
pub struct Wording<'a> {
    /// The zone in which the merchant reads clocks.
    pub zone: Tz,
    /// The rulebooks that screenings name, by version; what one does not know is called by its id.
    pub rulebooks: &'a HashMap<u32, Rulebook>,
    /// What people call the keys, by their ids; one that is not known is called by its id.
    pub people: &'a HashMap<Box<str>, Box<str>>,
}

impl Wording<'_> {
    /// The sentence for an event.
    pub fn summary(&self, event: &OrderEvent) -> Bilingual {
        match event {
            OrderEvent::Placed(placed) => facts::placed(placed),
            OrderEvent::Amended(amended) => facts::amended(amended),
            OrderEvent::StatusReported(report) => reported(report),
            OrderEvent::Scored(scored) => self.scored(scored),
            OrderEvent::Challenged(challenged) => self.challenged(challenged),
            OrderEvent::ChallengeResent(resent) => both(
                format!("验证码已重新发送（第 {} 次重发）", resent.count),
                format!("The code was sent again (resend {})", resent.count),
            ),
            OrderEvent::CodeRejected(rejected) => words::code_rejected(rejected.attempts_left),
            OrderEvent::CallUnanswered(call) => words::call_unanswered(call.attempts_left),
            OrderEvent::Verified(verified) => {
                let method = words::method(verified.how);
                both(
                    format!("客户已通过{}验证", method.zh),
                    format!("The customer passed the verification by {}", method.en),
                )
            }
            OrderEvent::Frozen(frozen) => self.freezing(frozen),
            OrderEvent::FreezeConfirmed(confirmed) => {
                let FreezeConfirmed { actor, reason_code, part_of, .. } = confirmed;
                let done = ["确认了冻结", "confirmed the freeze"];
                words::part_of(self.by_reviewer(done, Some(actor), Some(reason_code)), part_of.as_deref())
            }
            OrderEvent::Released(released) => self.releasing(released),
            OrderEvent::ReviewOpened(opened) => review_opened(opened),
            OrderEvent::ReviewClosed(closed) => review_closed(closed),
            OrderEvent::ReviewEscalated(escalated) => {
                let since = self.clock(escalated.opened_at);
                both(
                    format!("审核自 {since} 起无人处理，已升级"),
                    format!("The review has waited since {since} and is escalated"),
                )
            }
            OrderEvent::ReviewReopened(reopened) => self.reopening(reopened),
            OrderEvent::ReviewClaimed(claimed) => {
                let (reviewer, until) = (self.person(&claimed.reviewer), self.clock(claimed.lease_until));
                both(
                    format!("{reviewer} 领取了审核，保留至 {until}"),
                    format!("{reviewer} took the review, held until {until}"),
                )
            }
            OrderEvent::ReviewReturned(returned) => {
                let reviewer = self.person(&returned.reviewer);
                both(format!("{reviewer} 退回了审核"), format!("{reviewer} gave the review back"))
            }
            OrderEvent::Noted(noted) => {
                let author = self.person(&noted.author);
                both(format!("{author} 添加了备注"), format!("{author} added a note"))
            }
            OrderEvent::PersonalDataRevealed(revealed) => {
                let actor = self.person(&revealed.actor);
                both(format!("{actor} 查看了客户的个人信息"), format!("{actor} looked at the personal data"))
            }
            OrderEvent::StockReleaseDue(due) => stock(due),
        }
    }

    fn scored(&self, scored: &Scored) -> Bilingual {
        let rulebook = self.rulebooks.get(&scored.rulebook_version);
        let (mut zh, mut en) = words::screened(scored, self.swept(scored));
        if &*scored.tier == PASS {
            zh.push_str("，未达到任何档位");
            en.push_str(", which reaches no tier");
        } else {
            zh.push_str(&format!("，达到“{}”档", scored.tier));
            en.push_str(&format!(", which reaches tier “{}”", scored.tier));
        }
        if let Some(id) = &scored.exemption {
            let names = rulebook.and_then(|rulebook| Some(&rulebook.exemption(id)?.name));
            let name = if &**id == HOLD_OUT { both("对照样本", "hold-out") } else { called(names, id) };
            zh.push_str(&format!("，但符合豁免“{}”", name.zh));
            en.push_str(&format!(", but exemption “{}” spares it", name.en));
        }
        let fired = scored.hits.iter().map(|hit| {
            let name = called(rulebook.and_then(|rulebook| Some(&rulebook.rule(&hit.rule)?.name)), &hit.rule);
            let points = hit.points;
            both(format!("“{}”{points:+}", name.zh), format!("“{}” {points:+}", name.en))
        });
        let (fired_zh, fired_en): (Vec<_>, Vec<_>) = fired.map(|Bilingual { zh, en }| (zh, en)).unzip();
        if fired_zh.is_empty() {
            return both(format!("{zh}；没有规则命中"), format!("{en}; no rule fired"));
        }
        both(format!("{zh}；命中{}", fired_zh.join("、")), format!("{en}; fired: {}", fired_en.join(", ")))
    }

    /// The rule that fired for the order that made a screening necessary, with what its window held.
    fn swept(&self, scored: &Scored) -> Option<Bilingual> {
        let trigger = scored.trigger.as_ref()?;
        let swept = scored.swept.iter().rev().find(|swept| swept.by == trigger.order)?;
        let rulebook = self.rulebooks.get(&scored.rulebook_version);
        let name = called(rulebook.and_then(|rulebook| Some(&rulebook.rule(&swept.rule)?.name)), &swept.rule);
        let evidence = explain::evidence(&swept.evidence);
        Some(both(format!("“{}”（{}）", name.zh, evidence.zh), format!("“{}” ({})", name.en, evidence.en)))
    }

    fn challenged(&self, challenged: &Challenged) -> Bilingual {
        let until = self.clock(challenged.expires_at);
        let method = words::method(challenged.method);
        let why = challenged.instead_of.map_or_else(|| both("", ""), words::instead);
        both(
            format!("请客户完成{}验证，{until} 前有效{}", method.zh, why.zh),
            format!("The customer is asked to verify by {}, until {until}{}", method.en, why.en),
        )
    }

    fn freezing(&self, frozen: &Frozen) -> Bilingual {
        match frozen.cause {
            FrozenCause::Score => both("风险得分过高，订单冻结", "Frozen because of its score"),
            FrozenCause::ChallengeFailed => because(
                both("客户未通过验证，订单冻结", "Frozen because the customer failed the verification"),
                frozen.reason_code.as_deref(),
            ),
            FrozenCause::ChallengeExpired => {
                both("客户未在期限内验证，订单冻结", "Frozen because the customer did not verify in time")
            }
            FrozenCause::Reviewer => {
                let Frozen { actor, reason_code, part_of, .. } = frozen;
                let done = ["冻结了订单", "froze the order"];
                words::part_of(self.by_reviewer(done, actor.as_deref(), reason_code.as_deref()), part_of.as_deref())
            }
        }
    }

    fn releasing(&self, released: &Released) -> Bilingual {
        match released.cause {
            ReleasedCause::Clean => both("未发现风险，订单放行", "Released: nothing speaks against it"),
            ReleasedCause::Verified => both("客户已通过验证，订单放行", "Released because the customer verified it"),
            ReleasedCause::Exempt => both("符合豁免条件，订单放行", "Released because an exemption spares it"),
            ReleasedCause::Rescored => both("重新评分后风险解除，订单放行", "Released because its score fell"),
            ReleasedCause::ChallengeExpired => words::after(
                both("验证已过期，按规则放行", "Released because the verification ran out, as its tier says"),
                &released.instead_of,
            ),
            ReleasedCause::Reviewer => {
                let Released { actor, reason_code, part_of, .. } = released;
                let done = ["放行了订单", "released the order"];
                words::part_of(self.by_reviewer(done, actor.as_deref(), reason_code.as_deref()), part_of.as_deref())
            }
        }
    }

    fn by_reviewer(&self, [zh, en]: [&str; 2], reviewer: Option<&str>, reason: Option<&str>) -> Bilingual {
        let (zh, en) = match reviewer.map(|reviewer| self.person(reviewer)) {
            Some(reviewer) => (format!("{reviewer} {zh}"), format!("{reviewer} {en}")),
            None => (format!("审核员{zh}"), format!("A reviewer {en}")),
        };
        because(both(zh, en), reason)
    }

    fn reopening(&self, reopened: &ReviewReopened) -> Bilingual {
        let actor = self.person(&reopened.actor);
        match reopened.cause {
            ReopenCause::Appeal => both(
                format!("客户申诉，{actor} 重新打开了审核"),
                format!("The customer appeals; {actor} opened the review again"),
            ),
            ReopenCause::Reopened => {
                both(format!("{actor} 重新打开了审核"), format!("{actor} opened the review again"))
            }
        }
    }

    /// What people call whoever a key belongs to.
    fn person<'p>(&'p self, id: &'p str) -> &'p str {
        self.people.get(id).map_or(id, |name| &**name)
    }

    /// A time as the merchant's clocks show it.
    fn clock(&self, time: Timestamp) -> String {
        time.to_datetime().with_timezone(&self.zone).format("%Y-%m-%d %H:%M:%S").to_string()
    }
}

fn both(zh: impl Into<String>, en: impl Into<String>) -> Bilingual {
    Bilingual { zh: zh.into(), en: en.into() }
}

/// A sentence with a reason, if there is one, by what it means.
fn because(sentence: Bilingual, reason: Option<&str>) -> Bilingual {
    let Some(code) = reason else { return sentence };
    let Bilingual { zh, en } = sentence;
    let reason = reasons::label(code).unwrap_or_else(|| both(code, code));
    both(format!("{zh}（原因：{}）", reason.zh), format!("{en} (reason: {})", reason.en))
}

fn called(names: Option<&Names>, id: &str) -> Bilingual {
    let name = |name: Option<&std::sync::Arc<str>>| name.map_or(id, |name| &**name).to_owned();
    both(name(names.and_then(|names| names.zh.as_ref())), name(names.and_then(|names| names.en.as_ref())))
}

fn reported(report: &StatusReported) -> Bilingual {
    let (source, status) = (words::place(&report.source), words::status(report.status));
    both(format!("{}报告：{}", source.zh, status.zh), format!("{} reports: {}", source.en, status.en))
}

fn review_opened(opened: &ReviewOpened) -> Bilingual {
    let sentence = match opened.cause {
        ReviewCause::ChallengeFailed => {
            both("客户未通过验证，转人工审核", "The customer failed the verification; a person has to look")
        }
        ReviewCause::ChallengeExpired => {
            both("客户未在期限内验证，转人工审核", "The customer did not verify in time; a person has to look")
        }
        ReviewCause::NoChannel => {
            both("目前无法联系客户，转人工审核", "The customer cannot be asked now; a person has to look")
        }
        ReviewCause::Frozen => both("订单已冻结，转人工审核", "The order is frozen; a person has to look"),
        ReviewCause::Departed => {
            both("订单已发出，无法再拦截，转人工审核", "The order has left and cannot be held; a person has to look")
        }
        ReviewCause::Resumed => {
            both("订单已不再处于取消状态，转人工审核", "The order is no longer called off; a person has to look")
        }
    };
    words::after(because(sentence, opened.reason_code.as_deref()), &opened.instead_of)
}

fn review_closed(closed: &ReviewClosed) -> Bilingual {
    let (zh, en) = match closed.cause {
        ClosedCause::Cancelled => ("订单已取消", "The order is cancelled"),
        ClosedCause::Refunded => ("订单已退款", "The order was refunded"),
        ClosedCause::Shipped => ("订单已发出", "The order has left"),
    };
    match closed.challenge {
        Some(_) => both(
            format!("{zh}，不再请客户验证，审核结束"),
            format!("{en}: the customer is asked no more, and the review is closed"),
        ),
        None => both(format!("{zh}，审核结束"), format!("{en}: the review is closed")),
    }
}

fn stock(due: &StockReleaseDue) -> Bilingual {
    let units = due.units;
    let of_units = if units == 1 { "unit" } else { "units" };
    match due.cause {
        StockCause::Unpaid => both(
            format!("订单逾期未付款，应释放库存 {units} 件"),
            format!("The payment is overdue; stock to be released: {units} {of_units}"),
        ),
        StockCause::Frozen => both(
            format!("订单冻结已久，应释放库存 {units} 件"),
            format!("The order has been frozen for a long time; stock to be released: {units} {of_units}"),
        ),
    }
}

#[cfg(test)]
mod tests;
