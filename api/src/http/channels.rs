//! `PUT /v1/channels/{channel}`: a channel's credentials. They are sealed before they are stored and never shown again.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use channels::{Adapter, Receiver};
use domain::ids::MerchantId;
use domain::merchant::{ChannelConfigured, MerchantCommand};
use eventlog::vault::{Vault, VaultError};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::App;
use super::auth::ADMIN;
use super::body::{JsonBody, PathParameters};
use super::fields::{Fields, Read, any, string};
use super::orders::answered;
use super::problem::Problem;
use crate::directory::Caller;

/// The shop of a channel that names none.
pub const DEFAULT_SHOP: &str = "default";
/// The longest name of a shop.
const SHOP_BYTES_MAX: usize = 64;

/// A channel that may send webhooks.
#[derive(Serialize, ToSchema)]
#[schema(as = ConfiguredChannel)]
pub struct Configured {
    /// Which channel.
    #[schema(example = "shopify")]
    channel: &'static str,
    /// Which of the merchant's shops there.
    #[schema(example = "default")]
    shop: String,
}

/// Which of a channel's two sets of credentials.
#[derive(Clone, Copy)]
enum Generation {
    Current,
    Previous,
}

/// Configure a channel
///
/// The names of the credentials are the channel's own: `standard` and `shopify` have `secret`, `douyin` has `app_key` and
/// `app_secret`. While they are being changed, `previous_credentials` count too. They are stored encrypted and never shown.
#[utoipa::path(
    put,
    path = "/v1/channels/{channel}",
    operation_id = "configure_channel",
    tag = "Channels",
    extensions(("x-roles" = json!(["admin"]))),
    params(("channel" = String, Path, description = "`standard`, `shopify` or `douyin`", example = "shopify")),
    request_body(content = crate::http::schema::ChannelBody),
    responses(
        (status = 200, description = "It may send webhooks", body = Configured,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 404, description = "There is no such channel", body = Problem),
    )
)]
pub async fn configure(
    State(app): State<App>,
    caller: Caller,
    PathParameters(channel): PathParameters<String>,
    JsonBody(body): JsonBody,
) -> Result<Response, Problem> {
    caller.require(ADMIN)?;
    let adapter = channels::channel(&channel).ok_or_else(|| Problem::not_found("there is no such channel"))?;
    let mut fields = Fields::of(body)?;
    let shop = fields.optional("shop", shop_name).unwrap_or_else(|| DEFAULT_SHOP.to_owned());
    let previous = fields.optional("previous_credentials", any);
    let current = fields.required("credentials", any);
    if let Some(current) = &current
        && let Err(faults) = adapter.open(current.clone(), previous.clone())
    {
        faults.into_iter().for_each(|fault| fields.fault(fault.pointer, fault.detail));
    }
    let current = fields.finish(current)?;
    let seal = |generation, credentials: &Value| {
        let label = label(adapter.name(), &shop, generation);
        let sealed = app.vault.seal_secret(&caller.merchant, &label, credentials.to_string().as_bytes());
        sealed.map(|sealed| BASE64.encode(sealed).into_boxed_str()).map_err(|error| Problem::internal(&error))
    };
    let configured = ChannelConfigured {
        channel: adapter.name().into(),
        shop: shop.as_str().into(),
        credentials: seal(Generation::Current, &current)?,
        previous_credentials: previous.map(|previous| seal(Generation::Previous, &previous)).transpose()?,
    };
    let command = MerchantCommand::ConfigureChannel(configured);
    let receipt = app.carry_out(&caller.merchant, &caller.key, command).await?;
    Ok(answered(StatusCode::OK, receipt.position, Configured { channel: adapter.name(), shop }))
}

/// Why a channel's stored credentials cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum CredentialsError {
    /// Not what was stored.
    #[error("stored credentials are damaged")]
    Damaged,
    /// They were sealed by another master key, or for another channel.
    #[error("stored credentials do not open")]
    Sealed(#[from] VaultError),
}

/// Opens the credentials of a configured channel.
///
/// # Errors
/// When they are not what was stored.
pub fn receiver(
    vault: &Vault,
    merchant: &MerchantId,
    adapter: &dyn Adapter,
    configured: &ChannelConfigured,
) -> Result<Box<dyn Receiver>, CredentialsError> {
    let open = |generation, sealed: &str| {
        let sealed = BASE64.decode(sealed).map_err(|_| CredentialsError::Damaged)?;
        let label = label(&configured.channel, &configured.shop, generation);
        let opened = vault.open_secret(merchant, &label, &sealed)?;
        serde_json::from_slice::<Value>(&opened).map_err(|_| CredentialsError::Damaged)
    };
    let current = open(Generation::Current, &configured.credentials)?;
    let previous = configured.previous_credentials.as_deref();
    let previous = previous.map(|previous| open(Generation::Previous, previous)).transpose()?;
    adapter.open(current, previous).map_err(|_| CredentialsError::Damaged)
}

/// What credentials are sealed for, so that they open nowhere else.
fn label(channel: &str, shop: &str, generation: Generation) -> String {
    let generation = match generation {
        Generation::Current => "current",
        Generation::Previous => "previous",
    };
    format!("channel/{channel}/{shop}/{generation}")
}

fn shop_name(value: Value) -> Read<String> {
    let name = string(value)?;
    let plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'.');
    if (1..=SHOP_BYTES_MAX).contains(&name.len()) && name.bytes().all(plain) {
        Ok(name)
    } else {
        Err(format!("expected 1 to {SHOP_BYTES_MAX} of the characters a-z, 0-9, _, - and ."))
    }
}
