//! What every proof stands on: the program as a process, the service over HTTP, its log read back, and made-up traffic.

pub(crate) mod orders;
pub(crate) mod process;
pub(crate) mod reader;
pub(crate) mod receiver;
pub(crate) mod service;
pub(crate) mod shop;
pub(crate) mod store;
pub(crate) mod traffic;
