//! Ready batches in the shape that the engine gives them: an order is one new stream, three events, one delivery, one vault
//! row, and for every second order a new subject key. Sizes are those of the orders that `load` sends.

use std::time::Duration;

use anyhow::Context;
use clap::{Args, ValueEnum};
use domain::ids::{MerchantId, Token};
use domain::time::Timestamp;
use eventlog::{Acquired, Batch, DeliveryKey, NewDelivery, NewEvent, NewVaultRow, StreamKey, SubjectKey};

/// Rows of an order, in tenths.
const ROWS_TENTHS: u64 = 65;
/// Names and sizes of an order's events: payload and metadata.
const EVENTS: [(&str, usize, usize); 3] = [("Placed", 923, 63), ("Scored", 583, 19), ("Released", 30, 19)];
const SEALED_BYTES: usize = 348;
const WRAPPED_BYTES: usize = 60;

/// How order numbers follow each other.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(crate) enum Numbers {
    /// Each after the last, as one channel counts
    Ascending,
    /// All over the place, as many channels mix
    Scattered,
}

/// Which batches.
#[derive(Args, Clone, Copy)]
pub(crate) struct Batches {
    /// Orders in a batch, which is one durable commit
    #[arg(long, default_value_t = 64, value_parser = clap::value_parser!(u64).range(1..=4_096))]
    batch: u64,
    /// How order numbers follow each other
    #[arg(long, value_enum, default_value_t = Numbers::Ascending)]
    numbers: Numbers,
    /// Orders in all
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=1_000_000))]
    orders: u64,
}

impl Batches {
    /// The batches, following on what a partition holds.
    pub(crate) fn make(self, partition: u32, acquired: &Acquired) -> anyhow::Result<Vec<Batch>> {
        let maker = Maker { merchant: "default".parse().context("a merchant")?, partition, numbers: self.numbers };
        let batches =
            (0..self.orders / self.batch).map(|number| maker.batch(acquired, number * self.batch, self.batch));
        Ok(batches.collect())
    }

    /// What came of writing them, as a line of figures.
    pub(crate) fn told(self, elapsed: Duration, slowest: Duration) -> String {
        let orders = self.orders / self.batch * self.batch;
        let nanos = elapsed.as_nanos().max(1);
        let per_second = |count: u64| u128::from(count) * 1_000_000_000 / nanos;
        format!(
            "orders={orders} batch={} numbers={} seconds={:.3} orders_per_second={} rows_per_second={} slowest_ms={}",
            self.batch,
            match self.numbers {
                Numbers::Ascending => "ascending",
                Numbers::Scattered => "scattered",
            },
            elapsed.as_secs_f64(),
            per_second(orders),
            per_second(orders * ROWS_TENTHS / 10),
            slowest.as_millis(),
        )
    }
}

struct Maker {
    merchant: MerchantId,
    partition: u32,
    numbers: Numbers,
}

impl Maker {
    fn batch(&self, acquired: &Acquired, first: u64, size: u64) -> Batch {
        let after = acquired.head + first * 3;
        let mut batch = Batch { partition: self.partition, epoch: acquired.epoch, after, ..Batch::default() };
        for order in first..first + size {
            self.add(&mut batch, acquired, order);
        }
        batch
    }

    fn add(&self, batch: &mut Batch, acquired: &Acquired, order: u64) {
        let stream = acquired.last_stream + order + 1;
        let key = StreamKey {
            merchant: self.merchant.clone(),
            aggregate_type: "order".into(),
            aggregate_id: format!("douyin:{:012}", self.number(order)).into(),
        };
        batch.streams.push((stream, key));
        batch.events.extend(EVENTS.into_iter().zip(1..).map(|(event, sequence)| new_event(stream, sequence, event)));
        batch.deliveries.push(NewDelivery {
            key: DeliveryKey(digest(order, 1)),
            body: digest(order, 2),
            stream,
            sequence: 3,
        });
        let known = order / 2 + 1;
        let is_new = order.is_multiple_of(2);
        if is_new {
            batch.subject_keys.push(SubjectKey {
                id: acquired.last_subject_key + known,
                merchant: self.merchant.clone(),
                subject: Token::new(digest(order, 3)),
                wrapped: [7; WRAPPED_BYTES].into(),
            });
        }
        // Customers who come back do so all over the place.
        let of = if is_new { known } else { order.wrapping_mul(2_654_435_761) % known + 1 };
        let position = acquired.head + order * 3 + 1;
        let subject_key = acquired.last_subject_key + of;
        batch.vault_rows.push(NewVaultRow { position, subject_key, sealed: [7; SEALED_BYTES].into() });
    }

    /// Each once, whichever way they follow each other.
    fn number(&self, order: u64) -> u64 {
        match self.numbers {
            Numbers::Ascending => order,
            Numbers::Scattered => order * 618_033 % 1_000_003 * 1_000_000 + order,
        }
    }
}

fn new_event(stream: u64, sequence: u64, (event_type, payload, metadata): (&'static str, usize, usize)) -> NewEvent {
    NewEvent {
        stream,
        sequence,
        event_type,
        event_version: "1",
        payload: json(stream, payload),
        metadata: json(stream, metadata),
        occurred_at: Timestamp::from_millis(1_790_000_000_000),
        recorded_at: Timestamp::from_millis(1_790_000_000_250),
    }
}

/// A JSON text of so many bytes.
fn json(number: u64, bytes: usize) -> String {
    format!(r#"{{"":"{:0>width$}"}}"#, number % 10_000_000, width = bytes - 7)
}

/// Sixteen bytes that look like a digest.
fn digest(number: u64, kind: u64) -> [u8; 16] {
    let mixed = |seed: u64| {
        let mixed = (seed ^ (seed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    };
    let seed = number.wrapping_mul(4).wrapping_add(kind).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    let mut bytes = [0; 16];
    bytes[..8].copy_from_slice(&mixed(seed).to_be_bytes());
    bytes[8..].copy_from_slice(&mixed(!seed).to_be_bytes());
    bytes
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const NEW: Acquired = Acquired { epoch: 1, head: 0, last_stream: 0, last_subject_key: 0 };

    #[test]
    fn rows_have_the_sizes_that_are_told_and_every_key_once() {
        for numbers in [Numbers::Ascending, Numbers::Scattered] {
            let batches = Batches { batch: 64, numbers, orders: 6_400 }.make(0, &NEW).unwrap();
            let rows = |batch: &Batch| {
                batch.streams.len()
                    + batch.events.len()
                    + batch.deliveries.len()
                    + batch.subject_keys.len()
                    + batch.vault_rows.len()
            };
            assert_eq!(batches.iter().map(rows).sum::<usize>(), 6_400 * 65 / 10);
            let events = batches.iter().flat_map(|batch| &batch.events);
            for (event, (_, payload, metadata)) in events.zip(EVENTS.into_iter().cycle()) {
                assert_eq!((event.payload.len(), event.metadata.len()), (payload, metadata));
            }
            let ids: BTreeSet<_> =
                batches.iter().flat_map(|batch| &batch.streams).map(|(_, key)| &key.aggregate_id).collect();
            assert_eq!(ids.len(), 6_400);
        }
    }
}
