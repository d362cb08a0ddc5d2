//! Shops that do not read what they are answered.

use std::io::{ErrorKind, Write};
use std::time::Duration;

use serde_json::json;

use crate::support::orders::plain;
use crate::support::shop::Shop;

/// A write that has to wait for so long waits for a reader.
const HELD_BACK: Duration = Duration::from_secs(1);
/// Lines in one write.
const AT_ONCE: usize = 100;
/// What lies between the shop and the service, and what the service keeps of answers, is full long before so many lines.
const LINES_MAX: usize = 500_000;

#[test]
fn a_shop_that_does_not_read_its_answers_is_held_back_and_keeps_nobody_waiting() {
    let shop = Shop::embedded();
    let service = shop.serve();
    let mut stream = service.open_stream(&json!({"kind": "placed", "order": plain("A1")}).to_string());
    stream.set_write_timeout(Some(HELD_BACK)).unwrap();
    // Each is answered with its problem.
    let lines = format!("{{{:1000}}}\n", "").repeat(AT_ONCE);
    let chunk = format!("{:x}\r\n{lines}\r\n", lines.len());
    let mut sent = 0;
    let held_back = loop {
        assert!(sent < LINES_MAX, "the service takes lines in that it has no room to answer");
        match stream.write_all(chunk.as_bytes()) {
            Ok(()) => sent += AT_ONCE,
            Err(error) => break error,
        }
    };
    assert!(matches!(held_back.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut), "{held_back}");
    println!("held back after {sent} lines");
    assert_eq!(service.place(&plain("A2"))["duplicate"], false);
    drop(stream);
    assert_eq!(service.place(&plain("A1"))["duplicate"], true);
    service.stop().expect_code(0);
    shop.replay();
}
