//! Back-tests: a draft decides as it would have decided live, and what is told of the difference.

mod support;

use std::collections::{BTreeMap, BTreeSet};

use domain::draft::Eyes;
use domain::ids::DraftId;
use domain::merchant::{MerchantCommand, MerchantRegistered};
use domain::order::Scored;
use domain::rulebook::{Rulebook, preset};
use domain::settings::SettingsChanges;
use domain::signal::{Declaration, SignalValue, SubjectKind, Told};
use domain::time::{Span, Timestamp};
use engine::{
    Backtested, DraftChange, ExampleKind, Load, OrderWish, OutcomeCounts, Publication, ReviewAction, SideCounts,
    SignalChange, Trial, WhenFull, backtest,
};
use serde_json::{Value, json};
use support::{Shop, notice, origin, placed, second, status};

/// SplitMix64.
struct Random(u64);

impl Random {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end
    }

    fn one_of<'a, T>(&mut self, all: &'a [T]) -> &'a T {
        let place = usize::try_from(self.below(all.len() as u64)).expect("a place in a list");
        &all[place]
    }

    fn percent(&mut self, share: u64) -> bool {
        self.below(100) < share
    }
}

/// What a shop is sent: the second by its clock, and the line.
type Traffic = Vec<(u32, Value)>;

/// Orders of few customers on few devices; reports early and late; placements that arrive late; amendments that move an order in
/// time, to another device or address, and that raise a customer's level.
fn traffic(seed: u64, orders: u64) -> Traffic {
    let mut random = Random(seed);
    let mut lines = Vec::new();
    for number in 0..orders {
        let at = 4_000 + u32::try_from(number * 20).expect("seconds fit");
        if random.percent(5) {
            let reported = *random.one_of(&["paid", "delivered", "cancelled"]);
            lines.push((at, status(&format!("A{number}"), reported, at)));
        }
        let late = if random.percent(15) { random.below(3_000) } else { 0 };
        // No two orders are placed in the same millisecond, so that a period can hold one alone.
        let placed_at =
            second(at - u32::try_from(late).expect("seconds fit")).plus(Span::from_millis(number.cast_signed()));
        let mut line = placed(&format!("A{number}"), at);
        let order = &mut line["order"];
        order["placed_at"] = placed_at.to_string().into();
        order["amount"] = (random.below(1_000) * 100).into();
        let customer = random.below(5);
        order["customer"]["id"] = format!("u-{customer}").into();
        order["customer"]["level"] = customer.into();
        order["device"]["id"] = format!("d-{}", random.below(4)).into();
        order["delivery"]["street"] = format!("文三路 {} 号", random.below(4)).into();
        order["payment_due_at"] = placed_at.plus(Span::from_mins(15)).to_string().into();
        lines.push((at, line));
        while random.percent(50) {
            let of = number.saturating_sub(random.below(12));
            let reported = *random.one_of(&["paid", "delivered", "delivered", "cancelled", "refunded"]);
            lines.push((at + 1, status(&format!("A{of}"), reported, at + 1)));
        }
        if random.percent(30) {
            let of = number.saturating_sub(random.below(12));
            let changed = match random.below(4) {
                0 => json!({"device": {"id": format!("d-{}", random.below(4))}}),
                1 => json!({"delivery": {"street": format!("文三路 {} 号", random.below(4))}}),
                2 => json!({"customer": {"level": random.below(6)}}),
                _ => json!({"amount": random.below(1_000) * 100}),
            };
            lines.push((at + 2, json!({"kind": "amended", "order_id": format!("web:A{of}"), "order": changed})));
        }
    }
    lines
}

fn book(tiers: [i64; 2], burst: i64, vip: u32) -> Rulebook {
    let challenge = json!({"challenge": "sms", "expires_in": "10m", "on_fail": "freeze", "on_expire": "review"});
    let book = json!({
        "name": "Tried",
        "rules": [
            {"id": "burst", "when": {"feature": "device.orders", "window": "5m", "op": ">=", "value": 3},
             "points": {"base": burst, "per": 3, "above": 3, "max": 90}},
            {"id": "moved", "when": {"all": [{"feature": "address.changed", "op": "==", "value": true},
                {"not": {"feature": "address.familiar", "op": "==", "value": true}}]}, "points": 25},
            {"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": 60_000}, "points": 30},
            {"id": "gone", "when": {"feature": "customer.abandoned", "window": "1h", "op": ">=", "value": 1}, "points": 15},
            {"id": "much", "when": {"feature": "device.sku_quantity", "window": "30m", "op": ">=", "value": 20}, "points": 10}
        ],
        "tiers": [{"id": "sms", "from": tiers[0], "action": challenge}, {"id": "freeze", "above": tiers[1], "action": "freeze"}],
        "exemptions": [{"id": "vip", "when": {"feature": "customer.level", "op": ">=", "value": vip}, "action": "release"}]
    });
    Rulebook::from_json(&book).expect("a rulebook")
}

/// The same, with bursts that take two minutes more.
fn another_window(book: &Rulebook) -> Rulebook {
    Rulebook::from_json(&serde_json::from_str(&book.to_json().replace("\"5m\"", "\"7m\"")).expect("it is JSON"))
        .expect("a rulebook")
}

/// The same rules with so few points that each score up to the highest has a tier of its own: whoever compares tiers compares scores.
fn a_tier_for_each_score(burst: i64, vip: u32) -> Rulebook {
    let mut book: Value = serde_json::from_str(&book([1, 2], 0, vip).to_json()).expect("a rulebook is JSON");
    let graded = json!({"base": burst, "per": 1, "above": 3, "max": burst + 2});
    for (rule, points) in [graded, json!(3), json!(4), json!(2), json!(1)].into_iter().enumerate() {
        book["rules"][rule]["points"] = points;
    }
    let challenge = book["tiers"][0]["action"].take();
    let action = |score: i64| if score > 7 { json!("freeze") } else { challenge.clone() };
    let tiers =
        (1..=burst + 12).map(|score| json!({"id": format!("t{score}"), "from": score, "action": action(score)}));
    book["tiers"] = tiers.collect();
    Rulebook::from_json(&book).expect("the book is a good one")
}

/// The same, with bursts that sweep or do not.
fn sweeping(book: &Rulebook, sweeps: bool) -> Rulebook {
    let mut book: Value = serde_json::from_str(&book.to_json()).expect("a rulebook is JSON");
    book["rules"][0]["sweep"] = sweeps.into();
    Rulebook::from_json(&book).expect("the book is a good one")
}

async fn put_in_force(shop: &Shop, id: &str, rulebook: Rulebook) {
    let draft: DraftId = id.parse().expect("what a test sets up holds");
    let begin = DraftChange::Begin { draft: draft.clone(), rulebook, drafts: 0 };
    shop.engine.change_draft(&shop.merchant, origin(), begin).await.expect("what a test sets up holds");
    let publication = Publication::OfDraft { draft, eyes: Eyes::Two, note: None, expected: None, tried: None };
    shop.engine.publish(&shop.merchant, origin(), publication).await.expect("what a test sets up holds");
}

async fn send(shop: &Shop, lines: &[(u32, Value)]) {
    for (at, line) in lines {
        shop.set_clock(second(*at));
        shop.send(line.clone()).await.expect("what a test sets up holds");
    }
}

/// A shop that decided the traffic by a rulebook.
async fn shop(rulebook: Rulebook, lines: &[(u32, Value)]) -> Shop {
    let shop = Shop::open().await;
    put_in_force(&shop, "live", rulebook).await;
    send(&shop, lines).await;
    shop
}

async fn tried_between(shop: &Shop, rulebook: Rulebook, from: Timestamp, to: Timestamp) -> Backtested {
    let trial = Trial { merchant: shop.merchant.clone(), rulebook, from, to };
    backtest(shop.log.clone(), 0, trial, None, |_, _| {}).await.expect("what a test sets up holds")
}

async fn tried(shop: &Shop, rulebook: Rulebook) -> Backtested {
    tried_between(shop, rulebook, Timestamp::EARLIEST, Timestamp::LATEST).await
}

/// The last screening of each order.
async fn last_screenings(shop: &Shop) -> BTreeMap<String, Scored> {
    let events = shop.events().await;
    let scored = events.iter().filter(|event| &*event.event_type == "Scored");
    scored
        .map(|event| {
            let mut payload: Value = serde_json::from_str(&event.payload).expect("what a test sets up holds");
            (
                event.key.aggregate_id.to_string(),
                serde_json::from_value::<Scored>(payload["Scored"].take()).expect("what a test sets up holds"),
            )
        })
        .collect()
}

fn hits(scored: &Scored) -> Vec<(String, i64)> {
    scored.hits.iter().map(|hit| (hit.rule.to_string(), hit.points)).collect()
}

#[tokio::test]
async fn the_live_rulebook_gives_the_diagonal_only() {
    for seed in (1..=8).chain([56]) {
        // Also where orders sweep others, which are then amended, and sweep no more.
        let live = || sweeping(&book([40, 70], 30, 4), seed % 2 == 0);
        let shop = shop(live(), &traffic(seed, 60)).await;
        let found = tried(&shop, live()).await;
        assert_eq!((found.orders, found.unchanged), (60, 60), "seed {seed}: {found:?}");
        assert!(found.matrix.len() > 1, "seed {seed}: every order has one tier, which tests nothing");
        for (actual, row) in &found.matrix {
            assert!(row.keys().all(|draft| draft == actual), "seed {seed}: {:?}", found.matrix);
        }
        assert!(found.per_rule.iter().all(|rule| rule.actual == rule.draft), "seed {seed}: {:?}", found.per_rule);
        assert_eq!(found.actual, found.draft);
        assert_eq!((found.newly_hit, found.no_longer_hit), (OutcomeCounts::default(), OutcomeCounts::default()));
        assert_eq!(found.examples, []);
    }
}

#[tokio::test]
async fn order_by_order_a_draft_decides_as_it_would_have_decided_live() {
    let (mut scores, mut causes) = (BTreeSet::new(), BTreeSet::new());
    for seed in [11, 12, 33] {
        let lines = traffic(seed, 40);
        // The draft has orders pulled back that the live one lets go, and the other way round.
        let (live, draft) = (a_tier_for_each_score(2, 4), a_tier_for_each_score(3, 2));
        let (live, draft) = (sweeping(&live, seed == 12), sweeping(&draft, seed != 12));
        // One draft looks at a window that nobody read when the orders came.
        let draft = if seed == 33 { another_window(&draft) } else { draft };
        let (shop, other) = (shop(live, &lines).await, shop(draft.clone(), &lines).await);
        let (actual, would) = (last_screenings(&shop).await, last_screenings(&other).await);
        assert_eq!(actual.len(), 40);
        let mut differing = 0;
        for (_, line) in lines.iter().filter(|(_, line)| line["kind"] == "placed") {
            let id = format!("web:{}", line["order"]["order_no"].as_str().unwrap());
            let at: Timestamp = line["order"]["placed_at"].as_str().unwrap().parse().unwrap();
            let found = tried_between(&shop, draft.clone(), at, at.plus(Span::from_millis(1))).await;
            scores.insert(would[&id].score);
            causes.insert(format!("{:?}", would[&id].cause));
            let cell = BTreeMap::from([(would[&id].tier.to_string(), 1)]);
            assert_eq!(found.matrix, BTreeMap::from([(actual[&id].tier.to_string(), cell)]), "seed {seed}, {id}");
            let fired = |side: fn(&engine::RuleCounts) -> SideCounts| -> Vec<String> {
                found.per_rule.iter().filter(|rule| side(rule).fired == 1).map(|rule| rule.rule.clone()).collect()
            };
            let rules = |scored: &Scored| -> Vec<String> { hits(scored).into_iter().map(|(rule, _)| rule).collect() };
            assert_eq!(fired(|rule| rule.actual), rules(&actual[&id]), "seed {seed}, {id}");
            assert_eq!(fired(|rule| rule.draft), rules(&would[&id]), "seed {seed}, {id}");
            for example in &found.examples {
                differing += 1;
                assert_eq!(example.order, id);
                for (told, scored) in [(&example.actual, &actual[&id]), (&example.draft, &would[&id])] {
                    let points: Vec<_> = told.hits.iter().map(|hit| (hit.rule.clone(), hit.points)).collect();
                    assert_eq!((told.score, points), (scored.score, hits(scored)), "seed {seed}, {id}");
                    assert_eq!(told.exemption.as_deref(), scored.exemption.as_deref(), "seed {seed}, {id}");
                }
            }
        }
        assert!(differing > 3, "the two rulebooks hardly differ");
    }
    assert!(scores.len() > 8, "{scores:?}");
    assert_eq!(causes.into_iter().collect::<Vec<_>>(), ["Amended", "LateEvidence", "Placed", "Sibling"]);
}

#[tokio::test]
async fn an_order_is_of_the_period_in_which_it_was_placed_as_it_is_known_at_last() {
    let shop = Shop::open().await;
    shop.set_clock(second(100));
    for (order_no, at) in [("A", 10), ("B", 20), ("C", 30)] {
        shop.send(placed(order_no, at)).await.unwrap();
    }
    // One that says it was placed next year counts from its arrival.
    shop.send(placed("AHEAD", 40_000_000)).await.unwrap();
    let orders = async |from: u32, to: u32| {
        tried_between(&shop, preset("growth").unwrap(), second(from), second(to)).await.orders
    };
    assert_eq!([orders(10, 30).await, orders(10, 31).await, orders(11, 30).await], [2, 3, 1], "half-open");
    assert_eq!([orders(100, 101).await, orders(101, 50_000_000).await], [1, 0]);
    let moved = json!({"placed_at": second(50).to_string()});
    shop.send(json!({"kind": "amended", "order_id": "web:B", "order": moved})).await.unwrap();
    assert_eq!([orders(10, 31).await, orders(50, 51).await], [2, 1]);
}

#[tokio::test]
async fn an_order_that_was_screened_again_counts_once_with_its_last_decision() {
    let shop = shop(book([40, 70], 30, 9), &[]).await;
    shop.send(placed("A", 1)).await.unwrap();
    let larger = json!({"amount": 70_000, "customer": {"level": 1}});
    shop.send(json!({"kind": "amended", "order_id": "web:A", "order": larger})).await.unwrap();
    let found = tried(&shop, book([30, 70], 30, 9)).await;
    assert_eq!(found.orders, 1);
    assert_eq!(found.matrix["pass"], BTreeMap::from([("sms".to_owned(), 1)]), "thirty points came with the amendment");
}

#[tokio::test]
async fn who_is_held_out_of_what_rules_do_is_so_by_a_draft_as_well() {
    let live = || book([40, 70], 30, 4);
    for (share, all) in [(5_000, false), (10_000, true)] {
        let shop = Shop::open().await;
        put_in_force(&shop, "live", live()).await;
        let share = SettingsChanges { hold_out_basis_points: Some(share), ..SettingsChanges::default() };
        let changed = shop.engine.command(&shop.merchant, origin(), MerchantCommand::ChangeSettings(share)).await;
        changed.expect("what a test sets up holds");
        send(&shop, &traffic(2, 60)).await;
        let screenings = last_screenings(&shop).await;
        let held = screenings.values().filter(|scored| scored.exemption.as_deref() == Some("hold_out")).count();
        let found = tried(&shop, live()).await;
        assert_eq!((found.orders, found.unchanged), (60, 60), "{found:?}");
        assert!(held > 0 && found.actual.exempt >= held as u64, "{found:?}");
        let strict = tried(&shop, book([1, 2], 30, 9)).await;
        assert_eq!((strict.newly_hit.orders == 0, strict.draft.frozen == 0), (all, all), "{strict:?}");
    }
}

#[tokio::test]
async fn an_order_whose_freeze_a_reviewer_confirms_is_a_bad_one() {
    let (frozen, at) = ("web:A", second(1));
    let shop = shop(book([20, 29], 30, 9), &[of("A", 1, 70_000, 1, 1), of("B", 1, 70_000, 1, 2)]).await;
    shop.set_clock(at);
    let confirm = OrderWish::Decide {
        action: ReviewAction::Freeze,
        reason_code: "bot_or_script".into(),
        note: None,
        part_of: None,
    };
    shop.engine.wish(&shop.merchant, origin(), frozen.parse().unwrap(), confirm).await.unwrap();
    let found = tried(&shop, book([80, 90], 30, 9)).await;
    assert_eq!(found.no_longer_hit, OutcomeCounts { orders: 2, bad: 1, ..OutcomeCounts::default() });
    assert_eq!(found.actual, Load { frozen: 2, reviews_per_hour_max: 2, ..Load::default() });
    assert_eq!(found.draft, Load::default());
}

#[tokio::test]
async fn other_merchants_orders_are_not_counted() {
    let shop = shop(book([40, 70], 30, 4), &traffic(3, 10)).await;
    let north: domain::ids::MerchantId = "north".parse().unwrap();
    let registered = MerchantRegistered { name: "North".into(), time_zone: "UTC".into(), currency: "CNY".into() };
    shop.engine.command(&north, origin(), MerchantCommand::Register(registered)).await.unwrap();
    let pending = shop.engine.submit(&north, origin(), notice(placed("N1", 50)), WhenFull::Refuse).await.unwrap();
    pending.receipt().await.unwrap();
    assert_eq!(tried(&shop, book([40, 70], 30, 4)).await.orders, 10);
    let trial =
        Trial { merchant: north, rulebook: book([1, 2], 30, 4), from: Timestamp::EARLIEST, to: Timestamp::LATEST };
    assert_eq!(backtest(shop.log.clone(), 0, trial, None, |_, _| {}).await.unwrap().orders, 1);
}

/// An order of an amount by a customer of a level, from a device, to a house.
fn of(order_no: &str, at: u32, amount: u32, level: u32, house: u32) -> (u32, Value) {
    let mut line = placed(order_no, at);
    let order = &mut line["order"];
    order["amount"] = amount.into();
    order["customer"] = json!({"id": format!("u-{house}"), "level": level});
    order["device"] = json!({"id": format!("d-{order_no}")});
    order["delivery"]["street"] = format!("文三路 {house} 号").into();
    order["payment_due_at"] = second(at + 900).to_string().into();
    (at, line)
}

#[tokio::test]
async fn good_orders_newly_hit_and_bad_ones_newly_caught_are_told_apart() {
    let large = |points: u32, vip: u32| {
        let mut book: Value = serde_json::from_str(&book([80, 120], 0, vip).to_json()).unwrap();
        book["rules"] = json!([{"id": "large", "when": {"feature": "order.amount", "op": ">=", "value": 60_000}, "points": points}]);
        Rulebook::from_json(&book).unwrap()
    };
    let report = |order_no: &str, reported: &str, at: u32| (at, status(order_no, reported, at));
    let lines = [
        // The third to the same house: familiar by then.
        of("F1", 10, 1, 0, 1),
        report("F1", "delivered", 11),
        of("F2", 20, 1, 0, 1),
        report("F2", "delivered", 21),
        of("FAMILIAR", 30, 70_000, 0, 1),
        report("FAMILIAR", "delivered", 31),
        of("VIP", 40, 70_000, 5, 2),
        report("VIP", "completed", 41),
        of("PLAIN", 50, 70_000, 0, 3),
        report("PLAIN", "delivered", 51),
        of("CANCELLED", 60, 70_000, 0, 4),
        report("CANCELLED", "cancelled", 61),
        of("REFUNDED", 70, 70_000, 0, 5),
        report("REFUNDED", "delivered", 71),
        report("REFUNDED", "refunded", 72),
        of("OVERDUE", 80, 70_000, 0, 6),
        // What overtook its placement counts as well.
        report("EARLY", "delivered", 85),
        of("EARLY", 86, 70_000, 0, 8),
        of("PAID", 4_000, 70_000, 0, 7),
        report("PAID", "paid", 4_001),
    ];
    // The exemption of the live rulebook is for level 5, the draft's for level 9.
    let shop = shop(large(10, 5), &lines).await;
    let found = tried(&shop, large(90, 9)).await;
    assert_eq!(found.newly_hit, OutcomeCounts { orders: 8, good: 4, good_vip: 1, good_familiar: 1, bad: 3 });
    assert_eq!(found.no_longer_hit, OutcomeCounts::default());
    assert_eq!(
        found.draft,
        Load { challenged: 8, frozen: 0, exempt: 0, challenges_per_hour_max: 7, reviews_per_hour_max: 0 }
    );
    let told: Vec<_> = found
        .examples
        .iter()
        .map(|it| (it.order.trim_start_matches("web:"), it.good, it.vip, it.familiar, it.actual.score, it.draft.score))
        .collect();
    assert_eq!(
        told,
        [
            ("FAMILIAR", Some(true), false, true, 10, 90),
            ("VIP", Some(true), true, false, 10, 90),
            ("PLAIN", Some(true), false, false, 10, 90),
            ("CANCELLED", Some(false), false, false, 10, 90),
            ("REFUNDED", Some(false), false, false, 10, 90),
            ("OVERDUE", Some(false), false, false, 10, 90),
            ("EARLY", Some(true), false, false, 10, 90),
            ("PAID", None, false, false, 10, 90),
        ]
    );
    assert!(found.examples.iter().all(|example| example.kind == ExampleKind::NewlyHit));
    let [rule] = &found.per_rule[..] else { panic!("{:?}", found.per_rule) };
    assert_eq!(rule.actual, SideCounts { fired: 8, decisive: 0 });
    assert_eq!(rule.draft, SideCounts { fired: 8, decisive: 8 });

    let spared = tried(&shop, large(90, 5)).await;
    assert_eq!((spared.draft.challenged, spared.draft.exempt, spared.newly_hit.good_vip), (7, 1, 0));
    assert_eq!(spared.matrix["pass"]["sms"], 8, "its score reaches the tier all the same");
}

#[tokio::test]
async fn what_was_stopped_and_would_be_let_go_is_counted_too() {
    let lines = [of("A", 10, 70_000, 0, 1), of("B", 20, 70_000, 0, 2), (30, status("B", "cancelled", 30))];
    let shop = shop(book([30, 70], 0, 9), &lines).await;
    let found = tried(&shop, book([80, 120], 0, 9)).await;
    assert_eq!(found.no_longer_hit, OutcomeCounts { orders: 2, bad: 1, ..OutcomeCounts::default() });
    assert_eq!((found.actual.challenged, found.draft.challenged), (2, 0));
    assert!(found.examples.iter().all(|example| example.kind == ExampleKind::NoLongerHit));
    let large = found.per_rule.iter().find(|rule| rule.rule == "large").unwrap();
    assert_eq!((large.actual.decisive, large.draft.decisive), (2, 0));
}

#[tokio::test]
async fn decisions_of_several_versions_are_each_read_by_their_own() {
    let lines = traffic(21, 40);
    let (early, late) = lines.split_at(lines.len() / 2);
    let shop = shop(book([40, 70], 30, 4), early).await;
    let mut other: Value = serde_json::from_str(&book([20, 90], 50, 3).to_json()).unwrap();
    other["tiers"][0]["id"] = "ask".into();
    other["rules"].as_array_mut().unwrap().reverse();
    put_in_force(&shop, "second", Rulebook::from_json(&other).unwrap()).await;
    send(&shop, late).await;
    let found = tried(&shop, book([40, 70], 30, 4)).await;
    let mut recorded: BTreeMap<String, u64> = BTreeMap::new();
    for scored in last_screenings(&shop).await.values() {
        *recorded.entry(scored.tier.to_string()).or_default() += 1;
    }
    let rows: BTreeMap<String, u64> =
        found.matrix.iter().map(|(tier, row)| (tier.clone(), row.values().sum())).collect();
    assert_eq!(rows, recorded);
    assert!(rows.contains_key("ask") && rows.contains_key("sms"), "{rows:?}");
    assert_eq!(found.draft, tried(&shop, book([40, 70], 30, 4)).await.draft, "again the same");
}

#[tokio::test]
async fn a_draft_reads_signals_as_they_stood_when_the_order_was_screened() {
    let shop = Shop::open().await;
    let push = async |change: SignalChange| {
        let name = "blocked".parse().unwrap();
        let pending = shop.engine.signal(&shop.merchant, origin(), name, change, WhenFull::Refuse).await.unwrap();
        pending.receipt().await.unwrap();
    };
    let declaration =
        Declaration { subject: SubjectKind::Device, unit: "".into(), description: "for this test".into() };
    push(SignalChange::Declare(declaration)).await;
    shop.send(placed("BEFORE", 0)).await.unwrap();
    let value = SignalValue::read(&json!("1")).unwrap();
    push(SignalChange::Set { subject: Told::Text("d-9f1c".to_owned()), value, expires_at: second(60) }).await;
    shop.set_clock(second(100));
    shop.send(placed("LISTED", 59)).await.unwrap();
    shop.send(placed("EXPIRED", 61)).await.unwrap();
    let blocks = json!({
        "name": "Lists", "tiers": [{"id": "freeze", "from": 100, "action": "freeze"}],
        "rules": [{"id": "blocked", "points": 200, "when": {"feature": "signal.blocked", "op": "==", "value": 1}}]
    });
    let found = tried(&shop, Rulebook::from_json(&blocks).unwrap()).await;
    assert_eq!(found.matrix["pass"], BTreeMap::from([("freeze".to_owned(), 1), ("pass".to_owned(), 2)]));
    assert_eq!(found.examples[0].order, "web:LISTED");
}
