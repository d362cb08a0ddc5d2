//! Asked to stop, the service answers what is under way, but not for ever.

use std::time::{Duration, Instant};

use rustix::process::Signal;
use serde_json::json;
use tempfile::tempdir;

use crate::support::orders::plain;
use crate::support::process::run_on;
use crate::support::service::Service;

/// How long open requests may hold a stop up.
const GRACE: Duration = Duration::from_secs(10);

#[test]
fn a_second_signal_ends_the_service_under_an_open_stream_and_nothing_that_was_answered_is_lost() {
    let directory = tempdir().unwrap();
    let data = directory.path();
    let service = Service::start(data);
    let stream = service.open_stream(&json!({"kind": "placed", "order": plain("A1")}).to_string());

    let mut process = service.into_process();
    process.signal(Signal::INT);
    process.told("stopping");
    let asked_again = Instant::now();
    process.signal(Signal::INT);
    let stopped = process.wait().expect_code(0);
    assert!(asked_again.elapsed() < GRACE, "it waited for the stream");
    assert!(stopped.stderr.contains("stopped at once"), "{stopped:?}");
    drop(stream);

    let service = Service::start(data);
    assert_eq!(service.place(&plain("A1"))["duplicate"], true);
    service.settle();
    assert_eq!(service.all_orders("").len(), 1);
    service.stop().expect_code(0);
    run_on(data, &["replay"]).expect_code(0);
}

#[test]
fn a_service_without_open_requests_stops_at_the_first_signal() {
    for signal in [Signal::INT, Signal::TERM] {
        let directory = tempdir().unwrap();
        let service = Service::start(directory.path());
        service.place(&plain("A1"));
        let process = service.into_process();
        process.signal(signal);
        let stopped = process.wait().expect_code(0);
        assert!(!stopped.stderr.contains("cut off"), "{stopped:?}");
    }
}
