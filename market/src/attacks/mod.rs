//! What attackers do: one campaign of one operator is a burst, whose orders are counted by their place in it.

mod crowds;
mod patient;

use crate::calendar::{HOUR, MINUTE};
use crate::course::Course;
use crate::kind::Attack;
use crate::people::People;
use crate::places::Address;
use crate::purchase::{Buyer, Item, LIMITED_GOODS, Phone, Purchase, Recipient};
use crate::random::{Random, key};

/// Of all orders, how many in a thousand are attackers'.
const PER_MILLE: u64 = 20;
/// Of attackers' orders, how many in a thousand are of which kind, and how many one campaign has.
const CAMPAIGNS: [(Attack, u64, u32, u32); 7] = [
    (Attack::Bot, 280, 15, 80),
    (Attack::AccountFarm, 250, 40, 200),
    (Attack::SegmentHolder, 200, 60, 300),
    (Attack::HoardingDistributor, 80, 8, 30),
    (Attack::SlowScalper, 70, 10, 40),
    (Attack::HijackedAccount, 60, 3, 10),
    (Attack::Crawler, 60, 20, 100),
];

/// Who comes to a small shop on one day, at which minute, and with how many orders.
const OF_A_DAY: [(Attack, i64, u32); 7] = [
    (Attack::Bot, 10 * 60, 18),
    (Attack::HijackedAccount, 12 * 60, 5),
    (Attack::AccountFarm, 13 * 60, 24),
    (Attack::Crawler, 15 * 60, 12),
    (Attack::Bot, 17 * 60, 15),
    (Attack::HoardingDistributor, 18 * 60, 8),
    (Attack::SegmentHolder, 20 * 60, 30),
];

/// One operator's action.
#[derive(Clone, Copy)]
pub(crate) struct Campaign {
    /// From 1, in the order of their beginning.
    pub(crate) number: u64,
    pub(crate) kind: Attack,
    pub(crate) starts_at: i64,
    pub(crate) orders: u32,
    key: u64,
}

/// All campaigns of a run in the order of their beginning. There is one for about 50 of attackers' orders.
pub(crate) fn campaigns(people: People) -> Vec<Campaign> {
    let mut random = Random::of(key(&[people.seed, 2_000]));
    let mut campaigns = Vec::new();
    for (kind, per_mille, least, most) in CAMPAIGNS {
        let mut left = people.orders * PER_MILLE * per_mille / 1_000_000;
        while left > 0 {
            let orders = u64::from(random.count(least, most)).min(left);
            left -= orders;
            let starts_at = starts_at(people, kind, &mut random);
            let orders = u32::try_from(orders).expect("at most what one campaign has");
            campaigns.push(Campaign { number: 0, kind, starts_at, orders, key: random.key() });
        }
    }
    campaigns.sort_by_key(|campaign| (campaign.starts_at, campaign.key));
    for (number, campaign) in (1..).zip(&mut campaigns) {
        campaign.number = number;
    }
    campaigns
}

/// The attacks of a small shop's day: somebody new every two hours or so.
pub(crate) fn campaigns_of_a_day(people: People) -> Vec<Campaign> {
    let mut random = Random::of(key(&[people.seed, 2_100]));
    let campaigns = (1..).zip(OF_A_DAY).map(|(number, (kind, minute, orders))| {
        let starts_at = people.calendar.start() + minute * MINUTE + random.between(0, 10 * MINUTE);
        Campaign { number, kind, starts_at, orders, key: random.key() }
    });
    campaigns.collect()
}

/// Bots and segment holders want what is limited and come when it is on sale; who hides comes when everybody does.
fn starts_at(people: People, kind: Attack, random: &mut Random) -> i64 {
    let calendar = people.calendar;
    let days = calendar.minutes() / (24 * 60);
    match kind {
        Attack::Bot => calendar.at_sale(random, 15 * MINUTE),
        Attack::SegmentHolder => calendar.at_sale(random, HOUR),
        Attack::SlowScalper => calendar.by_day(random, days / 2),
        Attack::HijackedAccount if days > 1 => calendar.by_day(random, days),
        Attack::AccountFarm | Attack::HoardingDistributor | Attack::HijackedAccount | Attack::Crawler => {
            calendar.by_day(random, days)
        }
    }
}

impl Campaign {
    /// Its orders in the order of their time.
    pub(crate) fn purchases(self, people: People) -> Vec<Purchase> {
        let mut random = Random::of(self.key);
        let mut purchases = match self.kind {
            Attack::Bot => crowds::bots(self, &mut random),
            Attack::AccountFarm => crowds::farm(self, &mut random),
            Attack::SegmentHolder => crowds::segment(self, &mut random),
            Attack::HoardingDistributor => patient::distributor(self, people, &mut random),
            Attack::SlowScalper => patient::scalper(self, &mut random),
            Attack::HijackedAccount => patient::hijacker(self, people, &mut random),
            Attack::Crawler => patient::crawler(self, &mut random),
        };
        purchases.sort_by_key(|purchase| purchase.at);
        purchases
    }
}

/// An account that was made or bought for the purpose, by its number in the campaign.
fn account(campaign: Campaign, number: u64, virtual_per_mille: u64, age: (i64, i64)) -> Buyer {
    let mut random = Random::of(key(&[campaign.key, 1, number]));
    let phone =
        if random.happens(virtual_per_mille) { Phone::Virtual(random.key()) } else { Phone::Mobile(random.key()) };
    let registered_at = campaign.starts_at - random.between(age.0, age.1);
    Buyer { account: random.key(), phone, level: Some(0), registered_at: Some(registered_at) }
}

/// One of the few places where the goods are collected. Each flat has a number of its own, and the couriers are in the know.
fn drop_point(campaign: Campaign, number: u64) -> Recipient {
    let mut random = Random::of(key(&[campaign.key, 2]));
    let region = crate::places::region(&mut random);
    let door = key(&[campaign.key, 3, number]);
    Recipient { address: Address::new(region, door), phone: Phone::Mobile(door) }
}

/// What is limited, of one kind for the whole campaign.
fn limited(campaign: Campaign, quantity: u32) -> Vec<Item> {
    let goods = u32::try_from(campaign.key % u64::from(LIMITED_GOODS)).expect("below the goods");
    vec![Item { goods, quantity }]
}

/// Paid in so many cases of a thousand; otherwise left to lapse.
fn paid_or_not(random: &mut Random, at: i64, paid_per_mille: u64) -> Course {
    if random.happens(paid_per_mille) {
        let pays_in = random.between(5_000, 3 * MINUTE);
        Course::bought(random, at, pays_in)
    } else {
        Course::lapsed(at)
    }
}
