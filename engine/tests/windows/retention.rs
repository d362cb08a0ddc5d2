//! What is remembered for how long, and what is said of the rest.

use domain::feature::Value;
use domain::order::Status;
use domain::time::Span;

use crate::given::{Merchant, Order, day, order, second};

fn customer(device: u8, address: u8) -> Order {
    order().customer(1).device(device).address(address).province("浙江省")
}

#[test]
fn orders_are_remembered_for_sixty_days_behind_the_newest() {
    let mut merchant = Merchant::default();
    merchant.place(1, customer(1, 1).at(day(0)));
    merchant.place(2, customer(1, 1).at(day(60)));
    assert_eq!(merchant.windows.remembered(), 2);
    assert_eq!(merchant.see(2, "customer.is_new"), Some(Value::Bool(false)));
    merchant.place(3, customer(1, 1).at(day(60).plus(Span::from_millis(1))));
    assert_eq!(merchant.windows.remembered(), 2);
    assert_eq!(merchant.see(1, "customer.orders[1s]"), None, "the first is forgotten");
    assert_eq!(merchant.see(1, "order.hour"), Some(Value::Int(0)), "its own facts are not");
}

#[test]
fn a_window_that_reaches_what_is_forgotten_is_unknown() {
    let mut merchant = Merchant::default();
    merchant.place(1, customer(1, 1).at(day(0)));
    merchant.place(2, customer(1, 1).at(day(20)));
    assert_eq!(merchant.see(2, "customer.orders[30d]"), Some(Value::Int(2)), "nothing is forgotten yet");
    merchant.place(3, customer(1, 1).at(day(70)));
    assert_eq!(merchant.see(2, "customer.orders[30d]"), None);
    assert_eq!(merchant.see(2, "customer.orders[20d]"), Some(Value::Int(1)), "what it covers is later than the first");
    assert_eq!(merchant.see(2, "region.heat[19d]"), None, "known is 20 days only, not one more");
    assert_eq!(merchant.see(3, "customer.orders[30d]"), Some(Value::Int(1)));
}

#[test]
fn an_order_that_comes_later_than_anything_remembered_is_known_by_its_own_facts_only() {
    let mut merchant = Merchant::default();
    merchant.place(1, customer(1, 1).at(day(100)));
    merchant.place_recorded(2, customer(2, 2).amount(5).at(day(10)), day(100));
    assert_eq!(merchant.windows.remembered(), 1);
    assert_eq!(merchant.see(2, "customer.is_new"), None);
    assert_eq!(merchant.see(2, "order.amount"), Some(Value::Int(5)));
    assert_eq!(merchant.see(1, "customer.is_new"), Some(Value::Bool(false)), "it was there all the same");
    assert_eq!(merchant.see(1, "address.changed"), Some(Value::Bool(true)));
}

#[test]
fn a_customers_past_outlives_the_orders() {
    for crowd in [0, 30] {
        let mut merchant = Merchant::default();
        merchant.place(1, customer(1, 1).at(day(0))).report(1, Status::Delivered);
        merchant.place(2, customer(2, 1).at(day(1))).report(2, Status::Delivered);
        merchant.place(3, customer(2, 2).at(day(2))).report(3, Status::Delivered);
        merchant.place(4, order().customer(1).at(day(3)));
        for number in 100..100 + crowd {
            merchant.place(number, order().customer(1).at(day(90)));
        }
        merchant.place(5, customer(1, 2).at(day(90)));
        merchant.place(6, customer(3, 1).at(day(91)));
        assert_eq!(merchant.windows.remembered(), 2 + usize::try_from(crowd).unwrap());
        let mut sees = |number, feature, value: bool| {
            assert_eq!(merchant.see(number, feature), Some(Value::Bool(value)), "{feature} of {number}, crowd {crowd}");
        };
        sees(5, "customer.is_new", false);
        sees(5, "device.known", true);
        sees(6, "device.known", false);
        sees(5, "address.changed", false);
        sees(6, "address.changed", true);
        sees(5, "address.familiar", false);
        sees(6, "address.familiar", true);
        let known_for = |days| Some(Value::Duration(Span::from_days(days)));
        assert_eq!(merchant.see(5, "device.known_for"), known_for(90), "also since when is kept");
        assert_eq!(merchant.see(6, "device.known_for"), known_for(0));
        assert_eq!(merchant.see(6, "customer.unfamiliar_addresses[7d]"), Some(Value::Int(1)));
        merchant.report(5, Status::Completed).report(1, Status::Refunded);
        merchant.place(7, customer(3, 2).at(day(92)));
        assert_eq!(merchant.see(7, "address.familiar"), Some(Value::Bool(true)), "one good order then, one now");
        assert_eq!(merchant.see(7, "customer.unfamiliar_addresses[7d]"), Some(Value::Int(0)), "too late to refund");
    }
}

#[test]
fn an_address_stays_unfamiliar_to_what_came_before_when_its_first_good_order_is_forgotten() {
    let mut merchant = Merchant::default();
    merchant.place(1, customer(1, 1).at(day(0))).report(1, Status::Delivered);
    for number in 100..120 {
        merchant.place(number, customer(1, 2).at(day(28)));
    }
    merchant.place(2, customer(1, 1).at(day(29)));
    merchant.place(3, customer(1, 1).at(day(30))).report(3, Status::Delivered);
    for forgets in [false, true] {
        if forgets {
            merchant.place(4, order().at(day(61)));
            assert_eq!(merchant.see(1, "customer.is_new"), None);
        }
        assert_eq!(merchant.see(2, "customer.unfamiliar_addresses[2d]"), Some(Value::Int(2)), "forgets {forgets}");
    }
    merchant.place(5, customer(1, 1).at(day(31)));
    assert_eq!(merchant.see(5, "customer.unfamiliar_addresses[3d]"), Some(Value::Int(0)), "both are behind it");
    assert_eq!(merchant.see(5, "customer.unfamiliar_addresses[4d]"), Some(Value::Int(1)));
}

#[test]
fn a_report_waits_for_its_order_no_longer_than_orders_are_remembered() {
    for (wait, unpaid) in [(60, 0), (61, 1)] {
        let mut merchant = Merchant::default();
        merchant.report(1, Status::Paid);
        merchant.place_recorded(1, customer(1, 1).at(second(0)), day(wait));
        assert_eq!(merchant.see(1, "customer.unpaid[1h]"), Some(Value::Int(unpaid)), "after {wait} days");
    }
}

#[test]
fn a_long_stream_is_remembered_in_part() {
    let mut merchant = Merchant::default();
    for number in 0..5_000 {
        let at = second(i64::try_from(number).unwrap() * 3_600);
        merchant.place(number, customer(u8::try_from(number % 200).unwrap(), 1).at(at));
    }
    assert_eq!(merchant.windows.remembered(), 60 * 24 + 1);
    assert_eq!(merchant.see(4_999, "customer.orders[30d]"), Some(Value::Int(720)));
    assert_eq!(merchant.see(4_999, "customer.devices[30d]"), Some(Value::Int(200)));
    assert_eq!(merchant.see(4_000, "customer.orders[24h]"), Some(Value::Int(24)));
}
