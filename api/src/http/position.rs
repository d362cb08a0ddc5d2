//! Reads after writes: every write says up to which position it went, every read can wait for one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use eventlog::Position;

use super::problem::Problem;

/// The header in which writes say how far the log went.
pub const ORDERLIGHT_POSITION: HeaderName = HeaderName::from_static("orderlight-position");
/// How long a read waits for its read model.
pub const WAIT_MAX: Duration = Duration::from_secs(2);

/// `<partition>-<position>`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LogPosition {
    /// Which partition.
    pub partition: u32,
    /// How far in it.
    pub position: Position,
}

impl From<(u32, Position)> for LogPosition {
    fn from((partition, position): (u32, Position)) -> Self {
        Self { partition, position }
    }
}

impl fmt::Display for LogPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.partition, self.position)
    }
}

impl FromStr for LogPosition {
    type Err = Problem;

    fn from_str(text: &str) -> Result<Self, Problem> {
        let read = || {
            let (partition, position) = text.split_once('-')?;
            Some(Self { partition: partition.parse().ok()?, position: position.parse().ok()? })
        };
        read().ok_or_else(|| {
            Problem::bad_parameter("`after` is not what a write answered in its header Orderlight-Position, such as 0-17")
        })
    }
}

impl From<LogPosition> for HeaderValue {
    fn from(position: LogPosition) -> Self {
        Self::try_from(position.to_string()).expect("digits and a dash are a header value")
    }
}
