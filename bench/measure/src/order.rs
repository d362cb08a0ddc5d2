//! The orders that are sent: the same for every target, from nothing but their number and the time of the first.
//!
//! Five thousand customers with a phone and a home each order from four thousand devices and 1,757 networks, one order a
//! second in event time. Every tenth order goes to another address, and every fiftieth is placed ten seconds after its
//! customer registered, which Orderlight's default rulebook holds back; the rest passes.

use anyhow::Context;
use bytes::Bytes;
use chrono::{DateTime, SecondsFormat, TimeDelta, Utc};
use clap::{Args, ValueEnum};
use serde::Serialize;

/// The most orders of one run: their bodies are held in memory.
pub const ORDERS_MAX: u64 = 2_000_000;

/// Event time between two orders.
const STEP: TimeDelta = TimeDelta::seconds(1);
const AMOUNT_FEN: i64 = 19_900;

/// In which form an order is written down.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub enum Form {
    /// The body of Orderlight's `POST /v1/orders`
    Orderlight,
    /// The body of the peer's `POST /orders`
    Peer,
    /// A line for `orderlight import`
    #[value(skip)]
    Notice,
}

/// Which orders, for the command line.
#[derive(Args, Clone, Copy, Debug, Default)]
pub struct Row {
    /// Number of the first order
    #[arg(long, default_value_t = 0)]
    first: u64,
    /// When order number 0 was placed, in Unix seconds; without it, so that the last order of the row is placed now
    #[arg(long)]
    zero_at: Option<i64>,
}

/// A row of orders.
pub struct Orders {
    first: u64,
    count: u64,
    first_at: DateTime<Utc>,
}

impl Orders {
    /// So many orders.
    ///
    /// # Errors
    /// When their numbers or times are out of bounds, or the last of them would be placed in the future.
    pub fn new(row: Row, count: u64) -> anyhow::Result<Self> {
        let now = Utc::now();
        let first_at = match row.zero_at {
            None => now - STEP * i32::try_from(count)?,
            Some(seconds) => {
                let zero_at = DateTime::from_timestamp(seconds, 0).context("no moment that can be written")?;
                zero_at + STEP * i32::try_from(row.first)?
            }
        };
        anyhow::ensure!(first_at + STEP * i32::try_from(count)? <= now, "the last orders would be of the future");
        Ok(Self { first: row.first, count, first_at })
    }

    /// Their written forms.
    ///
    /// # Errors
    /// When they cannot be written or held.
    pub fn bodies(&self, form: Form) -> anyhow::Result<Vec<Bytes>> {
        let mut at = self.first_at;
        let mut bodies = Vec::with_capacity(usize::try_from(self.count)?);
        for number in self.first..self.first + self.count {
            bodies.push(body(number, at, form)?);
            at += STEP;
        }
        Ok(bodies)
    }
}

fn body(number: u64, at: DateTime<Utc>, form: Form) -> serde_json::Result<Bytes> {
    let json = match form {
        Form::Peer => serde_json::to_vec(&peer_order(number, at)),
        Form::Orderlight => serde_json::to_vec(&order(number, at)),
        Form::Notice => serde_json::to_vec(&Notice {
            kind: "placed",
            message_id: format!("m-{number:012}"),
            order: order(number, at),
        }),
    };
    json.map(Bytes::from)
}

/// What identifies the people and places of an order.
struct Subjects {
    customer: u64,
    device: u64,
    ip: String,
    phone: String,
    address: u64,
    level: u64,
}

fn subjects(number: u64) -> Subjects {
    let customer = number % 5_000;
    let is_away = number % 10 == 3;
    Subjects {
        customer,
        device: number % 4_000,
        ip: format!("10.{}.{}.{}", number % 7, number % 251, number % 253),
        phone: format!("138{customer:08}"),
        address: if is_away { 5_000 + number % 1_000 } else { customer },
        level: number % 6,
    }
}

/// The peer's form.
#[derive(Serialize)]
struct PeerOrder {
    channel: &'static str,
    order_no: String,
    customer: String,
    device: String,
    ip: String,
    phone: String,
    address: String,
    amount: i64,
    level: u64,
    at: String,
}

fn peer_order(number: u64, at: DateTime<Utc>) -> PeerOrder {
    let Subjects { customer, device, ip, phone, address, level } = subjects(number);
    PeerOrder {
        channel: "douyin",
        order_no: format!("{number:012}"),
        customer: format!("c{customer}"),
        device: format!("dev{device}"),
        ip,
        phone,
        address: format!("addr-{address}"),
        amount: AMOUNT_FEN,
        level,
        at: written(at),
    }
}

#[derive(Serialize)]
struct Notice {
    kind: &'static str,
    message_id: String,
    order: Order,
}

/// Orderlight's form, with all that a shop usually knows.
#[derive(Serialize)]
struct Order {
    channel: &'static str,
    order_no: String,
    placed_at: String,
    currency: &'static str,
    amount: i64,
    lines: [Line; 1],
    customer: Customer,
    delivery: Delivery,
    device: Device,
    ip: String,
}

#[derive(Serialize)]
struct Line {
    sku: String,
    title: &'static str,
    quantity: u32,
    unit_price: i64,
}

#[derive(Serialize)]
struct Customer {
    id: String,
    name: String,
    phone: String,
    level: u64,
    registered_at: String,
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
    postcode: &'static str,
}

#[derive(Serialize)]
struct Device {
    id: String,
    user_agent: &'static str,
}

fn order(number: u64, at: DateTime<Utc>) -> Order {
    let Subjects { customer, device, ip, phone, address, level } = subjects(number);
    let registered_ago = if number % 50 == 7 { TimeDelta::seconds(10) } else { TimeDelta::days(400) };
    Order {
        channel: "douyin",
        order_no: format!("{number:012}"),
        placed_at: written(at),
        currency: "CNY",
        amount: AMOUNT_FEN,
        lines: [Line { sku: format!("SKU-{}", number % 300), title: "面膜", quantity: 1, unit_price: AMOUNT_FEN }],
        customer: Customer {
            id: format!("c{customer}"),
            name: format!("客户{customer}"),
            phone: phone.clone(),
            level,
            registered_at: written(at - registered_ago),
        },
        delivery: Delivery {
            recipient: format!("客户{customer}"),
            phone,
            country: "CN",
            province: "浙江省",
            city: "杭州市",
            district: "西湖区",
            street: format!("文三路 {address} 号"),
            postcode: "310000",
        },
        device: Device { id: format!("dev{device}"), user_agent: "Mozilla/5.0 (Linux; Android 14) Mobile" },
        ip,
    }
}

fn written(at: DateTime<Utc>) -> String {
    at.to_rfc3339_opts(SecondsFormat::Millis, true)
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    fn read(form: Form, number: u64) -> Value {
        serde_json::from_slice(&body(number, DateTime::default() + TimeDelta::days(1_000), form).unwrap()).unwrap()
    }

    #[test]
    fn both_sides_get_the_same_facts() {
        for number in [0, 3, 7, 123_456] {
            let (ours, peer) = (read(Form::Orderlight, number), read(Form::Peer, number));
            assert_eq!(ours["order_no"], peer["order_no"]);
            assert_eq!(ours["placed_at"], peer["at"]);
            assert_eq!(ours["customer"]["id"], peer["customer"]);
            assert_eq!(ours["customer"]["phone"], peer["phone"]);
            assert_eq!(ours["device"]["id"], peer["device"]);
            assert_eq!(ours["ip"], peer["ip"]);
            assert_eq!(ours["amount"], peer["amount"]);
        }
    }

    #[test]
    fn a_line_of_a_file_holds_the_order_that_is_sent_over_http() {
        assert_eq!(read(Form::Notice, 42)["order"], read(Form::Orderlight, 42));
    }

    #[test]
    fn every_tenth_order_goes_to_another_address_than_the_customers_home() {
        let away = (0..1_000).filter(|number| subjects(*number).address >= 5_000).count();
        assert_eq!(away, 100);
    }

    #[test]
    fn the_last_order_is_placed_before_the_clock_of_the_run_starts() {
        let orders = Orders::new(Row::default(), 10).unwrap();
        let bodies = orders.bodies(Form::Peer).unwrap();
        let last: Value = serde_json::from_slice(&bodies[9]).unwrap();
        let at: DateTime<Utc> = last["at"].as_str().unwrap().parse().unwrap();
        assert_eq!(bodies.len(), 10);
        assert!(at < Utc::now());
    }

    #[test]
    fn an_order_is_the_same_whichever_row_it_stands_in() {
        let bodies = |first| Orders::new(Row { first, zero_at: Some(1_790_000_000) }, 10).unwrap().bodies(Form::Notice);
        assert_eq!(bodies(0).unwrap()[7], bodies(5).unwrap()[2]);
    }
}
