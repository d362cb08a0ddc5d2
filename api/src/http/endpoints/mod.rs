//! Endpoints: other systems that are told of what happens. Created, listed and removed; what they were told, and telling it again.

pub mod create;
pub mod deliveries;
pub mod list;
pub mod remove;
pub mod replay;

use domain::endpoint::{EndpointCreated, Target};
use notify::OutboxError;
use serde::Serialize;
use utoipa::ToSchema;

use super::App;
use super::problem::Problem;
use crate::directory::Caller;

/// An endpoint, without its secret.
#[derive(Serialize, ToSchema)]
pub struct EndpointView {
    /// Its id, which is no secret.
    #[schema(example = "4f1c9a2be0d35786")]
    id: String,
    /// Where messages go; null for a sender.
    #[schema(example = "https://oms.example.com/hooks/orderlight")]
    url: Option<String>,
    /// Who sends to the customer; null for a receiver of webhooks.
    #[schema(example = "aliyun_sms")]
    sender: Option<String>,
    /// What it is told of.
    #[schema(example = json!(["order.frozen", "order.released"]))]
    events: Vec<&'static str>,
    /// Why nothing is sent to it; null while it is told.
    disabled: Option<DisabledView>,
}

/// That a receiver wants to be told nothing more. What waited for it and what comes is parked; a replay puts it in force again.
#[derive(Serialize, ToSchema)]
pub struct DisabledView {
    /// Since when.
    #[schema(example = "2026-11-11T00:00:04.250Z")]
    since: String,
    /// What it answered then.
    #[schema(example = 410)]
    last_status: u16,
}

impl EndpointView {
    /// As it stands now.
    async fn read(app: &App, created: &EndpointCreated) -> Result<Self, Problem> {
        let since = app.notifier.disabled_since(&created.id).await.map_err(|error| failed(&error))?;
        let disabled = since.map(|since| DisabledView { since: since.to_string(), last_status: 410 });
        Ok(Self { disabled, ..Self::from(created) })
    }
}

impl From<&EndpointCreated> for EndpointView {
    fn from(created: &EndpointCreated) -> Self {
        let (url, sender) = match &created.target {
            Target::Url(url) => (Some(url.to_string()), None),
            Target::Sender(provider) => (None, Some(provider.to_string())),
        };
        let events = created.events.iter().map(|event| event.name()).collect();
        Self { id: created.id.to_string(), url, sender, events, disabled: None }
    }
}

/// Makes sure that an endpoint is the caller's.
fn known(app: &App, caller: &Caller, id: &str) -> Result<(), Problem> {
    let merchant = app.directory.merchant(&caller.merchant);
    let is_there = merchant.is_some_and(|merchant| merchant.endpoints().iter().any(|endpoint| *endpoint.id == *id));
    if is_there { Ok(()) } else { Err(Problem::not_found("the merchant has no such endpoint")) }
}

fn failed(error: &OutboxError) -> Problem {
    tracing::error!(error = error as &dyn std::error::Error, "outbox fails");
    Problem::unavailable("outbox_unavailable", "the outbox cannot be used now; try again").retry_after(1)
}
