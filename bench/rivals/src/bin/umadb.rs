//! UmaDB over gRPC: an order is one call, which fails if any event has the order's tag already.

use std::process::ExitCode;

use anyhow::Context;
use clap::Parser;
use measure::{PlainOrder, Sender};
use rivals::Loop;
use tonic::client::Grpc;
use tonic::codegen::http::uri::PathAndQuery;
use tonic::transport::{Channel, Endpoint};

/// The messages of `umadb.v1` that one append needs, as its `umadb.proto` numbers their fields.
#[derive(Clone, PartialEq, prost::Message)]
struct Event {
    #[prost(string, tag = "1")]
    event_type: String,
    #[prost(string, repeated, tag = "2")]
    tags: Vec<String>,
    #[prost(bytes = "vec", tag = "3")]
    data: Vec<u8>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct QueryItem {
    #[prost(string, repeated, tag = "2")]
    tags: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct Query {
    #[prost(message, repeated, tag = "1")]
    items: Vec<QueryItem>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AppendCondition {
    #[prost(message, optional, tag = "1")]
    fail_if_events_match: Option<Query>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AppendRequest {
    #[prost(message, repeated, tag = "1")]
    events: Vec<Event>,
    #[prost(message, optional, tag = "2")]
    condition: Option<AppendCondition>,
}

#[derive(Clone, PartialEq, prost::Message)]
struct AppendResponse {
    #[prost(uint64, tag = "1")]
    position: u64,
}

#[derive(Parser)]
struct Cli {
    /// Address of the server, such as http://127.0.0.1:50051
    #[arg(long)]
    address: String,
    /// Over how many connections the clients call
    #[arg(long, default_value_t = 1, value_parser = clap::value_parser!(u16).range(1..=64))]
    connections: u16,
    #[command(flatten)]
    closed: Loop,
}

struct Client(Grpc<Channel>);

impl Sender for Client {
    type Order = AppendRequest;

    async fn place(&mut self, order: AppendRequest) -> Result<(), String> {
        self.0.ready().await.map_err(|error| error.to_string())?;
        let codec = tonic_prost::ProstCodec::<AppendRequest, AppendResponse>::default();
        let path = PathAndQuery::from_static("/umadb.v1.DCB/Append");
        let answer = self.0.unary(tonic::Request::new(order), path, codec).await;
        match answer.map(|answer| answer.into_inner().position) {
            Ok(position) if position >= 3 => Ok(()),
            Ok(position) => Err(format!("position {position}")),
            Err(status) => Err(status.to_string()),
        }
    }
}

fn ready(order: PlainOrder) -> AppendRequest {
    let tag = format!("order-{}", order.id);
    let event = |(name, payload): (&str, String)| Event {
        event_type: name.to_owned(),
        tags: vec![tag.clone()],
        data: payload.into_bytes(),
    };
    let events = order.events.into_iter().map(event).collect();
    let nobodys = Query { items: vec![QueryItem { tags: vec![tag] }] };
    AppendRequest { events, condition: Some(AppendCondition { fail_if_events_match: Some(nobodys) }) }
}

/// A new order is taken, and the same one is refused a second time: the condition is looked at.
async fn check(mut client: Client) -> anyhow::Result<()> {
    let events = [("Placed", String::new()), ("Scored", String::new()), ("Released", String::new())];
    let probe = ready(PlainOrder { id: "probe".to_owned(), events });
    client.place(probe.clone()).await.map_err(anyhow::Error::msg).context("the server does not take an order")?;
    anyhow::ensure!(client.place(probe).await.is_err(), "the server takes an order twice");
    Ok(())
}

#[tokio::main]
async fn main() -> anyhow::Result<ExitCode> {
    let Cli { address, connections, closed } = Cli::parse();
    let endpoint = Endpoint::from_shared(address)?.tcp_nodelay(true);
    let mut channels = Vec::with_capacity(usize::from(connections));
    for _ in 0..connections {
        channels.push(endpoint.connect().await.context("cannot reach the server")?);
    }
    check(Client(Grpc::new(channels[0].clone()))).await?;
    let clients = channels.into_iter().cycle().take(usize::from(closed.clients));
    closed.run(clients.map(|channel| Client(Grpc::new(channel))).collect(), |order| Ok(ready(order))).await
}
