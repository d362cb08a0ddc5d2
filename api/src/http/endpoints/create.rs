//! `POST /v1/endpoints`: has another system told of what happens from now on.

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::Response;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use domain::endpoint::{EndpointCreated, Notification, Target};
use domain::merchant::MerchantCommand;
use notify::guard::leaves_in_the_clear;
use notify::secret_label;
use notify::senders::Sender;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::EndpointView;
use crate::directory::Caller;
use crate::http::App;
use crate::http::auth::ADMIN;
use crate::http::body::JsonBody;
use crate::http::fields::{Fields, any, string};
use crate::http::orders::answered;
use crate::http::problem::Problem;

/// An endpoint that was created just now.
#[derive(Serialize, ToSchema)]
pub struct NewEndpoint {
    #[serde(flatten)]
    endpoint: EndpointView,
    /// What its messages are signed with, shown only now; null for a sender.
    #[schema(example = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")]
    secret: Option<String>,
}

/// Who is told, with what is secret of it.
struct Told {
    target: Target,
    secret: String,
    is_shown: bool,
}

/// Create an endpoint
///
/// It is told of what happens after the answer. With `url`, by signed webhooks (Standard Webhooks); the answer holds the secret,
/// which is shown only now. With `sender`, the customer is: a provider of text messages or calls is asked to tell the code or to
/// call. `docs/NOTIFICATIONS.md` lists the events, `docs/SENDERS.md` the senders' settings.
#[utoipa::path(
    post,
    path = "/v1/endpoints",
    operation_id = "create_endpoint",
    tag = "Notifications",
    extensions(("x-roles" = json!(["admin"]))),
    request_body(content = crate::http::schema::EndpointBody),
    responses(
        (status = 201, description = "Created", body = NewEndpoint,
         headers(("Orderlight-Position" = String, description = "How far the log went, for `?after=`"))),
        (status = 409, description = "`too_many_endpoints`: the merchant has 16 endpoints", body = Problem),
    )
)]
pub async fn handle(State(app): State<App>, caller: Caller, JsonBody(body): JsonBody) -> Result<Response, Problem> {
    caller.require(ADMIN)?;
    let mut fields = Fields::of(body)?;
    let url = fields.optional("url", string);
    let sender = fields.optional("sender", any);
    let events = read_events(&mut fields);
    let told = match (url, sender) {
        (Some(url), None) => receiver(&app, url, events.as_deref().unwrap_or_default(), &mut fields).await?,
        (None, Some(settings)) => provider(&app, settings, events.as_deref().unwrap_or_default(), &mut fields).await,
        (None, None) | (Some(_), Some(_)) => {
            fields.fault("", "expected either url or sender");
            None
        }
    };
    let (told, events) = fields.finish(told.zip(events))?;
    let id = hex::encode(random::<8>()?);
    let sealed = app.vault.seal_secret(&caller.merchant, &secret_label(&id), told.secret.as_bytes());
    let sealed = sealed.map_err(|error| Problem::internal(&error))?;
    let secret = BASE64.encode(sealed).into();
    let created = EndpointCreated { id: id.into(), target: told.target, events, secret };
    let view = EndpointView::from(&created);
    let receipt = app.carry_out(&caller.merchant, &caller.key, MerchantCommand::CreateEndpoint(created)).await?;
    let secret = told.is_shown.then_some(told.secret);
    Ok(answered(StatusCode::CREATED, receipt.position, NewEndpoint { endpoint: view, secret }))
}

async fn receiver(
    app: &App,
    url: String,
    events: &[Notification],
    fields: &mut Fields,
) -> Result<Option<Told>, Problem> {
    if leaves_in_the_clear(&url)
        && let Some(event) = events.iter().find(|event| event.is_errand())
    {
        let expected = "expected an https:// URL, or an http:// URL with a loopback address";
        fields
            .fault("/url", format!("{expected}: {} tells a phone number, and a code where there is one", event.name()));
        return Ok(None);
    }
    if let Err(refused) = app.notifier.look_at(&url).await {
        fields.fault("/url", refused.to_string());
        return Ok(None);
    }
    let secret = format!("whsec_{}", BASE64.encode(random::<32>()?));
    Ok(Some(Told { target: Target::Url(url.into()), secret, is_shown: true }))
}

async fn provider(app: &App, settings: Value, events: &[Notification], fields: &mut Fields) -> Option<Told> {
    let secret = settings.to_string();
    let sender = match Sender::read(settings, "/sender") {
        Ok(sender) => sender,
        Err(faults) => {
            faults.into_iter().for_each(|fault| fields.fault(fault.pointer, fault.detail));
            return None;
        }
    };
    for (index, _) in events.iter().enumerate().filter(|(_, event)| !event.is_errand()) {
        fields.fault(format!("/events/{index}"), "is nothing that a sender can tell the customer");
    }
    if let Err(refused) = app.notifier.look_at(sender.base_url()).await {
        fields.fault("/sender/base_url", refused.to_string());
        return None;
    }
    Some(Told { target: Target::Sender(sender.provider().name().into()), secret, is_shown: false })
}

/// What it is told of, each named once; every name that is none is a fault of its own.
fn read_events(fields: &mut Fields) -> Option<Vec<Notification>> {
    let names = fields.required("events", |value| match value {
        Value::Array(names) if !names.is_empty() => Ok(names),
        _ => Err("expected a list of one or more events".to_owned()),
    })?;
    let mut events = vec![];
    for (index, name) in names.iter().enumerate() {
        match name.as_str().unwrap_or_default().parse::<Notification>() {
            Err(unknown) => fields.fault(format!("/events/{index}"), unknown.to_string()),
            Ok(event) if events.contains(&event) => fields.fault(format!("/events/{index}"), "is named twice"),
            Ok(event) => events.push(event),
        }
    }
    Some(events)
}

fn random<const N: usize>() -> Result<[u8; N], Problem> {
    let mut random = [0; N];
    getrandom::fill(&mut random).map_err(|error| Problem::internal(&error))?;
    Ok(random)
}
