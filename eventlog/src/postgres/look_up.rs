//! Look-ups of many keys: one statement for all kinds, so that a batch waits for one answer.

use domain::ids::{MerchantId, Token};
use sqlx::PgConnection;
use sqlx::postgres::PgRow;

use super::read::{column, fetch, streams, unsigned};
use super::sixteen::Sixteen;
use crate::{DeliveryKey, Found, LogError, NewDelivery, StreamId, StreamKey, SubjectKey, Wanted};

/// What is there: which kind a row is of, the number of what was asked, and the columns of all kinds.
const LOOK_UP: &str = "\
    SELECT 0, asked.number, streams.id, NULL::bigint, NULL::uuid, NULL::bytea \
    FROM unnest($1::text[], $2::text[], $3::text[]) \
         WITH ORDINALITY AS asked (aggregate_type, merchant, aggregate_id, number) \
    JOIN streams USING (aggregate_type, merchant, aggregate_id) \
    UNION ALL \
    SELECT 1, asked.number, deliveries.stream, deliveries.sequence, deliveries.body, NULL \
    FROM unnest($4::uuid[]) WITH ORDINALITY AS asked (key, number) JOIN deliveries USING (key) \
    UNION ALL \
    SELECT 2, asked.number, vault_keys.id, NULL, NULL, vault_keys.wrapped \
    FROM unnest($5::text[], $6::uuid[]) WITH ORDINALITY AS asked (merchant, subject, number) \
    JOIN vault_keys USING (subject, merchant)";

/// All that is wanted. Only where streams are there is a second answer waited for, that with their events.
pub(super) async fn look_up(connection: &mut PgConnection, wanted: &Wanted) -> Result<Found, LogError> {
    let mut found = find(connection, &wanted.streams, &wanted.deliveries, &wanted.subjects).await?;
    let known: Vec<StreamId> = found.streams.iter().copied().flatten().collect();
    if !known.is_empty() {
        found.events = streams(connection, &known).await?;
    }
    Ok(found)
}

/// All but the events, in the order asked for.
pub(super) async fn find(
    connection: &mut PgConnection,
    keys: &[StreamKey],
    deliveries: &[DeliveryKey],
    subjects: &[(MerchantId, Token)],
) -> Result<Found, LogError> {
    let query = sqlx::query(LOOK_UP)
        .bind(keys.iter().map(|key| &*key.aggregate_type).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| key.merchant.as_str()).collect::<Vec<_>>())
        .bind(keys.iter().map(|key| &*key.aggregate_id).collect::<Vec<_>>())
        .bind(deliveries.iter().map(|key| Sixteen(key.0)).collect::<Vec<_>>())
        .bind(subjects.iter().map(|(merchant, _)| merchant.as_str()).collect::<Vec<_>>())
        .bind(subjects.iter().map(|(_, subject)| Sixteen(*subject.as_bytes())).collect::<Vec<_>>());
    let mut found = Found {
        streams: vec![None; keys.len()],
        events: Vec::new(),
        deliveries: vec![None; deliveries.len()],
        subject_keys: vec![None; subjects.len()],
    };
    for row in &fetch(query, connection).await? {
        // Numbers of what was asked count from 1.
        let index = usize::try_from(column::<i64>(row, 1)? - 1).map_err(|_| not_asked())?;
        match column::<i32>(row, 0)? {
            0 => *place(&mut found.streams, index)? = Some(unsigned(column(row, 2)?)?),
            1 => *place(&mut found.deliveries, index)? = Some(delivery(deliveries[index], row)?),
            2 => *place(&mut found.subject_keys, index)? = Some(subject_key(&subjects[index], row)?),
            _ => return Err(not_asked()),
        }
    }
    Ok(found)
}

fn place<T>(answers: &mut [T], index: usize) -> Result<&mut T, LogError> {
    answers.get_mut(index).ok_or_else(not_asked)
}

fn not_asked() -> LogError {
    LogError::Damaged("a look-up answered what was not asked".into())
}

fn delivery(key: DeliveryKey, row: &PgRow) -> Result<NewDelivery, LogError> {
    Ok(NewDelivery {
        key,
        body: column::<Sixteen>(row, 4)?.0,
        stream: unsigned(column(row, 2)?)?,
        sequence: unsigned(column(row, 3)?)?,
    })
}

fn subject_key((merchant, subject): &(MerchantId, Token), row: &PgRow) -> Result<SubjectKey, LogError> {
    Ok(SubjectKey {
        id: unsigned(column(row, 2)?)?,
        merchant: merchant.clone(),
        subject: *subject,
        wrapped: column::<&[u8]>(row, 5)?.into(),
    })
}
