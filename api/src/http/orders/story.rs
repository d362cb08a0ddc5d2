//! An order's events, read from its stream in the log.

use cqrs_es::Aggregate;
use domain::ids::{MerchantId, OrderId};
use domain::order::{Order, OrderEvent};
use eventlog::{LogError, RecordedEvent, StreamKey};

use crate::http::App;
use crate::http::problem::Problem;

/// 404 for an order that the caller's merchant does not have.
pub fn no_such_order(id: &OrderId) -> Problem {
    Problem::not_found(format!("there is no order {:?}", id.as_str()))
}

/// All that happened to an order, in the order of arrival.
pub struct Story(pub Vec<Chapter>);

/// One event, as stored and as read.
pub struct Chapter {
    /// As stored.
    pub recorded: RecordedEvent,
    /// As read.
    pub event: OrderEvent,
}

impl Story {
    /// Reads a merchant's order.
    ///
    /// # Errors
    /// 404 when the merchant has none of this id.
    pub async fn read(app: &App, merchant: &MerchantId, id: &OrderId) -> Result<Self, Problem> {
        let key = StreamKey {
            merchant: merchant.clone(),
            aggregate_type: Order::TYPE.into(),
            aggregate_id: id.as_str().into(),
        };
        let stream = app.log.find_streams(&[key]).await?.into_iter().flatten().next();
        let stream = stream.ok_or_else(|| no_such_order(id))?;
        let chapters = app.log.read_streams(&[stream]).await?.into_iter().map(|recorded| {
            let event =
                serde_json::from_str(&recorded.payload).map_err(|error| LogError::Damaged(error.to_string()))?;
            Ok(Chapter { recorded, event })
        });
        Ok(Self(chapters.collect::<Result<_, LogError>>()?))
    }
}
