//! Given events, then what became of orders. The definitions are those of `docs/FIGURES.md`.

use domain::order::{
    ChallengeMethod, Challenged, Downgrade, DowngradeReason, FreezeConfirmed, FrozenCause, Hit, OnExpire, OnFail,
    OrderEvent, Readings, ReleasedCause, ReopenCause, ReviewCause, ReviewOpened, ReviewReopened, Status, StockCause,
    StockReleaseDue, Verified,
};
use domain::time::Span;
use projections::{Answers, Freed, Outcomes, ReadModels, Verdicts};

use crate::given::*;
use crate::stock_holds::stocked;

/// A screening for which some rules fired.
fn screened(tier: &str, rules: &[&str], exemption: Option<&str>) -> OrderEvent {
    let OrderEvent::Scored(mut scored) = scored(80, tier) else { unreachable!("a score") };
    let hit = |rule: &&str| Hit { rule: (*rule).into(), points: 80, evidence: Readings(vec![]) };
    scored.hits = rules.iter().map(hit).collect();
    scored.exemption = exemption.map(Into::into);
    OrderEvent::Scored(scored)
}

fn asked_by(method: ChallengeMethod, instead_of: Option<Downgrade>) -> OrderEvent {
    let OrderEvent::Challenged(challenged) = challenged("c1", minute(10)) else { unreachable!("a challenge") };
    OrderEvent::Challenged(Challenged {
        method,
        instead_of,
        on_fail: OnFail::Review,
        on_expire: OnExpire::Release,
        ..challenged
    })
}

fn verified_by(how: ChallengeMethod) -> OrderEvent {
    OrderEvent::Verified(Verified { challenge: "c1".parse().unwrap(), how })
}

fn review(cause: ReviewCause) -> OrderEvent {
    OrderEvent::ReviewOpened(ReviewOpened::by_itself(Some("c1".parse().unwrap()), cause))
}

fn confirmed() -> OrderEvent {
    let (actor, reason_code) = ("wang".into(), "fraud".into());
    OrderEvent::FreezeConfirmed(FreezeConfirmed { actor, reason_code, note: None, part_of: None, claim_until: None })
}

fn reopened() -> OrderEvent {
    OrderEvent::ReviewReopened(ReviewReopened { actor: "li".into(), cause: ReopenCause::Appeal, text: None })
}

fn stock_due(cause: StockCause) -> OrderEvent {
    OrderEvent::StockReleaseDue(StockReleaseDue { cause, units: 1 })
}

fn told(status: Status, at: u32) -> OrderEvent {
    reported("wms", status, minute(at))
}

/// Of what was placed in the hour that begins at minute 0.
async fn first_hour(models: &ReadModels) -> Outcomes {
    models.outcomes(&merchant(SHOP), minute(0), minute(1)).await.unwrap()
}

/// One order a case, each with a rule of its own.
async fn each(on: Backend, cases: &[(&str, Vec<OrderEvent>)]) -> Outcomes {
    let mut given = Given::nothing(on).await;
    for (index, (_, events)) in cases.iter().enumerate() {
        let id = format!("web:{index}");
        given.order(&id, [placed(&id, facts(0))].into_iter().chain(events.clone())).await;
    }
    first_hour(&given.folded().await).await
}

pub(crate) async fn what_became_of_an_order_follows_from_what_happened_to_it(on: Backend) {
    use FrozenCause::{ChallengeExpired, ChallengeFailed, Reviewer, Score};
    const NOTHING: Verdicts = Verdicts { confirmed: 0, cleared: 0, lapsed: 0, undecided: 0 };
    const CONFIRMED: Verdicts = Verdicts { confirmed: 1, ..NOTHING };
    const CLEARED: Verdicts = Verdicts { cleared: 1, ..NOTHING };
    const LAPSED: Verdicts = Verdicts { lapsed: 1, ..NOTHING };
    const UNDECIDED: Verdicts = Verdicts { undecided: 1, ..NOTHING };
    let clean = || released(ReleasedCause::Clean, None);
    let let_go = || released(ReleasedCause::Reviewer, Some("wang"));
    let proved = || released(ReleasedCause::Verified, None);
    let ask = || challenged("c1", minute(10));
    let table: Vec<(&str, &str, Vec<OrderEvent>, Verdicts)> = vec![
        ("passed", "pass", vec![clean()], UNDECIDED),
        ("passed_and_arrived", "pass", vec![clean(), told(Status::Delivered, 1)], CLEARED),
        (
            "passed_and_refunded_in_part",
            "pass",
            vec![clean(), told(Status::Delivered, 1), told(Status::PartiallyRefunded, 2)],
            CLEARED,
        ),
        ("passed_and_refunded", "pass", vec![clean(), told(Status::Refunded, 1)], UNDECIDED),
        ("passed_and_called_off", "pass", vec![clean(), told(Status::Cancelled, 1)], LAPSED),
        ("asked", "sms", vec![ask()], UNDECIDED),
        ("asked_and_called_off", "sms", vec![ask(), told(Status::Cancelled, 1)], LAPSED),
        ("proved", "sms", vec![ask(), verified("c1"), proved()], CLEARED),
        ("proved_and_refunded", "sms", vec![ask(), verified("c1"), proved(), told(Status::Refunded, 1)], UNDECIDED),
        ("denied", "sms", vec![ask(), frozen(ChallengeFailed)], CONFIRMED),
        ("denied_and_let_go", "sms", vec![ask(), frozen(ChallengeFailed), let_go()], CLEARED),
        ("denied_and_reopened", "sms", vec![ask(), frozen(ChallengeFailed), confirmed(), reopened()], UNDECIDED),
        ("did_not_answer", "sms", vec![ask(), frozen(ChallengeExpired)], UNDECIDED),
        ("frozen", "freeze", vec![frozen(Score)], UNDECIDED),
        ("frozen_and_held", "freeze", vec![frozen(Score), confirmed()], CONFIRMED),
        ("held_by_a_person", "pass", vec![clean(), frozen(Reviewer)], CONFIRMED),
        ("frozen_and_let_go", "freeze", vec![frozen(Score), let_go()], CLEARED),
        ("frozen_and_called_off", "freeze", vec![frozen(Score), told(Status::Cancelled, 1)], CONFIRMED),
        ("frozen_until_due", "freeze", vec![frozen(Score), stock_due(StockCause::Frozen)], CONFIRMED),
        ("frozen_and_unpaid", "freeze", vec![stock_due(StockCause::Unpaid), frozen(Score)], UNDECIDED),
        ("spared", "sms", vec![released(ReleasedCause::Exempt, None)], UNDECIDED),
        ("spared_and_arrived", "sms", vec![released(ReleasedCause::Exempt, None), told(Status::Completed, 1)], CLEARED),
        (
            "spared_and_refunded",
            "sms",
            vec![released(ReleasedCause::Exempt, None), told(Status::Refunded, 1)],
            CONFIRMED,
        ),
        (
            "money_wanted_back",
            "pass",
            vec![clean(), told(Status::Delivered, 1), told(Status::RefundRequested, 2)],
            UNDECIDED,
        ),
        ("pulled_back", "sms", vec![clean(), ask(), verified("c1"), proved(), ask()], UNDECIDED),
    ];
    let cases: Vec<(&str, Vec<OrderEvent>)> = table
        .iter()
        .map(|(rule, tier, events, _)| {
            let first = screened(tier, &[rule], None);
            (*rule, [first].into_iter().chain(events.clone()).collect())
        })
        .collect();
    let found = each(on, &cases).await;
    for (rule, _, _, expected) in &table {
        assert_eq!(found.rules.get(*rule), Some(expected), "{rule}");
    }
    assert_eq!(found.all.orders(), u64::try_from(table.len()).unwrap());
    let of_tier = |tier: &str| u64::try_from(table.iter().filter(|(_, of, _, _)| *of == tier).count()).unwrap();
    for tier in ["sms", "freeze"] {
        assert_eq!(found.tiers[tier].orders(), of_tier(tier), "{tier}");
    }
    assert!(!found.tiers.contains_key("pass"));
}

pub(crate) async fn an_order_counts_for_what_fired_in_its_last_screening(on: Backend) {
    let mut given = Given::nothing(on).await;
    let first = screened("sms", &["one", "two"], Some("vip"));
    given.order("web:1", [placed("web:1", facts(0)), first, released(ReleasedCause::Exempt, None)]).await;
    let models = given.folded().await;
    let names = |outcomes: &Outcomes| {
        let keys =
            |map: &std::collections::BTreeMap<Box<str>, Verdicts>| map.keys().cloned().collect::<Vec<_>>().join(" ");
        [&outcomes.rules, &outcomes.tiers, &outcomes.exemptions].map(keys)
    };
    assert_eq!(names(&first_hour(&models).await), ["one two", "sms", "vip"]);
    given.order("web:1", [screened("call", &["two", "three"], None), challenged("c1", minute(9))]).await;
    models.catch_up().await.unwrap();
    assert_eq!(names(&first_hour(&models).await), ["three two", "call", ""]);
    // Placed at another time than was thought: it counts there, and nowhere else.
    given.order("web:1", [amended(domain::order::Facts { placed_at: Some(minute(61)), ..Default::default() })]).await;
    models.catch_up().await.unwrap();
    assert_eq!(first_hour(&models).await, Outcomes::default());
    let second = models.outcomes(&merchant(SHOP), minute(60), minute(61)).await.unwrap();
    assert_eq!((names(&second), second.all.orders()), (["three two", "call", ""].map(str::to_owned), 1));
    assert_eq!(models.outcomes(&merchant("other"), minute(0), minute(900)).await.unwrap(), Outcomes::default());
}

pub(crate) async fn what_came_of_asking_is_told_by_method(on: Backend) {
    use ChallengeMethod::{Call, Sms};
    let sms = || asked_by(Sms, None);
    let instead = Downgrade { method: Sms, reason: DowngradeReason::Unanswered };
    let quiet = Downgrade { method: Call, reason: DowngradeReason::QuietHours };
    let cases = [
        ("proved by code", vec![sms(), verified_by(Sms), released(ReleasedCause::Verified, None)]),
        ("wrong codes", vec![sms(), frozen(FrozenCause::ChallengeFailed)]),
        ("wrong codes, a person looks", vec![sms(), review(ReviewCause::ChallengeFailed)]),
        ("silence", vec![sms(), review(ReviewCause::ChallengeExpired)]),
        ("silence, let go", vec![sms(), released(ReleasedCause::ChallengeExpired, None)]),
        ("let go by a person", vec![sms(), released(ReleasedCause::Reviewer, Some("wang"))]),
        ("being asked", vec![sms()]),
        ("called after silence", vec![sms(), asked_by(Call, Some(instead)), verified_by(Call)]),
        ("by code in quiet hours", vec![asked_by(Sms, Some(quiet))]),
        ("asked twice", vec![sms(), verified_by(Sms), released(ReleasedCause::Verified, None), sms()]),
        ("nobody can be asked", vec![review(ReviewCause::NoChannel)]),
    ];
    let with_score = |(name, events): &(&'static str, Vec<OrderEvent>)| {
        (*name, [screened("sms", &["r"], None)].into_iter().chain(events.clone()).collect())
    };
    let cases: Vec<(&str, Vec<OrderEvent>)> = cases.iter().map(with_score).collect();
    let found = each(on, &cases).await;
    let by_sms = Answers { verified: 1, failed: 2, unanswered: 3, withdrawn: 1, open: 3 };
    assert_eq!(found.challenges["sms"], by_sms);
    assert_eq!(found.challenges["call"], Answers { verified: 1, ..Answers::default() });
    assert_eq!((by_sms.asked(), by_sms.answered()), (10, 6));
    // Frozen, brought to a review four times, or let go by a person.
    assert_eq!(found.manual, 5);
}

pub(crate) async fn times_are_from_placement_to_the_decision_and_to_the_end(on: Backend) {
    let mut given = Given::nothing(on).await;
    // Recorded at the seconds 1 to 3, 4 to 6 and 7 to 9 after their placement.
    for id in ["web:1", "web:2", "web:3"] {
        given.order(id, [placed(id, facts(0)), screened("sms", &["r"], None), challenged("c1", minute(10))]).await;
    }
    let models = given.folded().await;
    let outcomes = first_hour(&models).await;
    let millis = |time: Option<Span>| time.map(Span::millis);
    let asked_to_release = |outcomes: &Outcomes| {
        let times = &outcomes.asked_to_release;
        (times.orders(), millis(times.percentile(100)))
    };
    // Seconds 2, 5 and 8, to an eighth.
    assert_eq!(outcomes.to_decision.orders(), 3);
    assert_eq!(millis(outcomes.to_decision.percentile(50)), Some(5_119));
    assert_eq!(outcomes.to_release.orders() + outcomes.to_freeze.orders() + outcomes.to_end.orders(), 0);
    // Seconds 10 and 11, 12, 13.
    given.order("web:1", [verified("c1"), released(ReleasedCause::Verified, None)]).await;
    given.order("web:2", [frozen(FrozenCause::ChallengeFailed)]).await;
    given.order("web:3", [told(Status::Cancelled, 1)]).await;
    models.catch_up().await.unwrap();
    let outcomes = first_hour(&models).await;
    assert_eq!(millis(outcomes.to_release.percentile(50)), Some(11_263));
    // Asked in the second 3, and let go in the second 11.
    assert_eq!(asked_to_release(&outcomes), (1, Some(8_191)));
    assert_eq!(millis(outcomes.to_freeze.percentile(50)), Some(12_287));
    assert_eq!(millis(outcomes.to_end.percentile(50)), Some(13_311));
    assert_eq!(outcomes.to_release.with(&outcomes.to_freeze).with(&outcomes.to_end).orders(), 3);
    // Open again, and settled later: the second 15.
    given.order("web:2", [reopened()]).await;
    models.catch_up().await.unwrap();
    assert_eq!(first_hour(&models).await.to_freeze.orders(), 0);
    given.order("web:2", [released(ReleasedCause::Reviewer, Some("li"))]).await;
    models.catch_up().await.unwrap();
    let outcomes = first_hour(&models).await;
    assert_eq!((outcomes.to_release.orders(), millis(outcomes.to_release.percentile(100))), (2, Some(15_359)));
    // Asked in the second 6, and let go in the second 15 by a person.
    assert_eq!(asked_to_release(&outcomes), (2, Some(9_215)));
    // Who was never asked is not among them, whoever lets the order go; and whoever is asked again is not settled.
    let held = [screened("freeze", &["r"], None), frozen(FrozenCause::Score)];
    given.order("web:4", [placed("web:4", facts(0))].into_iter().chain(held)).await;
    given.order("web:4", [released(ReleasedCause::Reviewer, Some("li"))]).await;
    given.order("web:1", [challenged("c2", minute(20))]).await;
    models.catch_up().await.unwrap();
    let outcomes = first_hour(&models).await;
    assert_eq!((outcomes.to_release.orders(), asked_to_release(&outcomes)), (2, (1, Some(9_215))));
}

pub(crate) async fn what_asking_takes_begins_with_the_question(on: Backend) {
    let mut given = Given::nothing(on).await;
    let at_once = || [screened("pass", &[], None), released(ReleasedCause::Clean, None)];
    let proved = || [verified("c1"), released(ReleasedCause::Verified, None)];
    given.order("web:1", [placed("web:1", facts(0))].into_iter().chain(at_once())).await;
    given.order("web:2", (1..=60).map(|at| told(Status::Paid, at))).await;
    // Pulled back long after it was decided first, and let go two seconds after that.
    given.order("web:1", [screened("sms", &["r"], None), challenged("c1", minute(90))]).await;
    given.order("web:1", proved()).await;
    let models = given.folded().await;
    let asked = |outcomes: &Outcomes| {
        let times = &outcomes.asked_to_release;
        (times.orders(), times.percentile(100).map(Span::millis))
    };
    assert_eq!(asked(&first_hour(&models).await), (1, Some(2_047)));
    // Held again by a person, who asks nobody; and asked once more.
    given.order("web:1", [frozen(FrozenCause::Reviewer), released(ReleasedCause::Reviewer, Some("li"))]).await;
    models.catch_up().await.unwrap();
    assert_eq!(asked(&first_hour(&models).await), (0, None));
    given.order("web:1", [screened("sms", &["r"], None), challenged("c2", minute(90)), wrong_code("c2")]).await;
    given.order("web:1", proved()).await;
    models.catch_up().await.unwrap();
    assert_eq!(asked(&first_hour(&models).await), (1, Some(3_071)));
}

pub(crate) async fn the_hold_out_is_told_by_the_tier_it_reached(on: Backend) {
    let spared = |tier: &str, rule: &'static str, exemption: &str, after: Vec<OrderEvent>| {
        let first = [screened(tier, &[rule], Some(exemption)), released(ReleasedCause::Exempt, None)];
        (rule, first.into_iter().chain(after).collect::<Vec<_>>())
    };
    let found = each(
        on,
        &[
            spared("sms", "a", "hold_out", vec![told(Status::Refunded, 3)]),
            spared("sms", "b", "hold_out", vec![told(Status::Delivered, 3)]),
            spared("freeze", "c", "hold_out", vec![]),
            spared("freeze", "d", "vip", vec![told(Status::Delivered, 3)]),
        ],
    )
    .await;
    let sms = Verdicts { confirmed: 1, cleared: 1, ..Verdicts::default() };
    let freeze = Verdicts { undecided: 1, ..Verdicts::default() };
    assert_eq!(found.held_out, [("sms".into(), sms), ("freeze".into(), freeze)].into());
    let all = Verdicts { confirmed: 1, cleared: 1, undecided: 1, ..Verdicts::default() };
    assert_eq!(found.exemptions["hold_out"], all);
    assert_eq!(found.manual, 0);
}

pub(crate) async fn stock_that_was_due_and_is_called_off_is_freed(on: Backend) {
    let mut given = Given::nothing(on).await;
    let order = |id: &str, after: Vec<OrderEvent>| {
        let first = [placed(id, stocked(0, &[("A", 2), ("B", 1)])), screened("freeze", &["r"], None)];
        first.into_iter().chain(after).collect::<Vec<_>>()
    };
    let due = || vec![frozen(FrozenCause::Score), stock_due(StockCause::Frozen)];
    given.order("web:1", order("web:1", due())).await;
    // Not due, and called off.
    given.order("web:2", order("web:2", vec![told(Status::Cancelled, 20)])).await;
    // Due, and let go.
    given.order("web:3", order("web:3", due())).await;
    given.order("web:3", [released(ReleasedCause::Reviewer, Some("li")), told(Status::Cancelled, 40)]).await;
    let models = given.folded().await;
    assert_eq!(first_hour(&models).await.freed, Freed::default());
    given.order("web:1", [told(Status::Cancelled, 30)]).await;
    models.catch_up().await.unwrap();
    // Three units, held from minute 0 on as nobody paid for them.
    let freed = Freed { orders: 1, units: 3, unit_seconds: 3 * 30 * 60 };
    assert_eq!(first_hour(&models).await.freed, freed);
    // A reviewer who closes the case takes nothing back.
    given.order("web:1", [released(ReleasedCause::Reviewer, Some("li"))]).await;
    models.catch_up().await.unwrap();
    assert_eq!(first_hour(&models).await.freed, freed);
}

pub(crate) async fn the_queue_is_told_as_it_is_now(on: Backend) {
    let mut given = Given::nothing(on).await;
    for (index, events) in [
        vec![screened("freeze", &["r"], None), frozen(FrozenCause::Score)],
        vec![screened("sms", &["r"], None), challenged("c1", minute(10))],
        vec![screened("freeze", &["r"], None), frozen(FrozenCause::Score), claimed("wang", minute(20))],
        vec![screened("freeze", &["r"], None), frozen(FrozenCause::Score)],
    ]
    .into_iter()
    .enumerate()
    {
        let id = format!("web:{index}");
        given.order(&id, [placed(&id, facts(0))].into_iter().chain(events)).await;
    }
    let models = given.folded().await;
    let queue = models.queue(&merchant(SHOP)).await.unwrap();
    assert_eq!((queue.reviews, queue.oldest, queue.median), (3, Some(recorded_at(2)), Some(recorded_at(8))));
    let whole = models.whole().await.unwrap();
    assert_eq!((whole.reviews, whole.oldest_review, whole.held_units), (3, Some(recorded_at(2)), [0, 0, 0]));
    let none = models.queue(&merchant("other")).await.unwrap();
    assert_eq!((none.reviews, none.oldest, none.median), (0, None, None));
}

/// Something of all of it, to order number `index` and to earlier ones.
pub(crate) async fn happen(given: &mut Given, index: u32) {
    let id = format!("web:{index}");
    let sku = format!("SKU-{}", index % 4);
    let facts = stocked(index * 7, &[(sku.as_str(), 1 + index % 3), ("ALL", 1)]);
    if index.is_multiple_of(5) {
        given.order(&id, [reported("till", Status::Paid, minute(index * 7))]).await;
    }
    let tier = ["pass", "sms", "freeze"][usize::try_from(index % 3).unwrap()];
    let rule = ["one", "two"][usize::try_from(index % 2).unwrap()];
    let after = match tier {
        "pass" => released(ReleasedCause::Clean, None),
        "sms" => challenged("c1", minute(900)),
        _ => frozen(FrozenCause::Score),
    };
    given.order(&id, [placed(&id, facts), screened(tier, &[rule, "three"], None), after]).await;
    let Some(earlier) = index.checked_sub(3) else { return };
    let (earlier, at) = (format!("web:{earlier}"), minute(index * 7));
    let later = match (tier, index % 4) {
        ("pass", 0) => vec![reported("wms", Status::Cancelled, at)],
        ("pass", 1) => vec![reported("wms", Status::Paid, at), reported("wms", Status::Delivered, at)],
        ("pass", _) => vec![screened("sms", &["two"], None), challenged("c2", minute(900))],
        ("sms", 0) => vec![verified("c1"), released(ReleasedCause::Verified, None)],
        ("sms", 1) => vec![review(ReviewCause::ChallengeExpired), claimed("wang", minute(900))],
        ("sms", _) => vec![amended(stocked(index, &[("NEW", 3)])), screened("pass", &[], None)],
        (_, 0) => vec![confirmed(), reopened()],
        (_, 1) => vec![stock_due(StockCause::Frozen), reported("wms", Status::Cancelled, at)],
        (_, _) => vec![released(ReleasedCause::Reviewer, Some("li")), reported("wms", Status::Shipped, at)],
    };
    given.order(&earlier, later).await;
}
