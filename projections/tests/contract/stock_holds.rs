//! Given events, then what is held of each SKU.

use domain::order::{Facts, FrozenCause, Line, OrderEvent, ReleasedCause, Status};
use projections::{ORDER_STATUS, ReadModels, StockHold, StockQuery};

use crate::given::*;

/// Facts of an order placed at a minute, of so many units of each SKU.
pub(crate) fn stocked(placed_minute: u32, lines: &[(&str, u32)]) -> Facts {
    let line =
        |&(sku, quantity): &(&str, u32)| Line { sku: sku.into(), title: Some("t".into()), quantity, unit_price: None };
    Facts { lines: Some(lines.iter().map(line).collect()), ..facts(placed_minute) }
}

pub(crate) async fn holds(models: &ReadModels, shop: &str) -> Vec<StockHold> {
    models.stock_holds(&merchant(shop), &StockQuery::default(), None, 200).await.unwrap().items
}

fn hold(sku: &str, units: [u64; 3], orders: u64, oldest_minute: u32) -> StockHold {
    StockHold { sku: sku.into(), units, orders, oldest_held_since: minute(oldest_minute) }
}

fn paid(at: u32) -> OrderEvent {
    reported("shop", Status::Paid, minute(at))
}

pub(crate) async fn an_order_holds_its_stock_under_its_strongest_cause(on: Backend) {
    let passes = || vec![scored(0, "pass"), released(ReleasedCause::Clean, None)];
    let asked = || vec![scored(80, "sms"), challenged("c1", minute(10))];
    let frozen_by_score = || vec![scored(130, "freeze"), frozen(FrozenCause::Score)];
    let then = |mut before: Vec<OrderEvent>, after: Vec<OrderEvent>| {
        before.extend(after);
        before
    };
    let (unpaid, challenged, held, nothing) = ([2, 0, 0], [0, 2, 0], [0, 0, 2], [0, 0, 0]);
    let status = |status| vec![reported("wms", status, minute(3))];
    let cases = [
        ("passed", passes(), unpaid),
        ("passed and paid", then(passes(), vec![paid(1)]), nothing),
        ("asked", asked(), challenged),
        ("asked and paid", then(asked(), vec![paid(1)]), challenged),
        ("asked, then a person looks", then(asked(), vec![review_opened("c1")]), challenged),
        ("asked and verified", then(asked(), vec![verified("c1"), released(ReleasedCause::Verified, None)]), unpaid),
        ("asked and frozen", then(asked(), vec![frozen(FrozenCause::ChallengeFailed)]), held),
        ("frozen and paid", then(frozen_by_score(), vec![paid(1)]), held),
        ("frozen and released", then(frozen_by_score(), vec![released(ReleasedCause::Reviewer, Some("wang"))]), unpaid),
        ("frozen and cancelled", then(frozen_by_score(), status(Status::Cancelled)), nothing),
        ("frozen and refunded", then(frozen_by_score(), status(Status::Refunded)), nothing),
        ("asked and gone", then(asked(), status(Status::Shipped)), nothing),
        ("refund wanted while frozen", then(frozen_by_score(), status(Status::RefundRequested)), held),
        ("never screened", vec![], unpaid),
    ];
    let mut given = Given::nothing(on).await;
    for (case, events, _) in &cases {
        let id = format!("web:{}", case.replace([' ', ','], "-"));
        let lines = [(*case, 2)];
        given.order(&id, [placed(&id, stocked(0, &lines))].into_iter().chain(events.clone())).await;
    }
    let models = given.folded().await;
    let found = holds(&models, SHOP).await;
    for (case, _, units) in cases {
        let held = found.iter().find(|hold| &*hold.sku == case);
        assert_eq!(held.map_or(nothing, |hold| hold.units), units, "{case}");
        assert_eq!(held.is_some(), units != nothing, "{case}: what is not held is not listed");
    }
}

pub(crate) async fn orders_of_one_sku_are_summed_and_the_oldest_is_told(on: Backend) {
    let mut given = Given::nothing(on).await;
    // Two lines of one SKU are one order's.
    given.order("web:1", [placed("web:1", stocked(7, &[("A", 1), ("B", 5), ("A", 2)])), scored(0, "pass")]).await;
    given.order("web:2", [placed("web:2", stocked(5, &[("A", 10)])), scored(0, "pass")]).await;
    given.order("web:3", [placed("web:3", stocked(6, &[("A", 100)])), scored(130, "freeze")]).await;
    given.order("web:3", [frozen(FrozenCause::Score)]).await;
    given.order_of("other", "web:1", [placed("web:1", stocked(1, &[("A", 9)]))]).await;
    let models = given.folded().await;
    assert_eq!(holds(&models, SHOP).await, [hold("A", [13, 0, 100], 3, 5), hold("B", [5, 0, 0], 1, 7)]);
    assert_eq!(holds(&models, "other").await, [hold("A", [9, 0, 0], 1, 1)]);
    assert_eq!(holds(&models, "unheard-of").await, []);
    assert_eq!(models.whole().await.unwrap().held_units, [27, 0, 100], "of all merchants");
    given.order("web:2", [reported("shop", Status::Cancelled, minute(9))]).await;
    models.catch_up().await.unwrap();
    assert_eq!(holds(&models, SHOP).await, [hold("A", [3, 0, 100], 2, 6), hold("B", [5, 0, 0], 1, 7)]);
    // Paid and still frozen: held since it was frozen, by our clock, in the first minute.
    given.order("web:3", [paid(9)]).await;
    given.order("web:1", [paid(9)]).await;
    models.catch_up().await.unwrap();
    assert_eq!(holds(&models, SHOP).await, [hold("A", [0, 0, 100], 1, 0)]);
}

pub(crate) async fn reports_hold_the_same_however_late_repeated_or_reordered(on: Backend) {
    let mut given = Given::nothing(on).await;
    let placed_of = |id: &str| placed(id, stocked(0, &[("A", 1)]));
    let cancelled = |at| reported("wms", Status::Cancelled, minute(at));
    // Paid before anybody placed it.
    given.order("web:1", [paid(1)]).await;
    given.order("web:1", [placed_of("web:1"), scored(0, "pass"), released(ReleasedCause::Clean, None)]).await;
    // The same report by two systems, and again.
    given.order("web:2", [placed_of("web:2"), paid(1), reported("wms", Status::Paid, minute(1)), paid(1)]).await;
    // Called off, and an older report that comes later.
    given.order("web:3", [placed_of("web:3"), cancelled(5)]).await;
    given.order("web:3", [paid(3)]).await;
    let models = given.folded().await;
    assert_eq!(holds(&models, SHOP).await, []);
    // Called off by mistake: what is newer counts, and holds nothing as it is paid.
    given.order("web:3", [reported("shop", Status::Paid, minute(6))]).await;
    // Called off before it was placed, and placed all the same.
    given.order("web:4", [cancelled(1)]).await;
    given.order("web:4", [placed_of("web:4"), scored(130, "freeze"), frozen(FrozenCause::Score)]).await;
    models.catch_up().await.unwrap();
    assert_eq!(holds(&models, SHOP).await, []);
    given.order("web:4", [reported("shop", Status::Paid, minute(2))]).await;
    models.catch_up().await.unwrap();
    assert_eq!(holds(&models, SHOP).await[0].units, [0, 0, 1]);
}

pub(crate) async fn amended_lines_take_the_place_of_those_before(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:1", [placed("web:1", facts(0)), scored(0, "pass")]).await;
    let models = given.folded().await;
    assert_eq!(holds(&models, SHOP).await, [], "nobody said of what");
    given.order("web:1", [amended(stocked(4, &[("A", 2), ("B", 1)])), scored(0, "pass")]).await;
    models.catch_up().await.unwrap();
    assert_eq!(holds(&models, SHOP).await, [hold("A", [2, 0, 0], 1, 4), hold("B", [1, 0, 0], 1, 4)]);
    // In the page in which it is frozen too, twice.
    let changed = [amended(stocked(4, &[("B", 7)])), frozen(FrozenCause::Reviewer), amended(stocked(3, &[("C", 8)]))];
    given.order("web:1", changed).await;
    models.catch_up().await.unwrap();
    assert_eq!(holds(&models, SHOP).await, [hold("C", [0, 0, 8], 1, 3)]);
}

pub(crate) async fn held_skus_are_listed_page_by_page(on: Backend) {
    let mut given = Given::nothing(on).await;
    for (index, sku) in ["b", "A", "面膜", "a b", "A-1"].into_iter().enumerate() {
        let id = format!("web:{index}");
        given.order(&id, [placed(&id, stocked(0, &[(sku, 1)]))]).await;
        given.order(&format!("{id}f"), [placed(&format!("{id}f"), stocked(0, &[(sku, 1)])), scored(1, "freeze")]).await;
        given.order(&format!("{id}f"), [frozen(FrozenCause::Score)]).await;
    }
    let models = given.folded().await;
    let (shop, mut found, mut cursor) = (merchant(SHOP), Vec::new(), None);
    loop {
        let page = models.stock_holds(&shop, &StockQuery::default(), cursor.as_deref(), 2).await.unwrap();
        found.extend(page.items);
        cursor = page.next_cursor;
        if cursor.is_none() {
            break;
        }
    }
    let skus: Vec<&str> = found.iter().map(|hold| &*hold.sku).collect();
    assert_eq!(skus, ["A", "A-1", "a b", "b", "面膜"]);
    assert!(found.iter().all(|hold| hold.units == [1, 0, 1] && hold.orders == 2));
    let one = StockQuery { sku: Some("面膜".to_owned()) };
    assert_eq!(models.stock_holds(&shop, &one, None, 50).await.unwrap().items, found[4..]);
    assert!(models.stock_holds(&shop, &one, Some("oA"), 50).await.is_err(), "a cursor of another list");
}

pub(crate) async fn sums_that_were_followed_are_those_of_a_build(on: Backend) {
    let mut given = Given::nothing(on).await;
    let followed = given.read_models().await;
    for index in 0..40_u32 {
        crate::outcomes::happen(&mut given, index).await;
        followed.catch_up().await.unwrap();
    }
    let all = async |models: &ReadModels| {
        let outcomes = models.outcomes(&merchant(SHOP), minute(0), minute(300)).await.unwrap();
        (holds(models, SHOP).await, outcomes)
    };
    let expected = all(&followed).await;
    assert!(expected.0.len() > 2 && expected.1.all.orders() == 40, "{expected:?}");
    followed.rebuild(&[ORDER_STATUS]).await.unwrap();
    assert_eq!(all(&followed).await, expected, "rebuilt");
    let elsewhere = Somewhere::fresh(on).await;
    let at_once = given.read_models_in(&elsewhere).await;
    at_once.catch_up().await.unwrap();
    assert_eq!(all(&at_once).await, expected, "in one page");
    // And what comes later goes on from there.
    crate::outcomes::happen(&mut given, 41).await;
    for models in [&followed, &at_once] {
        models.catch_up().await.unwrap();
    }
    assert_eq!(all(&followed).await, all(&at_once).await);
}
