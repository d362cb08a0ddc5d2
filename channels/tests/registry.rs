//! The list of channels.

use channels::{Adapter, CHANNELS, channel};

#[test]
fn every_channel_is_found_by_its_name_and_others_are_not() {
    let names: Vec<&str> = CHANNELS.iter().map(|channel| channel.name()).collect();
    assert_eq!(names, ["standard", "shopify", "douyin"]);
    for name in names {
        assert_eq!(channel(name).map(Adapter::name), Some(name));
    }
    assert!(channel("telegraph").is_none());
}

#[test]
fn a_delivery_that_cannot_be_stored_is_never_answered_with_success() {
    for channel in CHANNELS {
        let reply = channel.unavailable();
        assert_eq!(reply.status, 503, "{}", channel.name());
        assert!(!reply.body.contains("success"), "{}", channel.name());
    }
}
