//! One order as it is placed, and its lines as systems send them.

use std::net::IpAddr;

use domain::time::Timestamp;
use serde::Serialize;

use crate::calendar::MINUTE;
use crate::course::{Course, Step};
use crate::places::Address;
use crate::random::{Random, key};

/// How long an unpaid order stays open, except at a till.
pub(crate) const PAYMENT_DUE: i64 = 30 * MINUTE;

/// Goods by number: those below this are limited, and on sale at certain hours.
pub(crate) const LIMITED_GOODS: u32 = 12;
const GOODS: u32 = 400;

/// An order in the making.
#[derive(Clone, Debug)]
pub(crate) struct Purchase {
    pub(crate) at: i64,
    pub(crate) channel: &'static str,
    pub(crate) buyer: Option<Buyer>,
    pub(crate) to: Option<Recipient>,
    pub(crate) device: Option<u64>,
    pub(crate) ip: Option<IpAddr>,
    pub(crate) basket: Vec<Item>,
    pub(crate) course: Course,
}

/// Who buys, as far as the channel tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Buyer {
    pub(crate) account: u64,
    pub(crate) phone: Phone,
    pub(crate) level: Option<u32>,
    pub(crate) registered_at: Option<i64>,
}

/// Whose parcel it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Recipient {
    pub(crate) address: Address,
    pub(crate) phone: Phone,
}

/// A number, by its kind and the key it is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Phone {
    Mobile(u64),
    Virtual(u64),
    /// One that a platform made for this order.
    Privacy(u64),
}

/// So many of one of the goods.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Item {
    pub(crate) goods: u32,
    pub(crate) quantity: u32,
}

const MOBILE_PREFIXES: [&str; 16] =
    ["130", "131", "132", "135", "136", "137", "138", "139", "150", "151", "158", "159", "176", "177", "186", "188"];
const VIRTUAL_PREFIXES: [&str; 5] = ["162", "165", "167", "170", "171"];
const FAMILY_NAMES: [&str; 12] = ["王", "李", "张", "刘", "陈", "杨", "赵", "黄", "周", "吴", "徐", "孙"];
const GIVEN_NAMES: [&str; 12] = ["伟", "芳", "娜", "敏", "静", "强", "磊", "军", "洋", "秀英", "建国", "小红"];
const AGENTS: [&str; 5] = [
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X)",
    "Mozilla/5.0 (Linux; Android 15; V2408A)",
    "Mozilla/5.0 (Linux; Android 14; 23127PN0CC)",
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64)",
    "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7)",
];

impl Phone {
    pub(crate) fn number(self) -> String {
        match self {
            Self::Mobile(key) => digits(key, &MOBILE_PREFIXES),
            Self::Virtual(key) => digits(key, &VIRTUAL_PREFIXES),
            Self::Privacy(key) => format!("{}-{:04}", digits(key % 5_000, &["184"]), key / 5_000 % 10_000),
        }
    }
}

fn digits(of: u64, prefixes: &[&str]) -> String {
    let mut random = Random::of(of);
    format!("{}{:08}", random.pick(prefixes), random.below(100_000_000))
}

/// One thing, or a few, of what a shop has; what is in demand is bought more.
pub(crate) fn basket(random: &mut Random) -> Vec<Item> {
    let lines = random.weighted(&[(1, 65), (2, 22), (3, 9), (5, 4)]);
    (0..lines)
        .map(|_| {
            let goods = random.below(u64::from(GOODS)) * random.below(u64::from(GOODS)) / u64::from(GOODS);
            Item {
                goods: u32::try_from(goods).expect("below the goods"),
                quantity: random.weighted(&[(1, 80), (2, 15), (4, 5)]),
            }
        })
        .collect()
}

/// Minor units, with prices of CNY 9 to 999 and limited goods at 1,499.
fn price(goods: u32) -> i64 {
    if goods < LIMITED_GOODS { 149_900 } else { Random::of(key(&[u64::from(goods), 77])).between(9, 999) * 100 - 10 }
}

#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Notice<'a> {
    Placed { message_id: String, order: Box<Order<'a>> },
    Status { order_id: &'a str, status: &'static str, occurred_at: Timestamp, source: &'static str, message_id: String },
}

#[derive(Serialize)]
struct Order<'a> {
    channel: &'static str,
    order_no: &'a str,
    placed_at: Timestamp,
    currency: &'static str,
    amount: i64,
    lines: Vec<Line>,
    #[serde(skip_serializing_if = "Option::is_none")]
    customer: Option<Customer>,
    #[serde(skip_serializing_if = "Option::is_none")]
    delivery: Option<Delivery>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device: Option<Device>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip: Option<IpAddr>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payment_due_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Line {
    sku: String,
    quantity: u32,
    unit_price: i64,
}

#[derive(Serialize)]
struct Customer {
    id: String,
    phone: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    registered_at: Option<Timestamp>,
}

#[derive(Serialize)]
struct Delivery {
    recipient: String,
    phone: String,
    country: &'static str,
    province: &'static str,
    city: &'static str,
    district: &'static str,
    street: String,
}

#[derive(Serialize)]
struct Device {
    id: String,
    user_agent: &'static str,
}

impl Purchase {
    /// The line that tells of the order.
    pub(crate) fn line(&self, order_no: &str) -> String {
        let lines: Vec<Line> = self
            .basket
            .iter()
            .map(|item| Line {
                sku: format!("SKU-{:03}", item.goods),
                quantity: item.quantity,
                unit_price: price(item.goods),
            })
            .collect();
        let notice = Notice::Placed {
            message_id: format!("placed-{order_no}"),
            order: Box::new(Order {
                channel: self.channel,
                order_no,
                placed_at: Timestamp::from_millis(self.at),
                currency: "CNY",
                amount: lines.iter().map(|line| i64::from(line.quantity) * line.unit_price).sum(),
                lines,
                customer: self.buyer.map(Buyer::told),
                delivery: self.to.map(Recipient::told),
                device: self.device.map(device),
                ip: self.ip,
                payment_due_at: (self.channel != "store").then(|| Timestamp::from_millis(self.at + PAYMENT_DUE)),
            }),
        };
        serde_json::to_string(&notice).expect("plain data has a JSON form")
    }
}

/// The line that tells of one step in an order's course.
pub(crate) fn status_line(order_id: &str, step: Step) -> String {
    let order_no = order_id.rsplit(':').next().unwrap_or_default();
    let status = step.status();
    let notice = Notice::Status {
        order_id,
        status,
        occurred_at: Timestamp::from_millis(step.at()),
        source: step.source(),
        message_id: format!("{status}-{order_no}"),
    };
    serde_json::to_string(&notice).expect("plain data has a JSON form")
}

impl Buyer {
    fn told(self) -> Customer {
        Customer {
            id: format!("u-{:016x}", self.account),
            phone: self.phone.number(),
            level: self.level,
            registered_at: self.registered_at.map(Timestamp::from_millis),
        }
    }
}

impl Recipient {
    fn told(self) -> Delivery {
        let Self { address, phone } = self;
        let mut random = Random::of(key(&[address.door, 5]));
        Delivery {
            recipient: format!("{}{}", random.pick(&FAMILY_NAMES), random.pick(&GIVEN_NAMES)),
            phone: phone.number(),
            country: "CN",
            province: address.province(),
            city: address.city(),
            district: address.district(),
            street: address.street(),
        }
    }
}

fn device(id: u64) -> Device {
    Device { id: format!("d-{id:016x}"), user_agent: Random::of(id).pick(&AGENTS) }
}
