//! The file of a snapshot.
//!
//! | part | bytes |
//! |---|---|
//! | `orderlight-snapshot` and a zero byte | 20 |
//! | the format | 4 |
//! | the partition | 4 |
//! | position and time of the last event taken in | 8 + 8 |
//! | what the log looks like there | 32 |
//! | the memory, see [`KeptMemory::write`] | |
//! | SHA-256 over all before | 32 |
//!
//! Numbers are little-endian. A file gets its name when it is whole and on disk, and only the newest are kept.

use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use domain::time::Timestamp;
use eventlog::Position;
use sha2::{Digest, Sha256};

use crate::bytes::{Reader, Writer};
use crate::memory::{KeptMemory, Memory};

const MAGIC: &[u8; 20] = b"orderlight-snapshot\0";
/// To be raised with every change of the form, and of what memory makes of the same events.
const FORMAT: u32 = 9;
const DIGEST_BYTES: usize = 32;
const HEADER_BYTES: usize = MAGIC.len() + 4 + 4 + 8 + 8 + 32;
/// The most snapshots that are kept of one partition.
const KEPT_MAX: usize = 2;
/// How much is encoded before it is hashed and written.
const PIECE_BYTES: usize = 1 << 20;
/// How much is written before it is synced, so that the log's own syncs never wait for a whole snapshot.
const UNSYNCED_BYTES_MAX: usize = 8 << 20;

/// What a snapshot says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Header {
    pub(super) partition: u32,
    pub(super) position: Position,
    pub(super) recorded_at: Timestamp,
    /// What tells the log from every other, see [`super::log_at`].
    pub(super) log: [u8; 32],
}

/// What is wrong with the bytes of a snapshot.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub(super) enum Damage {
    #[error("it is no snapshot")]
    NoSnapshot,
    #[error("it has format {found}, and this version reads {FORMAT}")]
    Format { found: u32 },
    #[error("it is damaged or cut off: its digest does not fit")]
    Digest,
    #[error("its content cannot be read")]
    Content,
}

/// A snapshot's bytes, whose digest fits.
pub(super) struct Body(Vec<u8>);

impl Body {
    pub(super) fn memory(&self) -> Result<Memory, Damage> {
        let content = self.0.get(HEADER_BYTES..self.0.len() - DIGEST_BYTES).ok_or(Damage::Content)?;
        Memory::read(&mut Reader::new(content)).ok_or(Damage::Content)
    }
}

/// Reads a file and checks it as far as that is possible without the log.
pub(super) fn read(path: &Path) -> Result<(Header, Body), super::Unusable> {
    let bytes = fs::read(path)?;
    Ok((check(&bytes)?, Body(bytes)))
}

fn check(bytes: &[u8]) -> Result<Header, Damage> {
    let mut reader = Reader::new(bytes);
    if reader.array() != Some(*MAGIC) {
        return Err(Damage::NoSnapshot);
    }
    let found = reader.array().map(u32::from_le_bytes).ok_or(Damage::Digest)?;
    if found != FORMAT {
        return Err(Damage::Format { found });
    }
    let (content, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or(Damage::Digest)?;
    if Sha256::digest(content)[..] != digest[..] {
        return Err(Damage::Digest);
    }
    let mut header = || {
        Some(Header {
            partition: reader.array().map(u32::from_le_bytes)?,
            position: reader.fixed()?,
            recorded_at: Timestamp::from_millis(reader.fixed()?.cast_signed()),
            log: reader.array()?,
        })
    };
    header().ok_or(Damage::Content)
}

/// Writes a snapshot beside the others, and removes the oldest.
pub(super) fn write(directory: &Path, header: Header, memory: &KeptMemory) -> io::Result<()> {
    fs::create_dir_all(directory)?;
    let unfinished = directory.join(format!("partition-{}.unfinished", header.partition));
    let mut output = Output { file: File::create(&unfinished)?, digest: Sha256::new(), unsynced: 0 };
    let mut writer = Writer::with_capacity(2 * PIECE_BYTES);
    writer.plain(MAGIC);
    writer.plain(&FORMAT.to_le_bytes());
    writer.plain(&header.partition.to_le_bytes());
    writer.fixed(header.position);
    writer.fixed(header.recorded_at.millis().cast_unsigned());
    writer.plain(&header.log);
    memory.write(&mut writer, &mut |writer| if writer.len() < PIECE_BYTES { Ok(()) } else { output.take(writer) })?;
    output.take(&mut writer)?;
    output.finish()?;
    fs::rename(&unfinished, directory.join(name(header.partition, header.position)))?;
    // The name is on disk with its directory.
    File::open(directory)?.sync_all()?;
    newest_first(directory, header.partition).into_iter().skip(KEPT_MAX).try_for_each(fs::remove_file)
}

struct Output {
    file: File,
    digest: Sha256,
    unsynced: usize,
}

impl Output {
    fn take(&mut self, writer: &mut Writer) -> io::Result<()> {
        self.digest.update(writer.bytes());
        self.file.write_all(writer.bytes())?;
        self.unsynced += writer.len();
        writer.clear();
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }

    fn finish(mut self) -> io::Result<()> {
        self.file.write_all(&self.digest.finalize())?;
        self.file.sync_all()
    }
}

fn name(partition: u32, position: Position) -> String {
    format!("partition-{partition}-{position:020}.snapshot")
}

/// The snapshots of a partition by their names; a directory that is not there has none.
pub(super) fn newest_first(directory: &Path, partition: u32) -> Vec<PathBuf> {
    let prefix = format!("partition-{partition}-");
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| entry.file_name().into_string().ok());
    let mut names: Vec<String> =
        names.filter(|name| name.starts_with(&prefix) && name.ends_with(".snapshot")).collect();
    names.sort_unstable_by(|one, other| other.cmp(one));
    names.into_iter().map(|name| directory.join(name)).collect()
}
