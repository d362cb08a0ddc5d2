//! Words for tests that read as sentences: given these events, when this command, then those events.
#![allow(dead_code, unreachable_pub, reason = "each test program uses its own part")]

use cqrs_es::test::{AggregateResultValidator, AggregateTestExecutor, TestFramework};
use domain::ids::ChallengeId;
use domain::order::*;
use domain::phone::PhoneKind;
use domain::screening::{Assessment, ChallengeTerms, Disposition};
use domain::time::{Span, Timestamp};

pub struct Given(AggregateTestExecutor<Order>);
pub struct When(AggregateResultValidator<Order>);

pub fn given(events: impl IntoIterator<Item = OrderEvent>) -> Given {
    Given(TestFramework::<Order>::with(()).given(events.into_iter().collect()))
}

impl Given {
    pub fn when(self, command: OrderCommand) -> When {
        When(self.0.when(command))
    }
}

impl When {
    #[track_caller]
    pub fn then(self, events: impl IntoIterator<Item = OrderEvent>) {
        self.0.then_expect_events(events.into_iter().collect());
    }

    #[track_caller]
    pub fn then_nothing(self) {
        self.0.then_expect_events(vec![]);
    }

    #[track_caller]
    pub fn then_rejected(self, rejection: &Rejection) {
        self.0.then_expect_error(rejection.clone());
    }

    pub fn inspect_result(self) -> Result<Vec<OrderEvent>, Rejection> {
        self.0.inspect_result()
    }
}

pub fn fold(events: impl IntoIterator<Item = OrderEvent>) -> Order {
    events.into_iter().fold(Order::default(), |order, event| evolve(order, &event))
}

/// So many minutes after the orders of these tests were placed.
pub fn minute(minute: u32) -> Timestamp {
    Timestamp::from_millis(1_762_790_400_000).plus(Span::from_mins(minute))
}

pub fn challenge(id: &str) -> ChallengeId {
    id.parse().expect("a challenge id")
}

pub fn placed_facts() -> Placed {
    Placed {
        channel: "web".parse().expect("a channel"),
        order_no: "A1001".parse().expect("an order number"),
        as_of: None,
        facts: Facts { placed_at: Some(minute(0)), amount: Some(39_900), ..Facts::default() },
        vault: None,
    }
}

pub fn placed() -> OrderEvent {
    OrderEvent::Placed(placed_facts())
}

pub fn amended(as_of: u32, changes: Facts) -> OrderEvent {
    OrderEvent::Amended(Amended { as_of: minute(as_of), changes, superseded: Facts::default(), vault: None })
}

pub fn report_of(source: &str, status: Status, at: u32) -> StatusReported {
    StatusReported { source: source.into(), status, occurred_at: minute(at), counts_from: None, refunded: None }
}

pub fn reported(source: &str, status: Status, at: u32) -> OrderEvent {
    OrderEvent::StatusReported(report_of(source, status, at))
}

pub fn report(source: &str, status: Status, at: u32) -> OrderCommand {
    OrderCommand::Report(report_of(source, status, at))
}

fn score_of(score: i64) -> Scored {
    Scored {
        score,
        tier: if score < 80 { "pass" } else { "sms" }.into(),
        hits: vec![],
        features: Readings::default(),
        rulebook_version: 1,
        rulebook_hash: "00".repeat(32).into(),
        exemption: None,
        cause: ScoredCause::Placed,
        trigger: None,
        swept: vec![],
        shadow: None,
    }
}

pub fn scored(score: i64) -> OrderEvent {
    OrderEvent::Scored(score_of(score))
}

/// A screening with that score and consequence, whose challenge would be `c1`.
pub fn assess(score: i64, disposition: Disposition) -> OrderCommand {
    OrderCommand::Assess {
        assessment: Box::new(Assessment { scored: score_of(score), disposition }),
        challenge: challenge("c1"),
        at: minute(0),
    }
}

const fn terms(method: ChallengeMethod) -> Disposition {
    let (on_fail, on_expire) = (OnFail::Freeze, OnExpire::Review);
    Disposition::Challenge(ChallengeTerms { method, expires_in: Span::from_mins(10), on_fail, on_expire }, None)
}

pub const fn by_sms() -> Disposition {
    terms(ChallengeMethod::Sms)
}

pub const fn by_call() -> Disposition {
    terms(ChallengeMethod::Call)
}

pub fn challenged(id: &str, method: ChallengeMethod) -> OrderEvent {
    OrderEvent::Challenged(Challenged {
        challenge: challenge(id),
        method,
        expires_at: minute(10),
        on_fail: OnFail::Freeze,
        on_expire: OnExpire::Review,
        instead_of: None,
    })
}

pub fn verified(id: &str) -> OrderEvent {
    OrderEvent::Verified(Verified { challenge: challenge(id), how: ChallengeMethod::Sms })
}

pub fn frozen(cause: FrozenCause) -> OrderEvent {
    OrderEvent::Frozen(Frozen::by_itself(cause))
}

pub fn released(cause: ReleasedCause) -> OrderEvent {
    OrderEvent::Released(Released::by_itself(cause))
}

pub fn claimed(reviewer: &str, until: u32) -> OrderEvent {
    OrderEvent::ReviewClaimed(ReviewClaimed { reviewer: reviewer.into(), lease_until: minute(until) })
}

pub fn verdict() -> Verdict {
    Verdict {
        reviewer: "rita".into(),
        reason_code: "confirmed_by_phone".into(),
        note: None,
        at: minute(5),
        claim_until: minute(15),
        part_of: None,
    }
}

/// A customer who is asked by `c1`.
pub fn asked(method: ChallengeMethod) -> Vec<OrderEvent> {
    vec![placed(), scored(85), challenged("c1", method)]
}

pub fn and(mut events: Vec<OrderEvent>, more: impl IntoIterator<Item = OrderEvent>) -> Vec<OrderEvent> {
    events.extend(more);
    events
}

pub fn opened_for(asked: Option<&str>, cause: ReviewCause) -> OrderEvent {
    OrderEvent::ReviewOpened(ReviewOpened::by_itself(asked.map(challenge), cause))
}

pub fn review_closed(asked: Option<&str>, cause: ClosedCause) -> OrderEvent {
    OrderEvent::ReviewClosed(ReviewClosed { challenge: asked.map(challenge), cause })
}

/// One event of each kind, with every field set.
pub fn every_event() -> Vec<OrderEvent> {
    let token = |digit: &str| digit.repeat(32).parse().expect("a token");
    let phone = |digit: &str, kind| Some(PhoneFacts { token: token(digit), kind });
    let facts = Facts {
        placed_at: Some(minute(0)),
        display_no: Some("#1001".into()),
        currency: Some("CNY".into()),
        amount: Some(39_900),
        lines: Some(vec![Line {
            sku: "MASK-01".into(),
            title: Some("面膜".into()),
            quantity: 2,
            unit_price: Some(19_950),
        }]),
        customer: Some(CustomerFacts {
            token: Some(token("1")),
            phone: phone("2", PhoneKind::Virtual),
            level: Some(2),
            registered_at: Some(minute(0)),
        }),
        delivery: Some(DeliveryFacts {
            address: Some(token("3")),
            phone: phone("4", PhoneKind::Privacy),
            country: Some("CN".into()),
            province: Some("浙江省".into()),
            city: Some("杭州市".into()),
            district: Some(token("9")),
            street: Some(token("a")),
        }),
        device: Some(token("5")),
        ip: Some(IpFacts { token: token("6"), net: token("7") }),
        payment_due_at: Some(minute(30)),
        personal: Some(token("8")),
        score: None,
    };
    let commitment: Option<Box<str>> = Some("ab".repeat(32).into());
    let evidence = Readings(vec![("device.orders[5m]".into(), Some(Reading::Int(5)))]);
    let text = |text: &str| -> Option<Box<str>> { Some(text.into()) };
    let (actor, reason_code, note) = (text("rita"), text("confirmed_by_phone"), text("called back"));
    vec![
        OrderEvent::Placed(Placed {
            facts: facts.clone(),
            as_of: Some(minute(1)),
            vault: commitment.clone(),
            ..placed_facts()
        }),
        OrderEvent::Amended(Amended {
            as_of: minute(1),
            changes: Facts { amount: Some(500), ..Facts::default() },
            superseded: Facts { currency: Some("USD".into()), ..Facts::default() },
            vault: commitment,
        }),
        OrderEvent::StatusReported(StatusReported {
            counts_from: Some(minute(4)),
            ..report_of("wms", Status::PartiallyShipped, 5)
        }),
        OrderEvent::Scored(Scored {
            tier: "sms".into(),
            hits: vec![Hit { rule: "device_burst".into(), points: 50, evidence: evidence.clone() }],
            features: Readings(vec![
                ("customer.age".into(), Some(Reading::Text("90s".into()))),
                ("customer.is_new".into(), Some(Reading::Bool(true))),
                evidence.0[0].clone(),
                ("ip24.unpaid_share[30m]".into(), None),
            ]),
            exemption: Some("vip".into()),
            ..score_of(80)
        }),
        challenged("c1", ChallengeMethod::Sms),
        verified("c1"),
        OrderEvent::Frozen(Frozen {
            cause: FrozenCause::Reviewer,
            actor: actor.clone(),
            reason_code: reason_code.clone(),
            note: note.clone(),
            part_of: None,
            claim_until: None,
        }),
        OrderEvent::Released(Released {
            cause: ReleasedCause::Reviewer,
            actor,
            reason_code,
            note,
            instead_of: vec![Downgrade { method: ChallengeMethod::Call, reason: DowngradeReason::QuietHours }],
            part_of: None,
            claim_until: None,
        }),
        OrderEvent::ReviewOpened(ReviewOpened {
            challenge: Some(challenge("c1")),
            cause: ReviewCause::ChallengeExpired,
            reason_code: None,
            note: Some("busy".into()),
            instead_of: vec![Downgrade { method: ChallengeMethod::Call, reason: DowngradeReason::Capacity }],
        }),
        OrderEvent::ReviewClosed(ReviewClosed { challenge: Some(challenge("c1")), cause: ClosedCause::Cancelled }),
        claimed("rita", 10),
        OrderEvent::ReviewReturned(ReviewReturned { reviewer: "rita".into() }),
        OrderEvent::Noted(Noted { author: "rita".into(), text: "客户回电".into() }),
        OrderEvent::PersonalDataRevealed(PersonalDataRevealed { actor: "rita".into(), reason: "call back".into() }),
        OrderEvent::ChallengeResent(ChallengeResent { challenge: challenge("c1"), count: 1 }),
        OrderEvent::CodeRejected(CodeRejected { challenge: challenge("c1"), attempts_left: 4 }),
        OrderEvent::CallUnanswered(CallUnanswered {
            challenge: challenge("c2"),
            attempts_left: 2,
            note: Some("busy".into()),
        }),
        OrderEvent::FreezeConfirmed(FreezeConfirmed {
            actor: "rita".into(),
            reason_code: "bot_or_script".into(),
            note: None,
            part_of: None,
            claim_until: None,
        }),
        OrderEvent::ReviewEscalated(ReviewEscalated { opened_at: minute(10) }),
        OrderEvent::ReviewReopened(ReviewReopened {
            actor: "rita".into(),
            cause: ReopenCause::Appeal,
            text: Some("客户来电".into()),
        }),
        OrderEvent::StockReleaseDue(StockReleaseDue { cause: StockCause::Frozen, units: 2 }),
    ]
}
