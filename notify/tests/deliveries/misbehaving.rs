//! Receivers that hang, dawdle, break off, lie or lead elsewhere, each spoken to over a bare connection: what counts is a status that
//! came in time, and nothing else does.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use domain::endpoint::Notification::OrderFrozen;
use domain::time::Span;
use notify::{State, message_id};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::given::{Backend, Given, Receiver, all, frozen, so, until};

/// How long a receiver may take here; whoever keeps to it is much faster.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);
/// The pause between two bytes of a receiver that dawdles.
const DAWDLING: Duration = Duration::from_millis(20);
/// The most of an endless body that may have gone into the buffers of a connection that nobody reads.
const BUFFERED_BYTES_MAX: usize = 64 << 20;

/// What a receiver does once it has a message.
#[derive(Clone, Copy, Debug)]
enum Then {
    Close,
    KeepSilent,
    /// Sends this again and again, with pauses.
    Dawdle(&'static str),
    /// Sends this again and again, as fast as it is taken.
    Flood(&'static str),
}

/// What is to become of the message.
#[derive(Clone, Copy, Debug)]
enum Becomes {
    Delivered,
    /// It is to be tried again, with this status and for this reason.
    Failed(Option<u16>, &'static str),
}

const LATE: Becomes = Becomes::Failed(None, "did not answer in time");
const BROKEN: Becomes = Becomes::Failed(None, "broke off");

/// What a receiver says, what it does then, and what becomes of the message.
const MISBEHAVING: [(&str, Then, Becomes); 13] = [
    ("", Then::KeepSilent, LATE),
    ("", Then::Close, BROKEN),
    ("SSH-2.0-OpenSSH_9.2\r\n\r\n", Then::KeepSilent, BROKEN),
    ("HTTP/1.1 2", Then::Close, BROKEN),
    ("HTTP/1.1 200 OK\r\nx-word: ", Then::Dawdle("a"), LATE),
    (
        "HTTP/1.1 200 OK\r\nx-word: ",
        Then::Flood("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
        BROKEN,
    ),
    ("", Then::Dawdle("HTTP/1.1 100 Continue\r\n\r\n"), LATE),
    ("HTTP/1.1 500 Wrong\r\ncontent-length: 2\r\n\r\nok", Then::KeepSilent, Becomes::Failed(Some(500), "status 500")),
    // From here on the status says that it was taken, and what is wrong is the rest.
    ("HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n", Then::Dawdle("a"), Becomes::Delivered),
    ("HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\nhalf", Then::Close, Becomes::Delivered),
    ("HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\nnot a chunk", Then::KeepSilent, Becomes::Delivered),
    ("HTTP/1.1 200 OK\r\ncontent-length: 99999999999\r\n\r\n", Then::Flood("aaaaaaaaaaaaaaaa"), Becomes::Delivered),
    ("HTTP/1.1 204 No Content\r\n\r\nHTTP/1.1 500 Wrong\r\n\r\n", Then::Close, Becomes::Delivered),
];

/// A receiver that says something and does something then.
struct Bare {
    address: SocketAddr,
    /// The ids of what it got.
    got: Arc<Mutex<Vec<String>>>,
    /// How much of an answer it could send on each connection that has ended.
    sent: Arc<Mutex<Vec<usize>>>,
}

impl Bare {
    /// Says the same every time.
    async fn that(says: impl Into<String>, then: Then) -> Self {
        Self::that_first(says.into(), then, None).await
    }

    /// Behaves like this at first, and answers with another text from the second message on, if there is one.
    async fn that_first(says: String, then: Then, later: Option<&'static str>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (got, sent) = (Arc::<Mutex<Vec<String>>>::default(), Arc::<Mutex<Vec<usize>>>::default());
        let bare = Self { address: listener.local_addr().unwrap(), got: got.clone(), sent: sent.clone() };
        tokio::spawn(async move {
            loop {
                let (mut connection, _) = listener.accept().await.unwrap();
                let (got, sent, says) = (got.clone(), sent.clone(), says.clone());
                tokio::spawn(async move {
                    let Some(id) = message(&mut connection).await else { return };
                    let is_first = {
                        let mut got = got.lock().unwrap();
                        got.push(id);
                        got.len() == 1
                    };
                    let bytes = match later.filter(|_| !is_first) {
                        Some(later) => answer(connection, later, Then::KeepSilent).await,
                        None => answer(connection, &says, then).await,
                    };
                    sent.lock().unwrap().push(bytes);
                });
            }
        });
        bare
    }

    fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    fn got(&self) -> Vec<String> {
        self.got.lock().unwrap().clone()
    }
}

/// Reads one request; answers with the message's id.
async fn message(connection: &mut TcpStream) -> Option<String> {
    let (mut read, mut buffer) = (Vec::new(), [0; 4_096]);
    loop {
        let count = connection.read(&mut buffer).await.ok().filter(|count| *count > 0)?;
        read.extend_from_slice(&buffer[..count]);
        let text = String::from_utf8_lossy(&read);
        let Some((head, body)) = text.split_once("\r\n\r\n") else { continue };
        let field = |name: &str| head.lines().find_map(|line| line.strip_prefix(name)).map(str::trim);
        let length: usize = field("content-length:")?.parse().ok()?;
        if body.len() >= length {
            return field("webhook-id:").map(str::to_owned);
        }
    }
}

/// Answers until the other side has had enough of it; says how many bytes went out.
async fn answer(mut connection: TcpStream, says: &str, then: Then) -> usize {
    let mut sent = says.len();
    if connection.write_all(says.as_bytes()).await.is_err() {
        return 0;
    }
    let (again, pause) = match then {
        Then::Close => return sent,
        Then::KeepSilent => {
            // Nothing more comes; this ends with the connection.
            let _end = connection.read(&mut [0; 1]).await;
            return sent;
        }
        Then::Dawdle(again) => (again, DAWDLING),
        Then::Flood(again) => (again, Duration::ZERO),
    };
    while connection.write_all(again.as_bytes()).await.is_ok() {
        sent += again.len();
        if pause > Duration::ZERO {
            tokio::time::sleep(pause).await;
        }
    }
    sent
}

#[tokio::test]
async fn what_counts_of_a_receiver_is_a_status_that_came_in_time() {
    let (mut given, well) = (Given::nothing(Backend::Sqlite).await, Receiver::answering(200).await);
    given.terms.answer_within = ANSWER_WITHIN;
    let mut receivers = Vec::new();
    for (number, (says, then, becomes)) in MISBEHAVING.into_iter().enumerate() {
        let bare = Bare::that(says, then).await;
        let endpoint = format!("e{number}");
        given.endpoint(&endpoint, &bare.url(), &[OrderFrozen]).await;
        receivers.push((endpoint, bare, then, becomes));
    }
    given.endpoint("well", &well.url(), &[OrderFrozen]).await;
    let position = given.order("web:A1", &[frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "well", all(State::Delivered, 1)).await;
    for (endpoint, bare, then, becomes) in &receivers {
        let found = until(&notifier, endpoint, |found| found.iter().any(|delivery| delivery.attempts > 0)).await;
        let [delivery] = &found[..] else { panic!("{endpoint}: {found:?}") };
        let error = delivery.last_error.as_deref().unwrap_or_default();
        match becomes {
            Becomes::Delivered => assert_eq!(delivery.state, State::Delivered, "{endpoint}: {delivery:?}"),
            Becomes::Failed(status, why) => {
                assert_eq!(
                    (delivery.state, delivery.last_status),
                    (State::Pending, *status),
                    "{endpoint}: {delivery:?}"
                );
                assert!(error.contains(why), "{endpoint}: {delivery:?}");
            }
        }
        assert_eq!(bare.got(), [message_id(endpoint, position)], "{endpoint}: nobody is asked twice in a row");
        if matches!(then, Then::Dawdle(_) | Then::Flood(_)) {
            // Whoever sends without an end is hung up on.
            so(|| bare.sent.lock().unwrap().len() == 1).await;
            let sent = bare.sent.lock().unwrap()[0];
            assert!(sent <= BUFFERED_BYTES_MAX, "{endpoint} could send {sent} bytes");
        }
    }
    notifier.stop().await;
}

#[tokio::test]
async fn what_was_answered_too_late_comes_again_under_the_same_id() {
    let mut given = Given::nothing(Backend::Sqlite).await;
    given.terms.answer_within = ANSWER_WITHIN;
    let late = Bare::that_first(String::new(), Then::KeepSilent, Some("HTTP/1.1 204 No Content\r\n\r\n")).await;
    given.endpoint("e1", &late.url(), &[OrderFrozen]).await;
    let position = given.order("web:A1", &[frozen()]).await;
    let notifier = given.notifier().await;
    until(&notifier, "e1", |found| found.iter().any(|delivery| delivery.attempts == 1)).await;
    given.later(Span::from_secs(1));
    let found = until(&notifier, "e1", all(State::Delivered, 1)).await;
    assert_eq!((found[0].attempts, found[0].last_status, &found[0].last_error), (2, Some(204), &None));
    assert_eq!(late.got(), [message_id("e1", position), message_id("e1", position)]);
    notifier.stop().await;
}

#[tokio::test]
async fn a_receiver_leads_to_no_other_address() {
    let (mut given, inside) = (Given::nothing(Backend::Sqlite).await, Receiver::answering(200).await);
    let mut endpoints = Vec::new();
    for status in [301, 302, 303, 307, 308] {
        let (endpoint, url) = (format!("e{status}"), inside.url());
        let moved =
            format!("HTTP/1.1 {status} Moved\r\nlocation: {url}\r\nrefresh: 0; url={url}\r\ncontent-length: 0\r\n\r\n");
        let leading = Bare::that(moved, Then::KeepSilent).await;
        given.endpoint(&endpoint, &leading.url(), &[OrderFrozen]).await;
        endpoints.push((endpoint, status, leading));
    }
    given.order("web:A1", &[frozen()]).await;
    let notifier = given.notifier().await;
    for (endpoint, status, leading) in &endpoints {
        let found = until(&notifier, endpoint, |found| found.iter().any(|delivery| delivery.attempts > 0)).await;
        assert_eq!((found[0].state, found[0].last_status), (State::Pending, Some(*status)), "{found:?}");
        assert!(found[0].last_error.as_deref().is_some_and(|error| error.contains("redirect")), "{found:?}");
        assert_eq!(leading.got().len(), 1);
    }
    assert_eq!(inside.ids(), Vec::<String>::new());
    notifier.stop().await;
}
