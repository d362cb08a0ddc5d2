//! What the presets do to honest customers and to fraud, from hand-set values.

mod screening_given;

use domain::feature::Value;
use domain::rulebook::{DEFAULT_PRESET, PRESETS, Rulebook, preset};
use domain::screening::Disposition;
use screening_given::screened;

type Known<'a> = Vec<(&'a str, Value)>;

fn yes(name: &str) -> (&str, Value) {
    (name, Value::Bool(true))
}

fn no(name: &str) -> (&str, Value) {
    (name, Value::Bool(false))
}

fn count(name: &str, value: i64) -> (&str, Value) {
    (name, Value::Int(value))
}

fn text<'a>(name: &'a str, value: &str) -> (&'a str, Value) {
    (name, Value::Text(value.into()))
}

fn age(value: &str) -> (&'static str, Value) {
    ("customer.age", Value::Duration(value.parse().expect("a span")))
}

/// An order of a customer of two months at the web shop, of whom nothing is unusual; whether they know the device is not told.
fn ordinary(different: Known<'_>) -> Known<'_> {
    let mut known = different;
    let usual = [
        text("order.channel", "web"),
        text("order.currency", "CNY"),
        count("order.amount", 19_900),
        count("order.max_line_quantity", 2),
        count("customer.level", 1),
        age("60d"),
        yes("customer.age_known"),
        no("customer.is_new"),
        count("customer.orders[5m]", 1),
        count("customer.unfamiliar_addresses[10m]", 0),
        count("customer.abandoned[15m]", 0),
        count("device.orders[1m]", 1),
        count("device.orders[5m]", 1),
        count("device.orders[10m]", 1),
        count("device.customers[24h]", 1),
        count("ip24.unpaid[30m]", 3),
        count("ip24.orders[24h]", 80),
        ("ip24.unpaid_share[30m]", Value::Decimal("0.01".parse().expect("a decimal"))),
        count("address.customers[24h]", 1),
        count("customer.devices[1h]", 1),
        count("customer.devices[30d]", 1),
        count("device.unpaid[2h]", 1),
        text("phone.kind", "mobile"),
        count("phone.customers[24h]", 1),
        no("address.changed"),
        yes("address.familiar"),
    ];
    for (name, value) in usual {
        if !known.iter().any(|(other, _)| *other == name) {
            known.push((name, value));
        }
    }
    known
}

fn unfamiliar() -> Known<'static> {
    vec![yes("address.changed"), no("address.familiar"), count("customer.unfamiliar_addresses[10m]", 1)]
}

fn with<'a>(mut known: Known<'a>, more: Known<'a>) -> Known<'a> {
    known.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    known.extend(more);
    known
}

/// The nth order of one account within seconds, each to another new address.
fn nth_to_new_addresses(nth: i64) -> Known<'static> {
    vec![
        yes("address.changed"),
        no("address.familiar"),
        count("customer.orders[5m]", nth),
        count("customer.unfamiliar_addresses[10m]", nth),
    ]
}

/// The nth order of one account on one device within seconds, each to another new address.
fn spray<'a>(nth: i64, more: Known<'a>) -> Known<'a> {
    with(with(nth_to_new_addresses(nth), nth_from_one_device(nth)), more)
}

fn nth_from_one_device(nth: i64) -> Known<'static> {
    vec![count("device.orders[5m]", nth), count("device.orders[10m]", nth)]
}

/// On a device of one's own, for days.
fn at_home<'a>(known: Known<'a>) -> Known<'a> {
    with(known, vec![yes("device.known"), known_for("3d")])
}

fn known_for(value: &str) -> (&'static str, Value) {
    ("device.known_for", Value::Duration(value.parse().expect("a span")))
}

/// One of so many orders of a network that nobody has paid, by somebody new.
fn in_an_unpaid_network(unpaid: i64, all_day: i64) -> Known<'static> {
    vec![
        count("ip24.unpaid[30m]", unpaid),
        count("ip24.orders[24h]", all_day),
        yes("customer.is_new"),
        no("device.known"),
        age("10m"),
    ]
}

fn check(rulebook: &Rulebook, rows: Vec<(&str, Known<'_>, i64, &str)>) {
    for (case, different, score, tier) in rows {
        let scored = screened(rulebook, &ordinary(different)).scored;
        let fired: Vec<_> = scored.hits.iter().map(|hit| (&*hit.rule, hit.points)).collect();
        assert_eq!((scored.score, &*scored.tier), (score, tier), "{case}: {fired:?}");
    }
}

#[test]
fn every_preset_reads_and_every_rule_has_names_in_both_languages() {
    for (name, stored) in PRESETS {
        let rulebook = Rulebook::read(stored.as_bytes()).unwrap_or_else(|faults| panic!("{name}: {faults:#?}"));
        assert_eq!(preset(name), Some(rulebook.clone()));
        let names = rulebook.rules().iter().map(|rule| &rule.name);
        let names = names.chain(rulebook.exemptions().iter().map(|exemption| &exemption.name));
        assert!(names.into_iter().all(|name| name.zh.is_some() && name.en.is_some()), "{name}");
    }
    assert!(preset(DEFAULT_PRESET).is_some());
    assert_eq!(preset("nothing"), None);
}

#[test]
fn every_rule_of_a_preset_stands_in_the_document_with_its_reason_and_no_other_does() {
    let file = concat!(env!("CARGO_MANIFEST_DIR"), "/../docs/RULEBOOKS.md");
    let document = std::fs::read_to_string(file).expect("the document is there");
    let rules = |name: &str| -> Vec<String> {
        preset(name).expect("a preset").rules().iter().map(|rule| rule.id.to_string()).collect()
    };
    for (name, _) in PRESETS {
        let (_, section) = document.split_once(&format!("\n### `{name}`")).expect("every preset has a section");
        let section = section.split_once("\n### ").map_or(section, |(section, _)| section);
        let rows = section.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
        let mut told = vec![];
        for (rule, row) in rows {
            let cells: Vec<&str> = row.trim_end_matches(" |").split(" | ").collect();
            assert!(cells.len() == 3 && cells.iter().all(|cell| !cell.trim().is_empty()), "{name}: {rule}: {row}");
            told.push(rule.to_owned());
        }
        // What one adds to another stands once.
        let mut expected = rules(name);
        if *name == "enterprise" {
            let growth = rules("growth");
            expected.retain(|rule| !growth.contains(rule));
        }
        told.sort_unstable();
        expected.sort_unstable();
        assert_eq!(told, expected, "{name}");
    }
}

#[test]
fn an_order_of_which_nothing_is_known_passes_every_preset() {
    for (name, _) in PRESETS {
        let assessment = screened(&preset(name).unwrap(), &[]);
        assert_eq!((assessment.scored.score, assessment.disposition), (0, Disposition::Pass), "{name}");
    }
}

#[test]
fn growth_lets_honest_customers_pass() {
    let rows = vec![
        ("an ordinary order", vec![], 0, "pass"),
        ("a mover", unfamiliar(), 30, "pass"),
        ("a mover with a virtual operator", with(unfamiliar(), vec![text("phone.kind", "virtual")]), 70, "pass"),
        (
            "a family's fifth gift within seconds to addresses it knows",
            with(nth_from_one_device(5), vec![yes("address.changed"), count("customer.orders[5m]", 5)]),
            50,
            "pass",
        ),
        (
            "a family's twelfth gift within seconds to addresses it knows",
            with(nth_from_one_device(12), vec![yes("address.changed"), count("customer.orders[5m]", 12)]),
            78,
            "pass",
        ),
        (
            "the fifth gift in ten minutes to a new address",
            with(unfamiliar(), vec![count("customer.unfamiliar_addresses[10m]", 5), count("device.orders[5m]", 3)]),
            30,
            "pass",
        ),
        (
            "a new customer on a dormitory's shared computer",
            vec![yes("customer.is_new"), age("3h"), count("device.customers[24h]", 5), no("device.known")],
            55,
            "pass",
        ),
        (
            "customers of years on one computer, at a merchant that begins today",
            vec![yes("customer.is_new"), age("900d"), count("device.customers[24h]", 12), no("device.known")],
            0,
            "pass",
        ),
        ("a new customer in an office that ordered all day", in_an_unpaid_network(35, 71), 0, "pass"),
        (
            "a regular in a network that others hold stock from",
            at_home(vec![count("ip24.unpaid[30m]", 90)]),
            -50,
            "pass",
        ),
        ("a mobile network that everybody shares, at a sale", in_an_unpaid_network(300, 900), 0, "pass"),
        (
            "an account of years in a network that wakes up, on the first day of the log",
            with(in_an_unpaid_network(40, 40), vec![age("200d")]),
            0,
            "pass",
        ),
        ("the fifth present in as many minutes to a new address", at_home(spray(5, vec![])), 30, "pass"),
        ("the fifth from a device of yesterday", with(spray(5, vec![]), vec![known_for("24h")]), 30, "pass"),
        ("the fourteenth", at_home(spray(14, vec![])), 60, "pass"),
        (
            "the ninth, of whose payments nobody has told",
            at_home(spray(9, vec![count("device.unpaid[2h]", 9)])),
            46,
            "pass",
        ),
        (
            "a new customer at a pick-up point that hundreds have their parcels sent to",
            vec![yes("customer.is_new"), no("device.known"), age("3h"), count("address.customers[24h]", 300)],
            50,
            "pass",
        ),
        (
            "the ninth present in a row, the first that the device is ever seen with, two of them not yet paid",
            spray(9, vec![yes("device.known"), count("customer.unpaid[24h]", 3), count("customer.orders[24h]", 9)]),
            46,
            "pass",
        ),
        ("a customer on the phone, the tablet and then at the desk", vec![count("customer.devices[1h]", 3)], 0, "pass"),
        ("bought the moment of registering", vec![yes("customer.is_new"), age("30s")], 50, "pass"),
        (
            "a guest whose account the shop system makes at checkout",
            vec![text("order.channel", "shopify"), yes("customer.is_new"), age("1s")],
            0,
            "pass",
        ),
        (
            "a guest whose account is made with the order, in a mini-program, with a virtual number",
            vec![text("order.channel", "wechat"), yes("customer.is_new"), age("0s"), text("phone.kind", "virtual")],
            40,
            "pass",
        ),
        (
            "a platform's privacy number that thousands share",
            vec![text("phone.kind", "privacy"), count("phone.customers[24h]", 5_000)],
            0,
            "pass",
        ),
        (
            "a number from a platform's pool that looks like any other",
            vec![text("order.channel", "douyin"), count("phone.customers[24h]", 40)],
            0,
            "pass",
        ),
        ("somebody who changed their mind three times", vec![count("customer.abandoned[15m]", 3)], 40, "pass"),
        (
            "a wholesaler's twelfth order in a row to the usual warehouse",
            with(nth_from_one_device(12), vec![count("customer.orders[5m]", 12)]),
            78,
            "pass",
        ),
        (
            "and the fortieth, from the usual desk",
            at_home(with(nth_from_one_device(40), vec![count("customer.orders[5m]", 40)])),
            30,
            "pass",
        ),
    ];
    check(&preset("growth").unwrap(), rows);
}

#[test]
fn growth_asks_or_holds_what_looks_like_fraud() {
    let rows = vec![
        (
            "device burst and changed address, as the tiers were drawn",
            with(unfamiliar(), nth_from_one_device(5)),
            80,
            "sms",
        ),
        (
            "bought the moment of registering, with a virtual number",
            vec![yes("customer.is_new"), age("30s"), text("phone.kind", "virtual")],
            90,
            "sms",
        ),
        ("bought within a second of registering", vec![yes("customer.is_new"), age("1s")], 80, "sms"),
        ("five orders to five new addresses from one device", spray(5, vec![]), 80, "sms"),
        (
            "the fifth from a device that was first used less than a day ago",
            with(spray(5, vec![]), vec![yes("device.known"), known_for("23h")]),
            80,
            "sms",
        ),
        (
            "new customers on one device, of whom it had eleven",
            vec![yes("customer.is_new"), age("2h"), count("device.customers[24h]", 11)],
            85,
            "sms",
        ),
        (
            "five, of which nothing is paid",
            spray(
                5,
                vec![
                    yes("device.known"),
                    known_for("40s"),
                    count("customer.unpaid[24h]", 5),
                    count("customer.orders[24h]", 5),
                ],
            ),
            80,
            "sms",
        ),
        (
            "the third new customer on a device, of whom nobody tells when they registered",
            with(
                nth_from_one_device(5),
                vec![
                    yes("customer.is_new"),
                    no("customer.age_known"),
                    no("device.known"),
                    count("device.customers[24h]", 3),
                ],
            ),
            95,
            "sms",
        ),
        ("twelve orders to twelve new addresses from one device", spray(12, vec![]), 108, "call"),
        ("the same of an account of two days", spray(12, vec![age("2d")]), 158, "freeze"),
        ("fifteen, whoever it is", at_home(spray(15, vec![])), 140, "freeze"),
        (
            "ten in a minute",
            with(nth_from_one_device(10), vec![count("device.orders[1m]", 10), no("address.familiar")]),
            150,
            "freeze",
        ),
        (
            "twelve orders of a young account to twelve new addresses from devices nobody sees",
            with(nth_to_new_addresses(12), vec![age("2d")]),
            80,
            "sms",
        ),
        ("fifteen of any account", nth_to_new_addresses(15), 110, "call"),
        (
            "device burst, changed address and virtual number",
            with(spray(5, vec![]), vec![text("phone.kind", "virtual")]),
            120,
            "call",
        ),
        (
            "the third new account on a device of which nobody has paid",
            vec![age("2h"), count("device.customers[24h]", 3), count("device.unpaid[2h]", 4), no("address.familiar")],
            80,
            "sms",
        ),
        (
            "a burst of new customers on one device",
            with(nth_from_one_device(5), vec![age("2h"), count("device.customers[24h]", 5)]),
            105,
            "call",
        ),
        (
            "a customer who holds stock and lets it go again and again",
            vec![count("customer.abandoned[15m]", 7)],
            80,
            "sms",
        ),
        ("a network of which nothing is paid", in_an_unpaid_network(20, 20), 80, "sms"),
        ("a network of which half of a day's orders are new and unpaid", in_an_unpaid_network(80, 160), 80, "sms"),
        (
            "an account of years in a network that has a tenth of all that is unpaid",
            with(
                in_an_unpaid_network(40, 40),
                vec![age("200d"), ("ip24.unpaid_share[30m]", Value::Decimal("0.1".parse().expect("a decimal")))],
            ),
            80,
            "sms",
        ),
        (
            "the sixth new account at one address, and the third on its device",
            vec![
                yes("customer.is_new"),
                age("2h"),
                no("device.known"),
                count("address.customers[24h]", 6),
                count("device.customers[24h]", 3),
            ],
            95,
            "sms",
        ),
        (
            "an old account on a device of four, none of whom has paid",
            with(
                nth_from_one_device(5),
                vec![count("device.unpaid[2h]", 4), count("device.customers[24h]", 4), no("address.familiar")],
            ),
            85,
            "sms",
        ),
        (
            "a script that shows another device with each order",
            with(unfamiliar(), vec![count("customer.devices[1h]", 4), no("device.known")]),
            80,
            "sms",
        ),
        (
            "four customers with one virtual number",
            vec![text("phone.kind", "virtual"), count("phone.customers[24h]", 4)],
            80,
            "sms",
        ),
    ];
    check(&preset("growth").unwrap(), rows);
}

/// Who has been there for a month and is on their own device is asked at most, below the pace of machines.
#[test]
fn growth_freezes_no_customer_of_a_month_for_a_burst_nobody_has_paid_for() {
    let growth = preset("growth").unwrap();
    for nth in 5..15 {
        for kind in ["mobile", "virtual"] {
            let more = vec![age("30d"), text("phone.kind", kind), count("device.unpaid[2h]", nth)];
            let scored = screened(&growth, &ordinary(at_home(spray(nth, more)))).scored;
            assert!(&*scored.tier != "freeze", "{nth} {kind}: {}", scored.score);
        }
    }
}

#[test]
fn growth_spares_its_best_customers_and_says_so() {
    let growth = preset("growth").unwrap();
    for (level, exempt) in [(3, false), (4, true), (9, true)] {
        let known = ordinary(with(unfamiliar(), with(nth_from_one_device(5), vec![count("customer.level", level)])));
        let assessment = screened(&growth, &known);
        assert_eq!(assessment.disposition == Disposition::Exempt, exempt, "level {level}");
        assert_eq!((assessment.scored.score, &*assessment.scored.tier), (80, "sms"));
    }
}

#[test]
fn starter_asks_small_shops_customers_only_when_much_is_at_stake() {
    let new = || vec![yes("customer.is_new"), no("device.known"), age("1h")];
    let rows = vec![
        ("an ordinary order", vec![], 0, "pass"),
        ("a new customer", new(), 20, "pass"),
        ("a new customer with a virtual number", with(new(), vec![text("phone.kind", "virtual")]), 50, "pass"),
        ("a large order of a known customer", vec![count("order.amount", 5_000_000)], 0, "pass"),
        ("a large order of a new customer", with(new(), vec![count("order.amount", 500_000)]), 80, "sms"),
        (
            "the same where nobody tells when they registered",
            vec![yes("customer.is_new"), no("device.known"), no("customer.age_known"), count("order.amount", 500_000)],
            80,
            "sms",
        ),
        (
            "the first that a customer of years places since there are records",
            with(new(), vec![count("order.amount", 500_000), age("900d")]),
            20,
            "pass",
        ),
        ("the tenth present in a row to a new address", at_home(spray(10, vec![])), 70, "pass"),
        (
            "bought the moment of registering, with a virtual number",
            with(new(), vec![age("5s"), text("phone.kind", "virtual")]),
            75,
            "pass",
        ),
        ("just below a large order", with(new(), vec![count("order.amount", 499_999)]), 20, "pass"),
        (
            "as many yen are not much",
            with(new(), vec![count("order.amount", 500_000), text("order.currency", "JPY")]),
            20,
            "pass",
        ),
        (
            "a large order in dollars",
            with(new(), vec![count("order.amount", 80_000), text("order.currency", "USD")]),
            80,
            "sms",
        ),
        ("a mover with a new phone", with(unfamiliar(), vec![no("device.known")]), 40, "pass"),
        (
            "a family's fifth gift within minutes to an address it knows",
            with(nth_from_one_device(5), vec![yes("address.changed")]),
            50,
            "pass",
        ),
        (
            "a large, virtual, instant order with many units",
            with(
                new(),
                vec![
                    count("order.amount", 500_000),
                    text("phone.kind", "virtual"),
                    age("5s"),
                    count("order.max_line_quantity", 50),
                ],
            ),
            175,
            "freeze",
        ),
        (
            "twelve orders to twelve new addresses from one device",
            with(nth_to_new_addresses(12), nth_from_one_device(12)),
            140,
            "freeze",
        ),
        (
            "a new customer's large order at the till",
            with(new(), vec![count("order.amount", 500_000), text("order.channel", "store")]),
            0,
            "pass",
        ),
    ];
    check(&preset("starter").unwrap(), rows);
}

#[test]
fn growth_spares_what_is_paid_at_a_till() {
    let till = vec![
        text("order.channel", "store"),
        yes("customer.is_new"),
        age("5s"),
        count("device.orders[5m]", 60),
        count("device.customers[24h]", 400),
        count("phone.customers[24h]", 90),
    ];
    let assessment = screened(&preset("growth").unwrap(), &ordinary(till));
    assert_eq!(assessment.disposition, Disposition::Exempt);
    assert_eq!(assessment.scored.exemption.as_deref(), Some("till"));
}
