//! What honest customers do when they come: one visit, one or more orders.

use std::net::IpAddr;

use crate::calendar::{DAY, HOUR, MINUTE, SECOND};
use crate::course::{Course, human_payment};
use crate::kind::Honest;
use crate::people::{People, Person, new_account_age};
use crate::places::{self, Address};
use crate::purchase::{Item, LIMITED_GOODS, Phone, Purchase, Recipient, basket};
use crate::random::{Random, key};

/// Visits of an ordinary day, in a thousand. Those who come because the sale begins are [`Honest::MidnightRush`].
pub(crate) const VISITS: [(Honest, u32); 12] = [
    (Honest::Ordinary, 470),
    (Honest::New, 90),
    (Honest::Vip, 40),
    (Honest::GiftSender, 25),
    (Honest::Household, 90),
    (Honest::Dormitory, 50),
    (Honest::StoreTill, 60),
    (Honest::Mover, 20),
    (Honest::PlatformPrivacy, 90),
    (Honest::VirtualCarrier, 30),
    (Honest::Wholesaler, 5),
    (Honest::Abandoner, 30),
];
/// Shops that the merchant has, each with a few tills.
const STORES: u64 = 30;
const TILLS: u64 = 4;
const CAMPUSES: u64 = 40;

/// Where own shops sell.
fn own_channel(random: &mut Random) -> &'static str {
    random.weighted(&[("web", 45), ("wechat", 45), ("shopify", 10)])
}

/// The orders of one visit, which begins at `at`, in the order of their time.
pub(crate) fn visit(people: People, kind: Honest, at: i64, random: &mut Random) -> Vec<Purchase> {
    let share = VISITS.iter().find(|(known, _)| *known == kind).map_or(470, |(_, share)| u64::from(*share));
    let person = people.meet(random, kind, share);
    match kind {
        Honest::Ordinary | Honest::VirtualCarrier => usual(person, at, random),
        Honest::Vip => vip(person, at, random),
        Honest::New => new(people, at, random),
        Honest::GiftSender => gifts(people, person, at, random),
        Honest::Household => household(people, person, at, random),
        Honest::Dormitory => dormitory(people, person, at, random),
        Honest::StoreTill => vec![till(person, at, random)],
        Honest::Mover => moving(people, person, at, random),
        Honest::PlatformPrivacy => platform(person, at, random),
        Honest::Wholesaler => wholesale(people, person, at, random),
        Honest::Abandoner => second_thoughts(person, at, random),
        Honest::MidnightRush => rush(people, at, random),
    }
}

/// What somebody has in hand during a visit.
struct Visit {
    person: Person,
    channel: &'static str,
    device: u64,
    ip: IpAddr,
}

impl Visit {
    fn of(person: Person, at: i64, random: &mut Random) -> Self {
        let channel = own_channel(random);
        Self { person, channel, device: person.device(random), ip: person.network(random, at) }
    }

    fn order(&self, at: i64, to: Recipient, random: &mut Random) -> Purchase {
        Purchase {
            at,
            channel: self.channel,
            buyer: Some(self.person.buyer()),
            to: Some(to),
            device: Some(self.device),
            ip: Some(self.ip),
            basket: basket(random),
            course: Course::usual(random, at),
        }
    }
}

fn usual(person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let visit = Visit::of(person, at, random);
    let orders = random.weighted(&[(1, 92), (2, 7), (3, 1)]);
    let mut at = at;
    (0..orders)
        .map(|_| {
            let to = person.usual_recipient(random);
            let order = visit.order(at, to, random);
            at += random.between(MINUTE, 20 * MINUTE);
            order
        })
        .collect()
}

fn vip(person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let mut orders = usual(person, at, random);
    for order in &mut orders {
        order.basket.extend(basket(random));
    }
    orders
}

fn new(people: People, at: i64, random: &mut Random) -> Vec<Purchase> {
    let registered_at = at - new_account_age(random);
    let person = people.person(Honest::New, random.key() >> 1).registered(registered_at);
    let visit = Visit::of(person, at, random);
    // Some make a present of their first order.
    let to = if random.happens(50) { people.friend(person, 0) } else { person.at_home() };
    let mut orders = vec![visit.order(at, to, random)];
    if random.happens(80) {
        orders.push(visit.order(at + random.between(2 * MINUTE, 2 * HOUR), person.at_home(), random));
    }
    orders
}

/// Somebody who registers at the checkout, with a virtual operator's number, and buys within half a minute; some send a present on its
/// heels. Nothing is wrong with them, and everything looks so.
pub(crate) fn hasty(people: People, at: i64, random: &mut Random) -> Vec<Purchase> {
    let registered_at = at - random.between(5 * SECOND, 15 * SECOND);
    let mut person = people.person(Honest::New, random.key() >> 1).registered(registered_at);
    person.phone = Phone::Virtual(random.key());
    let visit = Visit { channel: random.weighted(&[("web", 50), ("wechat", 50)]), ..Visit::of(person, at, random) };
    let mut orders = vec![visit.order(at, person.at_home(), random)];
    if random.happens(350) {
        let next = at + random.between(6 * SECOND, 14 * SECOND);
        orders.push(visit.order(next, people.friend(person, 0), random));
    }
    for order in &mut orders {
        let pays_in = human_payment(random);
        order.course = Course::bought(random, order.at, pays_in);
    }
    orders
}

/// One order an address. Who has the addresses at hand from last year takes half a minute for each, who types them takes a minute or two;
/// each is paid for before the next is begun.
fn gifts(people: People, person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let visit = Visit::of(person, at, random);
    let presents = match random.below(100) {
        0..22 => 1,
        22..52 => 2,
        52..75 => 3,
        75..88 => 4,
        88..95 => 5,
        95..99 => random.count(6, 8),
        _ => random.count(9, 14),
    };
    let (least, most) = if random.happens(500) { (30 * SECOND, 90 * SECOND) } else { (60 * SECOND, 200 * SECOND) };
    let first = random.below(20);
    let goods = basket(random);
    let mut at = at;
    (0..u64::from(presents))
        .map(|present| {
            let mut order = visit.order(at, people.friend(person, (first + present) % 20), random);
            if random.happens(600) {
                order.basket.clone_from(&goods);
            }
            let pays_in = random.between(6 * SECOND, 25 * SECOND);
            order.course = Course::bought(random, at, pays_in);
            at += random.between(least, most);
            order
        })
        .collect()
}

/// A family of four with a tablet in the kitchen. Now and then somebody gets an account of their own on it.
fn household(people: People, person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let tablet = key(&[person.roof, 1]);
    let home = |mut order: Purchase, random: &mut Random| {
        if random.happens(450) {
            order.device = Some(tablet);
        }
        if random.happens(700) {
            order.ip = Some(places::home_line(person.roof, order.at));
        }
        order
    };
    let mut orders: Vec<Purchase> = usual(person, at, random).into_iter().map(|order| home(order, random)).collect();
    // One says that there is a sale, and the others follow.
    if random.happens(120) {
        let mut at = at;
        for other in 1..=random.below(3) {
            at += random.between(MINUTE, 15 * MINUTE);
            let mut relative = people.person(Honest::Household, random.key() >> 1);
            (relative.roof, relative.region, relative.home) = (person.roof, person.region, person.home);
            let account = Random::of(key(&[person.roof, 2, (person.member + other) % 4])).key();
            (relative.key, relative.phone) = (account, Phone::Mobile(account));
            if random.happens(80) {
                relative = relative.registered(at - new_account_age(random));
                relative.key = random.key();
            }
            let visit = Visit::of(relative, at, random);
            let order = visit.order(at, relative.at_home(), random);
            orders.push(home(order, random));
        }
    }
    orders
}

/// Six to a room. They have the campus' few addresses in common, order together when postage falls, and lend each other a phone.
fn dormitory(people: People, person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let mates = if random.happens(120) { random.count(2, 5) } else { 1 };
    let lent = random.happens(200).then(|| person.device(random));
    let room = Recipient { address: person.home, phone: person.phone };
    let mut at = at;
    (0..u64::from(mates))
        .map(|mate| {
            let mut student =
                if mate == 0 { person } else { people.person(Honest::Dormitory, room_mate(person, mate)) };
            (student.roof, student.region, student.home) = (person.roof, person.region, person.home);
            if random.happens(60) {
                student = student.registered(at - new_account_age(random));
                student.key = random.key();
            }
            let visit = Visit::of(student, at, random);
            let mut order = visit.order(at, Recipient { phone: student.phone, ..room }, random);
            order.ip = Some(campus_line(people, student, random, at));
            order.device = lent.or(order.device);
            at += random.between(40 * SECOND, 6 * MINUTE);
            order
        })
        .collect()
}

/// One of the campus' few addresses, or a phone's own.
fn campus_line(people: People, student: Person, random: &mut Random, at: i64) -> IpAddr {
    if random.happens(700) {
        let campus = key(&[people.seed, 600, student.roof % CAMPUSES]);
        places::shared_line(campus, student.key)
    } else {
        places::phone_network(student.region, student.key, at)
    }
}

/// Numbers of room mates lie together; here they only have to be the same each time.
fn room_mate(person: Person, mate: u64) -> u64 {
    key(&[person.roof, 700, mate]) >> 1
}

fn till(person: Person, at: i64, random: &mut Random) -> Purchase {
    let (store, till) = (random.below(STORES), random.below(TILLS));
    Purchase {
        at,
        channel: "store",
        buyer: random.happens(600).then(|| person.buyer()),
        to: None,
        device: Some(key(&[store, till, 800])),
        ip: Some(places::home_line(key(&[store, 801]), at)),
        basket: basket(random),
        course: Course::taken_along(at),
    }
}

fn moving(people: People, mut person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let days = people.calendar.minutes() * MINUTE / DAY;
    let moves_at = people.calendar.start() + Random::of(key(&[person.key, 900])).between(0, days) * DAY;
    if at >= moves_at {
        // Most stay in their province, and all furnish.
        let door = key(&[person.key, 901]);
        let region = if door.is_multiple_of(4) { places::region(&mut Random::of(door)) } else { person.region };
        person.home = Address::new(region, door);
    }
    let visit = Visit::of(person, at, random);
    let orders = random.weighted(&[(1, 60), (2, 25), (3, 12), (4, 3)]);
    let mut at = at;
    (0..orders)
        .map(|_| {
            let order = visit.order(at, person.at_home(), random);
            at += random.between(90 * SECOND, 30 * MINUTE);
            order
        })
        .collect()
}

/// A platform tells neither device nor address of the internet, and a number made for the order.
fn platform(person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let channel = random.weighted(&[("douyin", 45), ("tmall", 35), ("jd", 20)]);
    let mut orders = usual(person, at, random);
    for order in &mut orders {
        (order.channel, order.device, order.ip) = (channel, None, None);
        let hidden = Phone::Privacy(random.key() >> 1);
        if let Some(buyer) = &mut order.buyer {
            (buyer.phone, buyer.level, buyer.registered_at) = (hidden, None, None);
        }
        if let Some(to) = &mut order.to {
            to.phone = hidden;
        }
    }
    orders
}

/// For shops of theirs, or, one in seven, straight to customers whose addresses they paste.
fn wholesale(people: People, person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let visit = Visit::of(person, at, random);
    let ships_direct = key(&[person.key, 1_000]).is_multiple_of(7);
    let (orders, least, most) =
        if ships_direct { (random.count(4, 12), 50, 180) } else { (random.count(2, 8), 40, 400) };
    let shops = 1 + key(&[person.key, 1_001]) % 4;
    let mut at = at;
    (0..orders)
        .map(|_| {
            let shop = random.below(if ships_direct { 100_000 } else { shops });
            let mut order = visit.order(at, people.friend(person, shop), random);
            if !ships_direct {
                for item in &mut order.basket {
                    item.quantity *= random.count(5, 40);
                }
            }
            let pays_in = human_payment(random);
            order.course = Course::bought(random, at, pays_in);
            at += random.between(least * SECOND, most * SECOND);
            order
        })
        .collect()
}

/// Orders, sees a better coupon, calls it off and orders again; or lets it lapse.
fn second_thoughts(person: Person, at: i64, random: &mut Random) -> Vec<Purchase> {
    let visit = Visit::of(person, at, random);
    let tries = random.weighted(&[(1, 60), (2, 26), (3, 10), (4, 3), (5, 1)]);
    let mut at = at;
    (1..=tries)
        .map(|attempt| {
            let mut order = visit.order(at, person.at_home(), random);
            let after = random.between(MINUTE, 20 * MINUTE);
            order.course = match random.below(100) {
                // The last try is bought more often than not.
                0..55 if attempt == tries && tries > 1 => Course::bought(random, at, 30 * SECOND),
                0..70 => Course::cancelled(at, after),
                _ => Course::lapsed(at),
            };
            at += after + random.between(30 * SECOND, 30 * MINUTE);
            order
        })
        .collect()
}

/// Customers of every kind who waited for midnight with full carts. Coupons have a minimum each, so carts are split.
fn rush(people: People, at: i64, random: &mut Random) -> Vec<Purchase> {
    let pool = random.weighted(&[
        (Honest::Ordinary, 62),
        (Honest::Vip, 8),
        (Honest::Household, 12),
        (Honest::Dormitory, 8),
        (Honest::VirtualCarrier, 4),
        (Honest::New, 6),
    ]);
    let share = VISITS.iter().find(|(known, _)| *known == pool).map_or(0, |(_, share)| u64::from(*share));
    let mut person = people.meet(random, pool, share);
    if pool == Honest::New {
        person = people.person(pool, random.key() >> 1).registered(at - new_account_age(random));
    }
    let mut visit = Visit::of(person, at, random);
    if pool == Honest::Dormitory {
        visit.ip = campus_line(people, person, random, at);
    }
    let orders = random.weighted(&[(1, 62), (2, 22), (3, 9), (4, 4), (5, 2), (7, 1)]);
    let to = person.usual_recipient(random);
    let mut at = at;
    (0..orders)
        .map(|_| {
            let to = if random.happens(80) { person.usual_recipient(random) } else { to };
            let mut order = visit.order(at, to, random);
            if random.happens(150) {
                let goods = u32::try_from(random.below(u64::from(LIMITED_GOODS))).expect("below the goods");
                order.basket.push(Item { goods, quantity: 1 });
            }
            // Cashiers queue, and many find that the coupon is gone.
            order.course = match random.below(100) {
                0..60 => Course::usual(random, at),
                60..90 => {
                    let pays_in = random.between(30 * SECOND, 12 * MINUTE);
                    Course::bought(random, at, pays_in)
                }
                _ => Course::lapsed(at),
            };
            at += random.between(8 * SECOND, 75 * SECOND);
            order
        })
        .collect()
}
