//! What every log keeps to, whatever it is stored in. A back end gives a [`Fixture`] and calls [`contract!`] once.

pub(crate) mod appends;
pub(crate) mod beside;
pub(crate) mod cqrs;
pub(crate) mod reads;

use std::sync::Arc;

use domain::ids::{MerchantId, Token};
use domain::time::Timestamp;
use eventlog::{
    Acquired, Batch, DeliveryKey, EventLog, NewDelivery, NewEvent, NewVaultRow, RecordedEvent, StreamId, StreamKey,
    SubjectKey,
};

/// The partition that the contract writes to; every log has it.
pub(crate) const PARTITION: u32 = 0;

/// A place in which a log is stored.
pub(crate) trait Fixture {
    /// The log under test.
    type Log: EventLog;

    /// A new place without a log.
    fn fresh() -> impl Future<Output = Self>;

    /// Opens the log there; the one before was closed.
    fn open(&self) -> impl Future<Output = Self::Log>;
}

/// One test for each promise.
macro_rules! contract {
    ($fixture:ty) => {
        crate::contract::contract!($fixture, appends:
            positions_are_gapless_and_follow_the_order_of_commits,
            an_empty_log_has_head_zero_and_nothing_to_read,
            each_owner_gets_a_higher_epoch_and_learns_where_the_log_stands,
            a_stale_writer_is_fenced_and_nothing_of_its_batch_is_there,
            a_writer_that_believes_in_another_head_is_refused,
            a_sequence_is_taken_once,
            a_gap_in_a_stream_is_refused,
            a_text_with_a_nul_is_refused,
            a_stream_name_is_taken_once,
            an_event_of_an_unknown_stream_is_refused_with_its_batch,
            a_batch_is_stored_wholly_or_not_at_all,
            a_large_batch_is_stored_whole,
            a_refused_batch_leaves_the_writer_usable,
            writers_at_the_same_time_never_share_a_position,
            the_head_is_announced_after_each_commit,
            what_was_appended_is_there_after_reopening,
            a_closed_log_answers_with_errors,
        );
        crate::contract::contract!($fixture, reads:
            exact_bytes_come_back,
            pages_follow_each_other_without_overlap,
            a_scan_shows_what_is_read_without_metadata,
            a_type_is_read_across_merchants_in_the_order_of_positions,
            streams_are_read_whole_and_in_order,
            streams_are_found_in_the_order_asked_for,
            all_that_a_batch_needs_is_found_in_one_look_also_by_the_next_owner,
            names_that_differ_in_one_part_are_different_streams,
            many_streams_are_found_and_read_at_once,
            a_partition_that_is_not_there_is_refused,
        );
        crate::contract::contract!($fixture, beside:
            a_delivery_is_taken_once,
            deliveries_are_found_in_the_order_asked_for,
            a_batch_of_deliveries_alone_moves_nothing,
            subject_keys_are_found_in_the_order_asked_for,
            a_subject_has_one_key,
            a_subject_of_another_merchant_is_another_subject,
            vault_rows_come_back_with_the_key_that_opens_them,
            a_vault_row_without_its_key_is_refused,
            a_vault_row_without_its_event_is_refused,
        );
        crate::contract::contract!($fixture, cqrs:
            commands_become_events_in_the_log_and_the_state_comes_back,
            a_rejected_command_and_one_without_effect_write_nothing,
            two_commits_from_the_same_state_conflict,
            merchants_do_not_see_each_others_aggregates,
            commands_of_one_store_at_the_same_time_all_arrive,
        );
    };
    ($fixture:ty, $room:ident: $($promise:ident),+ $(,)?) => {
        mod $room {
            $(
                #[tokio::test]
                async fn $promise() {
                    crate::contract::$room::$promise::<$fixture>().await;
                }
            )+
        }
    };
}
pub(crate) use contract;

pub(crate) fn merchant(name: &str) -> MerchantId {
    name.parse().unwrap()
}

pub(crate) fn key(merchant_name: &str, aggregate_type: &str, aggregate_id: &str) -> StreamKey {
    StreamKey {
        merchant: merchant(merchant_name),
        aggregate_type: aggregate_type.into(),
        aggregate_id: aggregate_id.into(),
    }
}

pub(crate) fn order(number: u64) -> StreamKey {
    key("acme", "order", &format!("web:{number}"))
}

pub(crate) fn event(stream: StreamId, sequence: u64) -> NewEvent {
    NewEvent {
        stream,
        sequence,
        event_type: "Noted",
        event_version: "1",
        payload: format!("{{\"stream\":{stream},\"sequence\":{sequence}}}"),
        metadata: "{}".into(),
        occurred_at: Timestamp::from_millis(1_762_790_400_000),
        recorded_at: Timestamp::from_millis(1_762_790_400_250),
    }
}

pub(crate) fn delivery(number: u8, stream: StreamId) -> NewDelivery {
    NewDelivery { key: DeliveryKey([number; 16]), body: [number ^ 0xff; 16], stream, sequence: 1 }
}

pub(crate) fn subject_key(id: u64, subject: u8) -> SubjectKey {
    SubjectKey { id, merchant: merchant("acme"), subject: Token::new([subject; 16]), wrapped: [subject, 0, 255].into() }
}

pub(crate) fn vault_row(position: u64, subject_key: u64) -> NewVaultRow {
    NewVaultRow { position, subject_key, sealed: position.to_be_bytes().into() }
}

/// An empty batch of a new owner.
pub(crate) fn after(acquired: Acquired) -> Batch {
    Batch { partition: PARTITION, epoch: acquired.epoch, after: acquired.head, ..Batch::default() }
}

/// Appends one order with so many events as a new owner, and gives its stream.
pub(crate) async fn append_order(log: &impl EventLog, number: u64, events: u64) -> StreamId {
    append_stream(log, order(number), events).await
}

/// Appends one stream with so many events as a new owner, and gives its id.
pub(crate) async fn append_stream(log: &impl EventLog, key: StreamKey, events: u64) -> StreamId {
    let acquired = log.acquire(PARTITION).await.unwrap();
    let stream = acquired.last_stream + 1;
    let mut batch = after(acquired);
    batch.streams = vec![(stream, key)];
    batch.events = (1..=events).map(|sequence| event(stream, sequence)).collect();
    log.append(batch).await.unwrap();
    stream
}

/// Everything in the partition.
pub(crate) async fn everything(log: &impl EventLog) -> Vec<RecordedEvent> {
    log.read(PARTITION, 0, 10_000).await.unwrap().into_iter().map(Arc::unwrap_or_clone).collect()
}

/// Where each event stands: stream and sequence.
pub(crate) fn places(events: &[RecordedEvent]) -> Vec<(StreamId, u64)> {
    events.iter().map(|event| (event.stream, event.sequence)).collect()
}

/// Their positions.
pub(crate) fn positions(events: &[RecordedEvent]) -> Vec<u64> {
    events.iter().map(|event| event.position).collect()
}
