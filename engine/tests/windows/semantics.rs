//! What the features mean, case by case.

use domain::feature::Value;
use domain::order::Status;
use domain::phone::PhoneKind;
use domain::time::Span;

use crate::given::{Merchant, Order, day, order, second};

fn int(number: i64) -> Option<Value> {
    Some(Value::Int(number))
}

fn yes() -> Option<Value> {
    Some(Value::Bool(true))
}

fn no() -> Option<Value> {
    Some(Value::Bool(false))
}

fn decimal(text: &str) -> Option<Value> {
    Some(Value::Decimal(text.parse().unwrap()))
}

fn merchant<const COUNT: usize>(orders: [Order; COUNT]) -> Merchant {
    let mut merchant = Merchant::default();
    for (number, order) in (1..).zip(orders) {
        merchant.place(number, order);
    }
    merchant
}

#[test]
fn a_window_is_open_at_its_start_and_closed_at_its_end() {
    let device = |at| order().device(1).at(second(at));
    let mut merchant = merchant([device(0), device(1), device(300), device(300), device(301)]);
    assert_eq!(merchant.see(3, "device.orders[5m]"), int(3), "the orders at 1 and both at 300, but not the one at 0");
    assert_eq!(merchant.see(5, "device.orders[5m]"), int(3), "now the one at 1 is out too");
    assert_eq!(merchant.see(1, "device.orders[30d]"), int(1), "later ones do not count");
}

#[test]
fn a_late_order_is_seen_from_where_it_belongs_and_by_everything_asked_later() {
    let device = |at| order().device(1).at(second(at));
    let mut merchant = merchant([device(0), device(100), device(200)]);
    merchant.place_recorded(4, device(50), second(250));
    assert_eq!(merchant.see(4, "device.orders[5m]"), int(2));
    assert_eq!(merchant.see(3, "device.orders[5m]"), int(4));
    assert_eq!(merchant.see(1, "device.orders[5m]"), int(1));
}

#[test]
fn an_order_from_the_future_lies_where_it_was_recorded() {
    let mut merchant = merchant([order().device(1).at(second(0))]);
    merchant.place_recorded(2, order().device(1).at(second(600)), second(10));
    merchant.place_recorded(3, order().device(1).at(second(310)), second(10));
    assert_eq!(merchant.see(2, "device.orders[10s]"), int(1), "ten minutes ahead are not believed");
    assert_eq!(merchant.see(2, "device.orders[11s]"), int(2));
    assert_eq!(merchant.see(3, "device.orders[5m]"), int(1), "five are");
    assert_eq!(merchant.see(2, "order.hour"), int(0), "midnight in Shanghai");
}

#[test]
fn unpaid_and_abandoned_follow_what_was_reported() {
    use Status::{
        Cancelled, Completed, Delivered, Paid, PartiallyRefunded, PartiallyShipped, RefundRequested, Refunded, Shipped,
    };
    let cases: [(&[Status], i64, i64); 13] = [
        (&[], 1, 0),
        (&[Paid], 0, 0),
        (&[PartiallyShipped], 0, 0),
        (&[Shipped], 0, 0),
        (&[Delivered], 0, 0),
        (&[Completed], 0, 0),
        (&[RefundRequested], 0, 0),
        (&[PartiallyRefunded], 0, 0),
        (&[Refunded], 0, 0),
        (&[Cancelled], 1, 1),
        (&[Paid, Cancelled], 0, 0),
        (&[Cancelled, Paid], 0, 0),
        (&[Cancelled, Cancelled], 1, 1),
    ];
    for (reports, unpaid, abandoned) in cases {
        for early in [true, false] {
            let mut merchant = Merchant::default();
            if early {
                merchant.report_all(1, reports);
            }
            merchant.place(1, order().customer(1).due(second(600)).at(second(0)));
            if !early {
                merchant.report_all(1, reports);
            }
            assert_eq!(merchant.see(1, "customer.unpaid[1h]"), int(unpaid), "{reports:?}, early {early}");
            assert_eq!(merchant.see(1, "customer.abandoned[1h]"), int(abandoned), "{reports:?}, early {early}");
        }
    }
}

#[test]
fn an_order_is_overdue_from_its_due_time_on() {
    let customer = |at| order().customer(1).at(second(at));
    let mut merchant = merchant([customer(0).due(second(60)), customer(59), customer(60)]);
    assert_eq!(merchant.see(2, "customer.abandoned[1h]"), int(0));
    assert_eq!(merchant.see(3, "customer.abandoned[1h]"), int(1));
    merchant.amend(1, order().due(second(61)));
    assert_eq!(merchant.see(3, "customer.abandoned[1h]"), int(0));
}

#[test]
fn an_amendment_moves_an_order_between_entities_and_times() {
    let placed = |at, customer| order().customer(customer).device(1).at(second(at));
    let mut merchant = merchant([placed(0, 1), placed(10, 2), placed(20, 2)]);
    assert_eq!(merchant.see(3, "customer.orders[1h]"), int(2));
    merchant.amend(1, order().customer(2));
    assert_eq!(merchant.see(3, "customer.orders[1h]"), int(3));
    assert_eq!(merchant.see(3, "device.customers[1h]"), int(1));
    merchant.amend(1, order().at(second(30)));
    assert_eq!(merchant.see(3, "customer.orders[1h]"), int(2));
    assert_eq!(merchant.see(1, "customer.orders[1h]"), int(3));
    assert_eq!(merchant.see(2, "customer.is_new"), yes());
    assert_eq!(merchant.see(1, "customer.is_new"), no());
}

#[test]
fn an_amendment_keeps_what_it_does_not_mention() {
    let mut merchant = merchant([order().customer(1).buyer_phone(5, PhoneKind::Mobile).address(3).at(second(0))]);
    merchant.amend(1, order().recipient_phone(6, PhoneKind::Mobile).province("浙江省"));
    merchant.place(2, order().buyer_phone(5, PhoneKind::Mobile).address(3).province("浙江省").at(second(1)));
    for feature in ["phone.orders[1h]", "address.orders[1h]", "region.orders[1h]"] {
        assert_eq!(merchant.see(2, feature), int(2), "{feature}");
    }
    assert_eq!(merchant.see(2, "phone.customers[1h]"), int(1), "the second order's customer is not known");
}

#[test]
fn phone_features_take_the_buyers_number_or_else_the_recipients_and_never_a_privacy_number() {
    let recipient = |order: Order| order.recipient_phone(9, PhoneKind::Mobile).device(1);
    let mut merchant = merchant([
        recipient(order().at(second(0))),
        recipient(order().buyer_phone(8, PhoneKind::Virtual).at(second(1))),
        recipient(order().buyer_phone(7, PhoneKind::Privacy).at(second(2))),
        order().device(1).at(second(3)),
    ]);
    assert_eq!(merchant.see(1, "phone.orders[1h]"), int(1));
    assert_eq!(merchant.see(2, "phone.orders[1h]"), int(1));
    assert_eq!(merchant.see(3, "phone.orders[1h]"), None);
    assert_eq!(merchant.see(3, "phone.customers[1h]"), None);
    assert_eq!(merchant.see(4, "phone.orders[1h]"), None);
    assert_eq!(merchant.see(4, "device.phones[1h]"), int(2));
    assert_eq!(merchant.see(2, "phone.kind"), Some(Value::Text("virtual".into())));
    assert_eq!(merchant.see(3, "phone.kind"), Some(Value::Text("privacy".into())));
    assert_eq!(merchant.see(4, "phone.kind"), None);
}

#[test]
fn sums_skip_what_is_unknown_and_sku_quantity_is_the_most_of_one_of_the_orders_skus() {
    let customer = |at| order().customer(1).at(second(at));
    let mut merchant = merchant([
        customer(0).amount(500).line("tea", 3).line("rice", 9),
        customer(1),
        customer(2).amount(70).line("tea", 1).line("soap", 2).line("tea", 2),
    ]);
    assert_eq!(merchant.see(3, "customer.amount[1h]"), int(570));
    assert_eq!(merchant.see(3, "customer.quantity[1h]"), int(17));
    assert_eq!(merchant.see(3, "customer.sku_quantity[1h]"), int(6), "tea; the rice is not in this order");
    assert_eq!(merchant.see(3, "customer.sku_quantity[1s]"), int(3));
    assert_eq!(merchant.see(2, "customer.sku_quantity[1h]"), None);
    assert_eq!(merchant.see(3, "order.max_line_quantity"), int(2));
    assert_eq!(merchant.see(3, "order.quantity"), int(5));
    assert_eq!(merchant.see(3, "order.lines"), int(3));
    assert_eq!(merchant.see(2, "order.quantity"), None);
}

#[test]
fn a_share_compares_with_all_of_the_merchants_unpaid_orders() {
    let mut merchant = merchant([
        order().ip(1, 1).at(second(0)),
        order().ip(2, 2).at(second(1)),
        order().at(second(2)),
        order().ip(3, 1).at(second(3)),
    ]);
    assert_eq!(merchant.see(4, "ip24.unpaid_share[1h]"), decimal("0.5"));
    merchant.report(1, Status::Paid);
    assert_eq!(merchant.see(4, "ip24.unpaid_share[1h]"), decimal("0.3333"));
    assert_eq!(merchant.see(3, "ip24.unpaid_share[1h]"), None, "it came from nowhere known");
    assert_eq!(merchant.see(1, "ip24.unpaid_share[1s]"), None, "nothing is unpaid");
}

#[test]
fn heat_compares_with_the_day_before_the_window() {
    let there = |at| order().province("浙江省").at(second(at));
    let mut merchant = merchant([there(0), there(1), there(3_601), there(90_000), there(90_001)]);
    // The hour holds two, the 24 hours before it one, as those of the window do not hold the order at their start.
    assert_eq!(merchant.see(5, "region.heat[1h]"), decimal("48"));
    assert_eq!(merchant.see(5, "region.heat[7h]"), decimal("2.2857"));
    assert_eq!(merchant.see(1, "region.heat[1h]"), None, "there is nothing to compare with");
}

#[test]
fn a_device_is_known_once_the_same_customer_used_it() {
    let from = |at, customer, device| order().customer(customer).device(device).at(second(at));
    let mut merchant = merchant([from(0, 1, 1), from(1, 2, 1), from(2, 1, 1), from(2, 2, 2), from(2, 2, 2)]);
    let known = [no(), no(), yes(), no(), yes()];
    for (number, known) in (1..).zip(known) {
        assert_eq!(merchant.see(number, "device.known"), known, "order {number}");
    }
    for (number, seconds) in (1..).zip([0, 0, 2, 0, 0]) {
        let known_for = Some(Value::Duration(Span::from_secs(seconds)));
        assert_eq!(merchant.see(number, "device.known_for"), known_for, "order {number}");
    }
    merchant.place(6, from(-5, 2, 1));
    assert_eq!(
        merchant.see(2, "device.known_for"),
        Some(Value::Duration(Span::from_secs(6))),
        "an earlier one came late"
    );
    assert_eq!(merchant.see(6, "device.known_for"), Some(Value::Duration(Span::from_secs(0))));
    merchant.place(7, order().customer(1).at(second(9)));
    assert_eq!(merchant.see(7, "device.known_for"), None);
}

#[test]
fn an_address_has_changed_when_the_customers_last_known_one_was_another() {
    let to = |at, address| order().customer(1).address(address).at(second(at));
    let mut merchant = merchant([to(0, 1), order().customer(1).at(second(1)), to(2, 1), to(3, 2), to(3, 2)]);
    let changed = [None, None, no(), yes(), no()];
    for (number, changed) in (1..).zip(changed) {
        assert_eq!(merchant.see(number, "address.changed"), changed, "order {number}");
    }
    merchant.place(6, order().address(1).at(second(4)));
    assert_eq!(merchant.see(6, "address.changed"), None, "nobody knows whose it is");
}

#[test]
fn an_address_is_familiar_after_two_orders_that_were_paid_delivered_and_kept() {
    let to = |at, address| order().customer(1).address(address).at(second(at));
    let mut merchant = merchant([to(0, 1), to(1, 1), to(2, 1), to(3, 2)]);
    let sees = |merchant: &mut Merchant, familiar, unfamiliar| {
        assert_eq!(merchant.see(3, "address.familiar"), familiar);
        assert_eq!(merchant.see(4, "customer.unfamiliar_addresses[1h]"), int(unfamiliar));
    };
    merchant.report(1, Status::Delivered).report(2, Status::Shipped);
    sees(&mut merchant, no(), 2);
    merchant.report(2, Status::Completed);
    sees(&mut merchant, yes(), 1);
    assert_eq!(merchant.see(2, "address.familiar"), no(), "it was not yet");
    merchant.report(1, Status::RefundRequested);
    sees(&mut merchant, yes(), 1);
    merchant.report(1, Status::Refunded);
    sees(&mut merchant, no(), 2);
    merchant.report(3, Status::Delivered);
    assert_eq!(merchant.see(3, "address.familiar"), no(), "it says nothing of itself");
    assert_eq!(merchant.see(4, "customer.unfamiliar_addresses[1h]"), int(1));
}

#[test]
fn an_orders_own_facts_are_read_even_when_it_was_never_applied() {
    let mut merchant = Merchant::default();
    let seen = merchant.see(9, "order.channel");
    assert_eq!(seen, Some(Value::Text("web".into())));
    assert_eq!(merchant.see(9, "customer.orders[1h]"), None);
    assert_eq!(merchant.see(9, "customer.is_new"), None);
}

#[test]
fn a_crowd_answers_like_a_few() {
    // Twenty addresses of one customer, so that the indexes are in use, each delivered to twice.
    let mut merchant = Merchant::default();
    for number in 0..40 {
        let address = u8::try_from(number / 2).unwrap();
        let at = day(0).plus(domain::time::Span::from_mins(u32::from(address)));
        merchant.place(number, order().customer(1).address(address).device(address % 3).at(at));
        merchant.report(number, Status::Delivered);
    }
    merchant.place(40, order().customer(1).address(7).device(9).at(day(1)));
    assert_eq!(merchant.see(40, "customer.addresses[30d]"), int(20));
    assert_eq!(merchant.see(40, "customer.unfamiliar_addresses[30d]"), int(0));
    assert_eq!(merchant.see(20, "customer.unfamiliar_addresses[30d]"), int(1), "its own was new then");
    assert_eq!(merchant.see(40, "customer.devices[30d]"), int(4));
    assert_eq!(merchant.see(40, "address.familiar"), yes());
    assert_eq!(merchant.see(40, "address.changed"), yes());
    assert_eq!(merchant.see(40, "device.known"), no());
    assert_eq!(merchant.see(39, "device.known"), yes());
    merchant.report(14, Status::Refunded);
    assert_eq!(merchant.see(40, "address.familiar"), no());
    assert_eq!(merchant.see(40, "customer.unfamiliar_addresses[30d]"), int(1));
}
