//! Given events, then the state of the review.

use domain::order::{Facts, FrozenCause, OrderEvent, ReleasedCause, Status};
use domain::time::Span;
use projections::{LOOK_WITHIN, ReviewQuery, ReviewSort, ReviewState};

use crate::given::*;

pub(crate) async fn a_review_follows_what_happens_to_the_order(on: Backend) {
    use FrozenCause::{Reviewer, Score};
    use ReviewState::{Claimed, Closed, Open, Waiting};
    let asked = || vec![scored(80, "sms"), challenged("c1", minute(10))];
    let then = |mut before: Vec<OrderEvent>, after: Vec<OrderEvent>| {
        before.extend(after);
        before
    };
    let cases: Vec<(&str, Vec<OrderEvent>, Option<ReviewState>)> = vec![
        ("passed", vec![scored(10, "pass"), released(ReleasedCause::Clean, None)], None),
        ("asked", asked(), Some(Waiting)),
        ("proved it", then(asked(), vec![verified("c1"), released(ReleasedCause::Verified, None)]), Some(Closed)),
        ("did not answer", then(asked(), vec![review_opened("c1")]), Some(Open)),
        ("asked and scored again", then(asked(), vec![scored(85, "sms")]), Some(Waiting)),
        ("frozen", vec![scored(130, "freeze"), frozen(Score)], Some(Open)),
        ("frozen by a person", vec![scored(10, "pass"), frozen(Reviewer)], Some(Closed)),
        ("spared", vec![scored(90, "sms"), released(ReleasedCause::Exempt, None)], Some(Closed)),
        ("gone already", vec![reported("wms", Status::Shipped, minute(1)), scored(90, "sms")], Some(Open)),
        ("claimed", vec![scored(130, "freeze"), frozen(Score), claimed("wang", minute(20))], Some(Claimed)),
        ("asked and a wrong code", then(asked(), vec![wrong_code("c1")]), Some(Waiting)),
        ("nobody can be asked", vec![scored(80, "sms"), nobody_can_be_asked()], Some(Open)),
        ("frozen and confirmed", vec![scored(130, "freeze"), frozen(Score), confirmed("wang")], Some(Closed)),
        (
            "confirmed and complained of",
            vec![scored(130, "freeze"), frozen(Score), confirmed("wang"), complained("li")],
            Some(Open),
        ),
        ("claimed and frozen", then(asked(), vec![claimed("wang", minute(20)), frozen(Score)]), Some(Claimed)),
        (
            "claimed and escalated",
            vec![scored(130, "freeze"), frozen(Score), claimed("wang", minute(20)), escalated(minute(1))],
            Some(Claimed),
        ),
        ("claimed while asked", then(asked(), vec![claimed("wang", minute(20))]), Some(Claimed)),
        ("given back while asked", then(asked(), vec![claimed("wang", minute(20)), returned("wang")]), Some(Waiting)),
        (
            "given back after no answer",
            then(asked(), vec![review_opened("c1"), claimed("wang", minute(20)), returned("wang")]),
            Some(Open),
        ),
        (
            "given back when the time was over",
            vec![scored(80, "sms"), challenged("c1", minute(0)), claimed("wang", minute(20)), returned("wang")],
            Some(Open),
        ),
        (
            "decided and scored again",
            vec![
                scored(130, "freeze"),
                frozen(Score),
                released(ReleasedCause::Reviewer, Some("wang")),
                scored(140, "freeze"),
            ],
            Some(Closed),
        ),
        (
            "released and pulled back",
            vec![
                scored(0, "pass"),
                released(ReleasedCause::Clean, None),
                scored(90, "sms"),
                challenged("c2", minute(9)),
            ],
            Some(Waiting),
        ),
    ];
    let mut given = Given::nothing(on).await;
    for (index, (_, events, _)) in cases.iter().enumerate() {
        let id = format!("web:{index}");
        given.order(&id, std::iter::once(placed(&id, facts(0))).chain(events.iter().cloned())).await;
    }
    let models = given.folded().await;
    for (index, (name, _, expected)) in cases.iter().enumerate() {
        let review = review(&models, &format!("web:{index}")).await;
        assert_eq!(review.as_ref().and_then(|review| review.state), *expected, "{name}");
        let is_claimed = *expected == Some(Claimed);
        assert_eq!(review.is_some_and(|review| review.claim.is_some()), is_claimed, "{name}");
    }
}

pub(crate) async fn an_order_that_reaches_a_tier_long_after_its_placement_enters_with_its_amount(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", clean("web:A1", facts(0))).await;
    given.order("web:A2", clean("web:A2", facts(0))).await;
    let models = given.folded().await;
    assert_eq!(review(&models, "web:A1").await, None);
    // In another page than its placement.
    given.order("web:A1", [scored(130, "freeze"), frozen(FrozenCause::Score)]).await;
    given.order("web:A2", [reported("shop", Status::Paid, minute(1))]).await;
    models.catch_up().await.unwrap();
    let entered = review(&models, "web:A1").await.unwrap();
    assert_eq!((entered.amount, entered.score, entered.state), (39_900, 130, Some(ReviewState::Open)));
    assert_eq!(entered.opened_at, recorded_at(7));
    assert_eq!(entered.priority(), 130 * 39_900);
    assert_eq!(review(&models, "web:A2").await, None);
}

pub(crate) async fn a_cancelled_order_has_nothing_at_stake(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", [placed("web:A1", facts(0)), scored(130, "freeze"), frozen(FrozenCause::Score)]).await;
    given.order("web:A1", [reported("shop", Status::Cancelled, minute(3))]).await;
    let models = given.folded().await;
    assert_eq!(review(&models, "web:A1").await.unwrap().priority(), 0);
    given.order("web:A1", [reported("shop", Status::Paid, minute(2))]).await;
    models.catch_up().await.unwrap();
    assert_eq!(review(&models, "web:A1").await.unwrap().priority(), 0, "a late older report changes nothing");
}

pub(crate) async fn a_review_that_is_opened_again_begins_anew_and_remembers_it(on: Backend) {
    let mut given = Given::nothing(on).await;
    let frozen = [placed("web:A1", facts(0)), scored(130, "freeze"), frozen(FrozenCause::Score)];
    given.order("web:A1", frozen.into_iter().chain([escalated(recorded_at(3))])).await;
    let models = given.folded().await;
    let before = review(&models, "web:A1").await.unwrap();
    assert_eq!((before.opened_at, before.open_since), (recorded_at(2), Some(recorded_at(2))));
    assert_eq!((before.escalated_at, before.reopened), (Some(recorded_at(4)), 0));
    given.order("web:A1", [confirmed("wang"), complained("li")]).await;
    models.catch_up().await.unwrap();
    let again = review(&models, "web:A1").await.unwrap();
    assert_eq!((again.opened_at, again.open_since), (recorded_at(6), Some(recorded_at(6))));
    assert_eq!((again.escalated_at, again.reopened), (None, 1));
    assert_eq!(again.due_at(None), Some(recorded_at(6).plus(LOOK_WITHIN)));
}

pub(crate) async fn a_review_says_why_a_person_has_to_look_while_one_has_to(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", [placed("web:A1", facts(0)), scored(110, "call"), challenged("c1", minute(10))]).await;
    let models = given.folded().await;
    assert_eq!(review(&models, "web:A1").await.unwrap().opened_for, None, "its customer is asked");
    let denied = Some(("challenge_failed", Some("customer_denied")));
    for (happened, why) in [
        (vec![frozen(FrozenCause::ChallengeFailed), said("c1", "customer_denied")], denied),
        (vec![claimed("wang", minute(20))], denied),
        (vec![returned("wang")], denied),
        (vec![confirmed("wang")], None),
        (vec![complained("li")], Some(("appeal", None))),
        (vec![released(ReleasedCause::Reviewer, Some("wang"))], None),
        (vec![scored(80, "sms"), nobody_can_be_asked()], Some(("no_channel", None))),
        (vec![challenged("c2", minute(30))], None),
        (vec![review_opened("c2")], Some(("challenge_expired", None))),
    ] {
        let what = format!("{happened:?}");
        given.order("web:A1", happened).await;
        models.catch_up().await.unwrap();
        let opened_for = review(&models, "web:A1").await.unwrap().opened_for;
        let told = opened_for.as_ref().map(|it| (it.cause.name(), it.reason_code.as_deref()));
        assert_eq!(told, why, "{what}");
    }
}

pub(crate) async fn the_most_urgent_review_comes_first_and_moves_as_its_order_does(on: Backend) {
    let mut given = Given::nothing(on).await;
    let amount = |amount| Facts { amount: Some(amount), ..facts(0) };
    let due = |amount, due| Facts { amount: Some(amount), payment_due_at: Some(minute(due)), ..facts(0) };
    let asked = |score, until| [scored(score, "sms"), challenged("c", minute(until))];
    let held = || [scored(130, "freeze"), frozen(FrozenCause::Score)];
    for (id, facts, then) in [
        ("web:small", amount(100), held()),
        ("web:unpaid", due(5_000, 10), asked(110, 31)),
        ("web:middle", amount(5_000), asked(110, 30)),
        ("web:large", amount(90_000), asked(85, 20)),
        ("web:late", amount(100), held()),
    ] {
        given.order(id, std::iter::once(placed(id, facts)).chain(then)).await;
    }
    given.order("web:late", [escalated(minute(0))]).await;
    let models = given.folded().await;
    let all = ReviewQuery::default();
    assert_eq!(listed(&models, &all).await, ["late", "large", "unpaid", "middle", "small"]);
    let due_at = review(&models, "web:unpaid").await.unwrap().due_at(None);
    assert_eq!(due_at, Some(minute(10)), "before the customer's own deadline");

    given.order("web:unpaid", [reported("shop", Status::Paid, minute(1))]).await;
    given.order("web:small", [amended(Facts { amount: Some(9_000_000), ..Facts::default() })]).await;
    models.catch_up().await.unwrap();
    assert_eq!(listed(&models, &all).await, ["late", "large", "small", "middle", "unpaid"], "paid, and worth more");

    given.order("web:large", [reported("shop", Status::Cancelled, minute(1))]).await;
    models.catch_up().await.unwrap();
    assert_eq!(listed(&models, &all).await, ["late", "small", "middle", "unpaid", "large"], "nothing left to lose");
}

pub(crate) async fn a_claim_counts_until_its_lease_runs_out(on: Backend) {
    use ReviewState::{Claimed, Closed, Open, Waiting};
    let mut given = Given::nothing(on).await;
    let open = [placed("web:open", facts(0)), scored(130, "freeze"), frozen(FrozenCause::Score)];
    given.order("web:open", open.into_iter().chain([claimed("wang", minute(5))])).await;
    let asked = [placed("web:asked", facts(0)), scored(80, "sms"), challenged("c1", minute(20))];
    given.order("web:asked", asked.into_iter().chain([claimed("wang", minute(5))])).await;
    let models = given.folded().await;
    for (at, state, expected) in [
        (minute(5), Claimed, vec!["asked", "open"]),
        (minute(5), Open, vec![]),
        (minute(5), Waiting, vec![]),
        (minute(6), Claimed, vec![]),
        (minute(6), Open, vec!["open"]),
        (minute(6), Waiting, vec!["asked"]),
        (minute(6), Closed, vec![]),
    ] {
        let query = ReviewQuery { state: Some(state), at, ..ReviewQuery::default() };
        assert_eq!(listed(&models, &query).await, expected, "{state:?} at {at}");
        let row = review(&models, "web:open").await.unwrap();
        assert_eq!(row.state_at(at), if at == minute(5) { Claimed } else { Open });
    }
}

async fn three_reviews(on: Backend) -> Given {
    let mut given = Given::nothing(on).await;
    let amount = |amount| domain::order::Facts { amount: Some(amount), ..facts(0) };
    given
        .order("web:small", [placed("web:small", amount(100)), scored(130, "freeze"), frozen(FrozenCause::Score)])
        .await;
    given
        .order("web:large", [placed("web:large", amount(900_000)), scored(85, "sms"), challenged("c1", minute(30))])
        .await;
    given
        .order("web:middle", [placed("web:middle", amount(5_000)), scored(110, "call"), challenged("c2", minute(10))])
        .await;
    given.order("web:none", clean("web:none", facts(0))).await;
    given
        .order_of("other", "web:X", [placed("web:X", amount(7)), scored(99, "sms"), challenged("c1", minute(1))])
        .await;
    given
}

async fn listed(models: &projections::ReadModels, query: &ReviewQuery) -> Vec<String> {
    let page = models.reviews(&merchant(SHOP), query, None, 50).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items.iter().map(|review| review.order_id.order_no().to_owned()).collect()
}

/// The same in pages of one.
async fn one_by_one(models: &projections::ReadModels, query: &ReviewQuery) -> Vec<String> {
    let (mut found, mut cursor) = (Vec::new(), None);
    loop {
        let page = models.reviews(&merchant(SHOP), query, cursor.as_deref(), 1).await.unwrap();
        found.extend(page.items.iter().map(|review| review.order_id.order_no().to_owned()));
        cursor = page.next_cursor;
        if cursor.is_none() {
            return found;
        }
    }
}

pub(crate) async fn reviews_are_sorted_by_urgency_age_or_deadline(on: Backend) {
    let given = three_reviews(on).await;
    let models = given.folded().await;
    for (sort, expected) in [
        (ReviewSort::Priority, ["large", "middle", "small"]),
        (ReviewSort::Age, ["small", "large", "middle"]),
        (ReviewSort::Deadline, ["middle", "large", "small"]),
    ] {
        let query = ReviewQuery { sort, ..ReviewQuery::default() };
        assert_eq!(listed(&models, &query).await, expected, "{sort:?}");
        assert_eq!(one_by_one(&models, &query).await, expected, "{sort:?}, one by one");
    }
}

pub(crate) async fn how_soon_a_person_should_look_is_as_the_merchant_has_set_it_now(on: Backend) {
    let mut given = Given::nothing(on).await;
    let amount = Facts { amount: Some(100), ..facts(0) };
    let unpaid = Facts { payment_due_at: Some(minute(45)), ..amount.clone() };
    let held = || [scored(130, "freeze"), frozen(FrozenCause::Score)];
    for (id, facts, then) in [
        ("web:held", amount.clone(), held()),
        ("web:asked", amount, [scored(130, "sms"), challenged("c1", minute(20))]),
        ("web:unpaid", unpaid, held()),
    ] {
        given.order(id, std::iter::once(placed(id, facts)).chain(then)).await;
    }
    let models = given.folded().await;
    let (quarter, hours) = (Some(Span::from_mins(15)), Some(Span::from_hours(4)));
    for (review_sla, expected, due) in [
        (None, ["asked", "unpaid", "held"], [minute(20), minute(45), recorded_at(2).plus(LOOK_WITHIN)]),
        (
            quarter,
            ["held", "unpaid", "asked"],
            [recorded_at(2), recorded_at(8), minute(5)].map(|at| at.plus(Span::from_mins(15))),
        ),
        (hours, ["asked", "unpaid", "held"], [minute(20), minute(45), recorded_at(2).plus(Span::from_hours(4))]),
    ] {
        for sort in [ReviewSort::Priority, ReviewSort::Deadline] {
            let query = ReviewQuery { sort, review_sla, ..ReviewQuery::default() };
            assert_eq!(listed(&models, &query).await, expected, "{sort:?} by {review_sla:?}");
            assert_eq!(one_by_one(&models, &query).await, expected, "{sort:?} by {review_sla:?}, one by one");
            let open = ReviewQuery { state: Some(ReviewState::Open), ..query.clone() };
            let expected: Vec<&str> = expected.into_iter().filter(|order| *order != "asked").collect();
            assert_eq!(one_by_one(&models, &open).await, expected, "{sort:?} by {review_sla:?}, those that are open");
            let waiting = ReviewQuery { state: Some(ReviewState::Waiting), ..query };
            assert_eq!(listed(&models, &waiting).await, ["asked"], "{sort:?} by {review_sla:?}");
        }
        for (order, due) in expected.into_iter().zip(due) {
            let row = review(&models, &format!("web:{order}")).await.unwrap();
            assert_eq!(row.due_at(review_sla), Some(due), "{order} by {review_sla:?}");
        }
    }
}

pub(crate) async fn reviews_are_narrowed_by_state_tier_and_rule(on: Backend) {
    let mut given = three_reviews(on).await;
    given.order("web:small", [released(ReleasedCause::Reviewer, Some("wang"))]).await;
    let models = given.folded().await;
    let all = ReviewQuery::default();
    let text = |text: &str| Some(text.to_owned());
    for (query, expected) in [
        (all.clone(), vec!["large", "middle"]),
        (ReviewQuery { state: Some(ReviewState::Closed), ..all.clone() }, vec!["small"]),
        (ReviewQuery { state: Some(ReviewState::Waiting), ..all.clone() }, vec!["large", "middle"]),
        (ReviewQuery { state: Some(ReviewState::Open), ..all.clone() }, vec![]),
        (ReviewQuery { tier: text("call"), ..all.clone() }, vec!["middle"]),
        (ReviewQuery { rule: text("device_burst"), ..all.clone() }, vec!["large", "middle"]),
        (ReviewQuery { rule: text("device"), ..all.clone() }, vec![]),
    ] {
        assert_eq!(listed(&models, &query).await, expected, "{query:?}");
    }
}
