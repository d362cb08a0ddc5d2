//! What the windows keep of an order: short tokens, sums and flags; no text and nothing that a feature does not read.

mod stored;

use std::hash::{DefaultHasher, Hasher};
use std::num::NonZeroU64;

use domain::feature::Entity;
use domain::ids::Token;
use domain::notice::{LINES_MAX, QUANTITY_MAX};
use domain::order::{CustomerFacts, DeliveryFacts, Facts, Line, PhoneFacts, Status};
use domain::phone::PhoneKind;
use domain::time::{Timestamp, window_time};

/// Stands for a customer, a device, an address and so on: a token's first eight bytes, or eight bytes of a text's hash.
/// Never zero, so that an unknown one costs no extra byte.
pub(super) type Key = NonZeroU64;

/// Where an order lies among all others: by event time, and by arrival among equal times. "Earlier" always means this.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(super) struct Position {
    /// Event time, in milliseconds since the epoch.
    pub(super) time: i64,
    /// The how manyth placed order it is; unique.
    pub(super) arrival: u64,
}

impl Position {
    /// Behind every order of that time, and before every order of a later one.
    pub(super) const fn end_of(time: i64) -> Self {
        Self { time, arrival: u64::MAX }
    }
}

/// What distinct counts tell apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Dimension {
    Customer,
    Device,
    Address,
    Phone,
}

impl Dimension {
    pub(super) const ALL: [Self; 4] = [Self::Customer, Self::Device, Self::Address, Self::Phone];
}

/// Every status that says an order was paid: what left or was given back was paid for.
const PAID: u8 = bit(Status::Paid)
    | bit(Status::PartiallyShipped)
    | bit(Status::Shipped)
    | bit(Status::Delivered)
    | bit(Status::Completed)
    | bit(Status::RefundRequested)
    | bit(Status::Refunded);
const ARRIVED: u8 = bit(Status::Delivered) | bit(Status::Completed);

const fn bit(status: Status) -> u8 {
    match status {
        // What was paid back in part was paid, and nothing else follows from it.
        Status::Paid | Status::PartiallyRefunded => 1,
        Status::PartiallyShipped => 2,
        Status::Shipped => 4,
        Status::Delivered => 8,
        Status::Completed => 16,
        Status::Cancelled => 32,
        Status::RefundRequested => 64,
        Status::Refunded => 128,
    }
}

/// Which statuses were reported. It only grows, so the order of the reports does not matter.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Reported(u8);

impl Reported {
    /// With one more.
    pub(super) const fn with(self, status: Status) -> Self {
        Self(self.0 | bit(status))
    }

    pub(super) const fn bits(self) -> u8 {
        self.0
    }

    pub(super) const fn of_bits(bits: u8) -> Self {
        Self(bits)
    }

    pub(super) const fn is_unpaid(self) -> bool {
        self.0 & PAID == 0
    }

    /// Called off without having been paid.
    pub(super) const fn is_called_off(self) -> bool {
        self.is_unpaid() && self.0 & bit(Status::Cancelled) != 0
    }

    /// Whether nothing that sums tell apart is between the two.
    pub(super) const fn is_paid_as(self, other: Self) -> bool {
        self.is_unpaid() == other.is_unpaid() && self.is_called_off() == other.is_called_off()
    }

    /// Shipped or given back for certain: nothing can be done about it any more.
    pub(super) const fn has_left(self) -> bool {
        self.0 & (bit(Status::Shipped) | bit(Status::Refunded) | ARRIVED) != 0
    }

    /// Paid, arrived and kept: what makes an address familiar.
    pub(super) const fn is_good(self) -> bool {
        self.0 & ARRIVED != 0 && self.0 & bit(Status::Refunded) == 0
    }
}

/// The units of one SKU in one order, over all of its lines.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct SkuUnits {
    pub(super) sku: Key,
    pub(super) units: u64,
}

/// One remembered order.
///
/// The fields lie as written. What looking through an entity's orders reads is in the first 64 bytes, a line of the
/// processor's cache; what some features read besides is in the second line, and the rest in the third.
#[derive(Clone, PartialEq, Eq, Debug)]
#[repr(C, align(64))]
pub(super) struct Order {
    pub(super) position: Position,
    customer: Option<Key>,
    device: Option<Key>,
    address: Option<Key>,
    /// In minor units, never negative; zero where unknown.
    pub(super) amount: i64,
    /// Until when it must be paid, in milliseconds; the end of time where it need not be.
    pub(super) due: i64,
    pub(super) reported: Reported,
    /// Units of all lines; zero where unknown. No message holds more than [`LINES_MAX`] times [`QUANTITY_MAX`].
    pub(super) quantity: u32,
    buyer_phone: Phone,
    recipient_phone: Phone,
    pub(super) skus: Skus,
    /// Its stream number.
    pub(super) number: u64,
    /// When its placement was recorded: bounds what its own clock may claim.
    recorded_at: Timestamp,
    ip: Option<Key>,
    net: Option<Key>,
    region: Option<Key>,
}

const _: () = {
    assert!(std::mem::offset_of!(Order, buyer_phone) == 64 && std::mem::size_of::<Order>() == 192);
    assert!((LINES_MAX as u64) * (QUANTITY_MAX as u64) <= u32::MAX as u64);
};

/// The units of an order by SKU, each SKU once.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Skus {
    Unknown,
    /// As most orders have it: no step away.
    One(SkuUnits),
    /// Any other number.
    Several(Box<[SkuUnits]>),
}

impl Skus {
    /// Each SKU once, in the order of their keys.
    fn of(skus: Vec<SkuUnits>) -> Self {
        if let [one] = *skus { Self::One(one) } else { Self::Several(skus.into()) }
    }

    /// `None` where the lines are not known.
    pub(super) fn known(&self) -> Option<&[SkuUnits]> {
        match self {
            Self::Unknown => None,
            Self::One(one) => Some(std::slice::from_ref(one)),
            Self::Several(several) => Some(several),
        }
    }

    /// What is known of them.
    pub(super) fn iter(&self) -> impl Iterator<Item = &SkuUnits> {
        self.known().into_iter().flatten()
    }
}

/// What is known of a phone number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Phone {
    Unknown,
    /// One that a platform put in place of the real one.
    Privacy,
    Number(Key),
}

impl Phone {
    const fn of(told: PhoneFacts) -> Self {
        match told.kind {
            PhoneKind::Privacy => Self::Privacy,
            _ => Self::Number(token_key(told.token)),
        }
    }

    fn told_by(self, told: Option<PhoneFacts>) -> Self {
        told.map_or(self, Self::of)
    }
}

impl Order {
    /// Stands where no order is.
    pub(super) const fn vacant() -> Self {
        let nowhere = Position { time: 0, arrival: u64::MAX };
        Self::unknown(0, nowhere, Reported(0), Timestamp::from_millis(0))
    }

    pub(super) const fn is_vacant(&self) -> bool {
        self.position.arrival == u64::MAX
    }

    /// An order without facts.
    const fn unknown(number: u64, position: Position, reported: Reported, recorded_at: Timestamp) -> Self {
        Self {
            position,
            customer: None,
            device: None,
            address: None,
            amount: 0,
            due: i64::MAX,
            reported,
            buyer_phone: Phone::Unknown,
            recipient_phone: Phone::Unknown,
            skus: Skus::Unknown,
            quantity: 0,
            number,
            recorded_at,
            ip: None,
            net: None,
            region: None,
        }
    }

    /// The order as it is placed.
    pub(super) fn placed(number: u64, arrival: u64, reported: Reported, facts: &Facts, recorded_at: Timestamp) -> Self {
        let position = Position { time: recorded_at.millis(), arrival };
        let mut order = Self::unknown(number, position, reported, recorded_at);
        order.merge(facts);
        order
    }

    /// Takes over what is known, leaf by leaf, and keeps the rest.
    pub(super) fn merge(&mut self, changes: &Facts) {
        if let Some(placed_at) = changes.placed_at {
            self.position.time = window_time(placed_at, self.recorded_at).millis();
        }
        self.amount = changes.amount.map_or(self.amount, |amount| amount.max(0));
        if let Some(lines) = &changes.lines {
            let quantity = lines.iter().map(|line| u64::from(line.quantity)).sum::<u64>();
            self.quantity = u32::try_from(quantity).unwrap_or(u32::MAX);
            self.skus = units_by_sku(lines);
        }
        if let Some(customer) = &changes.customer {
            self.merge_customer(customer);
        }
        if let Some(delivery) = &changes.delivery {
            self.merge_delivery(delivery);
        }
        self.device = changes.device.map(token_key).or(self.device);
        if let Some(ip) = changes.ip {
            self.ip = Some(token_key(ip.token));
            self.net = Some(token_key(ip.net));
        }
        self.due = changes.payment_due_at.map_or(self.due, Timestamp::millis);
    }

    fn merge_customer(&mut self, changes: &CustomerFacts) {
        self.customer = changes.token.map(token_key).or(self.customer);
        self.buyer_phone = self.buyer_phone.told_by(changes.phone);
    }

    fn merge_delivery(&mut self, changes: &DeliveryFacts) {
        self.address = changes.address.map(token_key).or(self.address);
        self.recipient_phone = self.recipient_phone.told_by(changes.phone);
        self.region = changes.province.as_deref().map(text_key).or(self.region);
    }

    /// Which customer, device and so on it belongs to, where that is known.
    pub(super) fn key(&self, entity: Entity) -> Option<Key> {
        match entity {
            Entity::Customer => self.customer,
            Entity::Device => self.device,
            Entity::Ip => self.ip,
            Entity::Ip24 => self.net,
            Entity::Phone => match (self.buyer_phone, self.recipient_phone) {
                (Phone::Number(number), _) | (Phone::Unknown, Phone::Number(number)) => Some(number),
                (Phone::Privacy, _) | (Phone::Unknown, Phone::Privacy | Phone::Unknown) => None,
            },
            Entity::Address => self.address,
            Entity::Region => self.region,
        }
    }

    /// What distinct counts see of it, where that is known.
    pub(super) fn value(&self, dimension: Dimension) -> Option<Key> {
        self.key(match dimension {
            Dimension::Customer => Entity::Customer,
            Dimension::Device => Entity::Device,
            Dimension::Address => Entity::Address,
            Dimension::Phone => Entity::Phone,
        })
    }

    /// The address that it makes familiar to its customer, if it does.
    pub(super) fn good_address(&self) -> Option<Key> {
        self.good_address_if(self.reported)
    }

    /// The same, if so much was reported of it.
    pub(super) fn good_address_if(&self, reported: Reported) -> Option<Key> {
        self.address.filter(|_| reported.is_good())
    }
}

const fn token_key(token: Token) -> Key {
    match Key::new(token.short().cast_unsigned()) {
        Some(key) => key,
        None => Key::MIN,
    }
}

/// The hash has no random seed, and no result depends on its value as long as two texts do not share it.
fn text_key(text: &str) -> Key {
    let mut hasher = DefaultHasher::new();
    hasher.write(text.as_bytes());
    Key::new(hasher.finish()).unwrap_or(Key::MIN)
}

fn units_by_sku(lines: &[Line]) -> Skus {
    let units = |line: &Line| SkuUnits { sku: text_key(&line.sku), units: line.quantity.into() };
    if let [line] = lines {
        return Skus::One(units(line));
    }
    let mut skus: Vec<SkuUnits> = lines.iter().map(units).collect();
    skus.sort_unstable_by_key(|units| units.sku);
    skus.dedup_by(|next, kept| {
        let same = next.sku == kept.sku;
        if same {
            kept.units += next.units;
        }
        same
    });
    Skus::of(skus)
}
