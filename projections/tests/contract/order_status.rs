//! Given events, then the row of the order.

use domain::order::{CustomerFacts, DeliveryFacts, Facts, FrozenCause, ReleasedCause, RiskState, Status};
use domain::time::Timestamp;
use projections::Handles;

use crate::given::*;

pub(crate) async fn a_challenged_order_shows_its_score_hits_and_challenge(on: Backend) {
    let mut given = Given::nothing(on).await;
    given
        .order("web:A1", [placed("web:A1", full_facts(0, "a")), scored(80, "sms"), challenged("c1", minute(10))])
        .await;
    let row = row(&given.folded().await, "web:A1").await;
    assert_eq!(row.risk.state, Some(RiskState::Challenged));
    assert_eq!((row.risk.score, row.risk.tier.as_deref(), row.risk.rulebook_version), (Some(80), Some("sms"), Some(3)));
    assert_eq!(&*row.risk.hits, r#"[{"rule":"device_burst","points":80,"evidence":{"device.orders[5m]":5}}]"#);
    let challenge = row.risk.challenge.unwrap();
    assert_eq!((challenge.id.as_str(), challenge.expires_at), ("c1", minute(10)));
    assert_eq!(row.risk.held_since, Some(recorded_at(3)));
    assert_eq!(row.risk.released_by, None);
    assert_eq!(row.facts.amount, Some(39_900));
    assert_eq!(row.facts.level, Some(2));
    assert_eq!(row.position, 3);
    let short = |name| Some(token(name).short());
    let handles = Handles {
        customer: short("cust-a"),
        buyer_phone: short("buyer-a"),
        recipient_phone: short("recv-a"),
        device: short("dev-a"),
        ip: short("ip-a"),
        ip24: short("net-a"),
        address: short("addr-a"),
    };
    assert_eq!(row.facts.handles, handles);
}

pub(crate) async fn an_order_is_held_since_the_first_of_an_unbroken_series(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", [placed("web:A1", facts(0)), scored(80, "sms"), challenged("c1", minute(10))]).await;
    given.order("web:A1", [frozen(FrozenCause::ChallengeFailed)]).await;
    let models = given.folded().await;
    let held = row(&models, "web:A1").await;
    assert_eq!((held.risk.state, held.risk.held_since), (Some(RiskState::Frozen), Some(recorded_at(3))));
    assert_eq!(held.risk.challenge, None);

    given.order("web:A1", [released(ReleasedCause::Reviewer, Some("wang"))]).await;
    models.catch_up().await.unwrap();
    let free = row(&models, "web:A1").await;
    assert_eq!((free.risk.state, free.risk.held_since), (Some(RiskState::Released), None));
    assert_eq!(free.risk.released_by.as_deref(), Some("wang"));
}

pub(crate) async fn an_order_that_is_screened_again_after_its_release_stays_released(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", clean("web:A1", facts(0))).await;
    given.order("web:A1", [scored(20, "pass")]).await;
    let row = row(&given.folded().await, "web:A1").await;
    assert_eq!((row.risk.state, row.risk.score), (Some(RiskState::Released), Some(20)));
    assert_eq!(row.risk.released_by.as_deref(), Some("clean"));
}

pub(crate) async fn a_verified_order_has_no_challenge_any_more(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", [placed("web:A1", facts(0)), scored(80, "sms"), challenged("c1", minute(10))]).await;
    given.order("web:A1", [verified("c1")]).await;
    let models = given.folded().await;
    let verified = row(&models, "web:A1").await;
    assert_eq!((verified.risk.state, verified.risk.challenge), (Some(RiskState::Verified), None));
    given.order("web:A1", [released(ReleasedCause::Verified, None)]).await;
    models.catch_up().await.unwrap();
    assert_eq!(row(&models, "web:A1").await.risk.released_by.as_deref(), Some("verified"));
}

pub(crate) async fn a_status_may_come_before_the_order_and_is_kept_when_it_is_placed(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", [reported("wms", Status::Paid, minute(2))]).await;
    let models = given.folded().await;
    let unplaced = row(&models, "web:A1").await;
    assert_eq!((unplaced.risk.state, unplaced.facts.placed_at), (None, None));
    assert_eq!(unplaced.status.as_ref().unwrap().value, Status::Paid);

    given.order("web:A1", clean("web:A1", full_facts(0, "a"))).await;
    models.catch_up().await.unwrap();
    let placed = row(&models, "web:A1").await;
    assert_eq!(placed.risk.state, Some(RiskState::Released));
    assert_eq!(placed.facts.placed_at, Some(minute(0)));
    assert_eq!(placed.facts.handles.device, Some(token("dev-a").short()));
    assert_eq!(placed.status, unplaced.status);
    assert_eq!(placed.sources, unplaced.sources);
}

pub(crate) async fn the_newest_status_by_its_own_clock_wins_and_at_equal_times_the_later_arrival(on: Backend) {
    // Reports in the order of arrival, and what the order shows in the end.
    type Report = (&'static str, Status, u32);
    let cases: [(&[Report], Status, &str); 4] = [
        (&[("shop", Status::Cancelled, 9), ("shop", Status::Paid, 5)], Status::Cancelled, "shop"),
        (&[("shop", Status::Paid, 5), ("wms", Status::Shipped, 9)], Status::Shipped, "wms"),
        (&[("shop", Status::Paid, 5), ("wms", Status::PartiallyShipped, 5)], Status::PartiallyShipped, "wms"),
        (&[("wms", Status::Shipped, 9), ("shop", Status::Paid, 5), ("oms", Status::Paid, 8)], Status::Shipped, "wms"),
    ];
    let mut given = Given::nothing(on).await;
    for (index, (reports, ..)) in cases.iter().enumerate() {
        let id = format!("web:{index}");
        given.order(&id, clean(&id, facts(0))).await;
        for (source, status, at) in *reports {
            given.order(&id, [reported(source, *status, minute(*at))]).await;
        }
    }
    let models = given.folded().await;
    for (index, (_, status, source)) in cases.iter().enumerate() {
        let shown = row(&models, &format!("web:{index}")).await.status.unwrap();
        assert_eq!((shown.value, &*shown.source), (*status, *source), "case {index}");
    }
}

pub(crate) async fn a_status_from_the_future_counts_from_its_arrival_and_is_shown_as_reported(on: Backend) {
    let mut given = Given::nothing(on).await;
    let ahead = reported_ahead("shop", Status::Paid, Timestamp::LATEST, minute(5));
    given.order("web:A1", [ahead.clone()]).await;
    let models = given.folded().await;
    let paid = row(&models, "web:A1").await;
    assert_eq!(paid.status.map(|status| status.occurred_at), Some(Timestamp::LATEST));
    // The row is read from its table in between.
    given.order("web:A1", [reported("wms", Status::Cancelled, minute(6))]).await;
    given.order("web:A2", [ahead, reported("shop", Status::Cancelled, minute(6))]).await;
    models.catch_up().await.unwrap();
    let both = row(&models, "web:A1").await;
    assert_eq!(both.status.map(|status| status.value), Some(Status::Cancelled));
    assert_eq!(
        both.sources.iter().map(|report| report.occurred_at).collect::<Vec<_>>(),
        [Timestamp::LATEST, minute(6)]
    );
    let one = row(&models, "web:A2").await;
    assert_eq!(one.sources.iter().map(|report| report.status).collect::<Vec<_>>(), [Status::Cancelled]);
}

pub(crate) async fn each_source_shows_its_own_newest_report(on: Backend) {
    let mut given = Given::nothing(on).await;
    given
        .order(
            "web:A1",
            [
                reported("wms", Status::Shipped, minute(9)),
                reported("shop", Status::Paid, minute(5)),
                reported("wms", Status::PartiallyShipped, minute(7)),
            ],
        )
        .await;
    let row = row(&given.folded().await, "web:A1").await;
    let shown: Vec<_> = row.sources.iter().map(|report| (&*report.source, report.status, report.recorded_at)).collect();
    assert_eq!(shown, [("shop", Status::Paid, recorded_at(2)), ("wms", Status::Shipped, recorded_at(1))]);
}

pub(crate) async fn an_amendment_changes_the_leaves_it_names_and_no_other(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", clean("web:A1", full_facts(0, "a"))).await;
    let models = given.folded().await;
    let before = row(&models, "web:A1").await;
    let changes = Facts {
        amount: Some(100),
        customer: Some(CustomerFacts { level: Some(5), ..CustomerFacts::default() }),
        delivery: Some(DeliveryFacts { address: Some(token("moved")), ..DeliveryFacts::default() }),
        ..Facts::default()
    };
    given.order("web:A1", [amended(changes)]).await;
    models.catch_up().await.unwrap();
    let after = row(&models, "web:A1").await;
    assert_eq!((after.facts.amount, after.facts.level), (Some(100), Some(5)));
    assert_eq!(after.facts.handles, Handles { address: Some(token("moved").short()), ..before.facts.handles });
    assert_eq!((&after.facts.display_no, after.facts.placed_at), (&before.facts.display_no, before.facts.placed_at));
    assert_eq!(after.risk, before.risk);
}

pub(crate) async fn another_merchants_order_of_the_same_number_is_another_order(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", clean("web:A1", facts(0))).await;
    given.order_of("other", "web:A1", [placed("web:A1", facts(5)), scored(130, "freeze")]).await;
    let models = given.folded().await;
    assert_eq!(row(&models, "web:A1").await.facts.placed_at, Some(minute(0)));
    let other = models.order(&merchant("other"), &order_id("web:A1")).await.unwrap().unwrap();
    assert_eq!(other.facts.placed_at, Some(minute(5)));
    assert_eq!(models.order(&merchant("third"), &order_id("web:A1")).await.unwrap(), None);
    assert_eq!(models.orders(&merchant("third"), &[other.stream]).await.unwrap(), []);
    assert_eq!(models.orders(&merchant("other"), &[other.stream]).await.unwrap(), [other]);
}
