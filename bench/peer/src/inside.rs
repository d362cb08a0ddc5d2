//! The peer without HTTP: its framework called from this process.

use std::process::ExitCode;
use std::sync::Arc;

use measure::{Form, Orders, Row, Sender};
use postgres_es::PostgresCqrs;

use crate::Loop;
use crate::order::{Order, Place};

#[derive(Clone)]
struct Client(Arc<PostgresCqrs<Order>>);

impl Sender for Client {
    type Order = Place;

    async fn place(&mut self, place: Place) -> Result<(), String> {
        self.0.execute(&place.id(), place).await.map_err(|error| error.to_string())
    }
}

/// Places the orders that are also sent over HTTP.
pub(crate) async fn run(framework: Arc<PostgresCqrs<Order>>, closed: Loop) -> anyhow::Result<ExitCode> {
    let bodies = Orders::new(Row::default(), closed.orders_max)?.bodies(Form::Peer)?;
    let orders = bodies.iter().map(|body| serde_json::from_slice(body)).collect::<Result<_, _>>()?;
    closed.run(Client(framework), orders).await
}
