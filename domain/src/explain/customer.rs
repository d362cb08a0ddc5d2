//! What may be told to the customer: how the order stands and what to do, and nothing of why.
//!
//! The texts are fixed, and the rulebook has no way into them: no rule, no feature, no number, no score and no tier's name can
//! show. An order that passes is told nothing else than one that was looked at and released.

use super::Explanation;
use crate::order::{ChallengeMethod, Order, Review, Risk, Status};

/// How an order stands, as far as its customer may know.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CustomerCase {
    /// It was taken in and is not decided.
    Checking,
    /// The customer is asked to confirm it.
    Confirm(ChallengeMethod),
    /// A person looks at it.
    WithPerson,
    /// It is held, and nobody looks at it any more.
    Stopped,
    /// It goes on.
    Released,
    /// It arrived, or was closed as done.
    Done,
    /// It was called off.
    Cancelled,
    /// The money went back.
    Refunded,
}

impl CustomerCase {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Checking,
        Self::Confirm(ChallengeMethod::Sms),
        Self::Confirm(ChallengeMethod::Call),
        Self::WithPerson,
        Self::Stopped,
        Self::Released,
        Self::Done,
        Self::Cancelled,
        Self::Refunded,
    ];

    /// Of an order as it stands. Of one that is over its status says all there is to say, whatever was made of it before.
    pub fn of(order: &Order) -> Self {
        let Some(known) = order.known() else { return Self::Checking };
        match known.reports.current().map(|report| report.status) {
            Some(Status::Delivered | Status::Completed) => return Self::Done,
            Some(Status::Cancelled) => return Self::Cancelled,
            Some(Status::Refunded) => return Self::Refunded,
            Some(
                Status::Paid
                | Status::PartiallyShipped
                | Status::Shipped
                | Status::RefundRequested
                | Status::PartiallyRefunded,
            )
            | None => {}
        }
        if known.reports.departed() {
            return Self::Released;
        }
        match &known.risk {
            Risk::Challenged(_) if matches!(known.review, Review::Open | Review::Claimed { .. }) => Self::WithPerson,
            Risk::Challenged(challenge) => Self::Confirm(challenge.method),
            Risk::Frozen(_) if known.review == Review::Closed => Self::Stopped,
            Risk::Frozen(_) => Self::WithPerson,
            Risk::Scored if known.review != Review::Closed => Self::WithPerson,
            Risk::Placed | Risk::Verified => Self::Checking,
            Risk::Released(_) | Risk::Scored => Self::Released,
        }
    }
}

/// The wording that is safe to tell.
pub fn customer_wording(case: CustomerCase) -> Explanation {
    let (zh, en) = match case {
        CustomerCase::Checking => (
            "您的订单已收到，正在确认，请稍候。",
            "We have received your order and are confirming it. Please give us a moment.",
        ),
        CustomerCase::Confirm(ChallengeMethod::Sms) => (
            "为了您的账户安全，请按短信提示确认这笔订单，确认后会尽快为您安排发货。",
            "To keep your account safe, please confirm this order as the text message asks. We will send it on its way right after.",
        ),
        CustomerCase::Confirm(ChallengeMethod::Call) => (
            "为了您的账户安全，我们会打电话与您确认这笔订单，请留意接听。",
            "To keep your account safe, we will call you to confirm this order. Please keep your phone at hand.",
        ),
        CustomerCase::WithPerson => (
            "您的订单正在由工作人员确认，有结果会尽快通知您。如有疑问，请联系客服。",
            "A member of our staff is confirming your order, and we will let you know soon. If you have questions, please contact our customer service.",
        ),
        CustomerCase::Stopped => (
            "很抱歉，您的订单暂时无法继续处理，请联系客服，我们会协助您。",
            "We are sorry, but we cannot go ahead with your order for now. Please contact our customer service, and we will be glad to help.",
        ),
        CustomerCase::Released => ("您的订单已确认，正在处理。", "Your order is confirmed and is being processed."),
        CustomerCase::Done => (
            "您的订单已完成。如有疑问，请联系客服。",
            "Your order is complete. If you have questions, please contact our customer service.",
        ),
        CustomerCase::Cancelled => (
            "您的订单已取消。如有疑问，请联系客服。",
            "Your order was cancelled. If you have questions, please contact our customer service.",
        ),
        CustomerCase::Refunded => (
            "您的订单已退款。如有疑问，请联系客服。",
            "Your order was refunded. If you have questions, please contact our customer service.",
        ),
    };
    Explanation { zh: zh.to_owned(), en: en.to_owned() }
}
