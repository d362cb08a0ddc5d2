//! The order aggregate: every pair of risk state and step, statuses by event time, facts by event time.

mod support;

use domain::ids::Token;
use domain::order::{
    Amended, ChallengeMethod, ClosedCause, CustomerFacts, DeliveryFacts, Facts, FrozenCause, Order, OrderCommand,
    OrderEvent, PASS, PhoneFacts, Rejection, ReleasedCause, Review, ReviewCause, ReviewClosed, ReviewOpened,
    ReviewReturned, RiskState, Status, StatusReported, address, decide, evolve, transition,
};
use domain::phone::PhoneKind;
use domain::screening::Disposition;
use domain::signal::OrderScore;
use domain::time::Timestamp;
use support::*;

#[test]
fn a_clean_order_is_released() {
    given([placed()]).when(assess(0, Disposition::Pass)).then([scored(0), released(ReleasedCause::Clean)]);
}

#[test]
fn a_doubtful_order_is_challenged_and_released_when_the_customer_proves_it() {
    given([placed()]).when(assess(85, by_sms())).then([scored(85), challenged("c1", ChallengeMethod::Sms)]);
    let asked = [placed(), scored(85), challenged("c1", ChallengeMethod::Sms)];
    given(asked.clone())
        .when(OrderCommand::Verify { challenge: challenge("c1"), at: minute(3) })
        .then([verified("c1"), released(ReleasedCause::Verified)]);
    given(asked.clone().into_iter().chain([verified("c1"), released(ReleasedCause::Verified)]))
        .when(OrderCommand::Verify { challenge: challenge("c1"), at: minute(4) })
        .then_nothing();
    given(asked.clone())
        .when(OrderCommand::Verify { challenge: challenge("c1"), at: minute(11) })
        .then_rejected(&Rejection::ChallengeExpired);
    given(asked)
        .when(OrderCommand::Verify { challenge: challenge("c0"), at: minute(3) })
        .then_rejected(&Rejection::ChallengeSuperseded);
}

#[test]
fn a_dangerous_order_is_frozen_and_a_spared_one_released() {
    given([placed()]).when(assess(130, Disposition::Freeze)).then(frozen_by_score());
    given([placed()]).when(assess(130, Disposition::Exempt)).then([scored(130), released(ReleasedCause::Exempt)]);
}

fn needs_a_person(cause: ReviewCause) -> OrderEvent {
    OrderEvent::ReviewOpened(ReviewOpened::by_itself(None, cause))
}

fn frozen_by_score() -> [OrderEvent; 3] {
    [scored(130), frozen(FrozenCause::Score), needs_a_person(ReviewCause::Frozen)]
}

/// A history that ends in each risk state.
fn history(state: RiskState) -> Vec<OrderEvent> {
    let sms = ChallengeMethod::Sms;
    match state {
        RiskState::Placed => vec![placed()],
        RiskState::Scored => vec![placed(), scored(85)],
        RiskState::Challenged => vec![placed(), scored(85), challenged("c1", sms)],
        RiskState::Verified => vec![placed(), scored(85), challenged("c1", sms), verified("c1")],
        RiskState::Frozen => vec![placed(), scored(130), frozen(FrozenCause::Score)],
        RiskState::Released => vec![placed(), scored(0), released(ReleasedCause::Clean)],
    }
}

/// A command whose one purpose is to bring an order into a state.
fn towards(state: RiskState) -> OrderCommand {
    match state {
        RiskState::Placed => OrderCommand::Place(placed_facts()),
        RiskState::Scored => assess(85, Disposition::Pass),
        RiskState::Challenged => assess(100, by_call()),
        RiskState::Verified => OrderCommand::Verify { challenge: challenge("c1"), at: minute(3) },
        RiskState::Frozen => OrderCommand::Freeze(verdict()),
        RiskState::Released => OrderCommand::Release(verdict()),
    }
}

#[test]
fn every_pair_of_states_follows_the_transition_table() {
    use RiskState::{Challenged, Frozen, Placed, Released, Scored, Verified};
    // from, then which of scored, challenged, verified, frozen, released may follow
    let table = [
        (Placed, [true, false, false, false, false]),
        (Scored, [true, true, false, true, true]),
        (Challenged, [true, true, true, true, true]),
        (Verified, [true, true, false, true, true]),
        (Frozen, [true, false, false, false, true]),
        (Released, [true, true, false, true, false]),
    ];
    for (from, allowed) in table {
        for (to, allowed) in [Scored, Challenged, Verified, Frozen, Released].into_iter().zip(allowed) {
            let expected = if allowed { Ok(()) } else { Err(Rejection::Transition { from, to }) };
            assert_eq!(transition(from, to), expected, "{from:?} to {to:?}");
        }
        assert!(transition(from, Placed).is_err());
    }
}

#[test]
fn every_pair_of_state_and_command_acts_or_is_refused_or_is_already_so() {
    use RiskState::{Challenged, Frozen, Placed, Released, Scored, Verified};
    // What a command towards a state does in each state: the names of its events, or the code of its rejection.
    let released = "Scored Released";
    // Nobody has claimed it, so a decision does.
    let (froze, freed) = ("ReviewClaimed Frozen", "ReviewClaimed Released");
    let table: [(RiskState, [&str; 6]); 6] = [
        // from, then placed, scored (by a clean screening), challenged (by a screening), verified, frozen, released (by people)
        (
            Placed,
            [
                "",
                released,
                "Scored Challenged",
                "no_open_challenge",
                "transition_not_allowed",
                "transition_not_allowed",
            ],
        ),
        (Scored, ["", released, "Scored Challenged", "no_open_challenge", froze, freed]),
        (Challenged, ["", released, "Scored Challenged", "Verified Released", froze, freed]),
        (Verified, ["", released, "Scored Challenged", "", froze, freed]),
        (Frozen, ["", released, "Scored", "no_open_challenge", "ReviewClaimed FreezeConfirmed", freed]),
        (Released, ["", "Scored", "Scored Challenged", "no_open_challenge", "Frozen", ""]),
    ];
    for (from, row) in table {
        for (to, expected) in RiskState::ALL.into_iter().zip(row) {
            let outcome = match given(history(from)).when(towards(to)).inspect_result() {
                Ok(events) => events.iter().map(OrderEvent::name).collect::<Vec<_>>().join(" "),
                Err(rejection) => rejection.code().to_owned(),
            };
            assert_eq!(outcome, expected, "{from:?}, command towards {to:?}");
        }
    }
}

#[test]
fn nothing_but_placing_and_reporting_is_possible_before_placement() {
    for to in RiskState::ALL.into_iter().skip(1) {
        given([]).when(towards(to)).then_rejected(&Rejection::UnknownOrder);
        given([reported("wms", Status::Paid, 1)]).when(towards(to)).then_rejected(&Rejection::NotPlaced);
    }
    given([]).when(report("wms", Status::Paid, 1)).then([reported("wms", Status::Paid, 1)]);
    given([reported("wms", Status::Paid, 1)]).when(OrderCommand::Place(placed_facts())).then([placed()]);
}

#[test]
fn what_left_the_door_is_scored_but_not_held() {
    for status in [Status::Shipped, Status::Delivered, Status::Completed, Status::Cancelled, Status::Refunded] {
        let departed = [placed(), scored(0), released(ReleasedCause::Clean), reported("wms", status, 5)];
        let (opened, closed) = match status {
            Status::Cancelled => (None, Some(ClosedCause::Cancelled)),
            Status::Refunded => (None, Some(ClosedCause::Refunded)),
            _ => (Some(ReviewCause::Departed), None),
        };
        let opened = opened.map(needs_a_person);
        let closed = closed.map(|cause| OrderEvent::ReviewClosed(ReviewClosed { challenge: None, cause }));
        let then = |score| [scored(score)].into_iter().chain(opened.clone()).chain(closed.clone());
        given(departed.clone()).when(assess(100, by_call())).then(then(100));
        given(departed.clone()).when(assess(130, Disposition::Freeze)).then(then(130));
        given(departed).when(OrderCommand::Freeze(verdict())).then_rejected(&Rejection::Departed);
        given([reported("wms", status, 5), placed()]).when(assess(130, Disposition::Freeze)).then(then(130));
    }
    for status in [Status::Paid, Status::PartiallyShipped, Status::RefundRequested, Status::PartiallyRefunded] {
        given([placed(), reported("wms", status, 5)]).when(assess(130, Disposition::Freeze)).then(frozen_by_score());
    }
}

#[test]
fn a_screening_again_pulls_back_escalates_and_lets_go() {
    let clean = [placed(), scored(0), released(ReleasedCause::Clean)];
    given(clean.clone()).when(assess(85, by_sms())).then([scored(85), challenged("c1", ChallengeMethod::Sms)]);
    given(clean.clone()).when(assess(130, Disposition::Freeze)).then(frozen_by_score());
    given(clean).when(assess(10, Disposition::Pass)).then([scored(10)]);
    let asked = [placed(), scored(85), challenged("c0", ChallengeMethod::Sms)];
    given(asked.clone()).when(assess(110, by_call())).then([scored(110), challenged("c1", ChallengeMethod::Call)]);
    given(asked.clone()).when(assess(90, by_sms())).then([scored(90)]);
    given(asked).when(assess(10, Disposition::Pass)).then([scored(10), released(ReleasedCause::Rescored)]);
    let held = [placed(), scored(130), frozen(FrozenCause::Score)];
    given(held.clone()).when(assess(85, by_sms())).then([scored(85)]);
    given(held).when(assess(10, Disposition::Pass)).then([scored(10), released(ReleasedCause::Rescored)]);
}

#[test]
fn people_and_customers_who_have_spoken_outweigh_a_new_score() {
    let by_reviewer = [placed(), scored(85), released(ReleasedCause::Reviewer)];
    given(by_reviewer.clone()).when(assess(130, Disposition::Freeze)).then([scored(130)]);
    given(by_reviewer).when(assess(85, by_sms())).then([scored(85)]);
    let verified = [placed(), scored(85), challenged("c0", ChallengeMethod::Sms), released(ReleasedCause::Verified)];
    given(verified.clone()).when(assess(110, by_call())).then([scored(110)]);
    given(verified).when(assess(130, Disposition::Freeze)).then(frozen_by_score());
    for cause in [FrozenCause::Reviewer, FrozenCause::ChallengeFailed, FrozenCause::ChallengeExpired] {
        given([placed(), scored(85), frozen(cause)]).when(assess(0, Disposition::Pass)).then([scored(0)]);
    }
}

#[test]
fn a_late_paid_never_overwrites_a_newer_cancelled() {
    let order = fold([placed(), reported("shop", Status::Cancelled, 10), reported("wms", Status::Paid, 5)]);
    assert_eq!(order.reports().current().map(|report| report.status), Some(Status::Cancelled));
    let order = fold([placed(), reported("shop", Status::Paid, 5), reported("wms", Status::Shipped, 5)]);
    assert_eq!(
        order.reports().current().map(|report| report.status),
        Some(Status::Shipped),
        "later arrival at equal times"
    );
}

#[test]
fn the_same_report_again_records_nothing() {
    given([placed(), reported("wms", Status::Paid, 5)]).when(report("wms", Status::Paid, 5)).then_nothing();
    given([placed(), reported("wms", Status::Paid, 5)]).when(report("shop", Status::Paid, 5)).then([reported(
        "shop",
        Status::Paid,
        5,
    )]);
}

#[test]
fn the_seventeenth_source_is_refused() {
    let reports = (0..16).map(|source| reported(&format!("s{source}"), Status::Paid, 5));
    given(reports.clone()).when(report("s16", Status::Paid, 5)).then_rejected(&Rejection::TooManySources);
    given(reports).when(report("s3", Status::Shipped, 6)).then([reported("s3", Status::Shipped, 6)]);
}

#[test]
fn the_first_score_of_an_order_stays() {
    let score = |value: &str| {
        let value = domain::signal::SignalValue::read(&value.into()).expect("a value");
        Facts { score: Some(OrderScore { signal: "model".parse().expect("a name"), value }), ..Facts::default() }
    };
    let scored_as = |value: &str| [placed(), amended(1, score(value))];
    for as_of in [minute(0), minute(1), minute(2)] {
        let again = OrderCommand::Amend { as_of, facts: score("0.9"), vault: None };
        given(scored_as("0.1")).when(again).then_nothing();
    }
    let both = Facts { amount: Some(500), ..score("0.9") };
    let again = OrderCommand::Amend { as_of: minute(2), facts: both, vault: None };
    given(scored_as("0.1")).when(again).then([amended(2, Facts { amount: Some(500), ..Facts::default() })]);
    let first = OrderCommand::Amend { as_of: minute(2), facts: score("0.9"), vault: None };
    given([placed()]).when(first).then([amended(2, score("0.9"))]);
}

#[test]
fn a_later_copy_amends_only_what_changed() {
    let told = domain::order::Facts { amount: Some(500), ..placed_facts().facts };
    given([placed()])
        .when(OrderCommand::Amend { as_of: minute(2), facts: told, vault: None })
        .then([amended(2, domain::order::Facts { amount: Some(500), ..Default::default() })]);
    given([placed()]).when(OrderCommand::Place(placed_facts())).then_nothing();
}

#[test]
fn an_older_fact_completes_but_does_not_correct() {
    let newer = domain::order::Facts { amount: Some(500), ..Default::default() };
    let older = domain::order::Facts { amount: Some(400), currency: Some("CNY".into()), ..Default::default() };
    let events = given([placed(), amended(5, newer)])
        .when(OrderCommand::Amend { as_of: minute(1), facts: older, vault: None })
        .inspect_result()
        .expect("accepted");
    let [OrderEvent::Amended(amended)] = &events[..] else { panic!("one amendment, not {events:?}") };
    assert_eq!((amended.changes.amount, amended.changes.currency.as_deref()), (None, Some("CNY")));
    assert_eq!(amended.superseded.amount, Some(400));
    assert_eq!(fold([placed(), events[0].clone()]).known().expect("placed").facts.amount, placed_facts().facts.amount);
}

/// What an order comes to after messages of these minutes.
fn told(messages: impl IntoIterator<Item = (u32, Facts)>) -> Order {
    messages.into_iter().fold(fold([placed()]), |order, (minute_told, facts)| {
        let amend = OrderCommand::Amend { as_of: minute(minute_told), facts, vault: None };
        decide(&order, amend).expect("accepted").iter().fold(order, evolve)
    })
}

fn token(digit: &str) -> Token {
    digit.repeat(32).parse().expect("a token")
}

fn phone(digit: &str) -> Option<PhoneFacts> {
    Some(PhoneFacts { token: token(digit), kind: PhoneKind::Mobile })
}

#[test]
fn each_fact_of_the_customer_and_of_the_delivery_has_a_time_of_its_own() {
    let customer = |customer| Facts { customer: Some(customer), ..Facts::default() };
    let order = told([
        (0, customer(CustomerFacts { phone: phone("a"), level: Some(1), ..CustomerFacts::default() })),
        (5, customer(CustomerFacts { level: Some(2), ..CustomerFacts::default() })),
        (3, customer(CustomerFacts { phone: phone("b"), level: Some(3), ..CustomerFacts::default() })),
    ]);
    let known = order.known().and_then(|known| known.facts.customer.clone()).expect("a customer");
    assert_eq!((known.phone, known.level), (phone("b"), Some(2)));
    let order = told([
        (0, going_to(DeliveryFacts { phone: phone("a"), ..home() })),
        (5, going_to(DeliveryFacts { city: Some("宁波市".into()), ..DeliveryFacts::default() })),
        (3, going_to(DeliveryFacts { phone: phone("b"), street: Some(token("6")), ..home() })),
    ]);
    let known = order.known().and_then(|known| known.facts.delivery.clone()).expect("a delivery");
    let expected =
        DeliveryFacts { phone: phone("b"), city: Some("宁波市".into()), street: Some(token("6")), ..home() };
    assert_eq!(known, DeliveryFacts { address: address(&expected), ..expected });
}

#[test]
fn what_an_old_message_completed_can_be_corrected_by_a_newer_one_that_is_old_as_well() {
    let currency = |currency: &str| Facts { currency: Some(currency.into()), ..Facts::default() };
    let amount = Facts { amount: Some(1), ..Facts::default() };
    let order = told([(9, amount), (3, currency("USD")), (4, currency("CNY")), (2, currency("EUR"))]);
    assert_eq!(order.known().expect("placed").facts.currency.as_deref(), Some("CNY"));
}

fn going_to(delivery: DeliveryFacts) -> Facts {
    Facts { delivery: Some(DeliveryFacts { address: address(&delivery), ..delivery }), ..Facts::default() }
}

fn home() -> DeliveryFacts {
    DeliveryFacts {
        country: Some("CN".into()),
        province: Some("浙江省".into()),
        city: Some("杭州市".into()),
        district: Some(token("1")),
        street: Some(token("2")),
        ..DeliveryFacts::default()
    }
}

/// What an amendment of an order that goes [`home`] changes and what it does not.
fn moved(as_of: u32, part: DeliveryFacts) -> Vec<OrderEvent> {
    let amend = OrderCommand::Amend { as_of: minute(as_of), facts: going_to(part), vault: None };
    decide(&told([(5, going_to(home()))]), amend).expect("accepted")
}

#[test]
fn the_address_follows_from_all_known_parts_whichever_a_message_tells() {
    let known = told([(5, going_to(home()))]).known().and_then(|known| known.facts.delivery.clone());
    assert_eq!(known.and_then(|delivery| delivery.address), address(&home()));
    assert!(address(&home()).is_some());
    let street = DeliveryFacts { street: home().street, ..DeliveryFacts::default() };
    assert_eq!(moved(6, street), vec![], "the same street alone says nothing new");
    let changes: [fn(&mut DeliveryFacts); 5] = [
        |to| to.country = Some("US".into()),
        |to| to.province = Some("江苏省".into()),
        |to| to.city = Some("宁波市".into()),
        |to| to.district = Some(token("3")),
        |to| to.street = Some(token("3")),
    ];
    for change in changes {
        let (mut part, mut whole) = (DeliveryFacts::default(), home());
        change(&mut part);
        change(&mut whole);
        assert_ne!(address(&whole), address(&home()));
        let changes = DeliveryFacts { address: address(&whole), ..part };
        assert_eq!(moved(6, changes.clone()), [amended(6, Facts { delivery: Some(changes), ..Facts::default() })]);
    }
}

#[test]
fn an_address_is_never_superseded_but_its_parts_are() {
    let part = DeliveryFacts { street: Some(token("3")), ..DeliveryFacts::default() };
    let superseded = Facts { delivery: Some(part.clone()), ..Facts::default() };
    let expected = Amended { as_of: minute(4), changes: Facts::default(), superseded, vault: None };
    assert_eq!(moved(4, part), [OrderEvent::Amended(expected)]);
}

#[test]
fn an_address_without_a_country_is_one_in_china() {
    assert_eq!(address(&DeliveryFacts { country: None, ..home() }), address(&home()));
    assert_eq!(address(&DeliveryFacts { street: None, ..home() }), None);
    let shifted = DeliveryFacts { province: Some("浙江省杭州市".into()), city: None, ..home() };
    assert_ne!(address(&shifted), address(&home()), "the parts do not run together");
}

#[test]
fn a_report_from_the_future_counts_from_its_arrival() {
    let ahead = |counts_from| StatusReported {
        source: "shop".into(),
        status: Status::Paid,
        occurred_at: Timestamp::LATEST,
        counts_from: Some(minute(counts_from)),
        refunded: None,
    };
    let order = fold([placed(), OrderEvent::StatusReported(ahead(5)), reported("wms", Status::Cancelled, 6)]);
    assert_eq!(order.reports().current().map(|report| report.status), Some(Status::Cancelled));
    assert_eq!(decide(&order, OrderCommand::Report(ahead(9))), Ok(vec![]), "the same report, whenever it arrives");
}

#[test]
fn a_claim_is_a_lease() {
    let under_review = [placed(), scored(130), frozen(FrozenCause::Score)];
    let claim = |reviewer: &str, at| OrderCommand::Claim {
        reviewer: reviewer.into(),
        at: minute(at),
        lease_until: minute(at + 10),
    };
    given(under_review.clone()).when(claim("ann", 0)).then([claimed("ann", 10)]);
    let held: Vec<_> = under_review.into_iter().chain([claimed("ann", 10)]).collect();
    given(held.clone()).when(claim("bob", 5)).then_rejected(&Rejection::ClaimedByOther);
    given(held.clone()).when(claim("bob", 11)).then([claimed("bob", 21)]);
    given(held.clone()).when(claim("ann", 5)).then([claimed("ann", 15)]);
    given(held.clone()).when(claim("ann", 0)).then_nothing();
    given(held.clone()).when(OrderCommand::Release(verdict())).then_rejected(&Rejection::ClaimedByOther);
    let give_back = |reviewer: &str, at| OrderCommand::Return { reviewer: reviewer.into(), at: minute(at) };
    given(held.clone()).when(give_back("bob", 5)).then_rejected(&Rejection::ClaimedByOther);
    let returned = OrderEvent::ReviewReturned(ReviewReturned { reviewer: "ann".into() });
    given(held.clone()).when(give_back("ann", 10)).then([returned.clone()]);
    for reviewer in ["ann", "bob"] {
        given(held.clone()).when(give_back(reviewer, 11)).then_rejected(&Rejection::NotClaimed);
    }
    given(held.into_iter().chain([returned])).when(give_back("ann", 5)).then_rejected(&Rejection::NotClaimed);
    given([placed(), scored(0), released(ReleasedCause::Clean)])
        .when(claim("ann", 0))
        .then_rejected(&Rejection::NotUnderReview);
}

#[test]
fn a_review_goes_back_to_where_it_was_claimed_from() {
    let asked = [placed(), scored(85), challenged("c1", ChallengeMethod::Sms), claimed("ann", 10)];
    let returned = OrderEvent::ReviewReturned(ReviewReturned { reviewer: "ann".into() });
    let back = fold(asked.clone().into_iter().chain([returned.clone()]));
    assert_eq!(back.known().expect("placed").review, Review::Waiting);
    // The customer's time runs out while a reviewer holds the order: afterwards a person has to look.
    let to_review = OrderCommand::ExpireChallenge { challenge: challenge("c1"), at: minute(11), next: None };
    let opened = ReviewOpened::by_itself(Some(challenge("c1")), ReviewCause::ChallengeExpired);
    let opened = OrderEvent::ReviewOpened(opened);
    given(asked.clone()).when(to_review.clone()).then([opened.clone()]);
    let expired: Vec<_> = asked.into_iter().chain([opened]).collect();
    given(expired.clone()).when(to_review).then_nothing();
    let back = fold(expired.into_iter().chain([returned]));
    assert_eq!(back.known().expect("placed").review, Review::Open);
}

#[test]
fn the_tier_of_a_clean_order_is_pass() {
    let OrderEvent::Scored(scored) = scored(0) else { panic!("scored") };
    assert_eq!(&*scored.tier, PASS);
}
