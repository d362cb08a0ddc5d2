//! Notifications: what other systems are told of orders.

pub mod senders;
