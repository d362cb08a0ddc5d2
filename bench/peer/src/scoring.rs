//! The peer's scoring: three fixed rules over one window in memory, the least that can be called scoring.

use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

use chrono::{DateTime, TimeDelta, Utc};

use crate::order::Place;

/// How long an order counts for its device.
const WINDOW: TimeDelta = TimeDelta::minutes(5);

/// When and to which address.
type Seen = (DateTime<Utc>, String);

/// The last orders of each device.
#[derive(Default)]
pub(crate) struct Scoring {
    devices: Mutex<HashMap<String, VecDeque<Seen>>>,
}

impl Scoring {
    /// The rules that fire, with their points.
    pub(crate) fn score(&self, place: &Place) -> Vec<(String, i32)> {
        let mut devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner);
        let seen = devices.entry(place.device.clone()).or_default();
        seen.push_back((place.at, place.address.clone()));
        while seen.front().is_some_and(|first| place.at - first.0 > WINDOW) {
            seen.pop_front();
        }
        let mut hits = vec![];
        if seen.len() >= 5 {
            hits.push(("device_burst".into(), 50));
        }
        if seen.iter().any(|one| one.1 != place.address) {
            hits.push(("address_changed".into(), 30));
        }
        if place.phone.starts_with("170") {
            hits.push(("virtual_phone".into(), 40));
        }
        hits
    }
}
