//! Orders for the examples: the same in every run, spread over some different customers, devices and so on.
#![allow(dead_code, unreachable_pub, reason = "each example uses its own part")]

use domain::ids::Token;
use domain::order::{CustomerFacts, DeliveryFacts, Facts, IpFacts, Line, OrderEvent, PhoneFacts, Placed};
use domain::phone::PhoneKind;
use domain::time::Timestamp;

/// When the first order comes.
pub const START_MILLIS: i64 = 1_794_326_400_000;

/// Numbers that look random and are the same in every run.
pub struct Sequence(pub u64);

impl Sequence {
    pub fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    /// A number below a bound that is not zero.
    pub fn below(&mut self, bound: i64) -> i64 {
        i64::try_from(self.next() % bound.unsigned_abs()).unwrap_or(0)
    }

    /// One of some different tokens, or a new one.
    fn token(&mut self, different: u64) -> Token {
        let number = if different == 0 { self.next() } else { Self(self.next() % different).next() };
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&number.to_be_bytes());
        Token::new(bytes)
    }
}

/// How many different customers, phones, addresses, devices, IP addresses and networks there are; 0 for a new one with
/// each order.
#[derive(Clone, Copy)]
pub struct Different(pub [u64; 6]);

impl Different {
    /// The same number of each.
    pub const fn each(number: u64) -> Self {
        Self([number; 6])
    }

    /// One customer has all orders.
    #[must_use]
    pub const fn one_customer(mut self) -> Self {
        self.0[0] = 1;
        self
    }

    /// One device has all orders.
    #[must_use]
    pub const fn one_device(mut self) -> Self {
        self.0[3] = 1;
        self
    }
}

/// The facts of an order that is placed at a time, in milliseconds.
pub fn facts(sequence: &mut Sequence, time: i64, different: Different) -> Facts {
    let [customer, phone, address, device, ip, net] = different.0.map(|different| sequence.token(different));
    let line =
        Line { sku: format!("SKU-{}", sequence.next() % 100).into(), title: None, quantity: 2, unit_price: None };
    Facts {
        placed_at: Some(Timestamp::from_millis(time)),
        amount: Some(9_900),
        lines: Some(vec![line]),
        customer: Some(CustomerFacts {
            token: Some(customer),
            phone: Some(PhoneFacts { token: phone, kind: PhoneKind::Mobile }),
            ..CustomerFacts::default()
        }),
        delivery: Some(DeliveryFacts {
            address: Some(address),
            province: Some(["浙江省", "广东省", "江苏省"][usize::try_from(sequence.next() % 3).unwrap_or(0)].into()),
            ..DeliveryFacts::default()
        }),
        device: Some(device),
        ip: Some(IpFacts { token: ip, net }),
        payment_due_at: Some(Timestamp::from_millis(time + 900_000)),
        ..Facts::default()
    }
}

/// The event that places an order with these facts.
pub fn placed(facts: Facts) -> OrderEvent {
    let (channel, order_no) = ("web".parse().expect("a channel"), "A1".parse().expect("a number"));
    OrderEvent::Placed(Placed { channel, order_no, as_of: None, facts, vault: None })
}

/// Resident memory of this process; `None` elsewhere than on Linux.
pub fn resident_bytes() -> Option<u64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find(|line| line.starts_with("VmRSS:"))?;
    line.split_whitespace().nth(1)?.parse::<u64>().ok().map(|kilobytes| kilobytes * 1_024)
}
