//! What is done about a score: questions and their answers, people's decisions, stock that is to be set free.

mod support;

use domain::order::{
    CallOutcome, CallUnanswered, ChallengeMethod, ChallengeResent, Challenged, CodeRejected, Downgrade,
    DowngradeReason, FreezeConfirmed, Frozen, FrozenCause, Line, NextChallenge, OnExpire, OnFail, OrderCommand,
    OrderEvent, PartOf, Rejection, Released, ReleasedCause, ReopenCause, Review, ReviewCause, ReviewEscalated,
    ReviewOpened, ReviewReopened, RiskState, Status, StockCause, StockReleaseDue, Verdict, Verified, decide,
};
use domain::screening::{Assessment, Disposition, Ways};
use domain::time::Span;
use support::*;

fn wrong_code(at: u32) -> OrderCommand {
    OrderCommand::RejectCode { challenge: challenge("c1"), at: minute(at), attempts_max: 3 }
}

fn rejected(attempts_left: u8) -> OrderEvent {
    OrderEvent::CodeRejected(CodeRejected { challenge: challenge("c1"), attempts_left })
}

fn called(outcome: CallOutcome) -> OrderCommand {
    let (challenge, at) = (challenge("c1"), minute(3));
    OrderCommand::Called { challenge, outcome, note: Some("heard".into()), at, attempts_max: 2, call: Ok(()) }
}

fn unanswered(attempts_left: u8) -> OrderEvent {
    OrderEvent::CallUnanswered(CallUnanswered { challenge: challenge("c1"), attempts_left, note: Some("heard".into()) })
}

fn opened(cause: ReviewCause) -> OrderEvent {
    opened_for(Some("c1"), cause)
}

/// A review that was opened for what the customer said to a call.
fn opened_for_what_was_said(reason: &str, note: Option<&str>) -> OrderEvent {
    let OrderEvent::ReviewOpened(opened) = opened(ReviewCause::ChallengeFailed) else { panic!("opened") };
    let (reason_code, note) = (Some(reason.into()), note.map(Into::into));
    OrderEvent::ReviewOpened(ReviewOpened { reason_code, note, ..opened })
}

/// A review that was opened because a way to ask was closed.
fn opened_instead(asked: Option<&str>, cause: ReviewCause, instead_of: Vec<Downgrade>) -> OrderEvent {
    let OrderEvent::ReviewOpened(opened) = opened_for(asked, cause) else { panic!("opened") };
    OrderEvent::ReviewOpened(ReviewOpened { instead_of, ..opened })
}

const fn closed(method: ChallengeMethod, reason: DowngradeReason) -> Downgrade {
    Downgrade { method, reason }
}

fn verdict(at: u32) -> Verdict {
    verdict_of("ann", at)
}

fn verdict_of(reviewer: &str, at: u32) -> Verdict {
    Verdict {
        reviewer: reviewer.into(),
        reason_code: "bot_or_script".into(),
        note: None,
        at: minute(at),
        claim_until: minute(at + 10),
        part_of: None,
    }
}

#[test]
fn wrong_codes_are_counted_and_the_last_one_fails_the_challenge() {
    let sms = asked(ChallengeMethod::Sms);
    given(sms.clone()).when(wrong_code(1)).then([rejected(2)]);
    let twice = and(sms, [rejected(2), rejected(1)]);
    given(twice.clone()).when(wrong_code(2)).then([
        rejected(0),
        frozen(FrozenCause::ChallengeFailed),
        opened(ReviewCause::ChallengeFailed),
    ]);
    given(twice.clone()).when(wrong_code(11)).then_rejected(&Rejection::ChallengeExpired);
    let right = OrderCommand::Verify { challenge: challenge("c1"), at: minute(3) };
    given(twice).when(right).then([verified("c1"), released(ReleasedCause::Verified)]);
}

#[test]
fn a_challenge_that_came_to_nothing_takes_no_more_answers() {
    let over = and(asked(ChallengeMethod::Sms), [opened(ReviewCause::ChallengeFailed)]);
    given(over.clone()).when(wrong_code(2)).then_rejected(&Rejection::NoChallenge);
    let right = OrderCommand::Verify { challenge: challenge("c1"), at: minute(3) };
    given(over).when(right).then_rejected(&Rejection::NoChallenge);
}

#[test]
fn a_challenge_whose_time_is_over_has_expired_whatever_followed_from_that() {
    let sms = asked(ChallengeMethod::Sms);
    let next = NextChallenge { id: challenge("c2"), expires_in: Span::from_mins(30) };
    let expire = |next| OrderCommand::ExpireChallenge { challenge: challenge("c1"), at: minute(11), next };
    let called = decide(&fold(sms.clone()), expire(Some(Ok(next)))).expect("a call follows");
    let to_a_person = decide(&fold(sms.clone()), expire(None)).expect("a person looks");
    let expired = FrozenCause::ChallengeExpired;
    let proved = and(called.clone(), [verified("c2"), released(ReleasedCause::Verified)]);
    for after in [
        vec![],
        to_a_person.clone(),
        and(to_a_person, [released(ReleasedCause::Reviewer)]),
        vec![frozen(expired), opened(ReviewCause::ChallengeExpired)],
        vec![frozen(expired), opened(ReviewCause::ChallengeExpired), frozen(FrozenCause::Reviewer)],
        vec![released(ReleasedCause::ChallengeExpired)],
        called.clone(),
        proved,
    ] {
        given(and(sms.clone(), after)).when(wrong_code(12)).then_rejected(&Rejection::ChallengeExpired);
    }
    let second = OrderCommand::RejectCode { challenge: challenge("c2"), at: minute(12), attempts_max: 3 };
    given(and(sms, called)).when(second).then_rejected(&Rejection::NotCode);

    let used_up = and(asked(ChallengeMethod::Call), [unanswered(0), opened(ReviewCause::ChallengeExpired)]);
    given(used_up.clone()).when(wrong_code(3)).then_rejected(&Rejection::NoChallenge);
    given(used_up).when(wrong_code(12)).then_rejected(&Rejection::ChallengeExpired);
}

#[test]
fn a_code_is_sent_again_as_often_as_the_merchant_wants() {
    let resend_when = |sms| OrderCommand::Resend { challenge: challenge("c1"), at: minute(1), resends_max: 1, sms };
    let (resend, when_full) = (resend_when(Ok(())), resend_when(Err(DowngradeReason::Capacity)));
    let resent = OrderEvent::ChallengeResent(ChallengeResent { challenge: challenge("c1"), count: 1 });
    given(asked(ChallengeMethod::Sms)).when(resend.clone()).then([resent.clone()]);
    given(asked(ChallengeMethod::Sms)).when(when_full.clone()).then_rejected(&Rejection::NoCapacity);
    let used_up = and(asked(ChallengeMethod::Sms), [resent]);
    given(used_up.clone()).when(resend.clone()).then_rejected(&Rejection::ResendsUsedUp);
    given(used_up).when(when_full).then_rejected(&Rejection::ResendsUsedUp);
    given(asked(ChallengeMethod::Call)).when(resend).then_rejected(&Rejection::NotCode);
}

#[test]
fn a_call_is_confirmed_denied_unclear_or_tried_again() {
    let call = asked(ChallengeMethod::Call);
    let proved = OrderEvent::Verified(Verified { challenge: challenge("c1"), how: ChallengeMethod::Call });
    given(call.clone()).when(called(CallOutcome::Confirmed)).then([proved, released(ReleasedCause::Verified)]);
    for (outcome, reason) in [(CallOutcome::Denied, "customer_denied"), (CallOutcome::Unclear, "customer_confused")] {
        let (cause, reason_code) = (FrozenCause::ChallengeFailed, Some(reason.into()));
        let held = Frozen { reason_code, note: Some("heard".into()), ..Frozen::by_itself(cause) };
        let held = OrderEvent::Frozen(held);
        given(call.clone()).when(called(outcome)).then([held, opened_for_what_was_said(reason, None)]);
    }
    given(call.clone()).when(called(CallOutcome::NoAnswer)).then([unanswered(1)]);
    given(and(call.clone(), [unanswered(1)]))
        .when(called(CallOutcome::NoAnswer))
        .then([unanswered(0), opened(ReviewCause::ChallengeExpired)]);
    given(call).when(wrong_code(1)).then_rejected(&Rejection::NotCode);
    given(asked(ChallengeMethod::Sms)).when(called(CallOutcome::Denied)).then_rejected(&Rejection::NotCall);
}

#[test]
fn an_sms_that_nobody_answered_may_be_followed_by_a_call() {
    let next = NextChallenge { id: challenge("c2"), expires_in: Span::from_mins(30) };
    let expire = |id: &str, at| OrderCommand::ExpireChallenge {
        challenge: challenge(id),
        at: minute(at),
        next: Some(Ok(next.clone())),
    };
    let OrderEvent::Challenged(mut by_call) = challenged("c2", ChallengeMethod::Call) else { panic!("challenged") };
    by_call.expires_at = minute(41);
    by_call.instead_of = Some(Downgrade { method: ChallengeMethod::Sms, reason: DowngradeReason::Unanswered });
    let by_call = OrderEvent::Challenged(by_call);
    given(asked(ChallengeMethod::Sms)).when(expire("c1", 11)).then([by_call.clone()]);
    given(asked(ChallengeMethod::Call)).when(expire("c1", 11)).then([opened(ReviewCause::ChallengeExpired)]);
    let then_called = and(asked(ChallengeMethod::Sms), [by_call]);
    given(then_called.clone()).when(expire("c1", 11)).then_rejected(&Rejection::ChallengeSuperseded);
    let after_the_call = opened_for(Some("c2"), ReviewCause::ChallengeExpired);
    given(then_called).when(expire("c2", 42)).then([after_the_call]);
}

#[test]
fn what_left_the_door_is_not_frozen_by_a_failed_challenge_but_shown_to_a_person() {
    let shipped = and(asked(ChallengeMethod::Call), [reported("wms", Status::Shipped, 2)]);
    for (outcome, reason) in [(CallOutcome::Denied, "customer_denied"), (CallOutcome::Unclear, "customer_confused")] {
        given(shipped.clone()).when(called(outcome)).then([opened_for_what_was_said(reason, Some("heard"))]);
    }
}

#[test]
fn a_call_that_cannot_be_made_becomes_an_sms_and_an_sms_a_persons_look() {
    let by = |disposition, sms, call| {
        let OrderEvent::Scored(scored) = scored(110) else { panic!("scored") };
        Assessment { scored, disposition }.by(Ways { sms, call }).disposition
    };
    let Disposition::Challenge(sms, None) = by_sms() else { panic!("a challenge") };
    let quiet = DowngradeReason::QuietHours;
    let instead_of = Some(Downgrade { method: ChallengeMethod::Call, reason: quiet });
    assert_eq!(by(by_call(), Ok(()), Err(quiet)), Disposition::Challenge(sms, instead_of));
    assert_eq!(by(by_call(), Ok(()), Ok(())), by_call());
    let full = DowngradeReason::Capacity;
    let (no_sms, no_call) = (closed(ChallengeMethod::Sms, full), closed(ChallengeMethod::Call, quiet));
    assert_eq!(by(by_sms(), Err(full), Ok(())), Disposition::Review(no_sms, None));
    assert_eq!(by(by_call(), Err(full), Err(quiet)), Disposition::Review(no_call, Some(no_sms)));
    assert_eq!(by(Disposition::Freeze, Err(quiet), Err(quiet)), Disposition::Freeze);

    let nobody = Disposition::Review(no_call, Some(no_sms));
    let no_channel = opened_instead(None, ReviewCause::NoChannel, vec![no_call, no_sms]);
    given([placed()]).when(assess(85, nobody)).then([scored(85), no_channel.clone()]);
    let order = fold([placed(), scored(85), no_channel]);
    let known = order.known().expect("placed");
    assert_eq!((known.risk.state(), &known.review), (RiskState::Scored, &Review::Open));
    given([placed(), scored(130), frozen(FrozenCause::Score)]).when(assess(85, nobody)).then([scored(85)]);
}

#[test]
fn a_reviewer_who_freezes_what_is_frozen_confirms_it_and_closes_the_review() {
    let held = vec![placed(), scored(130), frozen(FrozenCause::Score)];
    let confirmed = OrderEvent::FreezeConfirmed(FreezeConfirmed {
        actor: "ann".into(),
        reason_code: "bot_or_script".into(),
        note: None,
        part_of: None,
        claim_until: Some(minute(11)),
    });
    given(held.clone()).when(OrderCommand::Freeze(verdict(1))).then([claimed("ann", 11), confirmed.clone()]);
    let closed = and(held.clone(), [claimed("ann", 11), confirmed]);
    assert_eq!(fold(closed.clone()).known().expect("placed").review, Review::Closed);
    // A person's word outweighs a score that falls later.
    given(closed.clone()).when(assess(0, Disposition::Pass)).then([scored(0)]);
    given(closed).when(OrderCommand::Freeze(verdict(2))).then_nothing();
    given(and(held, [claimed("bob", 10)]))
        .when(OrderCommand::Freeze(verdict(1)))
        .then_rejected(&Rejection::ClaimedByOther);
}

#[test]
fn what_a_decision_about_many_leads_to_for_each_names_it() {
    let part_of = Some(Box::new(PartOf { orders: 5, linked_to: None }));
    let verdict = Verdict { part_of: part_of.clone(), ..verdict(1) };
    let (actor, reason_code) = (verdict.reviewer.clone(), verdict.reason_code.clone());
    let passed = [placed(), scored(0), released(ReleasedCause::Clean)];
    let held = [placed(), scored(130), frozen(FrozenCause::Score)];
    let claim_until = Some(minute(11));
    let confirmed = FreezeConfirmed { actor, reason_code, note: None, part_of: part_of.clone(), claim_until };
    given(held.clone())
        .when(OrderCommand::Freeze(verdict.clone()))
        .then([claimed("ann", 11), OrderEvent::FreezeConfirmed(confirmed.clone())]);
    let FreezeConfirmed { actor, reason_code, .. } = confirmed;
    let (actor, reason_code) = (Some(actor), Some(reason_code));
    let frozen = Frozen {
        actor: actor.clone(),
        reason_code: reason_code.clone(),
        part_of: part_of.clone(),
        claim_until,
        ..Frozen::by_itself(FrozenCause::Reviewer)
    };
    given(passed).when(OrderCommand::Freeze(verdict.clone())).then([OrderEvent::Frozen(frozen)]);
    let released =
        Released { actor, reason_code, part_of, claim_until, ..Released::by_itself(ReleasedCause::Reviewer) };
    given(held).when(OrderCommand::Release(verdict)).then([claimed("ann", 11), OrderEvent::Released(released)]);
}

fn outcome(events: &[OrderEvent], command: OrderCommand) -> Result<Vec<&'static str>, Rejection> {
    let name = |event: &OrderEvent| match event {
        OrderEvent::ReviewClaimed(_) => "claimed",
        OrderEvent::Frozen(_) => "frozen",
        OrderEvent::FreezeConfirmed(_) => "confirmed",
        OrderEvent::Released(_) => "released",
        other => panic!("{other:?}"),
    };
    given(events.to_vec()).when(command).inspect_result().map(|events| events.iter().map(name).collect())
}

type Ruling = fn(Verdict) -> OrderCommand;

/// Where an order stands, what Ann decides about it, and what she decides then, each with its events.
type Corrected<'a> = (&'a [OrderEvent], Ruling, &'a [&'a str], Ruling, &'a [&'a str]);

#[test]
fn who_decides_holds_the_order_for_the_lease_after() {
    let freeze = |reviewer: &str, at| OrderCommand::Freeze(verdict_of(reviewer, at));
    let release = |reviewer: &str, at| OrderCommand::Release(verdict_of(reviewer, at));
    let held = vec![placed(), scored(130), frozen(FrozenCause::Score), opened_for(None, ReviewCause::Frozen)];
    let asked = asked(ChallengeMethod::Sms);
    let passed = vec![placed(), scored(0), released(ReleasedCause::Clean)];
    let claimed_before = and(held.clone(), [claimed("ann", 4)]);
    let table: [Corrected<'_>; 5] = [
        (&held, OrderCommand::Release, &["claimed", "released"], OrderCommand::Freeze, &["frozen"]),
        (&held, OrderCommand::Freeze, &["claimed", "confirmed"], OrderCommand::Release, &["released"]),
        (&asked, OrderCommand::Release, &["claimed", "released"], OrderCommand::Freeze, &["frozen"]),
        (&claimed_before, OrderCommand::Release, &["released"], OrderCommand::Freeze, &["frozen"]),
        (&passed, OrderCommand::Freeze, &["frozen"], OrderCommand::Release, &["released"]),
    ];
    for (before, first, events, then, corrected) in table {
        assert_eq!(outcome(before, first(verdict_of("ann", 1))).as_deref(), Ok(events));
        let events = given(before.to_vec()).when(first(verdict_of("ann", 1))).inspect_result().expect("decided");
        let decided = and(before.to_vec(), events);
        assert_eq!(outcome(&decided, first(verdict_of("bob", 2))), Ok(vec![]), "it holds already");
        assert_eq!(outcome(&decided, then(verdict_of("bob", 11))), Err(Rejection::ClaimedByOther));
        assert_eq!(outcome(&decided, then(verdict_of("bob", 12))).as_deref(), Ok(corrected), "the lease is over");
        assert_eq!(outcome(&decided, then(verdict_of("ann", 2))).as_deref(), Ok(corrected), "ann corrects herself");
        // Her second word holds as long as her first did.
        let events = given(decided.clone()).when(then(verdict_of("ann", 9))).inspect_result().expect("corrected");
        assert_eq!(outcome(&and(decided, events), first(verdict_of("bob", 19))), Err(Rejection::ClaimedByOther));
    }
    // A lease that ran out is nobody's, and what is opened again is open to all.
    assert_eq!(outcome(&claimed_before, release("bob", 5)), Ok(vec!["claimed", "released"]));
    let events = given(held.clone()).when(freeze("ann", 1)).inspect_result().expect("decided");
    let reopened = ReviewReopened { actor: "eve".into(), cause: ReopenCause::Appeal, text: None };
    let reopened = and(and(held, events), [OrderEvent::ReviewReopened(reopened)]);
    assert_eq!(outcome(&reopened, release("bob", 2)), Ok(vec!["claimed", "released"]));
}

#[test]
fn a_frozen_orders_review_is_opened_again_when_its_customer_complains() {
    let reopen = OrderCommand::Reopen(ReviewReopened { actor: "ann".into(), cause: ReopenCause::Appeal, text: None });
    let reopened =
        OrderEvent::ReviewReopened(ReviewReopened { actor: "ann".into(), cause: ReopenCause::Appeal, text: None });
    let OrderEvent::Frozen(by_score) = frozen(FrozenCause::Reviewer) else { panic!("frozen") };
    let closed = vec![placed(), scored(130), OrderEvent::Frozen(Frozen { actor: Some("bob".into()), ..by_score })];
    given(closed.clone()).when(reopen.clone()).then([reopened.clone()]);
    let open = and(closed, [reopened]);
    given(open.clone()).when(reopen.clone()).then_rejected(&Rejection::ReviewNotClosed);
    let release = OrderCommand::Release(verdict(3));
    assert!(given(open).when(release).inspect_result().is_ok_and(|events| events.len() == 2), "a claim and a decision");
    given([placed(), scored(0), released(ReleasedCause::Clean)])
        .when(reopen.clone())
        .then_rejected(&Rejection::NotUnderReview);
    let spared = [placed(), scored(85), challenged("c1", ChallengeMethod::Sms), verified("c1")];
    given(and(spared.to_vec(), [released(ReleasedCause::Verified)])).when(reopen).then_rejected(&Rejection::NotFrozen);
}

#[test]
fn a_review_is_escalated_only_while_it_waits_for_a_person() {
    let escalated = ReviewEscalated { opened_at: minute(0) };
    let escalate = OrderCommand::Escalate(escalated.clone());
    given([placed(), scored(130), frozen(FrozenCause::Score)])
        .when(escalate.clone())
        .then([OrderEvent::ReviewEscalated(escalated)]);
    given(asked(ChallengeMethod::Sms)).when(escalate.clone()).then_nothing();
    given([placed(), scored(130), frozen(FrozenCause::Reviewer)]).when(escalate).then_nothing();
}

/// Two units, to be paid for within half an hour.
fn holds_stock() -> OrderEvent {
    let mut placed = placed_facts();
    let line = Line { sku: "MASK-01".into(), title: None, quantity: 2, unit_price: None };
    (placed.facts.lines, placed.facts.payment_due_at) = (Some(vec![line]), Some(minute(30)));
    OrderEvent::Placed(placed)
}

#[test]
fn stock_is_asked_for_once_and_only_while_the_order_holds_it() {
    let release = |cause, at| OrderCommand::ReleaseStock { cause, at: minute(at) };
    let due = |cause| OrderEvent::StockReleaseDue(StockReleaseDue { cause, units: 2 });
    let held = vec![holds_stock(), scored(130), frozen(FrozenCause::Score)];
    given(held.clone()).when(release(StockCause::Frozen, 60)).then([due(StockCause::Frozen)]);
    given(and(held.clone(), [due(StockCause::Frozen)])).when(release(StockCause::Frozen, 61)).then_nothing();
    given(and(held, [reported("web", Status::Cancelled, 5)])).when(release(StockCause::Frozen, 60)).then_nothing();
    given(asked(ChallengeMethod::Sms)).when(release(StockCause::Frozen, 60)).then_nothing();

    let passed = vec![holds_stock(), scored(0), released(ReleasedCause::Clean)];
    let paid = and(passed.clone(), [reported("web", Status::Paid, 5)]);
    given(passed.clone()).when(release(StockCause::Unpaid, 31)).then([due(StockCause::Unpaid)]);
    given(passed).when(release(StockCause::Unpaid, 30)).then_nothing();
    given(paid).when(release(StockCause::Unpaid, 31)).then_nothing();
}

#[test]
fn what_follows_a_failure_is_what_the_tier_says() {
    let OrderEvent::Challenged(mut terms) = challenged("c1", ChallengeMethod::Sms) else { panic!("challenged") };
    (terms.on_fail, terms.on_expire) = (OnFail::Review, OnExpire::Release);
    let asked = vec![placed(), scored(85), OrderEvent::Challenged(terms)];
    let last = and(asked.clone(), [rejected(2), rejected(1)]);
    given(last).when(wrong_code(1)).then([rejected(0), opened(ReviewCause::ChallengeFailed)]);
    let OrderEvent::Challenged(mut call) = challenged("c1", ChallengeMethod::Call) else { panic!("challenged") };
    call.on_fail = OnFail::Review;
    given([placed(), scored(85), OrderEvent::Challenged(call)])
        .when(called(CallOutcome::Unclear))
        .then([opened_for_what_was_said("customer_confused", Some("heard"))]);
    let expire = OrderCommand::ExpireChallenge { challenge: challenge("c1"), at: minute(11), next: None };
    given(asked).when(expire).then([released(ReleasedCause::ChallengeExpired)]);
}

#[test]
fn a_call_that_should_come_next_and_cannot_be_made_is_recorded_with_what_comes_in_its_place() {
    let full = closed(ChallengeMethod::Call, DowngradeReason::Capacity);
    let (challenge_id, at) = (challenge("c1"), minute(11));
    let expire = OrderCommand::ExpireChallenge { challenge: challenge_id.clone(), at, next: Some(Err(full.reason)) };
    let to_a_person = opened_instead(Some("c1"), ReviewCause::ChallengeExpired, vec![full]);
    given(asked(ChallengeMethod::Sms)).when(expire.clone()).then([to_a_person.clone()]);
    // After a call no other would have come.
    given(asked(ChallengeMethod::Call)).when(expire.clone()).then([opened(ReviewCause::ChallengeExpired)]);

    let asked_with = |on_expire| {
        let OrderEvent::Challenged(terms) = challenged("c1", ChallengeMethod::Sms) else { panic!("challenged") };
        [placed(), scored(85), OrderEvent::Challenged(Challenged { on_expire, ..terms })]
    };
    let frozen = frozen(FrozenCause::ChallengeExpired);
    given(asked_with(OnExpire::Freeze)).when(expire.clone()).then([frozen, to_a_person]);
    let released = Released { instead_of: vec![full], ..Released::by_itself(ReleasedCause::ChallengeExpired) };
    given(asked_with(OnExpire::Release)).when(expire).then([OrderEvent::Released(released)]);

    let quiet = closed(ChallengeMethod::Call, DowngradeReason::QuietHours);
    let nobody = |attempts_max, call| OrderCommand::Called {
        challenge: challenge_id.clone(),
        outcome: CallOutcome::NoAnswer,
        note: Some("heard".into()),
        at: minute(3),
        attempts_max,
        call: Err(call),
    };
    let in_place_of_the_next = opened_instead(Some("c1"), ReviewCause::ChallengeExpired, vec![quiet]);
    given(asked(ChallengeMethod::Call)).when(nobody(2, quiet.reason)).then([unanswered(0), in_place_of_the_next]);
    let last = [unanswered(0), opened(ReviewCause::ChallengeExpired)];
    for reason in [quiet.reason, full.reason] {
        given(asked(ChallengeMethod::Call)).when(nobody(1, reason)).then(last.clone());
    }
    // A minute whose calls are used up ends nothing.
    given(asked(ChallengeMethod::Call)).when(nobody(2, full.reason)).then([unanswered(1)]);
}

#[test]
fn a_person_who_has_to_look_is_told_so_once() {
    let held = [scored(130), frozen(FrozenCause::Score)];
    let told = and(held.to_vec(), [opened_for(None, ReviewCause::Frozen)]);
    given([placed()]).when(assess(130, Disposition::Freeze)).then(told.clone());
    given(asked(ChallengeMethod::Sms)).when(assess(130, Disposition::Freeze)).then(told);
    let open = and(asked(ChallengeMethod::Sms), [opened(ReviewCause::ChallengeExpired)]);
    given(open).when(assess(130, Disposition::Freeze)).then(held);
}
