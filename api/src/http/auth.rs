//! Keys and roles.

use axum::extract::FromRequestParts;
use axum::http::{header, request::Parts};
use domain::merchant::Role;

use super::App;
use super::problem::Problem;
use crate::clock;
use crate::directory::Caller;

/// All roles that may look things up: every one but `ingest` and `platform`.
pub const LOOK_UP: &[Role] = &[Role::Service, Role::Reviewer, Role::Analyst, Role::Approver, Role::Auditor, Role::Admin];
/// Those that send notices.
pub const INGEST: &[Role] = &[Role::Ingest, Role::Admin];
/// Those that see the review queue.
pub const REVIEW: &[Role] = &[Role::Reviewer, Role::Admin];
/// Administrators of a merchant.
pub const ADMIN: &[Role] = &[Role::Admin];
/// Those that register merchants.
pub const PLATFORM: &[Role] = &[Role::Platform];

impl Caller {
    /// Refuses a caller that has none of these roles.
    pub fn require(&self, roles: &[Role]) -> Result<(), Problem> {
        if self.roles.iter().any(|role| roles.contains(role)) {
            return Ok(());
        }
        let names: Vec<_> = roles.iter().map(|role| role.name()).collect();
        Err(Problem::forbidden(format!("this needs a key with one of the roles {}", names.join(", "))))
    }
}

impl FromRequestParts<App> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &App) -> Result<Self, Problem> {
        let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(Problem::unauthorized)?;
        let text = value.to_str().map_err(|_| Problem::unauthorized())?;
        let (scheme, token) = text.split_once(' ').ok_or_else(Problem::unauthorized)?;
        if !scheme.eq_ignore_ascii_case("bearer") {
            return Err(Problem::unauthorized());
        }
        app.directory.caller(token.trim(), clock::now()).ok_or_else(Problem::unauthorized)
    }
}
