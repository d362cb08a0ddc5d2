//! The lines of a file, plain or gzip.

use std::fs::File;
use std::io::{BufRead, BufReader, Read};
use std::path::Path;

use anyhow::Context;
use flate2::read::MultiGzDecoder;
use indicatif::ProgressBar;
use tokio::sync::mpsc;

/// Lines that wait to be submitted.
const LINES_AHEAD_MAX: usize = 1_024;
/// The longest line.
const LINE_BYTES_MAX: usize = 1 << 20;

/// One line of the file.
pub(super) struct Line {
    pub(super) number: u64,
    /// Bytes of the file read so far, compressed ones if it is compressed.
    pub(super) read_bytes: u64,
    /// JSON, or what is wrong with it.
    pub(super) content: Result<serde_json::Value, String>,
}

/// Reads and parses lines in a thread of its own, some ahead. An empty line is `null`.
pub(super) fn read_lines(path: &Path) -> anyhow::Result<mpsc::Receiver<Line>> {
    let mut file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let mut magic = [0; 2];
    let is_gzip =
        file.read(&mut magic).with_context(|| format!("cannot read {}", path.display()))? == 2 && magic == [0x1f, 0x8b];
    let file = File::open(path).with_context(|| format!("cannot read {}", path.display()))?;
    let counter = ProgressBar::hidden();
    let counted = counter.wrap_read(file);
    let mut reader: Box<dyn BufRead + Send> = if is_gzip {
        Box::new(BufReader::with_capacity(1 << 16, MultiGzDecoder::new(counted)))
    } else {
        Box::new(BufReader::with_capacity(1 << 16, counted))
    };
    let (sender, receiver) = mpsc::channel(LINES_AHEAD_MAX);
    std::thread::spawn(move || {
        let mut buffer = Vec::new();
        for number in 1.. {
            buffer.clear();
            let content = match next_line(&mut *reader, &mut buffer) {
                Ok(0) => return,
                Ok(_) => parse(&buffer),
                Err(error) => Err(format!("cannot be read: {error}")),
            };
            let ends = content.as_ref().is_err_and(|error| error.starts_with("cannot be read"));
            let line = Line { number, read_bytes: counter.position(), content };
            if sender.blocking_send(line).is_err() || ends {
                return;
            }
        }
    });
    Ok(receiver)
}

/// Reads up to the end of a line; what exceeds the limit is read and dropped, so that the next line is found.
fn next_line(reader: &mut dyn BufRead, buffer: &mut Vec<u8>) -> std::io::Result<usize> {
    let limit = u64::try_from(LINE_BYTES_MAX).unwrap_or(u64::MAX) + 1;
    let mut read = reader.take(limit).read_until(b'\n', buffer)?;
    while buffer.len() > LINE_BYTES_MAX && buffer.last() != Some(&b'\n') {
        buffer.truncate(LINE_BYTES_MAX);
        let more = reader.take(limit).read_until(b'\n', buffer)?;
        read += more;
        if more == 0 {
            buffer.push(b' ');
            break;
        }
    }
    Ok(read)
}

fn parse(line: &[u8]) -> Result<serde_json::Value, String> {
    if line.len() > LINE_BYTES_MAX {
        return Err(format!("longer than {LINE_BYTES_MAX} bytes"));
    }
    if line.trim_ascii().is_empty() {
        return Ok(serde_json::Value::Null);
    }
    domain::json::read(line).map_err(|error| format!("not JSON: {error}"))
}
