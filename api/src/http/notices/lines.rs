//! A body in lines, of which no more than one is held at a time, and a stream of answers to them.
//!
//! * A line is decided and durable before it is answered; answers come in the order of the lines.
//! * At most [`IN_FLIGHT_MAX`] lines are between reading and answering. A sender that reads no answers is slowed down to a halt
//!   once [`ANSWER_BYTES_MAX`] of them wait for it.
//! * A bad line is answered with its problem and does not stop the others.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::BytesMut;
use futures_util::{Stream, StreamExt, stream};
use serde::Serialize;
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;

use crate::http::body::too_large;
use crate::http::problem::Problem;

/// The media type of both streams.
pub(in crate::http) const NDJSON: &str = "application/x-ndjson";
/// Lines between reading and answering.
const IN_FLIGHT_MAX: usize = 512;
/// Lines that are prepared side by side.
const PREPARED_AT_ONCE_MAX: usize = 64;
/// Lines of one request.
const LINES_MAX: u64 = 1_000_000;
/// How long a sender may say nothing.
const QUIET_MAX: Duration = Duration::from_secs(300);
/// Answers that leave in one piece, when they are there.
const ANSWERS_AT_ONCE: usize = 128;
/// Answers that wait for their receiver, in bytes. Many senders write all before they read anything; this much of an answer
/// does not stop them.
const ANSWER_BYTES_MAX: u32 = 16 << 20;

/// The longest line, in bytes.
pub(in crate::http) const LINE_BYTES_MAX: usize = 1 << 20;

/// A line that says something, with its number from 1. Blank lines count and are not told.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::http) struct Line {
    pub(in crate::http) number: u64,
    pub(in crate::http) content: Result<Bytes, LineFault>,
}

impl Line {
    /// What it says.
    pub(in crate::http) fn bytes(self) -> Result<Bytes, Problem> {
        if self.number > LINES_MAX { Err(too_many_lines()) } else { self.content.map_err(Problem::from) }
    }
}

/// Why there is nothing to be read in a line.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(in crate::http) enum LineFault {
    /// It is longer than [`LINE_BYTES_MAX`]; the next one is read again.
    TooLong,
    /// The body ended before it should; no line follows.
    Broken,
}

/// Splits what arrives into lines.
pub(in crate::http) struct Lines<S> {
    arriving: S,
    buffer: BytesMut,
    /// How much of the buffer is known to hold no end of a line.
    searched: usize,
    number: u64,
    /// Whether the buffer is inside a line that is too long.
    overlong: bool,
    ended: bool,
}

impl<S: Stream<Item = Result<Bytes, E>> + Unpin, E> Lines<S> {
    /// Of a body.
    pub(in crate::http) fn new(arriving: S) -> Self {
        Self { arriving, buffer: BytesMut::new(), searched: 0, number: 0, overlong: false, ended: false }
    }

    /// The next line that says something; `None` at the end.
    pub(in crate::http) async fn next(&mut self) -> Option<Line> {
        loop {
            if let Some(line) = self.take_buffered() {
                return Some(line);
            }
            if self.ended {
                return None;
            }
            match self.arriving.next().await {
                Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
                Some(Err(_)) => {
                    self.ended = true;
                    self.buffer.clear();
                    self.searched = 0;
                    return Some(Line { number: self.number + 1, content: Err(LineFault::Broken) });
                }
                None => {
                    self.ended = true;
                    // The last line may lack its end.
                    self.buffer.extend_from_slice(b"\n");
                }
            }
        }
    }

    /// The next line that is in the buffer as a whole.
    fn take_buffered(&mut self) -> Option<Line> {
        while let Some(offset) = self.buffer[self.searched..].iter().position(|byte| *byte == b'\n') {
            let line = self.buffer.split_to(self.searched + offset + 1).freeze();
            self.searched = 0;
            self.number += 1;
            if std::mem::take(&mut self.overlong) || line.len() > LINE_BYTES_MAX + 1 {
                return Some(Line { number: self.number, content: Err(LineFault::TooLong) });
            }
            if !line.trim_ascii().is_empty() {
                return Some(Line { number: self.number, content: Ok(line) });
            }
        }
        if self.buffer.len() > LINE_BYTES_MAX {
            self.overlong = true;
            self.buffer.clear();
        }
        self.searched = self.buffer.len();
        None
    }
}

/// Answers each line of a body by one line, in order. `prepare` does what may be done for many lines at once; `submit` puts them
/// where they are decided, one after the other; what it gives waits for the answer, again beside those of other lines.
pub(in crate::http) fn answer_lines<Preparing, Prepared, Submitted, Pending, Answer>(
    body: Body,
    prepare: impl FnMut(Line) -> Preparing + Send + 'static,
    submit: impl FnMut(Prepared) -> Submitted + Send + 'static,
) -> Response
where
    Preparing: Future<Output = Prepared> + Send + 'static,
    Prepared: Send + 'static,
    Submitted: Future<Output = Pending> + Send + 'static,
    Pending: Future<Output = Answer> + Send + 'static,
    Answer: Serialize + Send + 'static,
{
    let lines = Lines::new(Box::pin(until_quiet(body)));
    let lines = stream::unfold(Some(lines), async |lines| {
        let mut lines = lines?;
        let line = lines.next().await?;
        let more = line.number <= LINES_MAX;
        Some((line, more.then_some(lines)))
    });
    let answers = lines
        .map(prepare)
        .buffered(PREPARED_AT_ONCE_MAX)
        .then(submit)
        .buffered(IN_FLIGHT_MAX)
        .ready_chunks(ANSWERS_AT_ONCE)
        .map(|answers| encode(&answers));
    ([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(held(answers))).into_response()
}

/// The body, until nothing of it came for [`QUIET_MAX`].
fn until_quiet(body: Body) -> impl Stream<Item = Result<Bytes, ()>> + Send {
    stream::unfold(body.into_data_stream(), async |mut frames| {
        let frame = match timeout(QUIET_MAX, frames.next()).await {
            Ok(frame) => frame?.map_err(drop),
            Err(_) => Err(()),
        };
        Some((frame, frames))
    })
}

impl From<LineFault> for Problem {
    fn from(fault: LineFault) -> Self {
        match fault {
            LineFault::TooLong => too_large("line", LINE_BYTES_MAX),
            LineFault::Broken => Self::malformed("the body ended early, or nothing of it came for 5 minutes"),
        }
    }
}

fn too_many_lines() -> Problem {
    let status = StatusCode::PAYLOAD_TOO_LARGE;
    let detail = format!("a request may have at most {LINES_MAX} lines; this one and those after it were not read");
    Problem::new(status, "too_large", "The request is too large", detail)
}

fn encode(answers: &[impl Serialize]) -> Bytes {
    let mut lines = Vec::with_capacity(answers.len() * 512);
    for answer in answers {
        serde_json::to_writer(&mut lines, answer).expect("an answer has a JSON form, and memory takes it");
        lines.push(b'\n');
    }
    lines.into()
}

/// Lets the work go on while the receiver is slow, until [`ANSWER_BYTES_MAX`] wait for it. When the receiver hangs up, no
/// further line is read; those in the mailbox are decided all the same.
fn held(answers: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Result<Bytes, Infallible>> {
    let room = Arc::new(Semaphore::new(ANSWER_BYTES_MAX as usize));
    let (sender, receiver) = mpsc::unbounded_channel();
    tokio::spawn({
        let room = Arc::clone(&room);
        async move {
            let mut answers = std::pin::pin!(answers);
            loop {
                let piece: Option<Bytes> = tokio::select! {
                    piece = answers.next() => piece,
                    () = sender.closed() => None,
                };
                let Some(piece) = piece else { return };
                let length = u32::try_from(piece.len()).unwrap_or(u32::MAX).min(ANSWER_BYTES_MAX);
                let Ok(taken) = Arc::clone(&room).acquire_many_owned(length).await else { return };
                if sender.send((piece, taken)).is_err() {
                    return;
                }
            }
        }
    });
    stream::unfold(receiver, async |mut receiver| {
        let (piece, _taken) = receiver.recv().await?;
        Some((Ok(piece), receiver))
    })
}

#[cfg(test)]
mod tests {
    use futures_util::{FutureExt, stream};

    use super::*;

    fn lines(chunks: Vec<Result<Bytes, ()>>) -> Vec<(u64, Result<String, LineFault>)> {
        let mut lines = Lines::new(stream::iter(chunks));
        let next = || lines.next().now_or_never().expect("all is there");
        let text = |line: Bytes| String::from_utf8(line.trim_ascii().to_vec()).unwrap();
        std::iter::from_fn(next).map(|line| (line.number, line.content.map(text))).collect()
    }

    fn chunk(text: &str) -> Result<Bytes, ()> {
        Ok(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn lines_are_found_across_chunks_and_blank_ones_only_count() {
        let found = lines(vec![chunk("a"), chunk("b\r\n\n \nc\nd"), chunk("e")]);
        assert_eq!(found, [(1, Ok("ab".into())), (4, Ok("c".into())), (5, Ok("de".into()))]);
    }

    #[test]
    fn a_line_that_is_too_long_does_not_stop_the_next() {
        let long = "x".repeat(LINE_BYTES_MAX + 1);
        let too_long = (1, Err(LineFault::TooLong));
        assert_eq!(lines(vec![chunk(&format!("{long}\nok"))]), [too_long.clone(), (2, Ok("ok".into()))]);
        let pieces = vec![chunk(&long), chunk(&long), chunk("\nok\n")];
        assert_eq!(lines(pieces), [too_long.clone(), (2, Ok("ok".into()))]);
        assert_eq!(lines(vec![chunk(&long)]), [too_long]);
    }

    #[test]
    fn a_line_of_the_greatest_length_is_taken() {
        let longest = "x".repeat(LINE_BYTES_MAX);
        assert_eq!(lines(vec![chunk(&longest), chunk("\n")]), [(1, Ok(longest))]);
    }

    #[test]
    fn a_body_that_breaks_off_says_so_and_its_last_piece_is_not_taken_for_a_line() {
        assert_eq!(lines(vec![chunk("a\nb"), Err(())]), [(1, Ok("a".into())), (2, Err(LineFault::Broken))]);
    }
}
