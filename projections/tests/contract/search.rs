//! Finding orders, and orders that belong together.

use domain::ids::Token;
use domain::order::LinkedBy;
use domain::order::{Facts, FrozenCause, IpFacts, ReleasedCause, RiskState, Status};
use projections::{LinkCounts, LookUpError, OrderQuery, ReadModels};

use crate::given::*;

async fn found(models: &ReadModels, query: &OrderQuery) -> Vec<String> {
    let page = models.search(&merchant(SHOP), query, None, 50).await.unwrap();
    assert_eq!(page.next_cursor, None);
    page.items.iter().map(|row| row.order_id.to_string()).collect()
}

pub(crate) async fn an_order_is_found_by_every_handle_and_the_newest_comes_first(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:A1", clean("web:A1", full_facts(1, "a"))).await;
    given
        .order(
            "douyin:B1",
            [placed("douyin:B1", full_facts(3, "b")), scored(130, "freeze"), frozen(FrozenCause::Score)],
        )
        .await;
    let gift = Facts { delivery: full_facts(0, "a").delivery, ..full_facts(2, "c") };
    given.order("web:C1", clean("web:C1", gift)).await;
    given.order("web:C1", [reported("shop", Status::Paid, minute(4))]).await;
    given.order("web:U1", [reported("shop", Status::Paid, minute(4))]).await;
    given.order_of("other", "web:A1", clean("web:A1", full_facts(1, "a"))).await;
    let models = given.folded().await;
    let any = OrderQuery::default();
    let number = |number: &str| OrderQuery { order_no: Some(number.to_owned()), ..OrderQuery::default() };
    let phone = |name: &str| OrderQuery { phone: Some(token(name)), ..OrderQuery::default() };
    let tier = |tier: &str| OrderQuery { tier: Some(tier.to_owned()), ..OrderQuery::default() };
    let cases: Vec<(OrderQuery, &[&str])> = vec![
        (number("A1"), &["web:A1"]),
        (number("#b"), &["douyin:B1"]),
        (number("b"), &["douyin:B1"]),
        (number("#A1"), &[]),
        (number("U1"), &["web:U1"]),
        (number("A"), &[]),
        (phone("buyer-a"), &["web:A1"]),
        (phone("recv-a"), &["web:C1", "web:A1"]),
        (OrderQuery { order_no: Some("#a".into()), ..phone("recv-a") }, &["web:A1"]),
        (OrderQuery { order_no: Some("#a".into()), ..phone("recv-b") }, &[]),
        (OrderQuery { customer: Some(token("cust-c")), ..any.clone() }, &["web:C1"]),
        (OrderQuery { customer: Some(token("cust-c")), ..phone("recv-a") }, &["web:C1"]),
        (OrderQuery { channel: Some("douyin".parse().unwrap()), ..any.clone() }, &["douyin:B1"]),
        (OrderQuery { state: Some(RiskState::Frozen), ..any.clone() }, &["douyin:B1"]),
        (OrderQuery { state: Some(RiskState::Released), ..any.clone() }, &["web:C1", "web:A1"]),
        (
            OrderQuery { status: Some(Status::Paid), channel: Some("web".parse().unwrap()), ..phone("recv-a") },
            &["web:C1"],
        ),
        (tier("freeze"), &["douyin:B1"]),
        (tier("pass"), &["web:C1", "web:A1"]),
        (OrderQuery { placed_from: Some(minute(2)), ..any.clone() }, &["douyin:B1", "web:C1"]),
        (OrderQuery { placed_from: Some(minute(1)), placed_to: Some(minute(3)), ..any.clone() }, &["web:C1", "web:A1"]),
    ];
    for (query, expected) in cases {
        assert_eq!(found(&models, &query).await, expected, "{query:?}");
    }
    let of_customer = models.customer_orders(&merchant(SHOP), token("cust-a"), None, 50).await.unwrap();
    assert_eq!(of_customer.items.len(), 1);
}

pub(crate) async fn a_list_neither_repeats_nor_hides_an_order_while_new_ones_arrive(on: Backend) {
    let mut given = Given::nothing(on).await;
    // Two orders a minute, so that places are told apart by more than time.
    for index in 0..20_u32 {
        let id = format!("web:{index}");
        given.order(&id, clean(&id, full_facts(index / 2, "same"))).await;
    }
    let models = given.folded().await;
    let query = OrderQuery { phone: Some(token("buyer-same")), ..OrderQuery::default() };
    let mut seen = Vec::new();
    let mut cursor = None;
    for round in 0..7_u32 {
        let page = models.search(&merchant(SHOP), &query, cursor.as_deref(), 3).await.unwrap();
        seen.extend(page.items.iter().map(|row| row.order_id.order_no().parse::<u32>().unwrap()));
        cursor = page.next_cursor;
        let newer = format!("web:{}", 100 + round);
        given.order(&newer, clean(&newer, full_facts(100, "same"))).await;
        models.catch_up().await.unwrap();
    }
    assert_eq!(cursor, None);
    assert_eq!(seen, (0..20).rev().collect::<Vec<_>>());
}

pub(crate) async fn a_cursor_of_another_list_is_refused(on: Backend) {
    let mut given = Given::nothing(on).await;
    for id in ["web:1", "web:2"] {
        given.order(id, [placed(id, facts(0)), scored(90, "sms"), challenged("c", minute(1))]).await;
    }
    let models = given.folded().await;
    let page = models.reviews(&merchant(SHOP), &projections::ReviewQuery::default(), None, 1).await.unwrap();
    let cursor = page.next_cursor.unwrap();
    let refused = models.search(&merchant(SHOP), &OrderQuery::default(), Some(&cursor), 1).await;
    assert!(matches!(refused, Err(LookUpError::Cursor(_))), "{refused:?}");
}

fn sharing(device: &str, ip: &str, buyer: &str, recipient: &str) -> Facts {
    let token_of = |name: &str| -> Token { token(name) };
    let mut facts = full_facts(0, recipient);
    facts.device = Some(token_of(device));
    facts.ip = Some(IpFacts { token: token_of(ip), net: token_of("net") });
    facts.customer.as_mut().unwrap().phone = Some(phone(buyer));
    facts.delivery.as_mut().unwrap().phone = Some(phone(recipient));
    facts
}

pub(crate) async fn links_count_the_other_orders_and_never_the_order_itself(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:1", clean("web:1", sharing("d1", "i1", "p1", "p1"))).await;
    given.order("web:2", clean("web:2", sharing("d1", "i2", "p2", "p1"))).await;
    given.order("web:3", clean("web:3", sharing("d2", "i1", "p1", "p3"))).await;
    given.order("web:4", clean("web:4", facts(0))).await;
    given.order_of("other", "web:1", clean("web:1", sharing("d1", "i1", "p1", "p1"))).await;
    let models = given.folded().await;
    let counts = async |id: &str| models.links_counts(&merchant(SHOP), &row(&models, id).await).await.unwrap();
    assert_eq!(counts("web:1").await, LinkCounts { device: 1, ip: 1, ip24: 2, phone: 2, address: 1 });
    // web:2's numbers are p2 and p1; web:1 has p1 on both sides and web:3 as its buyer: each counts once.
    assert_eq!(counts("web:2").await, LinkCounts { device: 1, ip: 0, ip24: 2, phone: 2, address: 1 });
    assert_eq!(counts("web:3").await, LinkCounts { device: 0, ip: 1, ip24: 2, phone: 2, address: 0 });
    assert_eq!(counts("web:4").await, LinkCounts::default());
    let (mut page, mut each) = (Vec::new(), Vec::new());
    for id in ["web:4", "web:2", "web:1", "web:3"] {
        page.push(row(&models, id).await);
        each.push(counts(id).await);
    }
    assert_eq!(models.links_counts_of(&merchant(SHOP), &page).await.unwrap(), each, "of a page as of each");
}

pub(crate) async fn linked_orders_are_listed_page_by_page(on: Backend) {
    let mut given = Given::nothing(on).await;
    for (index, name) in ["a", "b", "c", "d"].into_iter().enumerate() {
        let id = format!("web:{name}");
        let shared = sharing("d1", name, name, "p1");
        let placed_at = Some(minute(u32::try_from(index).unwrap()));
        given.order(&id, clean(&id, Facts { placed_at, ..shared })).await;
    }
    let models = given.folded().await;
    let shop = merchant(SHOP);
    for by in [LinkedBy::Device, LinkedBy::Ip24, LinkedBy::Phone, LinkedBy::Address] {
        let first = models.linked(&shop, &order_id("web:b"), by, None, 2).await.unwrap().unwrap();
        let rest =
            models.linked(&shop, &order_id("web:b"), by, first.next_cursor.as_deref(), 2).await.unwrap().unwrap();
        let names: Vec<_> = first.items.iter().chain(&rest.items).map(|row| row.order_id.order_no()).collect();
        assert_eq!((names, rest.next_cursor), (vec!["d", "c", "a"], None), "{by:?}");
    }
    let by_ip = models.linked(&shop, &order_id("web:b"), LinkedBy::Ip, None, 2).await.unwrap().unwrap();
    assert_eq!(by_ip.items, []);
    assert_eq!(models.linked(&shop, &order_id("web:none"), LinkedBy::Ip, None, 2).await.unwrap(), None);
}

pub(crate) async fn an_order_that_was_found_by_what_was_amended_is_found_by_what_it_is_now(on: Backend) {
    let mut given = Given::nothing(on).await;
    given.order("web:1", clean("web:1", full_facts(0, "a"))).await;
    let models = given.folded().await;
    let changes = Facts { device: Some(token("new")), display_no: Some("#new".into()), ..Facts::default() };
    given.order("web:1", [amended(changes), released(ReleasedCause::Rescored, None)]).await;
    models.catch_up().await.unwrap();
    let number = |number: &str| OrderQuery { order_no: Some(number.to_owned()), ..OrderQuery::default() };
    assert_eq!(found(&models, &number("#new")).await, ["web:1"]);
    assert_eq!(found(&models, &number("#a")).await, Vec::<String>::new());
}
