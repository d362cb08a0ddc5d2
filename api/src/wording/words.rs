//! Words for statuses, methods, causes and places.

use domain::order::{ChallengeMethod, ScoredCause, Status};

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
        Status::Refunded => both("已退款", "refunded"),
    }
}

pub(super) fn method(method: ChallengeMethod) -> Bilingual {
    match method {
        ChallengeMethod::Sms => both("短信", "SMS"),
        ChallengeMethod::Call => both("电话", "a call"),
    }
}

/// How a sentence about a screening begins.
pub(super) fn screened(cause: ScoredCause, score: i64) -> (String, String) {
    let (zh, en) = match cause {
        ScoredCause::Placed => ("", "Scored"),
        ScoredCause::Amended => ("因资料更新重新", "Scored again because its facts changed:"),
        ScoredCause::LateEvidence => ("因其他订单迟到重新", "Scored again because another order arrived late:"),
        ScoredCause::Sibling => ("因关联订单触发规则重新", "Scored again because a rule fired for a related order:"),
        ScoredCause::Manual => ("经人工发起重新", "Scored again because somebody asked for it:"),
    };
    (format!("{zh}评分 {score}"), format!("{en} {score}"))
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
