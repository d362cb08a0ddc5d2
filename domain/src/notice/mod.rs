//! Notices: messages about orders from the outside, in canonical form, with the personal data still in them.
//!
//! Channels and the API make them; [`tokenise`] turns their facts into what the log may hold.

mod fields;
mod limits;
mod mask;
mod place;
mod read;
mod tokenise;

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

use crate::ids::OrderId;
use crate::order::{Line, Status};
use crate::time::Timestamp;

pub use limits::{MESSAGE_ID_BYTES_MAX, SOURCE_BYTES_MAX, validate};
pub use mask::{mask_name, mask_phone, mask_street};
pub use read::{read_amendment, read_delivery, read_notice, read_notice_at, read_order, read_status};
pub use tokenise::{
    PersonalData, Tokeniser, address_token, customer_token, device_token, ip_facts, phone_facts, subject, tokenise,
};

/// The largest amount and unit price, in minor units: sums of millions of orders stay far from overflow.
pub const AMOUNT_MAX: i64 = 1_000_000_000_000;
/// The largest quantity of one line.
pub const QUANTITY_MAX: u32 = 1_000_000;
/// The most lines of one order.
pub const LINES_MAX: usize = 200;
/// The highest customer level.
pub const LEVEL_MAX: u32 = 1_000;
/// The longest text field, in bytes.
pub const TEXT_BYTES_MAX: usize = 512;

/// One message about an order.
#[derive(Clone, PartialEq, Debug)]
pub struct Notice {
    /// Which order.
    pub order: OrderId,
    /// When what it says happened, by the sender's clock; `None` where the message does not say.
    /// What does not say it is from its arrival, and facts that place an order are from `placed_at`.
    pub occurred_at: Option<Timestamp>,
    /// The number that tells this message from others of its source; `None` where it has none.
    pub message_id: Option<String>,
    /// What it says.
    pub content: Content,
}

/// What a notice says.
#[derive(Clone, PartialEq, Debug)]
pub enum Content {
    /// The order exists, with these facts.
    Placed(OrderFacts),
    /// These facts of the order are new or different.
    Amended(OrderFacts),
    /// The order is so far.
    Status {
        /// Who says so; `None` takes the source of the delivery.
        source: Option<String>,
        /// How far.
        status: Status,
        /// How much is paid back now, in minor units, where it says so: whether that is all, the order knows.
        refunded: Option<i64>,
    },
}

impl Content {
    /// The word for it in the API.
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::Placed(_) => "placed",
            Self::Amended(_) => "amended",
            Self::Status { .. } => "status",
        }
    }
}

/// All that a message can say about an order; an absent field is not said.
#[derive(Clone, PartialEq, Debug, Default, Serialize)]
pub struct OrderFacts {
    /// When it was placed.
    pub placed_at: Option<Timestamp>,
    /// The number people see, where it is not the order number.
    pub display_no: Option<String>,
    /// ISO 4217, three capital letters.
    pub currency: Option<String>,
    /// Minor units, 0 to [`AMOUNT_MAX`].
    pub amount: Option<i64>,
    /// One to [`LINES_MAX`] lines.
    pub lines: Option<Vec<Line>>,
    /// The buyer.
    pub customer: Option<Customer>,
    /// Where it goes.
    pub delivery: Option<Delivery>,
    /// The device it was placed with.
    pub device: Option<Device>,
    /// The address it was placed from.
    pub ip: Option<IpAddr>,
    /// Until when it must be paid.
    pub payment_due_at: Option<Timestamp>,
}

impl OrderFacts {
    /// Whether nothing is said.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// The buyer.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Customer {
    /// The merchant's id of the customer, the same over all channels.
    pub id: Option<String>,
    /// The name.
    pub name: Option<String>,
    /// The number, in any notation.
    pub phone: Option<String>,
    /// The merchant's own level, 0 to [`LEVEL_MAX`].
    pub level: Option<u32>,
    /// Since when the customer is one.
    pub registered_at: Option<Timestamp>,
}

/// Where it goes.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Delivery {
    /// The name on the parcel.
    pub recipient: Option<String>,
    /// The recipient's number, in any notation.
    pub phone: Option<String>,
    /// ISO 3166 alpha-2, two capital letters.
    pub country: Option<String>,
    /// The province.
    pub province: Option<String>,
    /// The city.
    pub city: Option<String>,
    /// The district.
    pub district: Option<String>,
    /// Street and number.
    pub street: Option<String>,
    /// The postcode.
    pub postcode: Option<String>,
}

/// The device it was placed with.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Device {
    /// What identifies it.
    pub id: Option<String>,
    /// What its browser says of itself.
    pub user_agent: Option<String>,
}
