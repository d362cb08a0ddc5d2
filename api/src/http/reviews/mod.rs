//! Reviews: people's looks at orders. The queue is a read model and shows what was so a moment ago; who holds an order and what becomes
//! of it is decided by the engine alone.

pub mod bulk;
pub mod claim;
pub mod decision;
pub mod desk;
pub mod give_back;
mod linked;
pub mod list;
pub mod next;
pub mod reasons;
pub mod reopen;
pub mod view;
