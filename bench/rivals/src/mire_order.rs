//! An order as mire takes it, whichever store it was compiled for.

use measure::{PlainOrder, Sender};
use mire::{Event, EventData, EventStore, ExpectedVersion};
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;

/// One of the three. Its text is passed on as it is, which costs the client least.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub struct Stored {
    #[serde(skip)]
    name: &'static str,
    payload: Box<RawValue>,
}

impl EventData for Stored {
    fn event_type(&self) -> &'static str {
        self.name
    }
}

/// A client.
#[derive(Clone)]
pub struct Client(pub EventStore);

impl Sender for Client {
    type Order = (String, Vec<Event<Stored>>);

    async fn place(&mut self, (stream, events): Self::Order) -> Result<(), String> {
        let version = self.0.append(&stream, "order", ExpectedVersion::NoStream, &events).await;
        match version {
            Ok(3) => Ok(()),
            Ok(version) => Err(format!("the stream has version {version}")),
            Err(error) => Err(error.to_string()),
        }
    }
}

/// An order, made ready.
///
/// # Errors
/// When a payload is no JSON.
pub fn ready(order: PlainOrder) -> anyhow::Result<(String, Vec<Event<Stored>>)> {
    let event = |(name, payload)| anyhow::Ok(Event::new(Stored { name, payload: RawValue::from_string(payload)? }));
    let events = order.events.into_iter().map(event).collect::<Result<_, _>>()?;
    Ok((format!("order-{}", order.id), events))
}
