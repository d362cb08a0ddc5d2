//! Words for statuses, methods, causes and places.

use std::fmt::Display;

use domain::order::{
    ChallengeMethod, Downgrade, DowngradeReason, LinkedBy, LinkedTo, PartOf, Scored, ScoredCause, Status,
};

use super::both;
use crate::http::view::Bilingual;

pub(super) fn status(status: Status) -> Bilingual {
    match status {
        Status::Paid => both("已付款", "paid"),
        Status::PartiallyShipped => both("部分发货", "partially shipped"),
        Status::Shipped => both("已发货", "shipped"),
        Status::Delivered => both("已送达", "delivered"),
        Status::Completed => both("已完成", "completed"),
        Status::Cancelled => both("已取消", "cancelled"),
        Status::RefundRequested => both("申请退款", "refund requested"),
        Status::PartiallyRefunded => both("部分退款", "partially refunded"),
        Status::Refunded => both("已退款", "refunded"),
    }
}

pub(super) fn method(method: ChallengeMethod) -> Bilingual {
    match method {
        ChallengeMethod::Sms => both("短信", "SMS"),
        ChallengeMethod::Call => both("电话", "a call"),
    }
}

/// A wrong code, and how many more may be tried.
pub(super) fn code_rejected(attempts_left: u8) -> Bilingual {
    match attempts_left {
        0 => both("客户输入的验证码不正确，尝试次数已用完", "The customer entered a wrong code; no attempts are left"),
        left => both(
            format!("客户输入的验证码不正确，还可尝试 {left} 次"),
            format!("The customer entered a wrong code; attempts left: {left}"),
        ),
    }
}

/// A call that nobody answered, and how many more are made.
pub(super) fn call_unanswered(attempts_left: u8) -> Bilingual {
    match attempts_left {
        0 => both("电话无人接听，不再拨打", "Nobody answered the call; no more calls are made"),
        left => {
            both(format!("电话无人接听，最多再拨打 {left} 次"), format!("Nobody answered the call; calls left: {left}"))
        }
    }
}

/// Why a question is put this way, as the end of a sentence.
pub(super) fn instead(downgrade: Downgrade) -> Bilingual {
    let other = method(downgrade.method);
    match downgrade.reason {
        DowngradeReason::QuietHours => both(
            format!("（当时为免打扰时段，以此代替{}）", other.zh),
            format!(" (in place of {}, because of quiet hours)", other.en),
        ),
        DowngradeReason::Capacity => both(
            format!("（{}已达每分钟上限，改用此方式）", other.zh),
            format!(" (in place of {}, because the limit per minute was reached)", other.en),
        ),
        DowngradeReason::Unanswered => {
            both(format!("（{}未获答复）", other.zh), format!(" (the {} was not answered)", bare(downgrade.method)))
        }
    }
}

/// A sentence about what came in place of asking the customer, with why the customer could not be asked.
pub(super) fn after(sentence: Bilingual, closed: &[Downgrade]) -> Bilingual {
    closed.iter().fold(sentence, |Bilingual { zh, en }, closed| {
        let way = method(closed.method);
        let why = match closed.reason {
            DowngradeReason::QuietHours => both(
                format!("（免打扰时段，不能用{}）", way.zh),
                format!(" (no {} in quiet hours)", bare(closed.method)),
            ),
            DowngradeReason::Capacity => both(
                format!("（{}已达每分钟上限）", way.zh),
                format!(" (no {}: the limit per minute was reached)", bare(closed.method)),
            ),
            DowngradeReason::Unanswered => instead(*closed),
        };
        both(format!("{zh}{}", why.zh), format!("{en}{}", why.en))
    })
}

/// A way to ask, as a noun that takes an article.
const fn bare(method: ChallengeMethod) -> &'static str {
    match method {
        ChallengeMethod::Sms => "SMS",
        ChallengeMethod::Call => "call",
    }
}

/// How a sentence about a screening begins: why, and its score. `swept` words the rule that fired for the order that made it
/// necessary, with what its window held.
pub(super) fn screened(scored: &Scored, swept: Option<Bilingual>) -> (String, String) {
    let score = scored.score;
    let (zh, en) = match (scored.cause, &scored.trigger, swept) {
        (ScoredCause::Placed, ..) => (String::new(), "Scored".to_owned()),
        (ScoredCause::Amended, Some(by), _) => {
            (format!("因订单 {} 资料更新重新", by.order), again(format!("the facts of order {} changed", by.order)))
        }
        (ScoredCause::Amended, None, _) => ("因资料更新重新".to_owned(), again("its facts changed")),
        (ScoredCause::LateEvidence, Some(by), _) => {
            (format!("因订单 {} 迟到重新", by.order), again(format!("order {} arrived late", by.order)))
        }
        (ScoredCause::LateEvidence, None, _) => ("因其他订单迟到重新".to_owned(), again("another order arrived late")),
        (ScoredCause::Sibling, Some(by), Some(rule)) => (
            format!("因订单 {} 触发{}，本单同在其中，重新", by.order, rule.zh),
            again(format!("order {} made {} fire, which counts for this one too", by.order, rule.en)),
        ),
        (ScoredCause::Sibling, ..) => ("因关联订单触发规则重新".to_owned(), again("a rule fired for a related order")),
        (ScoredCause::Manual, ..) => ("经人工发起重新".to_owned(), again("somebody asked for it")),
    };
    (format!("{zh}评分 {score}"), format!("{en} {score}"))
}

fn again(why: impl Display) -> String {
    format!("Scored again because {why}:")
}

/// A channel or another source, by the name people know it under.
pub(super) fn place(name: &str) -> Bilingual {
    let (zh, en) = match name {
        "agiso" => ("阿奇索", "Agiso"),
        "alipay" => ("支付宝", "Alipay"),
        "api" => ("接口", "The API"),
        "douyin" | "open_douyin" => ("抖音", "Douyin"),
        "jd" => ("京东", "JD"),
        "jd_daojia" => ("京东到家", "JD Daojia"),
        "kuaishou" => ("快手", "Kuaishou"),
        "pinduoduo" => ("拼多多", "Pinduoduo"),
        "shopify" => ("Shopify", "Shopify"),
        "store" => ("门店", "The store"),
        "taobao" => ("淘宝", "Taobao"),
        "tmall" => ("天猫", "Tmall"),
        "web" => ("网店", "The web shop"),
        "wechat" => ("微信", "WeChat"),
        "wechatpay" => ("微信支付", "WeChat Pay"),
        "woocommerce" => ("WooCommerce", "WooCommerce"),
        "xiaohongshu" => ("小红书", "Xiaohongshu"),
        "youzan" => ("有赞", "Youzan"),
        other => return both(format!("{other} "), other),
    };
    both(zh, en)
}

/// A decision that was part of one about many orders.
pub(super) fn part_of(decided: Bilingual, part_of: Option<&PartOf>) -> Bilingual {
    let Some(PartOf { orders, linked_to }) = part_of else { return decided };
    let Bilingual { zh, en } = decided;
    let (zh, en) =
        (format!("{zh}，与其他订单一并决定（共 {orders} 个"), format!("{en}, by one decision about {orders} orders"));
    let Some(LinkedTo { order, by }) = linked_to else { return both(format!("{zh}）"), en) };
    let shared = match by {
        LinkedBy::Device => both("设备", "device"),
        LinkedBy::Ip => both("IP 地址", "IP address"),
        LinkedBy::Ip24 => both("IP 网段", "IP network"),
        LinkedBy::Phone => both("电话", "phone number"),
        LinkedBy::Address => both("收货地址", "delivery address"),
    };
    both(
        format!("{zh}：{order} 及{}相同的订单）", shared.zh),
        format!("{en}: {order} and those with the same {}", shared.en),
    )
}
