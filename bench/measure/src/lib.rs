//! What all measuring programs share: the orders, the pace at which they are sent, and the figures that come of it.

mod figures;
mod lag;
mod order;
mod pace;
mod plain;

pub use figures::Figures;
pub use lag::{Lag, Look};
pub use order::{Form, ORDERS_MAX, Orders, Row};
pub use pace::{Pace, Sender, run};
pub use plain::{PlainOrder, plain_orders};
