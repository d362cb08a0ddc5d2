//! Merging facts: the newest fact by event time wins, leaf by leaf, and what loses is kept for the record.

use serde::{Deserialize, Serialize};

use super::event::{CustomerFacts, DeliveryFacts, Facts};
use crate::time::Timestamp;

/// From when each group of known facts is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct FactTimes {
    placed_at: Timestamp,
    display_no: Timestamp,
    currency: Timestamp,
    amount: Timestamp,
    lines: Timestamp,
    customer: Timestamp,
    delivery: Timestamp,
    device: Timestamp,
    ip: Timestamp,
    payment_due_at: Timestamp,
    personal: Timestamp,
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

/// Calls `$each` with the fields that are one leaf each.
macro_rules! for_each_plain_field {
    ($each:ident) => {
        $each!(placed_at);
        $each!(display_no);
        $each!(currency);
        $each!(amount);
        $each!(lines);
        $each!(device);
        $each!(ip);
        $each!(payment_due_at);
        $each!(personal);
    };
}

/// What facts from `as_of` change about known ones.
pub(super) fn merge(known: &Facts, times: &FactTimes, told: &Facts, as_of: Timestamp) -> Merge {
    let mut merge = Merge { changes: Facts::default(), superseded: Facts::default() };
    macro_rules! plain {
        ($field:ident) => {
            leaf(
                &known.$field,
                &told.$field,
                as_of >= times.$field,
                &mut merge.changes.$field,
                &mut merge.superseded.$field,
            );
        };
    }
    for_each_plain_field!(plain);
    if let Some(told) = &told.customer {
        let (changes, superseded) = merge_customer(known.customer.as_ref(), told, as_of >= times.customer);
        (merge.changes.customer, merge.superseded.customer) = (changes, superseded);
    }
    if let Some(told) = &told.delivery {
        let (changes, superseded) = merge_delivery(known.delivery.as_ref(), told, as_of >= times.delivery);
        (merge.changes.delivery, merge.superseded.delivery) = (changes, superseded);
    }
    merge
}

fn merge_customer(
    known: Option<&CustomerFacts>,
    told: &CustomerFacts,
    newer: bool,
) -> (Option<CustomerFacts>, Option<CustomerFacts>) {
    let nothing = CustomerFacts::default();
    let known = known.unwrap_or(&nothing);
    let (mut wins, mut loses) = (CustomerFacts::default(), CustomerFacts::default());
    leaf(&known.token, &told.token, newer, &mut wins.token, &mut loses.token);
    leaf(&known.phone, &told.phone, newer, &mut wins.phone, &mut loses.phone);
    leaf(&known.level, &told.level, newer, &mut wins.level, &mut loses.level);
    leaf(&known.registered_at, &told.registered_at, newer, &mut wins.registered_at, &mut loses.registered_at);
    (Some(wins).filter(|side| *side != nothing), Some(loses).filter(|side| *side != nothing))
}

fn merge_delivery(
    known: Option<&DeliveryFacts>,
    told: &DeliveryFacts,
    newer: bool,
) -> (Option<DeliveryFacts>, Option<DeliveryFacts>) {
    let nothing = DeliveryFacts::default();
    let known = known.unwrap_or(&nothing);
    let (mut wins, mut loses) = (DeliveryFacts::default(), DeliveryFacts::default());
    leaf(&known.address, &told.address, newer, &mut wins.address, &mut loses.address);
    leaf(&known.phone, &told.phone, newer, &mut wins.phone, &mut loses.phone);
    leaf(&known.country, &told.country, newer, &mut wins.country, &mut loses.country);
    leaf(&known.province, &told.province, newer, &mut wins.province, &mut loses.province);
    leaf(&known.city, &told.city, newer, &mut wins.city, &mut loses.city);
    (Some(wins).filter(|side| *side != nothing), Some(loses).filter(|side| *side != nothing))
}

impl Facts {
    /// Takes over what changed, leaf by leaf.
    pub fn absorb(&mut self, changes: &Self) {
        macro_rules! plain {
            ($field:ident) => {
                if changes.$field.is_some() {
                    self.$field.clone_from(&changes.$field);
                }
            };
        }
        for_each_plain_field!(plain);
        if let Some(told) = &changes.customer {
            let known = self.customer.get_or_insert_default();
            known.token = told.token.or(known.token);
            known.phone = told.phone.or(known.phone);
            known.level = told.level.or(known.level);
            known.registered_at = told.registered_at.or(known.registered_at);
        }
        if let Some(told) = &changes.delivery {
            let known = self.delivery.get_or_insert_default();
            known.address = told.address.or(known.address);
            known.phone = told.phone.or(known.phone);
            for (known, told) in [
                (&mut known.country, &told.country),
                (&mut known.province, &told.province),
                (&mut known.city, &told.city),
            ] {
                if told.is_some() {
                    known.clone_from(told);
                }
            }
        }
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
            customer: as_of,
            delivery: as_of,
            device: as_of,
            ip: as_of,
            payment_due_at: as_of,
            personal: as_of,
        }
    }

    /// What changed is from `as_of` now. A group that an older message merely completed keeps its newer time.
    pub(super) fn absorb(&mut self, changes: &Facts, as_of: Timestamp) {
        macro_rules! plain {
            ($field:ident) => {
                if changes.$field.is_some() {
                    self.$field = self.$field.max(as_of);
                }
            };
        }
        for_each_plain_field!(plain);
        plain!(customer);
        plain!(delivery);
    }
}
