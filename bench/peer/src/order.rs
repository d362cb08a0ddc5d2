//! The peer's order: its command, events, aggregate and one view, on the types of cqrs-es.

use std::sync::Arc;

use chrono::{DateTime, Utc};
use cqrs_es::event_sink::EventSink;
use cqrs_es::{Aggregate, DomainEvent, EventEnvelope, View};
use serde::{Deserialize, Serialize};

use crate::scoring::Scoring;

/// An order is placed.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub(crate) struct Place {
    pub(crate) channel: String,
    pub(crate) order_no: String,
    pub(crate) customer: String,
    pub(crate) device: String,
    pub(crate) ip: String,
    pub(crate) phone: String,
    pub(crate) address: String,
    pub(crate) amount: i64,
    pub(crate) level: u8,
    pub(crate) at: DateTime<Utc>,
}

impl Place {
    /// What its stream is called.
    pub(crate) fn id(&self) -> String {
        format!("{}:{}", self.channel, self.order_no)
    }
}

/// What happens to an order; each placement writes three of these.
#[derive(Debug, Clone, Serialize, Deserialize, PartialEq)]
pub(crate) enum OrderEvent {
    Placed(Place),
    Scored { score: i32, hits: Vec<(String, i32)>, rules: u32 },
    Challenged { method: String },
    Frozen { reason: String },
    Released { reason: String },
}

impl DomainEvent for OrderEvent {
    fn event_type(&self) -> String {
        match self {
            Self::Placed(_) => "Placed",
            Self::Scored { .. } => "Scored",
            Self::Challenged { .. } => "Challenged",
            Self::Frozen { .. } => "Frozen",
            Self::Released { .. } => "Released",
        }
        .into()
    }

    fn event_version(&self) -> String {
        "1".into()
    }
}

/// Why an order is not taken.
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Refused(String);

/// What the aggregate asks for while it handles a command.
pub(crate) struct Services(pub(crate) Arc<Scoring>);

/// The aggregate.
#[derive(Default, Serialize, Deserialize)]
pub(crate) struct Order {
    state: String,
}

impl Aggregate for Order {
    const TYPE: &'static str = "order";
    type Command = Place;
    type Event = OrderEvent;
    type Error = Refused;
    type Services = Services;

    async fn handle(&mut self, place: Place, services: &Services, sink: &EventSink<Self>) -> Result<(), Refused> {
        if !self.state.is_empty() {
            return Err(Refused("already placed".into()));
        }
        let hits = services.0.score(&place);
        let score = hits.iter().map(|hit| hit.1).sum();
        sink.write(OrderEvent::Placed(place), self).await;
        sink.write(OrderEvent::Scored { score, hits, rules: 1 }, self).await;
        let disposition = if score > 120 {
            OrderEvent::Frozen { reason: "score".into() }
        } else if score >= 80 {
            OrderEvent::Challenged { method: "sms".into() }
        } else {
            OrderEvent::Released { reason: "clean".into() }
        };
        sink.write(disposition, self).await;
        Ok(())
    }

    fn apply(&mut self, event: OrderEvent) {
        self.state = event.event_type();
    }
}

/// The one view.
#[derive(Default, Debug, Serialize, Deserialize)]
pub(crate) struct OrderStatus {
    status: String,
    channel: String,
    score: i32,
}

impl View<Order> for OrderStatus {
    fn update(&mut self, event: &EventEnvelope<Order>) {
        self.status = event.payload.event_type();
        match &event.payload {
            OrderEvent::Placed(place) => self.channel.clone_from(&place.channel),
            OrderEvent::Scored { score, .. } => self.score = *score,
            OrderEvent::Challenged { .. } | OrderEvent::Frozen { .. } | OrderEvent::Released { .. } => {}
        }
    }
}
