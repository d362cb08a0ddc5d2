//! What Postgres itself can carry: the rows of a batch by one statement a table, one durable commit a batch, on one connection,
//! with the log's own schema. Two ways: `UNNEST` of arrays, where all statements are sent before the first answer is waited
//! for, and binary `COPY`, table by table. Nothing is looked up or checked beside what the schema checks.

use std::path::PathBuf;
use std::pin::pin;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Context;
use clap::{Args, ValueEnum};
use eventlog::{Acquired, Batch, NewDelivery, NewEvent, NewVaultRow, StreamId, StreamKey, SubjectKey};
use tokio_postgres::binary_copy::BinaryCopyInWriter;
use tokio_postgres::types::private::BytesMut;
use tokio_postgres::types::{IsNull, ToSql, Type, accepts, to_sql_checked};
use tokio_postgres::{Client, Error, NoTls, Statement};

use crate::rows::Batches;

const HEAD: &str = "UPDATE heads SET position = $1 WHERE partition = 0 AND epoch = $2 AND position = $3";

const TABLES_BY_UNNEST: [&str; 5] = [
    "INSERT INTO streams (id, merchant, aggregate_type, aggregate_id) \
     SELECT * FROM unnest($1::int8[], $2::text[], $3::text[], $4::text[])",
    "INSERT INTO log (partition, position, stream, sequence, event_type, event_version, payload, metadata, occurred_at, \
     recorded_at) SELECT 0, * FROM unnest($1::int8[], $2::int8[], $3::int8[], $4::text[], $5::text[], $6::text[], \
     $7::text[], $8::int8[], $9::int8[])",
    "INSERT INTO deliveries (key, body, stream, sequence) \
     SELECT * FROM unnest($1::uuid[], $2::uuid[], $3::int8[], $4::int8[])",
    "INSERT INTO vault_keys (id, merchant, subject, wrapped) \
     SELECT * FROM unnest($1::int8[], $2::text[], $3::uuid[], $4::bytea[])",
    "INSERT INTO vault (partition, position, subject_key, sealed) \
     SELECT 0, * FROM unnest($1::int8[], $2::int8[], $3::bytea[])",
];

const TABLES_BY_COPY: [&str; 5] = [
    "COPY streams (id, merchant, aggregate_type, aggregate_id) FROM STDIN (FORMAT binary)",
    "COPY log (partition, position, stream, sequence, event_type, event_version, payload, metadata, occurred_at, \
     recorded_at) FROM STDIN (FORMAT binary)",
    "COPY deliveries (key, body, stream, sequence) FROM STDIN (FORMAT binary)",
    "COPY vault_keys (id, merchant, subject, wrapped) FROM STDIN (FORMAT binary)",
    "COPY vault (partition, position, subject_key, sealed) FROM STDIN (FORMAT binary)",
];

const STREAM: [Type; 4] = [Type::INT8, Type::TEXT, Type::TEXT, Type::TEXT];
const EVENT: [Type; 10] = [
    Type::INT4,
    Type::INT8,
    Type::INT8,
    Type::INT8,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::TEXT,
    Type::INT8,
    Type::INT8,
];
const DELIVERY: [Type; 4] = [Type::UUID, Type::UUID, Type::INT8, Type::INT8];
const SUBJECT_KEY: [Type; 4] = [Type::INT8, Type::TEXT, Type::UUID, Type::BYTEA];
const VAULT_ROW: [Type; 4] = [Type::INT4, Type::INT8, Type::INT8, Type::BYTEA];

/// How rows get into Postgres.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum Way {
    /// Arrays, one for each column
    Unnest,
    /// The binary form of COPY
    Copy,
}

/// The bare loop on Postgres.
#[derive(Args)]
pub(crate) struct RawPostgres {
    /// A database without the schema `orderlight`
    #[arg(long, env = "DATABASE_URL")]
    database_url: String,
    /// The file with the log's schema
    #[arg(long)]
    schema: PathBuf,
    #[arg(long, value_enum, default_value_t = Way::Unnest)]
    way: Way,
    #[command(flatten)]
    batches: Batches,
}

impl RawPostgres {
    pub(crate) async fn run(self) -> anyhow::Result<ExitCode> {
        let schema = std::fs::read_to_string(&self.schema).context("cannot read the schema")?;
        let (client, connection) = tokio_postgres::connect(&self.database_url, NoTls).await?;
        // What goes wrong on the wire is told to whoever waits for an answer.
        tokio::spawn(async move { drop(connection.await) });
        client.batch_execute("CREATE SCHEMA orderlight; SET search_path = orderlight").await?;
        // What the writer sets: a plan of its own for each batch costs more than it gains.
        client.batch_execute("SET plan_cache_mode = force_generic_plan; SET jit = off").await?;
        client.batch_execute(&schema).await.context("the schema is refused")?;
        let batches = self.batches.make(0, &Acquired { epoch: 0, head: 0, last_stream: 0, last_subject_key: 0 })?;
        let insert = Insert::prepare(client, self.way).await?;
        let mut slowest = Duration::ZERO;
        let started = Instant::now();
        for batch in &batches {
            let before = Instant::now();
            match self.way {
                Way::Unnest => insert.by_unnest(batch).await,
                Way::Copy => insert.by_copy(batch).await,
            }
            .context("a batch is refused")?;
            slowest = slowest.max(before.elapsed());
        }
        println!("{}", self.batches.told(started.elapsed(), slowest));
        Ok(ExitCode::SUCCESS)
    }
}

struct Insert {
    client: Client,
    head: Statement,
    tables: Vec<Statement>,
}

impl Insert {
    async fn prepare(client: Client, way: Way) -> anyhow::Result<Self> {
        let head = client.prepare(HEAD).await?;
        let mut tables = Vec::new();
        for table in if way == Way::Unnest { TABLES_BY_UNNEST } else { TABLES_BY_COPY } {
            tables.push(client.prepare(table).await?);
        }
        Ok(Self { client, head, tables })
    }

    async fn by_unnest(&self, batch: &Batch) -> anyhow::Result<()> {
        // In this order, for each is sent when it is first polled.
        let (_, moved, ..) = tokio::try_join!(
            biased;
            self.client.batch_execute("BEGIN"),
            self.move_head(batch),
            self.streams(batch),
            self.events(batch),
            self.deliveries(batch),
            self.subject_keys(batch),
            self.vault_rows(batch),
            self.client.batch_execute("COMMIT"),
        )?;
        anyhow::ensure!(moved == 1, "the head is elsewhere");
        Ok(())
    }

    async fn streams(&self, batch: &Batch) -> Result<u64, Error> {
        let (ids, names) = columns(&batch.streams, |(id, key)| (id.cast_signed(), &*key.aggregate_id));
        let (merchants, types) = columns(&batch.streams, |(_, key)| (key.merchant.as_str(), &*key.aggregate_type));
        self.client.execute(&self.tables[0], &[&ids, &merchants, &types, &names]).await
    }

    async fn events(&self, batch: &Batch) -> Result<u64, Error> {
        let after = batch.after.cast_signed();
        let positions: Vec<_> = (after + 1..).take(batch.events.len()).collect();
        let (streams, sequences) =
            columns(&batch.events, |event| (event.stream.cast_signed(), event.sequence.cast_signed()));
        let (types, versions) = columns(&batch.events, |event| (event.event_type, event.event_version));
        let (payloads, metadata) = columns(&batch.events, |event| (&*event.payload, &*event.metadata));
        let (occurred, recorded) =
            columns(&batch.events, |event| (event.occurred_at.millis(), event.recorded_at.millis()));
        let columns: [&(dyn ToSql + Sync); 9] =
            [&positions, &streams, &sequences, &types, &versions, &payloads, &metadata, &occurred, &recorded];
        self.client.execute(&self.tables[1], &columns).await
    }

    async fn deliveries(&self, batch: &Batch) -> Result<u64, Error> {
        let (keys, bodies) = columns(&batch.deliveries, |row| (Sixteen(row.key.0), Sixteen(row.body)));
        let (streams, sequences) =
            columns(&batch.deliveries, |row| (row.stream.cast_signed(), row.sequence.cast_signed()));
        self.client.execute(&self.tables[2], &[&keys, &bodies, &streams, &sequences]).await
    }

    async fn subject_keys(&self, batch: &Batch) -> Result<u64, Error> {
        let (ids, merchants) = columns(&batch.subject_keys, |key| (key.id.cast_signed(), key.merchant.as_str()));
        let (subjects, wrapped) = columns(&batch.subject_keys, |key| (Sixteen(*key.subject.as_bytes()), &*key.wrapped));
        self.client.execute(&self.tables[3], &[&ids, &merchants, &subjects, &wrapped]).await
    }

    async fn vault_rows(&self, batch: &Batch) -> Result<u64, Error> {
        let (positions, keys) =
            columns(&batch.vault_rows, |row| (row.position.cast_signed(), row.subject_key.cast_signed()));
        let sealed: Vec<_> = batch.vault_rows.iter().map(|row| &*row.sealed).collect();
        self.client.execute(&self.tables[4], &[&positions, &keys, &sealed]).await
    }

    async fn by_copy(&self, batch: &Batch) -> anyhow::Result<()> {
        let (_, moved) = tokio::try_join!(biased; self.client.batch_execute("BEGIN"), self.move_head(batch))?;
        anyhow::ensure!(moved == 1, "the head is elsewhere");
        self.copy(0, &STREAM, &batch.streams, stream_row).await?;
        let events: Vec<_> = (batch.after + 1..).zip(&batch.events).collect();
        self.copy(1, &EVENT, &events, event_row).await?;
        self.copy(2, &DELIVERY, &batch.deliveries, delivery_row).await?;
        self.copy(3, &SUBJECT_KEY, &batch.subject_keys, subject_key_row).await?;
        self.copy(4, &VAULT_ROW, &batch.vault_rows, vault_row).await?;
        self.client.batch_execute("COMMIT").await?;
        Ok(())
    }

    async fn move_head(&self, batch: &Batch) -> Result<u64, Error> {
        let head = batch.after.cast_signed() + i64::try_from(batch.events.len()).unwrap_or(i64::MAX);
        self.client.execute(&self.head, &[&head, &batch.epoch.cast_signed(), &batch.after.cast_signed()]).await
    }

    async fn copy<T, const N: usize>(
        &self,
        table: usize,
        types: &[Type; N],
        rows: &[T],
        row: for<'a> fn(&'a T) -> [Cell<'a>; N],
    ) -> anyhow::Result<()> {
        let sink = self.client.copy_in(&self.tables[table]).await?;
        let mut writer = pin!(BinaryCopyInWriter::new(sink, types));
        for one in rows {
            let cells = row(one);
            writer.as_mut().write_raw(cells.iter().map(|cell| cell as &(dyn ToSql + Sync))).await?;
        }
        writer.finish().await?;
        Ok(())
    }
}

fn stream_row((id, key): &(StreamId, StreamKey)) -> [Cell<'_>; 4] {
    [
        Cell::number(*id),
        Cell::Text(key.merchant.as_str()),
        Cell::Text(&key.aggregate_type),
        Cell::Text(&key.aggregate_id),
    ]
}

fn event_row<'a>((position, event): &'a (u64, &NewEvent)) -> [Cell<'a>; 10] {
    [
        Cell::Small(0),
        Cell::number(*position),
        Cell::number(event.stream),
        Cell::number(event.sequence),
        Cell::Text(event.event_type),
        Cell::Text(event.event_version),
        Cell::Text(&event.payload),
        Cell::Text(&event.metadata),
        Cell::Number(event.occurred_at.millis()),
        Cell::Number(event.recorded_at.millis()),
    ]
}

fn delivery_row(row: &NewDelivery) -> [Cell<'_>; 4] {
    [Cell::Bytes(&row.key.0), Cell::Bytes(&row.body), Cell::number(row.stream), Cell::number(row.sequence)]
}

fn subject_key_row(key: &SubjectKey) -> [Cell<'_>; 4] {
    [
        Cell::number(key.id),
        Cell::Text(key.merchant.as_str()),
        Cell::Bytes(key.subject.as_bytes()),
        Cell::Bytes(&key.wrapped),
    ]
}

fn vault_row(row: &NewVaultRow) -> [Cell<'_>; 4] {
    [Cell::Small(0), Cell::number(row.position), Cell::number(row.subject_key), Cell::Bytes(&row.sealed)]
}

/// One value of a row.
#[derive(Debug)]
enum Cell<'a> {
    Small(i32),
    Number(i64),
    Text(&'a str),
    /// Of any length, or the sixteen of a UUID.
    Bytes(&'a [u8]),
}

impl Cell<'_> {
    fn number(number: u64) -> Self {
        Self::Number(number.cast_signed())
    }
}

impl ToSql for Cell<'_> {
    fn to_sql(&self, ty: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        match self {
            Self::Small(number) => number.to_sql(ty, out),
            Self::Number(number) => number.to_sql(ty, out),
            Self::Text(text) => text.to_sql(ty, out),
            Self::Bytes(bytes) => bytes.to_sql(ty, out),
        }
    }

    accepts!(INT4, INT8, TEXT, BYTEA, UUID);
    to_sql_checked!();
}

/// What Postgres calls a UUID.
#[derive(Debug)]
struct Sixteen([u8; 16]);

impl ToSql for Sixteen {
    fn to_sql(&self, _: &Type, out: &mut BytesMut) -> Result<IsNull, Box<dyn std::error::Error + Sync + Send>> {
        out.extend_from_slice(&self.0);
        Ok(IsNull::No)
    }

    accepts!(UUID);
    to_sql_checked!();
}

fn columns<'a, T, A, B>(rows: &'a [T], read: impl Fn(&'a T) -> (A, B)) -> (Vec<A>, Vec<B>) {
    rows.iter().map(read).unzip()
}
