//! A reader of the live stream, on a connection of its own.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpStream;

use rustix::net::sockopt::set_socket_recv_buffer_size;
use serde_json::Value;

use super::process::PATIENCE;
use super::service::{Service, TOKEN};

/// What the system keeps of a stream for a reader on a slow line, in bytes.
const NARROW: usize = 16 * 1024;

/// One event as its reader sees it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Seen {
    /// What happened.
    pub(crate) name: String,
    /// Where it stands in the log.
    pub(crate) id: String,
    /// What is told of it.
    pub(crate) data: Value,
}

/// A connection on which the stream comes in.
pub(crate) struct Reader(BufReader<TcpStream>);

impl Reader {
    /// One that takes in little ahead of what is read of it, as over a slow line.
    pub(crate) fn narrow(service: &Service, after: Option<&str>) -> Self {
        let reader = Self::open_as(service, TOKEN, after);
        set_socket_recv_buffer_size(reader.0.get_ref(), NARROW).expect("a socket has a buffer");
        reader
    }

    fn open_as(service: &Service, key: &str, after: Option<&str>) -> Self {
        let mut connection = TcpStream::connect(service.address()).expect("the service listens");
        connection.set_read_timeout(Some(PATIENCE)).expect("a timeout");
        let after = after.map_or_else(String::new, |after| format!("last-event-id: {after}\r\n"));
        let request = format!("GET /v1/stream HTTP/1.1\r\nhost: shop\r\nauthorization: Bearer {key}\r\n{after}\r\n");
        connection.write_all(request.as_bytes()).expect("the service reads");
        Self(BufReader::new(connection))
    }

    /// One that has seen its stream begin.
    pub(crate) fn begun(service: &Service, after: Option<&str>) -> Self {
        Self::begun_as(service, TOKEN, after)
    }

    /// The same with a key.
    pub(crate) fn begun_as(service: &Service, key: &str, after: Option<&str>) -> Self {
        let mut reader = Self::open_as(service, key, after);
        reader.line("id: ");
        reader
    }

    /// What follows on the next line that begins so.
    fn line(&mut self, beginning: &str) -> String {
        loop {
            let mut line = String::new();
            assert!(self.0.read_line(&mut line).expect("the service goes on") > 0, "the stream ended");
            if let Some(rest) = line.strip_prefix(beginning) {
                return rest.trim_end().to_owned();
            }
        }
    }

    /// The next event.
    pub(crate) fn next(&mut self) -> Seen {
        let name = self.line("event: ");
        let mut fields = [self.line(""), self.line("")];
        fields.sort();
        let [data, id] = &fields;
        let data = data.strip_prefix("data: ").expect("an event has data");
        let id = id.strip_prefix("id: ").expect("an event has an id").to_owned();
        Seen { name, id, data: serde_json::from_str(data).expect("the data is JSON") }
    }

    /// So many events.
    pub(crate) fn take(&mut self, count: usize) -> Vec<Seen> {
        (0..count).map(|_| self.next()).collect()
    }
}
