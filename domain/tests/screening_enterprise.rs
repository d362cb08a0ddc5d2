//! What the preset `enterprise` adds to `growth`, from hand-set values. What is not set is unknown and scores nothing.

mod screening_given;

use domain::feature::Value;
use domain::rulebook::check::check;
use domain::rulebook::{Rulebook, preset};
use domain::signal::SignalName;
use screening_given::screened;

type Known = Vec<(&'static str, Value)>;

fn enterprise() -> Rulebook {
    preset("enterprise").expect("a preset")
}

fn count(name: &'static str, value: i64) -> (&'static str, Value) {
    (name, Value::Int(value))
}

fn decimal(name: &'static str, value: &str) -> (&'static str, Value) {
    (name, Value::Decimal(value.parse().expect("a decimal")))
}

fn age(value: &str) -> (&'static str, Value) {
    ("customer.age", Value::Duration(value.parse().expect("a span")))
}

fn is(name: &'static str, value: bool) -> (&'static str, Value) {
    (name, Value::Bool(value))
}

#[track_caller]
fn assert_screened(rows: Vec<(&str, Known, i64, &str)>) {
    for (case, known, score, tier) in rows {
        let scored = screened(&enterprise(), &known).scored;
        let fired: Vec<_> = scored.hits.iter().map(|hit| (&*hit.rule, hit.points)).collect();
        assert_eq!((scored.score, &*scored.tier), (score, tier), "{case}: {fired:?}");
    }
}

/// A new customer's order to a province with so many orders of the hour at so much heat.
fn heated(orders: i64, heat: &str) -> Known {
    vec![decimal("region.heat[1h]", heat), count("region.orders[1h]", orders), age("1d"), is("address.familiar", false)]
}

/// One more account to an address that took so many units of a SKU in a day.
fn to_one_address(units: i64, customers: i64) -> Known {
    vec![
        count("address.sku_quantity[24h]", units),
        count("address.customers[24h]", customers),
        is("address.familiar", false),
    ]
}

/// From a device that nobody else uses, and the customer since yesterday.
fn own() -> Known {
    vec![
        count("device.customers[24h]", 1),
        count("customer.devices[1h]", 1),
        ("device.known_for", Value::Duration("24h".parse().expect("a span"))),
    ]
}

fn with(mut known: Known, more: Known) -> Known {
    known.retain(|(name, _)| !more.iter().any(|(other, _)| other == name));
    known.extend(more);
    known
}

#[test]
fn it_is_growth_and_more() {
    let (growth, enterprise) = (preset("growth").expect("a preset"), enterprise());
    assert_eq!(enterprise.rules()[..growth.rules().len()], *growth.rules(), "copy what growth says");
    assert_eq!((enterprise.tiers(), enterprise.exemptions()), (growth.tiers(), growth.exemptions()));
    assert_eq!(enterprise.rules().len(), growth.rules().len() + 7);
}

#[test]
fn it_is_checked_clean_and_reads_two_signals() {
    let report = check(&enterprise());
    assert!(report.warnings.is_empty(), "{:?}", report.warnings);
    let name = |text: &str| text.parse::<SignalName>().expect("a name");
    assert_eq!(enterprise().signals(), ["logistics_pressure", "weather"].map(name));
}

#[test]
fn it_lets_honest_customers_pass() {
    let weather = || decimal("signal.weather", "0.9");
    assert_screened(vec![
        ("a new customer in a province where a sale has begun", heated(5_000, "12"), 30, "pass"),
        ("the same before a typhoon", with(heated(5_000, "12"), vec![weather()]), 10, "pass"),
        ("somebody who stocks up before a typhoon", vec![weather(), decimal("region.heat[1h]", "4")], -20, "pass"),
        ("a quiet province whose five orders are many", heated(5, "20"), 0, "pass"),
        (
            "a customer of years in a province that heats up",
            with(heated(5_000, "12"), vec![is("customer.is_new", true), age("900d")]),
            0,
            "pass",
        ),
        (
            "a new office's first order where parcels stand still",
            vec![decimal("signal.logistics_pressure", "1"), count("order.quantity", 60), age("1d")],
            30,
            "pass",
        ),
        ("a dormitory that shares an address on a sale's day", to_one_address(45, 20), 75, "pass"),
        (
            "five who bring fifty units to one address, each from their own device",
            with(to_one_address(50, 5), own()),
            30,
            "pass",
        ),
        (
            "a wholesaler's hundreds to the usual warehouse",
            vec![
                count("customer.sku_quantity[7d]", 900),
                count("customer.orders[7d]", 9),
                count("address.sku_quantity[24h]", 400),
                count("address.customers[24h]", 1),
                is("address.familiar", true),
            ],
            0,
            "pass",
        ),
        (
            "a household's nappies of the week",
            vec![
                count("customer.sku_quantity[7d]", 12),
                count("customer.orders[7d]", 3),
                is("address.familiar", false),
            ],
            0,
            "pass",
        ),
        (
            "one large order of one SKU",
            vec![
                count("customer.sku_quantity[7d]", 80),
                count("customer.orders[7d]", 1),
                is("address.familiar", false),
            ],
            0,
            "pass",
        ),
    ]);
}

#[test]
fn it_asks_or_holds_hoarders_and_scalpers() {
    let device = || vec![count("device.sku_quantity[24h]", 30), count("device.customers[24h]", 3)];
    let week =
        |units, customers| vec![count("address.sku_quantity[7d]", units), count("address.customers[7d]", customers)];
    assert_screened(vec![
        ("accounts that bring fifty units to one address in a day", to_one_address(50, 3), 80, "sms"),
        ("the sixth who brings some there, also from their own device", with(to_one_address(50, 6), own()), 80, "sms"),
        ("and a hundred", to_one_address(100, 9), 110, "call"),
        ("the same from one device", with(to_one_address(30, 3), device()), 120, "call"),
        ("and more of it", with(to_one_address(31, 3), device()), 121, "freeze"),
        (
            "a customer who comes back for one SKU again and again, each time to another address",
            vec![
                count("customer.sku_quantity[7d]", 50),
                count("customer.orders[7d]", 15),
                is("address.changed", true),
                age("60d"),
                is("address.familiar", false),
            ],
            80,
            "sms",
        ),
        (
            "four accounts that bring an address a few units each day",
            with(week(27, 4), vec![is("address.familiar", false)]),
            80,
            "sms",
        ),
        (
            "new accounts that hoard in a province that heats up",
            with(to_one_address(45, 5), heated(900, "6")),
            93,
            "sms",
        ),
    ]);
}
