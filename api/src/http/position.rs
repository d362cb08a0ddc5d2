//! Reads after writes: every write says up to which position it went, every read can wait for one.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use axum::http::{HeaderName, HeaderValue};
use eventlog::Position;
use serde::Deserialize;
use tokio::time::timeout;
use utoipa::IntoParams;

use super::App;
use super::problem::Problem;
use crate::directory::Caller;

/// The header in which writes say how far the log went.
pub const ORDERLIGHT_POSITION: HeaderName = HeaderName::from_static("orderlight-position");
/// How long a read waits for its read model.
pub const WAIT_MAX: Duration = Duration::from_secs(2);

/// The parameters.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct After {
    /// What a write answered as Orderlight-Position: waits until that is reached.
    #[param(example = "0-17")]
    pub after: Option<String>,
}

/// Waits until these read models have folded what a read's `after` says; at most [`WAIT_MAX`].
///
/// # Errors
/// 400 when it is no position of this log, 503 when it is not reached in time.
pub async fn models_reached(app: &App, models: &[&str], after: Option<&str>) -> Result<(), Problem> {
    let Some(LogPosition { partition, position }) = asked_for(app, after)? else { return Ok(()) };
    let all = async {
        for model in models {
            if !app.models.wait_for(model, partition, position, WAIT_MAX).await {
                return false;
            }
        }
        true
    };
    if timeout(WAIT_MAX, all).await.unwrap_or(false) { Ok(()) } else { Err(not_reached()) }
}

/// Waits until the log itself, for reads that are made from it, holds what a read's `after` says; at most [`WAIT_MAX`].
///
/// # Errors
/// As [`models_reached`].
pub async fn log_reached(app: &App, after: Option<&str>) -> Result<(), Problem> {
    let Some(LogPosition { partition, position }) = asked_for(app, after)? else { return Ok(()) };
    if app.log.head(partition).await? >= position {
        return Ok(());
    }
    let mut head = app.log.watch(partition);
    let reached = timeout(WAIT_MAX, head.wait_for(|head| *head >= position)).await;
    if reached.is_ok_and(|reached| reached.is_ok()) { Ok(()) } else { Err(not_reached()) }
}

/// As [`log_reached`], for reads of the directory: another process may have written it, of which this one's directory learns a little
/// later.
///
/// # Errors
/// As [`models_reached`].
pub async fn directory_reached(app: &App, caller: &Caller, after: Option<&str>) -> Result<(), Problem> {
    if after.is_some() {
        log_reached(app, after).await?;
        app.directory.refresh(&*app.log, &caller.merchant).await?;
    }
    Ok(())
}

fn asked_for(app: &App, after: Option<&str>) -> Result<Option<LogPosition>, Problem> {
    let Some(after) = after else { return Ok(None) };
    let after: LogPosition = after.parse()?;
    if after.partition >= app.log.partitions() {
        return Err(Problem::bad_parameter(format!("`after` names partition {}, which is not there", after.partition)));
    }
    Ok(Some(after))
}

fn not_reached() -> Problem {
    let detail = format!("the position of `after` was not reached within {} seconds", WAIT_MAX.as_secs());
    Problem::unavailable("position_not_reached", detail)
}

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
            Problem::bad_parameter(
                "`after` is not what a write answered in its header Orderlight-Position, such as 0-17",
            )
        })
    }
}

impl From<LogPosition> for HeaderValue {
    fn from(position: LogPosition) -> Self {
        Self::try_from(position.to_string()).expect("digits and a dash are a header value")
    }
}
