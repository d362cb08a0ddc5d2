//! Honest people. Who somebody is follows from the seed and a number, so that millions can be met again without being remembered.

use std::net::IpAddr;

use crate::calendar::{Calendar, DAY, HOUR};
use crate::kind::Honest;
use crate::places::{self, Address, Region};
use crate::purchase::{Buyer, Phone, Recipient};
use crate::random::{Random, key};

/// Of every kind there are at least so many people.
const PEOPLE_MIN: u64 = 24;
/// How often somebody orders in a run, on average over those who do. Regulars, of whom there are one in seven, have half of all orders.
const ORDERS_EACH: u64 = 3;
const REGULARS: u64 = 7;

/// Offices of a province whose people have parcels sent there.
const OFFICES: u64 = 256;

/// The people of one run.
#[derive(Clone, Copy)]
pub(crate) struct People {
    pub(crate) seed: u64,
    pub(crate) calendar: Calendar,
    /// All orders of the run.
    pub(crate) orders: u64,
}

/// Somebody.
#[derive(Clone, Copy)]
pub(crate) struct Person {
    /// Whom they share a roof with, and which of them they are.
    pub(crate) roof: u64,
    pub(crate) member: u64,
    pub(crate) key: u64,
    pub(crate) region: Region,
    pub(crate) home: Address,
    pub(crate) phone: Phone,
    pub(crate) level: u32,
    pub(crate) registered_at: i64,
}

impl People {
    /// Somebody of a kind that has a share of the orders, regulars more often than others.
    pub(crate) fn meet(self, random: &mut Random, kind: Honest, per_mille: u64) -> Person {
        let people = (self.orders * per_mille / 1_000 / ORDERS_EACH).max(PEOPLE_MIN);
        let among = if random.happens(500) { people.div_ceil(REGULARS) } else { people };
        self.person(kind, random.below(among))
    }

    /// The person of a kind with this number.
    pub(crate) fn person(self, kind: Honest, number: u64) -> Person {
        let roof_of = match kind {
            Honest::Household => 4,
            Honest::Dormitory => 6,
            _ => 1,
        };
        let roof = key(&[self.seed, 100 + kind as u64, number / roof_of]);
        let key = key(&[self.seed, 200 + kind as u64, number]);
        let mut under_roof = Random::of(roof);
        let region = places::region(&mut under_roof);
        let home = Address::new(region, under_roof.key());
        let mut random = Random::of(key);
        let is_virtual = match kind {
            Honest::VirtualCarrier => true,
            Honest::Dormitory => random.happens(40),
            _ => random.happens(12),
        };
        let phone = if is_virtual { Phone::Virtual(random.key()) } else { Phone::Mobile(random.key()) };
        let level = match kind {
            Honest::Vip => random.count(4, 6),
            Honest::Wholesaler => random.count(1, 3),
            _ => random.weighted(&[(0, 40), (1, 30), (2, 20), (3, 10)]),
        };
        let registered_at = self.calendar.start() - random.between(5 * DAY, 1_500 * DAY);
        Person { roof, member: number % roof_of, key, region, home, phone, level, registered_at }
    }

    /// A friend or a customer of somebody, always the same one for a number: whom parcels are sent to.
    pub(crate) fn friend(self, of: Person, number: u64) -> Recipient {
        let mut random = Random::of(key(&[of.key, 300, number]));
        Recipient { address: Address::anywhere(&mut random), phone: Phone::Mobile(random.key()) }
    }
}

impl Person {
    pub(crate) fn buyer(self) -> Buyer {
        Buyer { account: self.key, phone: self.phone, level: Some(self.level), registered_at: Some(self.registered_at) }
    }

    /// The same person with an account that they made a while ago.
    pub(crate) fn registered(mut self, at: i64) -> Self {
        (self.level, self.registered_at) = (0, at);
        self
    }

    /// A phone, and of some a second device.
    pub(crate) fn device(self, random: &mut Random) -> u64 {
        key(&[self.key, 400 + u64::from(random.happens(150))])
    }

    /// On the way or at home.
    pub(crate) fn network(self, random: &mut Random, at: i64) -> IpAddr {
        if random.happens(550) {
            places::phone_network(self.region, self.key, at)
        } else {
            places::home_line(self.roof, at)
        }
    }

    pub(crate) const fn at_home(self) -> Recipient {
        Recipient { address: self.home, phone: self.phone }
    }

    /// Home mostly, the office at times, where colleagues have theirs sent too, and seldom somewhere else.
    pub(crate) fn usual_recipient(self, random: &mut Random) -> Recipient {
        match random.below(100) {
            0..85 => self.at_home(),
            85..97 => {
                let office = key(&[self.region as u64, 500, self.key % OFFICES]);
                Recipient { address: Address::new(self.region, office), phone: self.phone }
            }
            _ => Recipient { address: Address::anywhere(random), phone: Phone::Mobile(random.key()) },
        }
    }
}

/// How old a new customer's account is at the first order. Most look round first; a few come from a link straight to the goods and
/// log in with one tap at checkout.
pub(crate) fn new_account_age(random: &mut Random) -> i64 {
    match random.below(1_000) {
        0..15 => random.between(8_000, 30_000),
        15..150 => random.between(30_000, 180_000),
        150..700 => random.between(180_000, HOUR),
        _ => random.between(HOUR, 5 * DAY),
    }
}
