//! `POST`, `GET /v1/keys` and `DELETE /v1/keys/{id}`: who may call the API for a merchant.
//!
//! A key is shown once, when it is made; only its hash is kept. A revoked one is refused from the next request on.

use axum::Json;
use axum::extract::State;
use axum::http::{HeaderValue, StatusCode};
use axum::response::{IntoResponse, Response};
use domain::ids::MerchantId;
use domain::merchant::{Key, KeyCreated, KeyRevoked, KeyStanding, MerchantCommand, Role};
use domain::time::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::auth::ADMIN;
use super::body::{JsonBody, Parameters, PathParameters};
use super::fields::{Fields, Read, parsed, text};
use super::listing::{Items, limit};
use super::orders::answered;
use super::position::{LogPosition, ORDERLIGHT_POSITION, directory_reached};
use super::problem::Problem;
use crate::clock;
use crate::directory::Caller;
use crate::service::new_key;

/// A key that was made just now.
#[derive(Serialize, ToSchema)]
pub struct NewKey {
    /// Its id, which is no secret.
    #[schema(example = "4f1c9a2be0d35786")]
    id: String,
    /// What people call it.
    #[schema(example = "till 3")]
    name: String,
    /// What it may do.
    #[schema(example = json!(["ingest"]))]
    roles: Vec<&'static str>,
    /// Until when; null for good.
    #[schema(example = "2027-01-01T00:00:00.000Z")]
    expires_at: Option<String>,
    /// The key itself, shown only now.
    #[schema(example = "olk_9b1d…")]
    key: String,
}

/// A key, without the key itself.
#[derive(Serialize, ToSchema)]
pub struct KeyView {
    /// Its id.
    #[schema(example = "4f1c9a2be0d35786")]
    id: String,
    /// What people call it.
    #[schema(example = "till 3")]
    name: String,
    /// What it may do.
    #[schema(example = json!(["ingest"]))]
    roles: Vec<&'static str>,
    /// Until when; null for good.
    #[schema(example = "2027-01-01T00:00:00.000Z")]
    expires_at: Option<String>,
    /// Whether it was taken back.
    #[schema(example = false)]
    revoked: bool,
}

/// Which part of the list.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Page {
    limit: Option<u32>,
    cursor: Option<String>,
    after: Option<String>,
}

/// A key in the log.
pub(super) struct Made {
    pub(super) created: KeyCreated,
    pub(super) position: (u32, u64),
}

/// Make a key
///
/// The answer holds the key, which is shown only now. A key with the role `platform` is made only by a key that has it.
#[utoipa::path(
    post,
    path = "/v1/keys",
    operation_id = "create_key",
    tag = "Merchants and keys",
    extensions(("x-roles" = json!(["admin"]))),
    request_body(content = crate::http::schema::KeyBody),
    responses(
        (status = 201, description = "Made", body = NewKey,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 403, description = "The key lacks the role `admin`, or gives a role `platform` that it does not have", body = Problem),
        (status = 409, description = "`too_many_keys`: the merchant has 10,000 keys", body = Problem),
    )
)]
pub async fn create(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    caller.require(ADMIN)?;
    let mut fields = Fields::of(body)?;
    let name = fields.required("name", text);
    let roles = read_roles(&mut fields);
    let expires_at = fields.optional("expires_at", in_future);
    let (name, roles) = fields.finish(name.zip(roles))?;
    if roles.contains(&Role::Platform) && !caller.roles.contains(&Role::Platform) {
        return Err(Problem::forbidden("the role platform is given only by a key that has it"));
    }
    let (key, made) = make(&app, &caller.merchant, &caller.key, &name, roles, expires_at).await?;
    let KeyCreated { id, name, roles, expires_at, .. } = made.created;
    let roles = role_names(&roles);
    let view = NewKey { id: id.into(), name: name.into(), roles, expires_at: expires_at.map(|at| at.to_string()), key };
    Ok(answered(StatusCode::CREATED, made.position, view))
}

/// List keys
///
/// Oldest first, revoked ones too, none with the key itself.
#[utoipa::path(
    get,
    path = "/v1/keys",
    operation_id = "list_keys",
    tag = "Merchants and keys",
    extensions(("x-roles" = json!(["admin"]))),
    params(
        ("limit" = Option<u32>, Query, description = "1 to 200, 50 when it is left out"),
        ("cursor" = Option<String>, Query, description = "`next_cursor` of the page before"),
        ("after" = Option<String>, Query, description = "What a write answered as Orderlight-Position: waits until that is reached",
         example = "0-17"),
    ),
    responses((status = 200, description = "Keys", body = Items<KeyView>))
)]
pub async fn list(
    State(app): State<App>,
    caller: Caller,
    Parameters(page): Parameters<Page>,
) -> Result<Json<Items<KeyView>>, Problem> {
    caller.require(ADMIN)?;
    let limit = usize::try_from(limit(page.limit)?).unwrap_or(usize::MAX);
    directory_reached(&app, &caller, page.after.as_deref()).await?;
    let merchant = app.directory.merchant(&caller.merchant);
    let keys = merchant.as_ref().map(|merchant| merchant.keys()).unwrap_or_default();
    let rest = match page.cursor {
        None => keys,
        Some(cursor) => {
            let last = keys.iter().position(|key| *key.created.id == *cursor);
            &keys[last.ok_or_else(|| Problem::bad_parameter("cursor: expected `next_cursor` of this list"))? + 1..]
        }
    };
    let items: Vec<KeyView> = rest.iter().take(limit).map(KeyView::from).collect();
    let next_cursor = items.last().filter(|_| rest.len() > limit).map(|last| last.id.clone());
    Ok(Json(Items { items, next_cursor }))
}

/// Revoke a key
///
/// It is refused from the next request on.
#[utoipa::path(
    delete,
    path = "/v1/keys/{id}",
    operation_id = "revoke_key",
    tag = "Merchants and keys",
    extensions(("x-roles" = json!(["admin"]))),
    params(("id" = String, Path, description = "The key's id", example = "4f1c9a2be0d35786")),
    responses(
        (status = 204, description = "Revoked, or revoked before",
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "The merchant has no such key", body = Problem),
    )
)]
pub async fn revoke(
    State(app): State<App>,
    caller: Caller,
    PathParameters(id): PathParameters<String>,
) -> Result<Response, Problem> {
    caller.require(ADMIN)?;
    let command = MerchantCommand::RevokeKey(KeyRevoked { id: id.into() });
    let receipt = app.carry_out(&caller.merchant, &caller.key, command).await?;
    let position = HeaderValue::from(LogPosition::from(receipt.position));
    Ok((StatusCode::NO_CONTENT, [(ORDERLIGHT_POSITION, position)]).into_response())
}

/// Makes a key; answers with the key itself and what the log holds of it.
pub(super) async fn make(
    app: &App,
    merchant: &MerchantId,
    actor: &str,
    name: &str,
    roles: Vec<Role>,
    expires_at: Option<Timestamp>,
) -> Result<(String, Made), Problem> {
    let (key, created) = new_key(name, roles, expires_at).map_err(|error| Problem::internal(error.as_ref()))?;
    let receipt = app.carry_out(merchant, actor, MerchantCommand::CreateKey(created.clone())).await?;
    Ok((key, Made { created, position: receipt.position }))
}

impl From<&Key> for KeyView {
    fn from(key: &Key) -> Self {
        let KeyCreated { id, name, roles, expires_at, hash: _ } = &key.created;
        Self {
            id: id.to_string(),
            name: name.to_string(),
            roles: role_names(roles),
            expires_at: expires_at.map(|at| at.to_string()),
            revoked: key.standing == KeyStanding::Revoked,
        }
    }
}

fn role_names(roles: &[Role]) -> Vec<&'static str> {
    roles.iter().map(|role| role.name()).collect()
}

/// The roles of a key, each named once; every name that is none is a fault of its own.
fn read_roles(fields: &mut Fields) -> Option<Vec<Role>> {
    let names = fields.required("roles", |value| match value {
        Value::Array(names) if !names.is_empty() => Ok(names),
        _ => Err("expected a list of one or more roles".to_owned()),
    })?;
    let known = || Role::ALL.map(Role::name).join(", ");
    let mut roles = vec![];
    for (index, name) in names.iter().enumerate() {
        match Role::ALL.into_iter().find(|role| name.as_str() == Some(role.name())) {
            None => fields.fault(format!("/roles/{index}"), format!("expected one of {}", known())),
            Some(role) if roles.contains(&role) => fields.fault(format!("/roles/{index}"), "is named twice"),
            Some(role) => roles.push(role),
        }
    }
    Some(roles)
}

fn in_future(value: Value) -> Read<Timestamp> {
    let at: Timestamp = parsed(value)?;
    if at > clock::now() { Ok(at) } else { Err("expected a time to come".to_owned()) }
}
