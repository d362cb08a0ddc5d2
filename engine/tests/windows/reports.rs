//! What is reported of orders before anybody asks for it, and after: an entity with many orders takes reports in when a feature
//! that they change is first asked for, and follows them from then on.

use domain::feature::Value;
use domain::order::{OrderEvent, Status};
use domain::time::{Span, Timestamp};
use engine::windows::Windows;

use crate::definitions::Definitions;
use crate::given::{Order, ZONE, amended, feature_ref, order, placed, reported, second};

/// Orders of a first customer, device and network.
const FEW: std::ops::Range<u64> = 0..8;
/// Those of another one that come after them: more than are looked through one by one.
const MANY: std::ops::Range<u64> = 8..48;
const FEATURES: [&str; 3] = ["device.unpaid", "customer.abandoned", "ip24.unpaid_share"];

/// The windows and their definitions.
#[derive(Default)]
struct Both {
    windows: Windows,
    definitions: Definitions,
}

impl Both {
    fn apply(&mut self, number: u64, event: &OrderEvent, at: Timestamp) {
        self.windows.apply(number, event, at);
        self.definitions.apply(number, event, at);
    }

    fn place(&mut self, number: u64, device: u8) {
        let at = at(number);
        let due = at.plus(Span::from_secs([30, 200, 4_000][usize::try_from(number % 3).expect("a place in a list")]));
        self.apply(number, &placed(order().at(at).customer(device).device(device).ip(device, device).due(due).0), at);
    }

    fn amend(&mut self, number: u64, changes: Order) {
        self.apply(number, &amended(changes.0), second(1_000));
    }

    fn report(&mut self, number: u64, status: Status) {
        self.apply(number, &reported(status), second(1_000));
    }

    fn forget_earliest(&mut self, count: usize) {
        self.windows.forget_earliest(count);
        self.definitions.forget_earliest(count);
    }

    /// What both say of an order.
    #[track_caller]
    fn see(&mut self, number: u64, feature: &str) -> Option<Value> {
        let (feature, mut values) = (feature_ref(feature), Vec::new());
        let facts = &self.definitions.order(number).expect("it was placed").facts;
        self.windows.observe(number, "web", facts, ZONE, &[feature], &mut values);
        let defined = self.definitions.value(number, feature);
        assert_eq!(values, [defined], "{feature} of order {number}");
        values.remove(0)
    }

    /// Both say the same of every order.
    #[track_caller]
    fn agree(&mut self) {
        for number in FEW.chain(MANY) {
            for feature in FEATURES {
                for window in ["30s", "5m", "1h"] {
                    self.see(number, &format!("{feature}[{window}]"));
                }
            }
        }
    }
}

/// Every ten seconds an order.
const fn at(number: u64) -> Timestamp {
    second(number.cast_signed() * 10)
}

/// Orders of both, and what is reported of the many; nobody has asked for anything. A quarter of the forty is paid, a
/// quarter is cancelled, and an eighth was cancelled and is paid all the same.
fn reported_and_not_asked() -> Both {
    let mut both = Both::default();
    // A report may come before its order.
    both.report(12, Status::Paid);
    FEW.for_each(|number| both.place(number, 1));
    MANY.for_each(|number| both.place(number, 2));
    for number in MANY {
        let statuses: &[Status] = match number % 8 {
            0 | 4 => &[Status::Paid],
            1 | 5 => &[Status::Cancelled],
            2 => &[Status::Cancelled, Status::Paid],
            _ => &[],
        };
        statuses.iter().for_each(|status| both.report(number, *status));
    }
    both
}

#[test]
fn whichever_feature_is_asked_for_first_knows_what_was_reported_before() {
    // Of the forty 25 are unpaid: ten of them cancelled, and six overdue by the time of the last. Nobody paid for the eight.
    let known = [Value::Int(25), Value::Int(16), Value::Decimal("0.7576".parse().unwrap())];
    for (first, value) in FEATURES.into_iter().zip(known) {
        let mut both = reported_and_not_asked();
        assert_eq!(both.see(47, &format!("{first}[1h]")), Some(value), "{first}");
        both.agree();
    }
}

#[test]
fn once_asked_they_follow_reports_of_orders_that_moved_and_of_those_that_are_left() {
    let mut both = reported_and_not_asked();
    both.agree();

    // One goes over to the others and one comes from there, one moves in time, of one the terms change.
    both.amend(13, order().customer(1).device(1).ip(1, 1));
    both.amend(3, order().customer(2).device(2).ip(2, 2));
    both.amend(19, order().at(at(40)));
    both.amend(35, order().due(at(36)));
    both.agree();
    for (number, status) in [(13, Status::Paid), (3, Status::Cancelled), (19, Status::Paid), (35, Status::Paid)] {
        both.report(number, status);
        both.agree();
    }

    both.forget_earliest(12);
    assert_eq!(both.see(47, "device.unpaid[1h]"), None, "some of them are forgotten");
    both.agree();
    for (number, status) in [(0, Status::Paid), (46, Status::Cancelled), (47, Status::Paid), (43, Status::Delivered)] {
        both.report(number, status);
        both.agree();
    }
}

#[test]
fn what_is_familiar_follows_reports_whichever_feature_asks_for_it() {
    for feature in ["address.familiar", "customer.unfamiliar_addresses[1h]"] {
        let mut both = Both::default();
        for number in MANY {
            both.apply(number, &placed(order().at(at(number)).customer(2).address(2).0), at(number));
        }
        let stranger = both.see(47, feature);
        for number in [9, 11] {
            both.report(number, Status::Paid);
            both.report(number, Status::Delivered);
        }
        let acquaintance = both.see(47, feature);
        assert_ne!(stranger, acquaintance, "{feature}");
        both.report(11, Status::Refunded);
        assert_eq!(both.see(47, feature), stranger, "{feature}");
    }
}
