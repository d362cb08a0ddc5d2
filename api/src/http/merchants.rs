//! `POST /v1/merchants`: a new tenant with its first key.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use domain::ids::MerchantId;
use domain::merchant::{MerchantCommand, MerchantRegistered, MerchantRejection, Role};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::auth::PLATFORM;
use super::body::JsonBody;
use super::fields::{Fields, Read, parsed, string, text};
use super::keys;
use super::orders::answered;
use super::problem::Problem;
use crate::directory::Caller;

/// The time zone of a merchant that names none.
const TIME_ZONE_DEFAULT: &str = "Asia/Shanghai";
/// The currency of a merchant that names none.
const CURRENCY_DEFAULT: &str = "CNY";

/// A merchant that was registered just now.
#[derive(Serialize, ToSchema)]
#[schema(as = NewMerchant)]
pub struct Registered {
    /// Its id.
    #[schema(example = "north")]
    id: String,
    /// What people call it.
    #[schema(example = "North Store")]
    name: String,
    /// Its time zone.
    #[schema(example = "Asia/Shanghai")]
    time_zone: String,
    /// Its currency.
    #[schema(example = "CNY")]
    currency: String,
    /// The id of its first key, which is no secret.
    #[schema(example = "4f1c9a2be0d35786")]
    key_id: String,
    /// The key itself, an administrator's, shown only now.
    #[schema(example = "olk_9b1d…")]
    key: String,
}

/// Register a merchant
///
/// The answer holds the merchant's first administrator's key, which is shown only now.
#[utoipa::path(
    post,
    path = "/v1/merchants",
    operation_id = "register_merchant",
    tag = "Merchants and keys",
    extensions(("x-roles" = json!(["platform"]))),
    request_body(content = crate::http::schema::MerchantBody),
    responses(
        (status = 201, description = "Registered", body = Registered,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`merchant_exists`: somebody has that id", body = Problem),
    )
)]
pub async fn register(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    caller.require(PLATFORM)?;
    let (id, merchant) = read(body)?;
    let receipt = app.carry_out(&id, &caller.key, MerchantCommand::Register(merchant.clone())).await?;
    // A registration whose key could not be made is taken up where it ended; nobody can have used it.
    let has_key = app.directory.merchant(&id).is_some_and(|merchant| !merchant.keys().is_empty());
    if receipt.events.is_empty() && has_key {
        return Err(MerchantRejection::AlreadyRegistered.into());
    }
    let roles = vec![Role::Admin];
    let (key, made) = keys::make(&app, &id, &caller.key, "first", roles, None).await?;
    let MerchantRegistered { name, time_zone, currency } = merchant;
    let registered = Registered {
        id: id.to_string(),
        name: name.into(),
        time_zone: time_zone.into(),
        currency: currency.into(),
        key_id: made.created.id.into(),
        key,
    };
    Ok(answered(StatusCode::CREATED, made.position, registered))
}

fn read(body: Value) -> Result<(MerchantId, MerchantRegistered), Problem> {
    let mut fields = Fields::of(body)?;
    let id = fields.required("id", parsed::<MerchantId>);
    let name = fields.required("name", text);
    let time_zone = fields.optional("time_zone", time_zone).unwrap_or_else(|| TIME_ZONE_DEFAULT.to_owned());
    let currency = fields.optional("currency", currency).unwrap_or_else(|| CURRENCY_DEFAULT.to_owned());
    let read = id.zip(name).map(|(id, name)| {
        (id, MerchantRegistered { name: name.into(), time_zone: time_zone.into(), currency: currency.into() })
    });
    fields.finish(read)
}

/// A time zone's name.
pub(super) fn time_zone(value: Value) -> Read<String> {
    let name = string(value)?;
    match name.parse::<chrono_tz::Tz>() {
        Ok(_) => Ok(name),
        Err(_) => Err("expected a time zone of the IANA database, such as Asia/Shanghai".to_owned()),
    }
}

fn currency(value: Value) -> Read<String> {
    let code = string(value)?;
    if code.len() == 3 && code.bytes().all(|byte| byte.is_ascii_uppercase()) {
        Ok(code)
    } else {
        Err("expected three capital letters, such as CNY".to_owned())
    }
}
