//! One kept-alive HTTP/1.1 connection to the service that is measured.

use std::net::SocketAddr;

use anyhow::Context;
use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::client::conn::http1::{self, SendRequest};
use hyper::header::{AUTHORIZATION, CONTENT_TYPE, HOST, HeaderValue};
use hyper::{Method, Request, Response, StatusCode, Uri};
use hyper_util::rt::TokioIo;
use tokio::net::TcpStream;

use measure::{Form, Sender};

/// The service that is measured.
#[derive(Clone)]
pub(crate) struct Target {
    address: SocketAddr,
    orders: Uri,
    host: HeaderValue,
    authorization: Option<HeaderValue>,
    /// The one answer that counts: a new order was taken.
    taken: StatusCode,
}

impl Target {
    pub(crate) fn new(address: SocketAddr, form: Form, token: Option<&str>) -> anyhow::Result<Self> {
        let (path, taken) = match form {
            Form::Peer => ("/orders", StatusCode::OK),
            Form::Orderlight | Form::Notice => ("/v1/orders", StatusCode::CREATED),
        };
        let authorization = token.map(|token| HeaderValue::try_from(format!("Bearer {token}"))).transpose();
        Ok(Self {
            address,
            orders: Uri::from_static(path),
            host: HeaderValue::try_from(address.to_string())?,
            authorization: authorization.context("the token cannot stand in a header")?,
            taken,
        })
    }

    /// Opens a connection.
    pub(crate) async fn connect(&self) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(self.address).await;
        let stream = stream.with_context(|| format!("cannot connect to {}", self.address))?;
        stream.set_nodelay(true)?;
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        // What goes wrong on the wire is told to whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        Ok(Connection { target: self.clone(), sender })
    }
}

/// A connection, used by one sender at a time.
pub(crate) struct Connection {
    target: Target,
    sender: SendRequest<Full<Bytes>>,
}

impl Connection {
    /// Gets a text.
    pub(crate) async fn get(&mut self, path: &'static str) -> anyhow::Result<String> {
        let request = self.request(Method::GET, Uri::from_static(path), Bytes::new());
        let response = self.send(request).await?;
        anyhow::ensure!(response.status().is_success(), "GET {path} answered {}", response.status());
        Ok(String::from_utf8(response.collect().await?.to_bytes().to_vec())?)
    }

    /// Sends a body, and reads what comes for it.
    pub(crate) async fn post(&mut self, path: Uri, body: Bytes) -> anyhow::Result<Bytes> {
        let request = self.request(Method::POST, path, body);
        let response = self.send(request).await?;
        let status = response.status();
        let answer = response.collect().await?.to_bytes();
        anyhow::ensure!(status.is_success(), "answered {status}: {}", String::from_utf8_lossy(&answer));
        Ok(answer)
    }

    /// Sends an order, and reads its answer. The trouble with one that was not taken is its status, or what failed on the wire.
    pub(crate) async fn place_and_read(&mut self, body: Bytes) -> Result<Bytes, String> {
        let request = self.request(Method::POST, self.target.orders.clone(), body);
        let response = self.send(request).await.map_err(|error| format!("{error:#}"))?;
        let status = response.status();
        let answer = response.collect().await.map_err(|error| format!("{error:#}"))?.to_bytes();
        if status == self.target.taken { Ok(answer) } else { Err(format!("status {}", status.as_u16())) }
    }

    fn request(&self, method: Method, uri: Uri, body: Bytes) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(body));
        (*request.method_mut(), *request.uri_mut()) = (method, uri);
        let headers = request.headers_mut();
        headers.insert(HOST, self.target.host.clone());
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        if let Some(authorization) = &self.target.authorization {
            headers.insert(AUTHORIZATION, authorization.clone());
        }
        request
    }

    async fn send(&mut self, request: Request<Full<Bytes>>) -> anyhow::Result<Response<Incoming>> {
        self.sender.ready().await.context("the connection was closed")?;
        self.sender.send_request(request).await.context("no answer")
    }
}

impl Sender for Connection {
    type Order = Bytes;

    /// Sends an order and reads the answer to its end. The trouble with one that was not taken is its status, or what failed on
    /// the wire.
    async fn place(&mut self, body: Bytes) -> Result<(), String> {
        let request = self.request(Method::POST, self.target.orders.clone(), body);
        let response = self.send(request).await.map_err(|error| format!("{error:#}"))?;
        let status = response.status();
        read_to_end(response).await.map_err(|error| format!("{error:#}"))?;
        if status == self.target.taken { Ok(()) } else { Err(format!("status {}", status.as_u16())) }
    }

    /// Becomes another connection when this one was closed.
    async fn recover(&mut self) -> bool {
        if self.sender.is_closed() {
            let Ok(another) = self.target.connect().await else { return false };
            *self = another;
        }
        true
    }
}

async fn read_to_end(response: Response<Incoming>) -> hyper::Result<()> {
    let mut body = response.into_body();
    while let Some(frame) = body.frame().await {
        frame?;
    }
    Ok(())
}
