//! Keys and roles.
//!
//! The OpenAPI document says who may call what, and the [`Gate`] holds every request to it before anything else of the request
//! is read. A handler asks once more, so that both must be wrong for a wrong caller to pass.

use std::collections::HashMap;
use std::sync::Arc;

use axum::extract::{FromRequestParts, MatchedPath, Request, State};
use axum::http::{HeaderMap, Method, header, request::Parts};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use domain::merchant::Role;
use utoipa::openapi::OpenApi;

use super::App;
use super::openapi::operations;
use super::problem::Problem;
use crate::clock;
use crate::directory::Caller;

/// All roles that may look things up: every one but `ingest` and `platform`.
pub const LOOK_UP: &[Role] =
    &[Role::Service, Role::Reviewer, Role::Analyst, Role::Approver, Role::Auditor, Role::Admin];
/// Those that send notices.
pub const INGEST: &[Role] = &[Role::Ingest, Role::Admin];
/// Those that see the review queue.
pub const REVIEW: &[Role] = &[Role::Reviewer, Role::Admin];
/// Those that write rulebooks.
pub const DRAFT: &[Role] = &[Role::Analyst, Role::Admin];
/// Those that put them in force.
pub const PUBLISH: &[Role] = &[Role::Approver, Role::Admin];
/// Those that look whether all is as it was recorded.
pub const AUDIT: &[Role] = &[Role::Auditor, Role::Admin];
/// Those that declare and push signals.
pub const SIGNAL: &[Role] = &[Role::Ingest, Role::Analyst, Role::Admin];
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
        match parts.extensions.get::<Self>() {
            Some(caller) => Ok(caller.clone()),
            None => authenticate(&parts.headers, app),
        }
    }
}

fn authenticate(headers: &HeaderMap, app: &App) -> Result<Caller, Problem> {
    let token = bearer(headers).ok_or_else(Problem::unauthorized)?;
    app.directory.caller(token, clock::now()).ok_or_else(Problem::unauthorized)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = headers.get(header::AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim())
}

/// Who may call each operation of the document.
#[derive(Clone)]
pub struct Gate {
    app: App,
    doors: Arc<HashMap<String, Vec<(Method, Door)>>>,
}

/// Who may call one operation.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Door {
    /// Anybody, without a key.
    Open,
    /// Keys with one of these roles.
    Roles(Vec<Role>),
}

impl Gate {
    /// As a document says. An operation without roles is closed to everybody.
    pub fn new(app: App, document: &OpenApi) -> Self {
        let mut doors: HashMap<String, Vec<(Method, Door)>> = HashMap::new();
        for (path, method, operation) in operations(document) {
            let roles = operation.extensions.as_ref().and_then(|extensions| extensions.get("x-roles")?.as_array());
            let door = match roles.map(Vec::as_slice) {
                Some([]) => Door::Open,
                Some(names) => {
                    Door::Roles(Role::ALL.into_iter().filter(|role| names.contains(&role.name().into())).collect())
                }
                None => Door::Roles(vec![]),
            };
            doors.entry(path.to_owned()).or_default().push((method, door));
        }
        Self { app, doors: Arc::new(doors) }
    }

    /// Lets a request through that may pass; one that no operation is for goes on to be told so.
    pub async fn check(State(gate): State<Self>, mut request: Request, next: Next) -> Response {
        if let Some(Door::Roles(roles)) = gate.door(&request) {
            let admitted =
                authenticate(request.headers(), &gate.app).and_then(|caller| caller.require(roles).map(|()| caller));
            match admitted {
                Ok(caller) => request.extensions_mut().insert(caller),
                Err(problem) => return problem.into_response(),
            };
        }
        next.run(request).await
    }

    fn door(&self, request: &Request) -> Option<&Door> {
        let doors = self.doors.get(request.extensions().get::<MatchedPath>()?.as_str())?;
        let method = if request.method() == Method::HEAD { &Method::GET } else { request.method() };
        doors.iter().find(|(of, _)| of == method).map(|(_, door)| door)
    }
}
