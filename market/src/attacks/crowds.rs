//! Attacks that win by number: scripts, farms of accounts, rented networks.

use super::{Campaign, account, drop_point, limited, paid_or_not};
use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::course::Course;
use crate::places::{self, Address};
use crate::purchase::{Phone, Purchase, Recipient};
use crate::random::{Random, key};

/// How a script hides.
#[derive(Clone, Copy)]
enum Disguise {
    /// Many accounts on one machine.
    Accounts,
    /// None: one account on one machine.
    Nothing,
    /// A device made up for each order, behind one address of the internet.
    Devices,
}

/// Seconds between orders, to a few places where the goods are collected.
pub(super) fn bots(campaign: Campaign, random: &mut Random) -> Vec<Purchase> {
    let disguise = random.weighted(&[(Disguise::Accounts, 45), (Disguise::Nothing, 30), (Disguise::Devices, 25)]);
    let (accounts, drops) = match disguise {
        Disguise::Accounts => (u64::from(campaign.orders), random.below(6) + 3),
        Disguise::Nothing => (1, random.below(3) + 1),
        Disguise::Devices => (random.below(6) + 5, random.below(4) + 1),
    };
    let age = if random.happens(500) { (20 * SECOND, 2 * HOUR) } else { (5 * DAY, 200 * DAY) };
    let (proxy, machine) = (random.key(), random.key());
    let mut at = campaign.starts_at;
    (0..u64::from(campaign.orders))
        .map(|number| {
            at += random.between(SECOND, 7 * SECOND);
            Purchase {
                at,
                channel: random.weighted(&[("web", 70), ("wechat", 30)]),
                buyer: Some(account(campaign, number % accounts, 500, age)),
                to: Some(drop_point(campaign, random.below(drops))),
                device: Some(if matches!(disguise, Disguise::Devices) { random.key() } else { machine }),
                ip: Some(places::rented(proxy, random.below(3))),
                basket: limited(campaign, random.count(1, 3)),
                course: paid_or_not(random, at, 120),
            }
        })
        .collect()
}

/// A rack of phones, each with some accounts made in the last day, each of which orders once or twice.
pub(super) fn farm(campaign: Campaign, random: &mut Random) -> Vec<Purchase> {
    let on_each = random.below(9) + 4;
    let devices = u64::from(campaign.orders).div_ceil(on_each);
    let drops = random.below(16) + 5;
    let own_lines = random.happens(400);
    let lasts = random.between(10 * MINUTE, 90 * MINUTE);
    (0..u64::from(campaign.orders))
        .map(|number| {
            let device = number % devices;
            let again = random.happens(150);
            let which = if again { number / 2 / devices * devices + device } else { number };
            let at = campaign.starts_at + random.between(0, lasts);
            let ip = if own_lines {
                places::home_line(key(&[campaign.starts_at.cast_unsigned(), device]), at)
            } else {
                places::rented(campaign.number, device % 4)
            };
            Purchase {
                at,
                channel: random.weighted(&[("web", 50), ("wechat", 50)]),
                buyer: Some(account(campaign, which, 600, (MINUTE, DAY))),
                to: Some(drop_point(campaign, random.below(drops))),
                device: Some(key(&[campaign.starts_at.cast_unsigned(), campaign.number, device])),
                ip: Some(ip),
                basket: limited(campaign, 1),
                course: paid_or_not(random, at, 200),
            }
        })
        .collect()
}

/// Holds what is limited until it lapses: every order from another host of one block, from a new device, unpaid, to made-up addresses.
pub(super) fn segment(campaign: Campaign, random: &mut Random) -> Vec<Purchase> {
    let lasts = random.between(8 * MINUTE, 25 * MINUTE);
    let accounts = u64::from(campaign.orders).div_ceil(2);
    let age = if random.happens(600) { (MINUTE, DAY) } else { (DAY, 90 * DAY) };
    let block = random.key();
    (0..u64::from(campaign.orders))
        .map(|_| {
            let at = campaign.starts_at + random.between(0, lasts);
            let account_number = random.below(accounts);
            let made_up = Recipient { address: Address::anywhere(random), phone: Phone::Mobile(random.key()) };
            Purchase {
                at,
                channel: random.weighted(&[("web", 80), ("wechat", 20)]),
                buyer: Some(account(campaign, account_number, 450, age)),
                to: Some(made_up),
                device: Some(if random.happens(700) { random.key() } else { key(&[block, random.below(12)]) }),
                ip: Some(places::rented(block, random.below(254))),
                basket: limited(campaign, random.count(2, 5)),
                course: Course::lapsed(at),
            }
        })
        .collect()
}
