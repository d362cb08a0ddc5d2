//! The table of `order_status`, in SQLite.
//!
//! Every index is paid for at each new order, so there is one per handle that people search or link by and no more.
//! Handles that are not known take no entry. What changes after placement stands in no index but two small ones that hold
//! only orders that are held or reached a tier. `listed_at` ends each of them, so that a page is read in order and no more
//! than it: without it the planner prefers to walk the whole list backwards.

use domain::ids::OrderId;
use domain::time::Timestamp;
use eventlog::StreamId;
use sqlx::query::Query;
use sqlx::sqlite::{Sqlite, SqliteArguments, SqliteRow};
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::{Handles, OrderChallenge, OrderFacts, OrderRisk, OrderStatusRow, UnifiedStatus, apply};
use crate::change::{Envelope, OrderChange};
use crate::chunks::ChunkedInsert;
use crate::database::{from_stored, stream_list, to_stored};
use crate::projection::{Projection, Touched};
use crate::words::{method_word, read_method, read_state, read_status, state_word, status_word};

/// What names an order; never changes.
const NAMES: [&str; 4] = ["stream", "merchant", "channel", "order_no"];
/// What it is; changes with amendments.
const FACTS: [&str; 13] = [
    "listed_at",
    "placed_at",
    "display_no",
    "amount",
    "currency",
    "level",
    "customer",
    "buyer_phone",
    "recipient_phone",
    "device",
    "ip",
    "ip24",
    "address",
];
/// How it stands; changes all the time.
const PROGRESS: [&str; 16] = [
    "state",
    "score",
    "tier",
    "rulebook_version",
    "exemption",
    "hits",
    "challenge_id",
    "challenge_method",
    "challenge_expires_at",
    "held_since",
    "released_by",
    "status",
    "status_at",
    "status_source",
    "sources",
    "position",
];

/// One row per order.
pub(crate) struct OrderStatus {
    load: String,
    /// For new orders, and those whose facts changed.
    save_whole: ChunkedInsert,
    /// For those that merely went on: touches no index of a handle.
    save_progress: ChunkedInsert,
}

impl Projection for OrderStatus {
    const NAME: &'static str = "order_status";
    const VERSION: u32 = 1;
    type Row = OrderStatusRow;

    fn schema(table: &str) -> String {
        let handle = |name: &str| {
            format!("CREATE INDEX {table}_{name} ON {table} (merchant, {name}, listed_at) WHERE {name} IS NOT NULL;")
        };
        let handles: String =
            ["customer", "buyer_phone", "recipient_phone", "device", "ip", "ip24", "address"].map(handle).concat();
        format!(
            "CREATE TABLE {table} (
                stream INTEGER PRIMARY KEY, merchant INTEGER NOT NULL, channel TEXT NOT NULL, order_no TEXT NOT NULL,
                listed_at INTEGER NOT NULL, placed_at INTEGER, display_no TEXT, amount INTEGER, currency TEXT,
                level INTEGER, customer INTEGER, buyer_phone INTEGER, recipient_phone INTEGER, device INTEGER,
                ip INTEGER, ip24 INTEGER, address INTEGER,
                state TEXT NOT NULL, score INTEGER, tier TEXT, rulebook_version INTEGER, exemption TEXT,
                hits TEXT NOT NULL, challenge_id TEXT, challenge_method TEXT, challenge_expires_at INTEGER,
                held_since INTEGER, released_by TEXT, status TEXT, status_at INTEGER, status_source TEXT,
                sources TEXT NOT NULL, position INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX {table}_order_no ON {table} (merchant, order_no, listed_at);
            CREATE INDEX {table}_display_no ON {table} (merchant, display_no, listed_at) WHERE display_no IS NOT NULL;
            CREATE INDEX {table}_listed ON {table} (merchant, listed_at);
            CREATE INDEX {table}_held ON {table} (merchant, state, listed_at) WHERE held_since IS NOT NULL;
            CREATE INDEX {table}_tier ON {table} (merchant, tier, listed_at) WHERE tier <> 'pass';
            {handles}"
        )
    }

    fn on_table(table: &str) -> Self {
        let columns = [NAMES.as_slice(), &FACTS, &PROGRESS].concat();
        let head = format!("INSERT INTO {table} ({})", columns.join(","));
        let upsert = |changing: &[&str]| {
            let set: Vec<String> = changing.iter().map(|column| format!("{column}=excluded.{column}")).collect();
            let tail = format!("ON CONFLICT (stream) DO UPDATE SET {}", set.join(","));
            ChunkedInsert::new(&head, columns.len(), &tail)
        };
        Self {
            load: format!("SELECT * FROM {table} WHERE stream IN (SELECT value FROM json_each(?))"),
            save_whole: upsert(&[FACTS.as_slice(), &PROGRESS].concat()),
            save_progress: upsert(&PROGRESS),
        }
    }

    fn apply(row: Option<OrderStatusRow>, change: &OrderChange, envelope: &Envelope) -> OrderStatusRow {
        apply(row, change, envelope)
    }

    async fn load(
        &self,
        connection: &mut SqliteConnection,
        streams: &[StreamId],
    ) -> Result<Vec<(StreamId, OrderStatusRow)>, sqlx::Error> {
        let rows =
            sqlx::query(AssertSqlSafe(self.load.as_str())).bind(stream_list(streams)).fetch_all(connection).await?;
        rows.iter().map(|row| read_row(row).map(|row| (row.stream, row))).collect()
    }

    async fn save(
        &self,
        connection: &mut SqliteConnection,
        rows: &[Touched<OrderStatusRow>],
    ) -> Result<(), sqlx::Error> {
        let (went_on, whole): (Vec<_>, Vec<_>) =
            rows.iter().partition(|row| row.before.as_ref().is_some_and(|before| before.facts == row.after.facts));
        for (insert, rows) in [(&self.save_whole, whole), (&self.save_progress, went_on)] {
            for (statement, piece) in insert.cut(&rows) {
                let mut query = sqlx::query(AssertSqlSafe(statement));
                for row in piece {
                    query = bind_row(query, row.merchant, &row.after);
                }
                query.execute(&mut *connection).await?;
            }
        }
        Ok(())
    }
}

type SqliteQuery<'q> = Query<'q, Sqlite, SqliteArguments>;

/// In the order of the columns.
fn bind_row<'q>(query: SqliteQuery<'q>, merchant: i64, row: &OrderStatusRow) -> SqliteQuery<'q> {
    let OrderStatusRow { stream, order_id, facts, risk, status, sources, position } = row;
    let handles = &facts.handles;
    let challenge = risk.challenge.as_ref();
    let sources = if sources.is_empty() { "[]".to_owned() } else { json(sources) };
    query
        .bind(to_stored(*stream))
        .bind(merchant)
        .bind(order_id.channel())
        .bind(order_id.order_no())
        .bind(facts.listed_at.millis())
        .bind(facts.placed_at.map(Timestamp::millis))
        .bind(facts.display_no.as_deref())
        .bind(facts.amount)
        .bind(facts.currency.as_deref())
        .bind(facts.level)
        .bind(handles.customer)
        .bind(handles.buyer_phone)
        .bind(handles.recipient_phone)
        .bind(handles.device)
        .bind(handles.ip)
        .bind(handles.ip24)
        .bind(handles.address)
        .bind(state_word(risk.state))
        .bind(risk.score)
        .bind(risk.tier.as_deref())
        .bind(risk.rulebook_version)
        .bind(risk.exemption.as_deref())
        .bind(&*risk.hits)
        .bind(challenge.map(|challenge| challenge.id.as_str()))
        .bind(challenge.map(|challenge| method_word(challenge.method)))
        .bind(challenge.map(|challenge| challenge.expires_at.millis()))
        .bind(risk.held_since.map(Timestamp::millis))
        .bind(risk.released_by.as_deref())
        .bind(status.as_ref().map(|status| status_word(status.value)))
        .bind(status.as_ref().map(|status| status.occurred_at.millis()))
        .bind(status.as_ref().map(|status| &*status.source))
        .bind(sources)
        .bind(to_stored(*position))
}

fn json<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("texts, numbers and times always have a JSON form")
}

/// A stored row; an error when it is not what was written.
pub(super) fn read_row(row: &SqliteRow) -> Result<OrderStatusRow, sqlx::Error> {
    let channel: &str = row.try_get("channel")?;
    let order_no: &str = row.try_get("order_no")?;
    let order_id: OrderId = format!("{channel}:{order_no}").parse().map_err(|error| damaged("order_no", error))?;
    let sources: &str = row.try_get("sources")?;
    Ok(OrderStatusRow {
        stream: from_stored(row.try_get("stream")?),
        order_id,
        facts: read_facts(row)?,
        risk: read_risk(row)?,
        status: read_unified_status(row)?,
        sources: serde_json::from_str(sources).map_err(|error| damaged("sources", error))?,
        position: from_stored(row.try_get("position")?),
    })
}

fn read_facts(row: &SqliteRow) -> Result<OrderFacts, sqlx::Error> {
    Ok(OrderFacts {
        placed_at: time(row, "placed_at")?,
        listed_at: Timestamp::from_millis(row.try_get("listed_at")?),
        display_no: row.try_get("display_no")?,
        amount: row.try_get("amount")?,
        currency: row.try_get("currency")?,
        level: row.try_get("level")?,
        handles: Handles {
            customer: row.try_get("customer")?,
            buyer_phone: row.try_get("buyer_phone")?,
            recipient_phone: row.try_get("recipient_phone")?,
            device: row.try_get("device")?,
            ip: row.try_get("ip")?,
            ip24: row.try_get("ip24")?,
            address: row.try_get("address")?,
        },
    })
}

fn read_risk(row: &SqliteRow) -> Result<OrderRisk, sqlx::Error> {
    let state: &str = row.try_get("state")?;
    let challenge_id: Option<&str> = row.try_get("challenge_id")?;
    let method: Option<&str> = row.try_get("challenge_method")?;
    let challenge = match (challenge_id, method.and_then(read_method), time(row, "challenge_expires_at")?) {
        (Some(id), Some(method), Some(expires_at)) => {
            let id = id.parse().map_err(|error| damaged("challenge_id", error))?;
            Some(OrderChallenge { id, method, expires_at })
        }
        _ => None,
    };
    Ok(OrderRisk {
        state: read_state(state).ok_or_else(|| damaged("state", "unknown word"))?,
        score: row.try_get("score")?,
        tier: row.try_get("tier")?,
        rulebook_version: row.try_get("rulebook_version")?,
        exemption: row.try_get("exemption")?,
        hits: row.try_get("hits")?,
        challenge,
        held_since: time(row, "held_since")?,
        released_by: row.try_get("released_by")?,
    })
}

fn read_unified_status(row: &SqliteRow) -> Result<Option<UnifiedStatus>, sqlx::Error> {
    let Some(word) = row.try_get::<Option<&str>, _>("status")? else { return Ok(None) };
    Ok(Some(UnifiedStatus {
        value: read_status(word).ok_or_else(|| damaged("status", "unknown word"))?,
        occurred_at: Timestamp::from_millis(row.try_get("status_at")?),
        source: row.try_get("status_source")?,
    }))
}

fn time(row: &SqliteRow, column: &str) -> Result<Option<Timestamp>, sqlx::Error> {
    Ok(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis))
}

/// A column that does not hold what was written there.
pub(crate) fn damaged(column: &str, error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> sqlx::Error {
    sqlx::Error::ColumnDecode { index: column.to_owned(), source: error.into() }
}
