//! The market as others see it: lines that a shop could have sent, and the truth about every order.

use std::collections::{BTreeMap, BTreeSet};

use domain::notice::{Content, read_notice};
use market::{Attack, Honest, Kind, Label, Market, Plan};

fn plan(seed: u64, orders: u64) -> Plan {
    Plan { seed, orders, days: 14 }
}

fn bytes(plan: Plan) -> String {
    let text = |message: market::Message| match message.label {
        Some(label) => format!(
            "{}\n{}\n",
            message.line,
            serde_json::to_string(&label).expect("a made-up market holds what it promises")
        ),
        None => message.line + "\n",
    };
    Market::new(plan).map(text).collect()
}

fn labels(plan: Plan) -> Vec<Label> {
    Market::new(plan).filter_map(|message| message.label).collect()
}

#[test]
fn the_same_seed_gives_the_same_bytes_and_another_seed_others() {
    assert!(bytes(plan(5, 2_000)) == bytes(plan(5, 2_000)));
    assert!(bytes(plan(5, 2_000)) != bytes(plan(6, 2_000)));
}

#[test]
fn every_line_is_a_notice_that_a_service_takes() {
    for message in Market::new(plan(7, 20_000)) {
        let notice =
            read_notice(domain::json::read(message.line.as_bytes()).expect("a made-up market holds what it promises"));
        let notice = notice.unwrap_or_else(|faults| panic!("{}\n{faults:?}", message.line));
        if let Some(label) = message.label {
            assert_eq!(notice.order.to_string(), label.order_id);
            assert!(matches!(notice.content, Content::Placed(_)));
        }
    }
}

#[test]
fn every_order_has_one_label_and_every_label_an_order() {
    for orders in [1, 50, 5_000] {
        let mut placed = BTreeSet::new();
        let mut labelled = Vec::new();
        for message in Market::new(plan(8, orders)) {
            let notice = read_notice(
                domain::json::read(message.line.as_bytes()).expect("a made-up market holds what it promises"),
            )
            .expect("a made-up market holds what it promises");
            if matches!(notice.content, Content::Placed(_)) {
                placed.insert(notice.order.to_string());
            }
            labelled.extend(message.label.map(|label| label.order_id));
        }
        assert_eq!(labelled.len() as u64, orders);
        assert_eq!(labelled.into_iter().collect::<BTreeSet<_>>(), placed);
    }
}

#[test]
fn all_kinds_are_there_and_two_in_a_hundred_orders_are_attacks() {
    let labels = labels(plan(9, 20_000));
    let kinds: BTreeSet<Kind> = labels.iter().map(|label| label.kind).collect();
    let expected = Honest::ALL.map(Kind::Honest).into_iter().chain(Attack::ALL.map(Kind::Attack));
    assert_eq!(kinds, expected.collect());
    let attacks = labels.iter().filter(|label| matches!(label.kind, Kind::Attack(_))).count();
    assert_eq!(attacks, 400);
}

#[test]
fn places_in_a_burst_count_from_one_without_a_gap() {
    let mut bursts: BTreeMap<u64, Vec<u32>> = BTreeMap::new();
    for label in labels(plan(10, 20_000)) {
        assert_eq!(label.burst.is_some(), matches!(label.kind, Kind::Attack(_)), "{label:?}");
        if let (Some(burst), Some(place)) = (label.burst, label.place) {
            bursts.entry(burst).or_default().push(place);
        }
    }
    for (burst, places) in &mut bursts {
        places.sort_unstable();
        assert!(
            places
                .iter()
                .copied()
                .eq(1..=u32::try_from(places.len()).expect("a made-up market holds what it promises")),
            "{burst}: {places:?}"
        );
    }
}

#[test]
fn a_small_day_and_the_days_after_it_are_over_and_hold_honest_people_and_attackers() {
    let now = "2026-03-05T04:30:00Z".parse().expect("a time");
    let day: Vec<market::Message> = Market::small_day(1, now).collect();
    assert!(day == Market::small_day(1, now).collect::<Vec<_>>(), "a seed gives one day");
    assert!(day.last().is_some_and(|last| last.arrives_at < now), "{:?}", day.last());
    let opens_at = "2026-02-24T01:00:00Z".parse().expect("nine in the morning in China");
    for placed in day.iter().filter(|message| message.label.is_some()) {
        assert!(placed.arrives_at >= opens_at, "{placed:?}");
        assert!(placed.line.contains(r#""placed_at":"2026-02-24T"#), "{placed:?}");
    }
    let told = |status: &str| {
        let status = format!(r#""status":"{status}""#);
        day.iter().filter(|message| message.line.contains(&status)).count()
    };
    assert!(told("delivered") > 500 && told("refunded") > 5, "most of it arrives, and a little comes back");
    let labels: Vec<Label> = day.into_iter().filter_map(|message| message.label).collect();
    let attacks = labels.iter().filter(|label| matches!(label.kind, Kind::Attack(_))).count();
    assert_eq!((labels.len(), attacks), (1_000, 112));
}

#[test]
fn messages_come_late_twice_and_before_what_they_are_about() {
    let (mut seen, mut twice, mut early) = (BTreeSet::new(), 0, 0);
    let mut placed = BTreeSet::new();
    for message in Market::new(plan(11, 20_000)) {
        let notice =
            read_notice(domain::json::read(message.line.as_bytes()).expect("a made-up market holds what it promises"))
                .expect("a made-up market holds what it promises");
        match notice.content {
            Content::Placed(_) => _ = placed.insert(notice.order.clone()),
            _ => early += u32::from(!placed.contains(&notice.order)),
        }
        twice += u32::from(!seen.insert(message.line));
    }
    assert!(twice > 300, "{twice} messages came twice");
    assert!(early > 20, "{early} reports came before their orders");
}
