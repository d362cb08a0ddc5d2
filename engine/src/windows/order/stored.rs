//! An order as bytes. What is near something that is known anyway is written as the difference.

use domain::time::Timestamp;

use super::{Key, Order, Phone, Position, Reported, SkuUnits, Skus};
use crate::bytes::{Reader, Writer};

/// What an order can be without, a bit each.
const CUSTOMER: u64 = 1;
const DEVICE: u64 = 1 << 1;
const ADDRESS: u64 = 1 << 2;
const IP: u64 = 1 << 3;
const NET: u64 = 1 << 4;
const REGION: u64 = 1 << 5;
const DUE: u64 = 1 << 6;
const SKUS: u64 = 1 << 7;
const BUYER_PRIVACY: u64 = 1 << 8;
const BUYER_NUMBER: u64 = 1 << 9;
const RECIPIENT_PRIVACY: u64 = 1 << 10;
const RECIPIENT_NUMBER: u64 = 1 << 11;

impl Order {
    /// Writes all but the arrival.
    pub(in crate::windows) fn write(&self, writer: &mut Writer) {
        writer.number(self.number);
        writer.number(self.presence());
        writer.signed(self.recorded_at.millis());
        writer.signed(self.position.time.wrapping_sub(self.recorded_at.millis()));
        writer.byte(self.reported.0);
        writer.signed(self.amount);
        writer.number(self.quantity.into());
        if self.due != i64::MAX {
            writer.signed(self.due.wrapping_sub(self.position.time));
        }
        let plain = [self.customer, self.device, self.address, self.ip, self.net, self.region];
        let phones = [self.buyer_phone, self.recipient_phone].map(Phone::number);
        plain.into_iter().chain(phones).flatten().for_each(|key| writer.fixed(key.get()));
        if let Some(skus) = self.skus.known() {
            writer.count(skus.len());
            for units in skus {
                writer.fixed(units.sku.get());
                writer.number(units.units);
            }
        }
    }

    /// Reads what [`Self::write`] wrote.
    pub(in crate::windows) fn read(reader: &mut Reader<'_>, arrival: u64) -> Option<Self> {
        let number = reader.number()?;
        let presence = reader.number()?;
        let has = |bit: u64| presence & bit != 0;
        let recorded_at = Timestamp::from_millis(reader.signed()?);
        let time = recorded_at.millis().wrapping_add(reader.signed()?);
        let reported = Reported(reader.byte()?);
        let mut order = Self::unknown(number, Position { time, arrival }, reported, recorded_at);
        order.amount = reader.signed()?;
        order.quantity = u32::try_from(reader.number()?).ok()?;
        if has(DUE) {
            order.due = time.wrapping_add(reader.signed()?);
        }
        let mut key = |bit| if has(bit) { Key::new(reader.fixed()?).map(Some) } else { Some(None) };
        order.customer = key(CUSTOMER)?;
        order.device = key(DEVICE)?;
        order.address = key(ADDRESS)?;
        order.ip = key(IP)?;
        order.net = key(NET)?;
        order.region = key(REGION)?;
        order.buyer_phone = Phone::read(has(BUYER_PRIVACY), key(BUYER_NUMBER)?);
        order.recipient_phone = Phone::read(has(RECIPIENT_PRIVACY), key(RECIPIENT_NUMBER)?);
        if has(SKUS) {
            let skus: Option<Vec<SkuUnits>> = (0..reader.count()?).map(|_| read_units(reader)).collect();
            order.skus = Skus::of(skus?);
        }
        Some(order)
    }

    const fn presence(&self) -> u64 {
        const fn bit(present: bool, bit: u64) -> u64 {
            if present { bit } else { 0 }
        }
        bit(self.customer.is_some(), CUSTOMER)
            | bit(self.device.is_some(), DEVICE)
            | bit(self.address.is_some(), ADDRESS)
            | bit(self.ip.is_some(), IP)
            | bit(self.net.is_some(), NET)
            | bit(self.region.is_some(), REGION)
            | bit(self.due != i64::MAX, DUE)
            | bit(!matches!(self.skus, Skus::Unknown), SKUS)
            | bit(matches!(self.buyer_phone, Phone::Privacy), BUYER_PRIVACY)
            | bit(matches!(self.buyer_phone, Phone::Number(_)), BUYER_NUMBER)
            | bit(matches!(self.recipient_phone, Phone::Privacy), RECIPIENT_PRIVACY)
            | bit(matches!(self.recipient_phone, Phone::Number(_)), RECIPIENT_NUMBER)
    }
}

impl Phone {
    const fn number(self) -> Option<Key> {
        match self {
            Self::Number(number) => Some(number),
            Self::Unknown | Self::Privacy => None,
        }
    }

    const fn read(is_privacy: bool, number: Option<Key>) -> Self {
        match number {
            Some(number) => Self::Number(number),
            None if is_privacy => Self::Privacy,
            None => Self::Unknown,
        }
    }
}

fn read_units(reader: &mut Reader<'_>) -> Option<SkuUnits> {
    Some(SkuUnits { sku: Key::new(reader.fixed()?)?, units: reader.number()? })
}
