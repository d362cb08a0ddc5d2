//! Merging facts: the newest fact by event time wins, leaf by leaf, and what loses is kept for the record.

use serde::{Deserialize, Serialize};

use super::address::address;
use super::event::{CustomerFacts, DeliveryFacts, Facts};
use crate::time::Timestamp;

/// From when each known fact is. What stands for a fact that is not known says nothing.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FactTimes {
    placed_at: Timestamp,
    display_no: Timestamp,
    currency: Timestamp,
    amount: Timestamp,
    lines: Timestamp,
    customer: CustomerTimes,
    delivery: DeliveryTimes,
    device: Timestamp,
    ip: Timestamp,
    payment_due_at: Timestamp,
    personal: Timestamp,
    #[serde(default)]
    score: Timestamp,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct CustomerTimes {
    token: Timestamp,
    phone: Timestamp,
    level: Timestamp,
    registered_at: Timestamp,
}

/// The address has no time of its own: it follows from its parts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
struct DeliveryTimes {
    phone: Timestamp,
    country: Timestamp,
    province: Timestamp,
    city: Timestamp,
    district: Timestamp,
    street: Timestamp,
}

/// What a message means for facts that are already known.
pub(super) struct Merge {
    /// Takes effect.
    pub(super) changes: Facts,
    /// Older than what is known.
    pub(super) superseded: Facts,
}

/// One leaf: nothing when it says nothing new, else to the winning or the losing side.
fn leaf<T: Clone + PartialEq>(
    known: &Option<T>,
    told: &Option<T>,
    newer: bool,
    wins: &mut Option<T>,
    loses: &mut Option<T>,
) {
    if told.is_some() && told != known {
        let side = if newer || known.is_none() { wins } else { loses };
        side.clone_from(told);
    }
}

/// Calls `$each` with the leaves of [`Facts`] itself.
macro_rules! for_each_plain_leaf {
    ($each:ident) => {
        $each!(placed_at, display_no, currency, amount, lines, device, ip, payment_due_at, personal, score)
    };
}

/// Calls `$each` with the leaves of [`CustomerFacts`].
macro_rules! for_each_customer_leaf {
    ($each:ident) => {
        $each!(token, phone, level, registered_at)
    };
}

/// Calls `$each` with the leaves of [`DeliveryFacts`] that a message tells; the address follows from them.
macro_rules! for_each_delivery_leaf {
    ($each:ident) => {
        $each!(phone, country, province, city, district, street)
    };
}

/// What facts from `as_of` change about known ones.
pub(super) fn merge(known: &Facts, times: &FactTimes, told: &Facts, as_of: Timestamp) -> Merge {
    let (mut wins, mut loses) = (Facts::default(), Facts::default());
    macro_rules! merge {
        ($($field:ident),+) => {
            $(leaf(&known.$field, &told.$field, as_of >= times.$field, &mut wins.$field, &mut loses.$field);)+
        };
    }
    for_each_plain_leaf!(merge);
    if known.score.is_some() {
        // The model's first answer stays. Another one for the same order is no news of it, neither newer nor older.
        (wins.score, loses.score) = (None, None);
    }
    if let Some(told) = &told.customer {
        let known = known.customer.clone().unwrap_or_default();
        (wins.customer, loses.customer) = merge_customer(&known, &times.customer, told, as_of);
    }
    if let Some(told) = &told.delivery {
        let known = known.delivery.clone().unwrap_or_default();
        (wins.delivery, loses.delivery) = merge_delivery(&known, &times.delivery, told, as_of);
    }
    Merge { changes: wins, superseded: loses }
}

fn merge_customer(
    known: &CustomerFacts,
    times: &CustomerTimes,
    told: &CustomerFacts,
    as_of: Timestamp,
) -> (Option<CustomerFacts>, Option<CustomerFacts>) {
    let (mut wins, mut loses) = (CustomerFacts::default(), CustomerFacts::default());
    macro_rules! merge {
        ($($field:ident),+) => {
            $(leaf(&known.$field, &told.$field, as_of >= times.$field, &mut wins.$field, &mut loses.$field);)+
        };
    }
    for_each_customer_leaf!(merge);
    (unless_empty(wins), unless_empty(loses))
}

/// The address that is told is that of the message's own parts; what counts is the one that all known parts come to.
fn merge_delivery(
    known: &DeliveryFacts,
    times: &DeliveryTimes,
    told: &DeliveryFacts,
    as_of: Timestamp,
) -> (Option<DeliveryFacts>, Option<DeliveryFacts>) {
    let (mut wins, mut loses) = (DeliveryFacts::default(), DeliveryFacts::default());
    macro_rules! merge {
        ($($field:ident),+) => {
            $(leaf(&known.$field, &told.$field, as_of >= times.$field, &mut wins.$field, &mut loses.$field);)+
        };
    }
    for_each_delivery_leaf!(merge);
    let mut merged = known.clone();
    merged.absorb(&wins);
    wins.address = address(&merged).filter(|address| known.address != Some(*address));
    (unless_empty(wins), unless_empty(loses))
}

fn unless_empty<T: Default + PartialEq>(side: T) -> Option<T> {
    (side != T::default()).then_some(side)
}

impl Facts {
    /// Takes over what changed, leaf by leaf.
    pub fn absorb(&mut self, changes: &Self) {
        macro_rules! absorb {
            ($($field:ident),+) => {
                $(if changes.$field.is_some() {
                    self.$field.clone_from(&changes.$field);
                })+
            };
        }
        for_each_plain_leaf!(absorb);
        if let Some(changes) = &changes.customer {
            self.customer.get_or_insert_default().absorb(changes);
        }
        if let Some(changes) = &changes.delivery {
            self.delivery.get_or_insert_default().absorb(changes);
        }
    }
}

impl CustomerFacts {
    fn absorb(&mut self, changes: &Self) {
        macro_rules! absorb {
            ($($field:ident),+) => {
                $(self.$field = changes.$field.or(self.$field);)+
            };
        }
        for_each_customer_leaf!(absorb);
    }
}

impl DeliveryFacts {
    fn absorb(&mut self, changes: &Self) {
        macro_rules! absorb {
            ($($field:ident),+) => {
                $(if changes.$field.is_some() {
                    self.$field.clone_from(&changes.$field);
                })+
            };
        }
        for_each_delivery_leaf!(absorb);
        self.address = changes.address.or(self.address);
    }
}

impl FactTimes {
    /// All facts are from one time.
    pub(super) fn all(as_of: Timestamp) -> Self {
        Self {
            placed_at: as_of,
            display_no: as_of,
            currency: as_of,
            amount: as_of,
            lines: as_of,
            customer: CustomerTimes { token: as_of, phone: as_of, level: as_of, registered_at: as_of },
            delivery: DeliveryTimes {
                phone: as_of,
                country: as_of,
                province: as_of,
                city: as_of,
                district: as_of,
                street: as_of,
            },
            device: as_of,
            ip: as_of,
            payment_due_at: as_of,
            personal: as_of,
            score: as_of,
        }
    }

    /// What changed is from `as_of` now: it was newer, or what it completed was not known at all.
    pub(super) fn absorb(&mut self, changes: &Facts, as_of: Timestamp) {
        macro_rules! absorb {
            ($times:expr, $changes:expr, $($field:ident),+) => {
                $(if $changes.$field.is_some() {
                    $times.$field = as_of;
                })+
            };
        }
        macro_rules! plain {
            ($($field:ident),+) => { absorb!(self, changes, $($field),+) };
        }
        for_each_plain_leaf!(plain);
        if let Some(changes) = &changes.customer {
            let times = &mut self.customer;
            macro_rules! customer {
                ($($field:ident),+) => { absorb!(times, changes, $($field),+) };
            }
            for_each_customer_leaf!(customer);
        }
        if let Some(changes) = &changes.delivery {
            let times = &mut self.delivery;
            macro_rules! delivery {
                ($($field:ident),+) => { absorb!(times, changes, $($field),+) };
            }
            for_each_delivery_leaf!(delivery);
        }
    }
}
