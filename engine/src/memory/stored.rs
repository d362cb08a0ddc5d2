//! Memory as bytes.

use std::io;
use std::sync::Arc;

use domain::ids::MerchantId;
use domain::rulebook::Rulebook;
use rustc_hash::FxHashMap;

use super::handling::Handling;
use super::shadow::{KeptSeat, Seat};
use super::signals::{KeptSignals, Signals};
use super::watch::{Watch, read_optional, write_optional};
use super::{Live, Memory, MerchantMemory};
use crate::bytes::{Reader, Writer};
use crate::deadlines::Deadlines;
use crate::windows::{Kept, Windows};

/// What a partition's memory is made of, as it was at one moment; it shares what is large with the memory.
pub(crate) struct KeptMemory {
    merchants: Vec<KeptMerchant>,
    deadlines: Deadlines,
}

struct KeptMerchant {
    id: MerchantId,
    handling: Handling,
    live: Option<(u32, Arc<Rulebook>, Option<Box<str>>)>,
    shadow: KeptSeat,
    watch: Option<Watch>,
    windows: Kept,
    signals: KeptSignals,
}

impl Memory {
    /// What it is made of now.
    pub(crate) fn kept(&self) -> KeptMemory {
        let merchants = self.merchants.iter().map(|(id, merchant)| KeptMerchant {
            id: id.clone(),
            handling: merchant.handling.clone(),
            live: merchant.live.as_ref().map(|live| {
                let Live { rulebook, evaluator, author } = live;
                (evaluator.version(), rulebook.clone(), author.clone())
            }),
            shadow: merchant.shadow.kept(),
            watch: merchant.watch.clone(),
            windows: merchant.windows.kept(),
            signals: merchant.signals.kept(),
        });
        let mut merchants: Vec<KeptMerchant> = merchants.collect();
        merchants.sort_by(|one, other| one.id.cmp(&other.id));
        KeptMemory { merchants, deadlines: self.deadlines.clone() }
    }

    /// Reads what [`KeptMemory::write`] wrote, to the end.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut merchants = FxHashMap::default();
        let mut remembered = 0;
        for _ in 0..reader.count()? {
            let id: MerchantId = reader.text()?.parse().ok()?;
            let merchant = MerchantMemory::read(reader)?;
            remembered += merchant.windows.remembered();
            merchants.insert(id, merchant);
        }
        let deadlines = Deadlines::read(reader)?;
        reader.is_at_end().then(|| Self { merchants, remembered, deadlines, ..Self::default() })
    }
}

impl MerchantMemory {
    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let handling = Handling::read(reader)?;
        let live = match reader.byte()? {
            0 => None,
            _ => {
                let version = u32::try_from(reader.number()?).ok()?;
                let rulebook = Rulebook::read(reader.text()?.as_bytes()).ok()?;
                Some(Live::new(rulebook, version, read_optional(reader)?))
            }
        };
        let shadow = Seat::read(reader, live.as_ref().map(|live| &live.evaluator))?;
        let watch = match reader.byte()? {
            0 => None,
            _ => Some(Watch::read(reader)?),
        };
        let windows = Windows::read(reader)?;
        Some(Self { handling, live, shadow, watch, windows, signals: Signals::restore(reader)? })
    }
}

impl KeptMemory {
    /// Writes everything, and shows the writer to `spill` now and then.
    pub(crate) fn write(
        &self,
        writer: &mut Writer,
        spill: &mut dyn FnMut(&mut Writer) -> io::Result<()>,
    ) -> io::Result<()> {
        writer.count(self.merchants.len());
        for merchant in &self.merchants {
            writer.text(merchant.id.as_str());
            merchant.handling.write(writer);
            writer.byte(merchant.live.is_some().into());
            if let Some((version, rulebook, author)) = &merchant.live {
                writer.number((*version).into());
                writer.text(&rulebook.to_json());
                write_optional(writer, author.as_deref());
            }
            merchant.shadow.write(writer);
            writer.byte(merchant.watch.is_some().into());
            if let Some(watch) = &merchant.watch {
                watch.write(writer);
            }
            merchant.windows.write(writer, spill)?;
            merchant.signals.write(writer, spill)?;
        }
        self.deadlines.write(writer);
        Ok(())
    }
}
