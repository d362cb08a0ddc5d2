//! Windows as bytes: the orders, pasts and early reports. All else is made from these, and indexes when they are asked for.

use std::io;

use super::Windows;
use super::entities::Entities;
use super::memory::Memory;
use super::order::{Key, Order, Position};
use super::profile::{Past, Pasts, SharedPasts};
use super::reports::EarlyReports;
use super::series::Series;
use super::tally::Unpaid;
use crate::bytes::{Reader, Writer};

/// After how many orders or pasts the writer is shown to whoever may want to empty it.
const PIECE: usize = 4_096;

/// What windows are made of, as they were at one moment. Taking it costs a step for each chunk of orders; it shares them
/// with the windows, which make their own what they change.
pub(crate) struct Kept {
    memory: Memory,
    pasts: SharedPasts,
    past_count: usize,
    early: EarlyReports,
    newest: Option<i64>,
    forgotten: Option<i64>,
}

impl Windows {
    /// What they are made of now.
    pub(crate) fn kept(&self) -> Kept {
        Kept {
            memory: self.memory.clone(),
            pasts: self.entities.pasts.shared(),
            past_count: self.entities.pasts.len(),
            early: self.early.clone(),
            newest: self.newest,
            forgotten: self.forgotten,
        }
    }

    /// As bytes, of which [`Self::from_bytes`] makes windows that answer alike for ever after.
    pub fn to_bytes(&self) -> Vec<u8> {
        let mut writer = Writer::default();
        self.kept().write(&mut writer, &mut |_| Ok(())).expect("memory can always be written to");
        writer.into_bytes()
    }

    /// `None` when that is not what [`Self::to_bytes`] gives.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let mut reader = Reader::new(bytes);
        Self::read(&mut reader).filter(|_| reader.is_at_end())
    }

    /// Reads what [`Kept::write`] wrote.
    pub(crate) fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let (newest, forgotten) = (read_time(reader)?, read_time(reader)?);
        let early = EarlyReports::read(reader)?;
        let mut pasts = Pasts::default();
        for _ in 0..reader.count()? {
            pasts.add(Past::read(reader)?);
        }
        let (next_arrival, count) = (reader.number()?, reader.count()?);
        let mut windows = Self { early, newest, forgotten, ..Self::default() };
        let mut positions = Vec::with_capacity(count);
        for _ in 0..count {
            let arrival = windows.memory.next_arrival().checked_add(reader.number()?)?;
            let order = Order::read(reader, arrival)?;
            if arrival >= next_arrival || windows.arrivals.contains(order.number) {
                return None;
            }
            windows.arrivals.insert(order.number, arrival);
            positions.push((order.position, order.reported.is_unpaid()));
            windows.memory.put(order);
        }
        windows.memory.skip_to(next_arrival);
        // Orders come about as they are placed, so this finds long runs.
        positions.sort();
        windows.merchant = merchant(&positions);
        windows.entities = Entities::of(&windows.memory, &positions, pasts);
        Some(windows)
    }
}

fn merchant(positions: &[(Position, bool)]) -> Series<Unpaid> {
    let mut merchant = Series::default();
    positions.iter().for_each(|(position, unpaid)| merchant.insert(Unpaid { position: *position, unpaid: *unpaid }));
    merchant
}

impl Kept {
    /// Writes everything, and shows the writer to `spill` now and then.
    pub(crate) fn write(
        &self,
        writer: &mut Writer,
        spill: &mut dyn FnMut(&mut Writer) -> io::Result<()>,
    ) -> io::Result<()> {
        write_time(writer, self.newest);
        write_time(writer, self.forgotten);
        self.early.write(writer);
        writer.count(self.past_count);
        for (index, past) in self.pasts.iter().enumerate() {
            past.write(writer);
            if index % PIECE == 0 {
                spill(writer)?;
            }
        }
        writer.number(self.memory.next_arrival());
        writer.count(self.memory.len());
        let mut expected = 0;
        for (index, order) in self.memory.orders().enumerate() {
            writer.number(order.position.arrival - expected);
            expected = order.position.arrival + 1;
            order.write(writer);
            if index % PIECE == 0 {
                spill(writer)?;
            }
        }
        spill(writer)
    }
}

impl Past {
    fn write(&self, writer: &mut Writer) {
        writer.fixed(self.customer.get());
        writer.byte(u8::from(self.left_out_devices) | u8::from(self.left_out_addresses) << 1);
        writer.count(self.devices.len());
        for (device, first) in &self.devices {
            writer.fixed(device.get());
            writer.signed(*first);
        }
        writer.count(self.good_orders.len());
        for (address, good) in &self.good_orders {
            writer.fixed(address.get());
            writer.byte(*good);
        }
        writer.byte(self.last_address.is_some().into());
        if let Some((position, address)) = self.last_address {
            writer.signed(position.time);
            writer.number(position.arrival);
            writer.fixed(address.get());
        }
    }

    fn read(reader: &mut Reader<'_>) -> Option<Self> {
        let mut past = Self::of(read_key(reader)?);
        let left_out = reader.byte()?;
        (past.left_out_devices, past.left_out_addresses) = (left_out & 1 != 0, left_out & 2 != 0);
        past.devices =
            (0..reader.count()?).map(|_| Some((read_key(reader)?, reader.signed()?))).collect::<Option<_>>()?;
        past.good_orders =
            (0..reader.count()?).map(|_| Some((read_key(reader)?, reader.byte()?))).collect::<Option<_>>()?;
        if reader.byte()? != 0 {
            let position = Position { time: reader.signed()?, arrival: reader.number()? };
            past.last_address = Some((position, read_key(reader)?));
        }
        Some(past)
    }
}

fn read_key(reader: &mut Reader<'_>) -> Option<Key> {
    Key::new(reader.fixed()?)
}

fn write_time(writer: &mut Writer, time: Option<i64>) {
    writer.byte(time.is_some().into());
    writer.signed(time.unwrap_or_default());
}

fn read_time(reader: &mut Reader<'_>) -> Option<Option<i64>> {
    let is_known = reader.byte()? != 0;
    let time = reader.signed()?;
    Some(is_known.then_some(time))
}
