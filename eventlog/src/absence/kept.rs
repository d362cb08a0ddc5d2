//! What is certainly not in the log, in a file from one run to the next.
//!
//! | part | bytes |
//! |---|---|
//! | `orderlight-absence` and two zero bytes | 20 |
//! | the format | 4 |
//! | how many partitions it speaks for; of each its number, the epoch in which it was written and the leaf hash of its last event | 4, each 4 + 8 + 32 |
//! | how many layers; of each its room, how many bits a thing sets, how many words it has, and these | 4, each 8 + 4 + 8 + 8 a word |
//! | SHA-256 over all before | 32 |
//!
//! Numbers are little-endian. The file is a convenience and never the truth. It serves one start: it is removed when it is read, so
//! that it can go with no later state of a log. One that is damaged or of another format is ignored with a line. What it says of a
//! partition counts when the partition is acquired with the very next epoch and still ends with the same event: then nobody wrote to
//! it in between, and it is no other log's.

use std::fs;
use std::hash::BuildHasherDefault;
use std::io;
use std::path::Path;

use fastbloom::BloomFilter;
use rustc_hash::FxHashMap;
use sha2::{Digest, Sha256};

use super::{LAYERS_MAX, Layer, Mark};

const MAGIC: &[u8; 20] = b"orderlight-absence\0\0";
/// To be raised with every change of the form, of what a [`Thing`](super::Thing) is made of, and of the bits that it sets.
const FORMAT: u32 = 1;
const DIGEST_BYTES: usize = 32;

/// What a file holds.
#[derive(Debug)]
pub(super) struct Kept {
    /// The partitions that it speaks for.
    pub(super) marks: FxHashMap<u32, Mark>,
    pub(super) layers: Vec<Layer>,
}

/// Why a file is not used.
#[derive(Debug, thiserror::Error)]
pub(super) enum Unusable {
    #[error("it cannot be read")]
    File(#[from] io::Error),
    #[error("it is not of this program, or of another version")]
    Foreign,
    #[error("it is damaged or cut off: its digest does not fit")]
    Damaged,
}

/// Reads a file and removes it; `None` where there is none.
pub(super) fn take(path: &Path) -> Result<Option<Kept>, Unusable> {
    let bytes = match fs::read(path) {
        Ok(bytes) => bytes,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    fs::remove_file(path)?;
    let mut reader = Reader(&bytes);
    if reader.array() != Some(*MAGIC) || reader.four() != Some(FORMAT) {
        return Err(Unusable::Foreign);
    }
    let (content, digest) = bytes.split_last_chunk::<DIGEST_BYTES>().ok_or(Unusable::Damaged)?;
    if Sha256::digest(content)[..] != digest[..] {
        return Err(Unusable::Damaged);
    }
    reader.kept().map(Some).ok_or(Unusable::Damaged)
}

/// Writes a file in place of the one before. What a crash leaves of it is not believed: its digest does not fit.
pub(super) fn write(path: &Path, kept: &Kept) -> io::Result<()> {
    path.parent().map_or(Ok(()), fs::create_dir_all)?;
    let unfinished = path.with_extension("unfinished");
    let written = fs::write(&unfinished, kept.bytes()).and_then(|()| fs::rename(&unfinished, path));
    written.inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

impl Kept {
    fn bytes(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.layers.iter().map(|layer| layer.filter.num_bits() / 8 + 64).sum());
        bytes.extend(MAGIC);
        bytes.extend(FORMAT.to_le_bytes());
        bytes.extend(count(self.marks.len()).to_le_bytes());
        for (partition, Mark { epoch, end }) in &self.marks {
            bytes.extend(partition.to_le_bytes());
            bytes.extend(epoch.to_le_bytes());
            bytes.extend(end);
        }
        bytes.extend(count(self.layers.len()).to_le_bytes());
        for Layer { filter, room } in &self.layers {
            bytes.extend((*room as u64).to_le_bytes());
            bytes.extend(filter.num_hashes().to_le_bytes());
            bytes.extend((filter.as_slice().len() as u64).to_le_bytes());
            filter.as_slice().iter().for_each(|word| bytes.extend(word.to_le_bytes()));
        }
        let digest = Sha256::digest(&bytes);
        bytes.extend(digest);
        bytes
    }
}

fn count(length: usize) -> u32 {
    u32::try_from(length).expect("partitions and layers are few")
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn four(&mut self) -> Option<u32> {
        self.array().map(u32::from_le_bytes)
    }

    fn eight(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn kept(&mut self) -> Option<Kept> {
        let partitions = self.four()?;
        let marks: Option<_> = (0..partitions).map(|_| Some((self.four()?, self.mark()?))).collect();
        let layers = self.four().filter(|layers| *layers <= count(LAYERS_MAX))?;
        let layers: Option<_> = (0..layers).map(|_| self.layer()).collect();
        Some(Kept { marks: marks?, layers: layers? })
    }

    fn mark(&mut self) -> Option<Mark> {
        Some(Mark { epoch: self.eight()?, end: self.array()? })
    }

    fn layer(&mut self) -> Option<Layer> {
        let room = usize::try_from(self.eight()?).ok()?;
        let hashes = self.four()?;
        let bytes = usize::try_from(self.eight()?).ok()?.checked_mul(8)?;
        let (words, rest) = self.0.split_at_checked(bytes).filter(|(words, _)| !words.is_empty())?;
        self.0 = rest;
        let words = words.as_chunks().0.iter().map(|word| u64::from_le_bytes(*word)).collect();
        let filter = BloomFilter::from_vec(words).hasher(BuildHasherDefault::default()).hashes(hashes);
        Some(Layer { filter, room })
    }
}
