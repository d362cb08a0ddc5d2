//! The table of `review_queue`, in SQLite.

use domain::ids::OrderId;
use domain::time::Timestamp;
use eventlog::StreamId;
use sqlx::sqlite::SqliteRow;
use sqlx::{AssertSqlSafe, Row as _, SqliteConnection};

use super::{ReviewClaim, ReviewRow, ReviewState, apply};
use crate::change::{Envelope, OrderChange};
use crate::chunks::ChunkedInsert;
use crate::database::{from_stored, stream_list, to_stored};
use crate::order_status::damaged;
use crate::projection::{Projection, Touched};
use crate::words::{read_status, status_word};

const COLUMNS: [&str; 17] = [
    "stream",
    "merchant",
    "order_id",
    "state",
    "opened_at",
    "deadline",
    "due_at",
    "reviewer",
    "lease_until",
    "score",
    "tier",
    "rules",
    "amount",
    "priority",
    "status",
    "status_at",
    "position",
];

/// One row per review.
pub(crate) struct ReviewQueue {
    load: String,
    save: ChunkedInsert,
}

impl Projection for ReviewQueue {
    const NAME: &'static str = "review_queue";
    const VERSION: u32 = 1;
    type Row = ReviewRow;

    fn schema(table: &str) -> String {
        // `due_at` is the deadline, or the end of time where there is none, so that lists by deadline have one sort key.
        format!(
            "CREATE TABLE {table} (
                stream INTEGER PRIMARY KEY, merchant INTEGER NOT NULL, order_id TEXT NOT NULL, state TEXT NOT NULL,
                opened_at INTEGER NOT NULL, deadline INTEGER, due_at INTEGER NOT NULL, reviewer TEXT,
                lease_until INTEGER, score INTEGER NOT NULL, tier TEXT NOT NULL, rules TEXT NOT NULL,
                amount INTEGER NOT NULL, priority INTEGER NOT NULL, status TEXT, status_at INTEGER,
                position INTEGER NOT NULL
            ) STRICT;
            CREATE INDEX {table}_order ON {table} (merchant, order_id);
            CREATE INDEX {table}_pending ON {table} (merchant, priority) WHERE state <> 'closed';
            CREATE INDEX {table}_state ON {table} (merchant, state, opened_at);"
        )
    }

    fn on_table(table: &str) -> Self {
        let head = format!("INSERT INTO {table} ({})", COLUMNS.join(","));
        let set: Vec<String> = COLUMNS[3..].iter().map(|column| format!("{column}=excluded.{column}")).collect();
        let tail = format!("ON CONFLICT (stream) DO UPDATE SET {}", set.join(","));
        Self {
            load: format!("SELECT * FROM {table} WHERE stream IN (SELECT value FROM json_each(?))"),
            save: ChunkedInsert::new(&head, COLUMNS.len(), &tail),
        }
    }

    fn apply(row: Option<ReviewRow>, change: &OrderChange, envelope: &Envelope) -> ReviewRow {
        apply(row, change, envelope)
    }

    fn is_kept(row: &ReviewRow) -> bool {
        row.state.is_some()
    }

    fn wants_history(change: &OrderChange) -> bool {
        match change {
            OrderChange::Scored(scored) => scored.reached_a_tier(),
            OrderChange::Challenged(_)
            | OrderChange::Frozen(_)
            | OrderChange::ReviewOpened(_)
            | OrderChange::ReviewClaimed(_)
            | OrderChange::ReviewReturned(_) => true,
            OrderChange::Placed(_)
            | OrderChange::Amended(_)
            | OrderChange::StatusReported(_)
            | OrderChange::Verified(_)
            | OrderChange::Released(_)
            | OrderChange::Noted(_)
            | OrderChange::PersonalDataRevealed(_) => false,
        }
    }

    async fn load(
        &self,
        connection: &mut SqliteConnection,
        streams: &[StreamId],
    ) -> Result<Vec<(StreamId, ReviewRow)>, sqlx::Error> {
        let rows =
            sqlx::query(AssertSqlSafe(self.load.as_str())).bind(stream_list(streams)).fetch_all(connection).await?;
        rows.iter().map(|row| read_row(row).map(|row| (row.stream, row))).collect()
    }

    async fn save(&self, connection: &mut SqliteConnection, rows: &[Touched<ReviewRow>]) -> Result<(), sqlx::Error> {
        for (statement, piece) in self.save.cut(rows) {
            let mut query = sqlx::query(AssertSqlSafe(statement));
            for Touched { merchant, after: row, .. } in piece {
                let rules = serde_json::to_string(&row.rules).expect("texts always have a JSON form");
                query = query
                    .bind(to_stored(row.stream))
                    .bind(*merchant)
                    .bind(row.order_id.as_str())
                    .bind(row.state.map_or("", ReviewState::name))
                    .bind(row.opened_at.millis())
                    .bind(row.deadline.map(Timestamp::millis))
                    .bind(row.deadline.map_or(i64::MAX, Timestamp::millis))
                    .bind(row.claim.as_ref().map(|claim| &*claim.reviewer))
                    .bind(row.claim.as_ref().map(|claim| claim.lease_until.millis()))
                    .bind(row.score)
                    .bind(&*row.tier)
                    .bind(rules)
                    .bind(row.amount)
                    .bind(row.priority())
                    .bind(row.status.map(|(status, _)| status_word(status)))
                    .bind(row.status.map(|(_, counted_at)| counted_at.millis()))
                    .bind(to_stored(row.position));
            }
            query.execute(&mut *connection).await?;
        }
        Ok(())
    }
}

/// A stored row; an error when it is not what was written.
pub(super) fn read_row(row: &SqliteRow) -> Result<ReviewRow, sqlx::Error> {
    let order_id: OrderId = row.try_get::<&str, _>("order_id")?.parse().map_err(|error| damaged("order_id", error))?;
    let state = ReviewState::from_name(row.try_get("state")?).ok_or_else(|| damaged("state", "unknown word"))?;
    let time = |column| Ok::<_, sqlx::Error>(row.try_get::<Option<i64>, _>(column)?.map(Timestamp::from_millis));
    let reviewer: Option<Box<str>> = row.try_get("reviewer")?;
    let claim = reviewer.zip(time("lease_until")?).map(|(reviewer, lease_until)| ReviewClaim { reviewer, lease_until });
    let status = match row.try_get::<Option<&str>, _>("status")? {
        Some(word) => Some(read_status(word).ok_or_else(|| damaged("status", "unknown word"))?),
        None => None,
    };
    Ok(ReviewRow {
        stream: from_stored(row.try_get("stream")?),
        order_id,
        state: Some(state),
        opened_at: Timestamp::from_millis(row.try_get("opened_at")?),
        deadline: time("deadline")?,
        claim,
        score: row.try_get("score")?,
        tier: row.try_get("tier")?,
        rules: serde_json::from_str(row.try_get("rules")?).map_err(|error| damaged("rules", error))?,
        amount: row.try_get("amount")?,
        status: status.zip(time("status_at")?),
        position: from_stored(row.try_get("position")?),
    })
}
