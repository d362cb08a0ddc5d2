//! Attacks that look like customers: dealers, scalpers, stolen accounts, and programs that only look.

use super::{Campaign, account, drop_point, limited, paid_or_not};
use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::course::Course;
use crate::kind::Honest;
use crate::people::People;
use crate::places::{self, Address};
use crate::purchase::{Item, Phone, Purchase, Recipient, basket};
use crate::random::{Random, key};

/// A dealer with the accounts of an office, who pays, and has it all sent to one or two warehouses.
pub(super) fn distributor(campaign: Campaign, people: People, random: &mut Random) -> Vec<Purchase> {
    let accounts: Vec<_> =
        (0..random.below(7) + 3).map(|_| people.person(Honest::Wholesaler, random.key() >> 1)).collect();
    let warehouses = random.below(2) + 1;
    let office = random.key();
    let mut at = campaign.starts_at;
    (0..campaign.orders)
        .map(|_| {
            at += random.between(2 * MINUTE, 20 * MINUTE);
            let person = random.pick(&accounts);
            Purchase {
                at,
                channel: random.weighted(&[("web", 60), ("wechat", 40)]),
                buyer: Some(person.buyer()),
                to: Some(drop_point(campaign, random.below(warehouses))),
                device: Some(key(&[office, random.below(4)])),
                ip: Some(places::shared_line(office, 0)),
                basket: limited(campaign, random.count(8, 50)),
                course: paid_or_not(random, at, 900),
            }
        })
        .collect()
}

/// A few a day, through accounts with some months behind them, on a few phones, to variants of a few addresses.
pub(super) fn scalper(campaign: Campaign, random: &mut Random) -> Vec<Purchase> {
    let accounts = random.below(10) + 6;
    let (phones, drops) = (random.below(3) + 2, random.below(3) + 1);
    let base = random.key();
    let mut at = campaign.starts_at;
    (0..campaign.orders)
        .map(|_| {
            at += random.between(30 * MINUTE, 4 * HOUR);
            let number = random.below(accounts);
            let device = key(&[base, number % phones]);
            Purchase {
                at,
                channel: random.weighted(&[("web", 40), ("wechat", 60)]),
                buyer: Some(account(campaign, number, 400, (3 * DAY, 120 * DAY))),
                to: Some(drop_point(campaign, random.below(drops))),
                device: Some(device),
                ip: Some(places::phone_network(0, device, at)),
                basket: limited(campaign, random.count(1, 2)),
                course: paid_or_not(random, at, 700),
            }
        })
        .collect()
}

/// A customer's account on a machine that it never saw, paid with what is stored in it, sent to people who pass it on.
pub(super) fn hijacker(campaign: Campaign, people: People, random: &mut Random) -> Vec<Purchase> {
    let victim = people.meet(random, Honest::Ordinary, 470);
    let (machine, proxy) = (random.key(), random.key());
    let mut at = campaign.starts_at;
    (0..campaign.orders)
        .map(|_| {
            at += random.between(15 * SECOND, 2 * MINUTE);
            let mule = Recipient { address: Address::anywhere(random), phone: Phone::Mobile(random.key()) };
            let mut goods = basket(random);
            goods.extend(limited(campaign, random.count(1, 3)));
            Purchase {
                at,
                channel: "web",
                buyer: Some(victim.buyer()),
                to: Some(mule),
                device: Some(machine),
                ip: Some(places::rented(proxy, 1)),
                basket: goods,
                course: if random.happens(800) { Course::charged_back(random, at) } else { Course::lapsed(at) },
            }
        })
        .collect()
}

/// Orders one of everything to learn prices and stock, and calls it off at once. Half of them show no device.
pub(super) fn crawler(campaign: Campaign, random: &mut Random) -> Vec<Purchase> {
    let (accounts, hosts) = (random.below(3) + 1, random.below(4) + 1);
    let machine = random.happens(500).then(|| random.key());
    let proxy = random.key();
    let mut at = campaign.starts_at;
    (0..u64::from(campaign.orders))
        .map(|number| {
            at += random.between(3 * SECOND, 15 * SECOND);
            let goods = u32::try_from(number % 400).expect("below the goods");
            let after = random.between(5 * SECOND, MINUTE);
            Purchase {
                at,
                channel: "web",
                buyer: Some(account(campaign, random.below(accounts), 500, (HOUR, 60 * DAY))),
                to: Some(drop_point(campaign, 0)),
                device: machine,
                ip: Some(places::rented(proxy, random.below(hosts))),
                basket: vec![Item { goods, quantity: 1 }],
                course: Course::cancelled(at, after),
            }
        })
        .collect()
}
