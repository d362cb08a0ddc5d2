//! A body in lines, of which no more than one is held at a time.

use axum::body::Bytes;
use bytes::BytesMut;
use futures_util::{Stream, StreamExt};

/// The longest line, in bytes.
pub(super) const LINE_BYTES_MAX: usize = 1 << 20;

/// A line that says something, with its number from 1. Blank lines count and are not told.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) number: u64,
    pub(super) content: Result<Bytes, LineFault>,
}

/// Why there is nothing to be read in a line.
#[derive(Debug, PartialEq, Eq, Clone, Copy)]
pub(super) enum LineFault {
    /// It is longer than [`LINE_BYTES_MAX`]; the next one is read again.
    TooLong,
    /// The body ended before it should; no line follows.
    Broken,
}

/// Splits what arrives into lines.
pub(super) struct Lines<S> {
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
    pub(super) fn new(arriving: S) -> Self {
        Self { arriving, buffer: BytesMut::new(), searched: 0, number: 0, overlong: false, ended: false }
    }

    /// The next line that says something; `None` at the end.
    pub(super) async fn next(&mut self) -> Option<Line> {
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
