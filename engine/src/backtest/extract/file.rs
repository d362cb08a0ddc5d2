//! The file of an extract.
//!
//! | part | bytes |
//! |---|---|
//! | `orderlight-extract` and two zero bytes | 20 |
//! | the format | 4 |
//! | the partition | 4 |
//! | blocks | |
//!
//! | part of a block | bytes |
//! |---|---|
//! | how long its entries are | 4 |
//! | what the log looks like where it ends | 32 |
//! | SHA-256 over its number and all else | 32 |
//! | entries, see [`Entries`](super::Entries) | |
//!
//! Numbers are little-endian. No block waits for the disk: what a crash tears is noticed by its digest, and made anew.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::path::Path;

use sha2::{Digest, Sha256};

const MAGIC: &[u8; 20] = b"orderlight-extract\0\0";
/// To be raised with every change of the form, and of what [`Said`](super::Said) makes of the same events.
const FORMAT: u32 = 2;
const HEADER_BYTES: u64 = 28;
const BLOCK_HEADER_BYTES: usize = 4 + 32 + 32;
/// How much is written before it is synced, so that the log's own syncs never wait for a whole extract.
const UNSYNCED_BYTES_MAX: usize = 8 << 20;

/// See the module.
pub(super) struct Blocks {
    file: File,
    /// Whether the file is this one's to change: it is of one process, and there of one back-test, at a time.
    is_ours: bool,
    /// Where each begins.
    begins: Vec<u64>,
    /// Where the last one ends.
    end: u64,
    /// What the log looks like there.
    last: [u8; 32],
    unsynced: usize,
}

impl Blocks {
    /// Opens or makes the file of a partition.
    pub(super) fn open(directory: &Path, partition: u32) -> io::Result<Self> {
        fs::create_dir_all(directory)?;
        let path = directory.join(format!("partition-{partition}.extract"));
        let mut file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path)?;
        let is_ours = match file.try_lock() {
            Ok(()) => true,
            Err(TryLockError::WouldBlock) => false,
            Err(TryLockError::Error(error)) => return Err(error),
        };
        let header = [&MAGIC[..], &FORMAT.to_le_bytes(), &partition.to_le_bytes()].concat();
        let mut found = Vec::with_capacity(header.len());
        (&file).take(HEADER_BYTES).read_to_end(&mut found)?;
        let is_whole = found == header;
        if !is_whole && is_ours {
            file.set_len(0)?;
            file.rewind()?;
            file.write_all(&header)?;
        }
        let mut blocks = Self { file, is_ours, begins: Vec::new(), end: HEADER_BYTES, last: [0; 32], unsynced: 0 };
        if is_whole {
            blocks.find()?;
            blocks.end_file()?;
        }
        Ok(blocks)
    }

    /// Takes away what was torn behind the last block.
    fn end_file(&self) -> io::Result<()> {
        if self.is_ours { self.file.set_len(self.end) } else { Ok(()) }
    }

    /// Finds the blocks that are there from end to end.
    fn find(&mut self) -> io::Result<()> {
        let length = self.file.metadata()?.len();
        while length - self.end >= BLOCK_HEADER_BYTES as u64 {
            let header = self.header(self.end)?;
            let end = self.end + header.block_bytes();
            if end > length {
                break;
            }
            self.begins.push(self.end);
            (self.end, self.last) = (end, header.named);
        }
        Ok(())
    }

    pub(super) const fn count(&self) -> u64 {
        self.begins.len() as u64
    }

    /// How many there are, if any, and what the last one names.
    pub(super) const fn last(&self) -> Option<(u64, [u8; 32])> {
        if self.begins.is_empty() { None } else { Some((self.count(), self.last)) }
    }

    /// The entries of a block that is there; `None` when they are damaged.
    pub(super) fn read(&mut self, number: u64) -> Option<Vec<u8>> {
        let place = usize::try_from(number).ok()?;
        let begin = *self.begins.get(place)?;
        let end = self.begins.get(place + 1).copied().unwrap_or(self.end);
        // Somebody else may write the file anew meanwhile.
        let header = self.header(begin).ok().filter(|header| begin + header.block_bytes() == end)?;
        let mut entries = vec![0; header.length];
        self.file.read_exact(&mut entries).ok()?;
        (digest(number, header.named, &entries) == header.digest).then_some(entries)
    }

    pub(super) const fn is_ours(&self) -> bool {
        self.is_ours
    }

    /// Puts one behind the others.
    pub(super) fn add(&mut self, block: &[u8]) -> io::Result<()> {
        self.file.seek(SeekFrom::Start(self.end))?;
        self.file.write_all(block)?;
        self.begins.push(self.end);
        self.end += block.len() as u64;
        self.unsynced += block.len();
        if self.unsynced >= UNSYNCED_BYTES_MAX {
            self.unsynced = 0;
            self.file.sync_data()?;
        }
        Ok(())
    }

    /// Forgets the blocks from one on. Those that are added next take their place.
    pub(super) fn cut(&mut self, number: u64) -> io::Result<()> {
        let kept = usize::try_from(number).unwrap_or(usize::MAX);
        if let Some(begin) = self.begins.get(kept) {
            self.end = *begin;
            self.begins.truncate(kept);
        }
        self.end_file()
    }

    /// Reads the header of a block, and stands behind it then.
    fn header(&mut self, begin: u64) -> io::Result<Header> {
        self.file.seek(SeekFrom::Start(begin))?;
        let (mut length, mut named, mut digest) = ([0; 4], [0; 32], [0; 32]);
        self.file.read_exact(&mut length)?;
        self.file.read_exact(&mut named)?;
        self.file.read_exact(&mut digest)?;
        let length = usize::try_from(u32::from_le_bytes(length)).map_err(io::Error::other)?;
        Ok(Header { length, named, digest })
    }
}

struct Header {
    length: usize,
    named: [u8; 32],
    digest: [u8; 32],
}

impl Header {
    const fn block_bytes(&self) -> u64 {
        (BLOCK_HEADER_BYTES + self.length) as u64
    }
}

/// A block's bytes; `None` where they are too many.
pub(super) fn block(number: u64, named: [u8; 32], entries: &[u8]) -> Option<Vec<u8>> {
    let length = u32::try_from(entries.len()).ok()?;
    Some([&length.to_le_bytes()[..], &named, &digest(number, named, entries), entries].concat())
}

fn digest(number: u64, named: [u8; 32], entries: &[u8]) -> [u8; 32] {
    let digest = Sha256::new().chain_update(number.to_le_bytes()).chain_update(named).chain_update(entries);
    digest.finalize().into()
}
