//! The service as a process, spoken to over HTTP.

use std::cell::RefCell;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::Command;
use std::sync::Arc;

use reqwest::header::{CONTENT_TYPE, HeaderMap};
use reqwest::{Body, Client, Method, RequestBuilder, Response};
use rustix::process::Signal;
use serde_json::Value;
use tokio::runtime::Runtime;
use tokio::sync::Semaphore;

use super::process::{Finished, PATIENCE, Process, orderlight};

/// The key that the service is started with: administrator and platform of the merchant `default`.
pub(crate) const TOKEN: &str = "the-token-of-these-proofs";

/// How many lines of a stream may wait for their answers.
const UNANSWERED_MAX: usize = 500;

/// A running service.
pub(crate) struct Service {
    process: Process,
    address: String,
    client: Client,
    runtime: Runtime,
    /// What the last write answered as its position.
    position: RefCell<String>,
}

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    /// The HTTP status.
    pub(crate) status: u16,
    /// The headers.
    pub(crate) headers: HeaderMap,
    /// The body.
    pub(crate) body: Vec<u8>,
}

/// The command that serves a data directory on a free port.
pub(crate) fn serving(data: &Path) -> Command {
    let mut command = orderlight(["serve", "--listen", "127.0.0.1:0"]);
    command.arg("--data").arg(data).env("ORDERLIGHT_BOOTSTRAP_TOKEN", TOKEN);
    command
}

impl Service {
    /// Serves a data directory.
    pub(crate) fn start(data: &Path) -> Self {
        Self::start_as(serving(data))
    }

    /// Starts a command that serves.
    pub(crate) fn start_as(command: Command) -> Self {
        let mut process = Process::start(command);
        let line = process.line("orderlight listens on http://");
        let address = line.trim_start_matches("orderlight listens on http://").to_owned();
        let client = Client::builder().timeout(PATIENCE).no_proxy().build().expect("a client");
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        Self { process, address, client, runtime, position: RefCell::default() }
    }

    /// Where it listens: host and port.
    pub(crate) fn address(&self) -> &str {
        &self.address
    }

    /// A request without a key.
    pub(crate) fn anonymous(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("http://{}{path}", self.address))
    }

    /// A request of the administrator.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.anonymous(method, path).bearer_auth(TOKEN)
    }

    /// Sends a request and reads the answer.
    pub(crate) fn send(&self, request: RequestBuilder) -> Answer {
        let answer = self.runtime.block_on(async {
            let response = request.send().await.expect("the service answers");
            let (status, headers) = (response.status().as_u16(), response.headers().clone());
            let body = response.bytes().await.expect("the answer comes whole").to_vec();
            Answer { status, headers, body }
        });
        let position = answer.header("orderlight-position");
        if !position.is_empty() {
            position.clone_into(&mut self.position.borrow_mut());
        }
        answer
    }

    /// Waits until look-ups see the last write that was answered with its position.
    #[track_caller]
    pub(crate) fn settle(&self) {
        let position = self.position.borrow().clone();
        assert!(!position.is_empty(), "nothing was written so far");
        for path in ["/v1/orders", "/v1/reviews"] {
            let answer = self.get(&format!("{path}?limit=1&after={position}"));
            assert_eq!(answer.status, 200, "{answer:?}");
        }
    }

    /// Looks something up.
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path))
    }

    /// Sends JSON.
    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body))
    }

    /// Completes or corrects an order.
    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::PATCH, path).json(body))
    }

    /// Takes an order in and answers with its decision.
    #[track_caller]
    pub(crate) fn place(&self, order: &Value) -> Value {
        let answer = self.post("/v1/orders", order);
        assert!(matches!(answer.status, 200 | 201), "{answer:?}");
        answer.json()
    }

    /// Takes an order in about which the customer is asked; answers with the challenge's id.
    #[track_caller]
    pub(crate) fn ask_about(&self, order: &Value) -> String {
        let decision = self.place(order);
        decision["risk"]["challenge"]["id"].as_str().unwrap_or_else(|| panic!("{decision}")).to_owned()
    }

    /// Sends lines to `/v1/notices`.
    pub(crate) fn notices(&self, lines: impl Into<Body>) -> Answer {
        let request = self.request(Method::POST, "/v1/notices").header(CONTENT_TYPE, "application/x-ndjson");
        self.send(request.body(lines))
    }

    /// Sends lines to `/v1/notices` and hands each answer on as it comes, with the service's process, until the last one has
    /// come or the service is gone. A line goes out when all but [`UNANSWERED_MAX`] before it are answered.
    pub(crate) fn stream(&mut self, lines: Vec<String>, mut answered: impl FnMut(Value, &Process)) {
        let room = Arc::new(Semaphore::new(UNANSWERED_MAX));
        let lines = futures_util::stream::unfold((lines.into_iter(), Arc::clone(&room)), async |(mut lines, room)| {
            let line = lines.next()?;
            room.acquire().await.ok()?.forget();
            Some((Ok::<_, std::io::Error>(line + "\n"), (lines, room)))
        });
        let request = self.request(Method::POST, "/v1/notices").header(CONTENT_TYPE, "application/x-ndjson");
        let request = request.body(Body::wrap_stream(lines));
        let Self { process, runtime, .. } = self;
        runtime.block_on(async {
            let Ok(mut response) = request.send().await else { return };
            assert_eq!(response.status(), 200);
            let mut buffer = Vec::new();
            while let Some(piece) = next_piece(&mut response).await {
                buffer.extend_from_slice(&piece);
                while let Some(end) = buffer.iter().position(|byte| *byte == b'\n') {
                    let line: Vec<u8> = buffer.drain(..=end).collect();
                    answered(serde_json::from_slice(&line).expect("an answer is JSON"), process);
                    room.add_permits(1);
                }
            }
        });
    }

    /// Begins a stream of notices with one line, waits for its answer, and leaves it open.
    pub(crate) fn open_stream(&self, line: &str) -> TcpStream {
        let mut connection = TcpStream::connect(&self.address).expect("the service listens");
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let head = format!(
            "POST /v1/notices HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {TOKEN}\r\n\
             content-type: application/x-ndjson\r\ntransfer-encoding: chunked\r\n\r\n"
        );
        write!(connection, "{head}{:x}\r\n{line}\n\r\n", line.len() + 1).expect("the service reads");
        let mut answers = BufReader::new(connection);
        let mut seen = String::new();
        while !seen.contains("\"ok\":true") {
            assert!(answers.read_line(&mut seen).expect("the service answers") > 0, "no answer but\n{seen}");
        }
        answers.into_inner()
    }

    /// Sends bytes as they are, and reads until the service closes the connection.
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        let mut connection = TcpStream::connect(&self.address).expect("the service listens");
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        // The service may close before it has read all; what it said before that counts.
        let _cut_off = connection.write_all(request);
        let mut answer = Vec::new();
        let _reset = connection.read_to_end(&mut answer);
        String::from_utf8_lossy(&answer).into_owned()
    }

    /// All orders that a look-up finds, over all pages.
    pub(crate) fn all_orders(&self, query: &str) -> Vec<Value> {
        let mut found = Vec::new();
        let mut cursor = String::new();
        loop {
            let answer = self.get(&format!("/v1/orders?limit=200{query}{cursor}"));
            assert_eq!(answer.status, 200, "{answer:?}");
            let Value::Object(mut page) = answer.json() else { panic!("a list is an object") };
            let Some(Value::Array(items)) = page.remove("items") else { panic!("a list has items") };
            found.extend(items);
            match page.remove("next_cursor") {
                Some(Value::String(next)) => cursor = format!("&cursor={next}"),
                _ => return found,
            }
        }
    }

    /// The process alone, when nothing more is asked of the service.
    pub(crate) fn into_process(self) -> Process {
        self.process
    }

    /// The next line of its standard output that begins so.
    pub(crate) fn line(&mut self, beginning: &str) -> String {
        self.process.line(beginning)
    }

    /// Sends the process a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        self.process.signal(signal);
    }

    /// Waits for a line of its standard error that says so.
    pub(crate) fn told(&mut self, text: &str) {
        self.process.told(text);
    }

    /// Lets no file of it grow beyond so many bytes; none takes the limit away.
    pub(crate) fn limit_files(&self, bytes: Option<u64>) {
        self.process.limit_files(bytes);
    }

    /// Asks it to stop and waits until it has.
    pub(crate) fn stop(self) -> Finished {
        let Self { process, client, runtime, .. } = self;
        drop((client, runtime));
        process.signal(Signal::TERM);
        process.wait()
    }

    /// Ends it as a power cut would.
    pub(crate) fn kill(self) -> Finished {
        self.process.kill()
    }
}

async fn next_piece(response: &mut Response) -> Option<Vec<u8>> {
    response.chunk().await.ok().flatten().map(|piece| piece.to_vec())
}

impl Answer {
    /// The body as JSON.
    #[track_caller]
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    /// The body as lines of JSON.
    pub(crate) fn lines(&self) -> Vec<Value> {
        let lines = self.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
        lines.map(|line| serde_json::from_slice(line).expect("a line is JSON")).collect()
    }

    /// A header as text; empty when it is not there.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }
}
