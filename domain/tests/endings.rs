//! What reports that an order left or is off mean for whoever is asked about it or has to look at it.

mod support;

use domain::order::{
    ChallengeMethod, ClosedCause, FreezeConfirmed, FrozenCause, OrderCommand, OrderEvent, Rejection, Released,
    ReleasedCause, ReopenCause, Review, ReviewCause, ReviewReopened, Status, StatusReported,
};
use domain::screening::Disposition;
use support::*;

/// Held for its score, which a person has to look at.
fn held() -> Vec<OrderEvent> {
    vec![placed(), scored(130), frozen(FrozenCause::Score), opened_for(None, ReviewCause::Frozen)]
}

/// Held by a reviewer, at which nobody has to look.
fn held_by_a_reviewer() -> Vec<OrderEvent> {
    vec![placed(), scored(130), frozen(FrozenCause::Reviewer)]
}

fn appealed() -> OrderEvent {
    OrderEvent::ReviewReopened(ReviewReopened { actor: "eve".into(), cause: ReopenCause::Appeal, text: None })
}

fn freeze_confirmed() -> OrderEvent {
    let (actor, reason_code) = ("rita".into(), "confirmed_by_phone".into());
    OrderEvent::FreezeConfirmed(FreezeConfirmed {
        actor,
        reason_code,
        note: None,
        part_of: None,
        claim_until: Some(minute(15)),
    })
}

fn review(events: impl IntoIterator<Item = OrderEvent>) -> Review {
    fold(events).known().expect("placed").review.clone()
}

/// A report that is taken down and means nothing else.
#[track_caller]
fn only_recorded(events: Vec<OrderEvent>, status: Status, at: u32) {
    given(events).when(report("wms", status, at)).then([reported("wms", status, at)]);
}

#[test]
fn whoever_is_asked_about_an_order_that_left_or_is_off_is_asked_no_more() {
    for (status, cause) in [
        (Status::Cancelled, ClosedCause::Cancelled),
        (Status::Refunded, ClosedCause::Refunded),
        (Status::Shipped, ClosedCause::Shipped),
        (Status::Completed, ClosedCause::Shipped),
    ] {
        let told = reported("web", status, 2);
        let over = [told.clone(), review_closed(Some("c1"), cause)];
        given(asked(ChallengeMethod::Sms)).when(report("web", status, 2)).then(over.clone());
        let after = and(asked(ChallengeMethod::Sms), over);
        let (challenge_id, at) = (challenge("c1"), minute(3));
        let wrong_code = OrderCommand::RejectCode { challenge: challenge_id.clone(), at, attempts_max: 3 };
        given(after.clone()).when(wrong_code).then_rejected(&Rejection::NoChallenge);
        let resend = OrderCommand::Resend { challenge: challenge_id.clone(), at, resends_max: 9, sms: Ok(()) };
        given(after.clone()).when(resend).then_rejected(&Rejection::NoChallenge);
        let expire = OrderCommand::ExpireChallenge { challenge: challenge_id, at: minute(11), next: None };
        given(after.clone()).when(expire).then_nothing();
        given(after).when(report("wms", status, 3)).then([reported("wms", status, 3)]);
    }
    let paid = [reported("web", Status::Paid, 2)];
    given(asked(ChallengeMethod::Sms)).when(report("web", Status::Paid, 2)).then(paid);
}

#[test]
fn nobody_has_to_look_at_an_order_that_is_off() {
    let held = held();
    let off = [reported("web", Status::Cancelled, 2), review_closed(None, ClosedCause::Cancelled)];
    given(held.clone()).when(report("web", Status::Cancelled, 2)).then(off.clone());
    given(and(held.clone(), [claimed("ann", 10)])).when(report("web", Status::Cancelled, 2)).then(off.clone());
    let closed = and(held, off);
    assert_eq!(review(closed.clone()), Review::Closed);
    let claim = OrderCommand::Claim { reviewer: "ann".into(), at: minute(3), lease_until: minute(13) };
    given(closed.clone()).when(claim).then_rejected(&Rejection::NotUnderReview);

    // The shop had it wrong: the order is paid after all, and nobody had decided about it.
    let back = [reported("web", Status::Paid, 5), opened_for(None, ReviewCause::Resumed)];
    given(closed).when(report("web", Status::Paid, 5)).then(back);
    only_recorded(and(held_by_a_reviewer(), [reported("web", Status::Cancelled, 2)]), Status::Paid, 5);
    only_recorded(vec![placed(), scored(0), released(ReleasedCause::Clean)], Status::Cancelled, 2);
}

#[test]
fn what_reaches_a_tier_when_it_has_left_is_shown_to_a_person_and_what_is_off_is_not() {
    let known_by = |status| [placed(), reported("web", status, 1)];
    given(known_by(Status::Shipped))
        .when(assess(130, Disposition::Freeze))
        .then([scored(130), opened_for(None, ReviewCause::Departed)]);
    given(known_by(Status::Cancelled))
        .when(assess(85, by_sms()))
        .then([scored(85), review_closed(None, ClosedCause::Cancelled)]);
}

#[test]
fn what_left_stays_with_whoever_has_to_look_at_it() {
    let shipped = reported("wms", Status::Shipped, 2);
    only_recorded(held(), Status::Shipped, 2);
    only_recorded(vec![placed(), scored(85), opened_for(None, ReviewCause::NoChannel)], Status::Shipped, 2);
    let claimed_by_ann = and(held(), [claimed("ann", 10), shipped.clone()]);
    assert!(matches!(review(claimed_by_ann), Review::Claimed { reviewer, .. } if &*reviewer == "ann"));
    let left = and(held(), [shipped.clone()]);
    given(left).when(OrderCommand::Freeze(verdict())).then([claimed("rita", 15), freeze_confirmed()]);

    let departed = vec![placed(), shipped, scored(130), opened_for(None, ReviewCause::Departed)];
    only_recorded(departed.clone(), Status::Delivered, 9);
    only_recorded(departed.clone(), Status::Paid, 1);
    let off = [reported("wms", Status::Cancelled, 9), review_closed(None, ClosedCause::Cancelled)];
    given(departed).when(report("wms", Status::Cancelled, 9)).then(off);
}

#[test]
fn what_leaves_although_it_is_held_is_shown_to_a_person() {
    let told = [reported("wms", Status::Shipped, 5), opened_for(None, ReviewCause::Departed)];
    let called_off = [reported("web", Status::Cancelled, 2), review_closed(Some("c1"), ClosedCause::Cancelled)];
    let held_by_a_reviewer = held_by_a_reviewer();
    for before in [
        held_by_a_reviewer.clone(),
        and(held_by_a_reviewer.clone(), [reported("web", Status::Cancelled, 2)]),
        and(asked(ChallengeMethod::Sms), called_off),
    ] {
        given(before).when(report("wms", Status::Shipped, 5)).then(told.clone());
    }
    let left = and(held_by_a_reviewer, told);
    only_recorded(left.clone(), Status::Delivered, 9);
    only_recorded(and(left, [freeze_confirmed()]), Status::Delivered, 9);
    only_recorded(vec![placed(), scored(0), released(ReleasedCause::Clean)], Status::Shipped, 5);
}

#[test]
fn a_report_that_changes_nothing_takes_no_appeal_back() {
    let off = and(held_by_a_reviewer(), [reported("web", Status::Cancelled, 2), appealed()]);
    for (status, at) in [(Status::Cancelled, 3), (Status::Refunded, 4), (Status::Paid, 1)] {
        only_recorded(off.clone(), status, at);
    }
    let left = and(held_by_a_reviewer(), [reported("wms", Status::Shipped, 2), freeze_confirmed(), appealed()]);
    only_recorded(left, Status::Delivered, 9);
}

#[test]
fn an_appeal_that_ends_with_its_order_is_taken_up_again_with_it() {
    let appeal = and(held_by_a_reviewer(), [appealed()]);
    let off = [reported("web", Status::Cancelled, 2), review_closed(None, ClosedCause::Cancelled)];
    given(appeal.clone()).when(report("web", Status::Cancelled, 2)).then(off.clone());
    let back = [reported("web", Status::Paid, 5), opened_for(None, ReviewCause::Resumed)];
    given(and(appeal.clone(), off)).when(report("web", Status::Paid, 5)).then(back);
    let heard = and(appeal, [freeze_confirmed()]);
    only_recorded(heard.clone(), Status::Cancelled, 2);
    only_recorded(and(heard, [reported("web", Status::Cancelled, 2)]), Status::Paid, 5);
}

#[test]
fn who_has_seen_what_left_lets_it_go_and_closes_its_review() {
    let passed = [placed(), scored(0), released(ReleasedCause::Clean), reported("wms", Status::Shipped, 2)];
    let departed = and(passed.to_vec(), [scored(130), opened_for(None, ReviewCause::Departed)]);
    let seen = OrderEvent::Released(Released {
        actor: Some("rita".into()),
        reason_code: Some("confirmed_by_phone".into()),
        claim_until: Some(minute(15)),
        ..Released::by_itself(ReleasedCause::Reviewer)
    });
    let claimed = claimed("rita", 15);
    let release = OrderCommand::Release(verdict());
    given(passed).when(release.clone()).then_nothing();
    given(departed.clone()).when(release.clone()).then([claimed.clone(), seen.clone()]);
    let closed = and(departed, [claimed, seen]);
    assert_eq!(review(closed.clone()), Review::Closed);
    given(closed).when(release).then_nothing();
}

#[test]
fn what_is_paid_back_in_part_goes_on_until_all_of_it_is_paid_back() {
    let told = |status, refunded, at| {
        let report = StatusReported { refunded, ..report_of("web", status, at) };
        (OrderCommand::Report(report.clone()), OrderEvent::StatusReported(report))
    };
    let partly = |refunded, at| told(Status::PartiallyRefunded, Some(refunded), at);
    let all = |at| told(Status::Refunded, None, at).1;
    let before = asked(ChallengeMethod::Sms);
    let over = |at| [all(at), review_closed(Some("c1"), ClosedCause::Refunded)];
    given(before.clone()).when(partly(39_900, 2).0).then(over(2));

    let once = and(before.clone(), [partly(1_000, 4).1]);
    given(before).when(partly(1_000, 4).0).then([partly(1_000, 4).1]);
    assert_eq!(review(once.clone()), Review::Waiting);
    given(once.clone()).when(partly(1_000, 4).0).then([]);
    // The earlier refund arrives after the later one.
    let twice = and(once.clone(), [partly(31_000, 3).1]);
    given(once).when(partly(30_000, 3).0).then([partly(31_000, 3).1]);
    given(twice.clone()).when(partly(8_899, 6).0).then([partly(39_899, 6).1]);
    given(twice).when(partly(8_900, 6).0).then(over(6));
}

#[test]
fn what_was_paid_back_before_the_order_is_known_is_measured_by_its_amount_then() {
    let told = |refunded| {
        let report = StatusReported { refunded: Some(refunded), ..report_of("web", Status::PartiallyRefunded, 2) };
        OrderEvent::StatusReported(report)
    };
    given([told(39_899)]).when(OrderCommand::Place(placed_facts())).then([placed()]);
    let all = OrderEvent::StatusReported(report_of("web", Status::Refunded, 2));
    given([told(39_900)]).when(OrderCommand::Place(placed_facts())).then([placed(), all]);
}
