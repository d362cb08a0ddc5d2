//! The outbox in Postgres, in the schema `orderlight_outbox`. Several processes share it; of each partition one takes in and
//! delivers, and whoever changes a partition's messages waits for whoever else does.

use std::time::Duration;

use async_trait::async_trait;
use domain::time::Timestamp;
use eventlog::Position;
use sqlx::postgres::{PgConnectOptions, PgPool, PgPoolOptions, PgRow};
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, Postgres, Row as _, Transaction};

use super::{
    Agenda, Ahead, Counts, Delivery, Due, Intake, Outbox, OutboxError, Outcome, Replay, State, event, is_gone,
    read_back, stored,
};

const SCHEMA: &str = "orderlight_outbox";
/// Held while the schema or its tables are made.
const OPENING: i64 = 0x6f72_646f_7574_6f70;
/// The first half of what is held while a partition's messages change; its number is the second.
const CHANGING: i32 = 0x6f75_7462;
const SESSIONS_MAX: u32 = 6;
const ANSWER_MAX: Duration = Duration::from_secs(5);
/// Rows are found by index alone: a table that was empty a moment ago has no statistics yet.
const OWN: [(&str, &str); 6] = [
    ("search_path", SCHEMA),
    ("synchronous_commit", "on"),
    ("idle_in_transaction_session_timeout", "10s"),
    ("jit", "off"),
    ("enable_seqscan", "off"),
    ("client_min_messages", "warning"),
];

const TABLES: &str = "
    CREATE TABLE checkpoints (partition integer PRIMARY KEY, position bigint NOT NULL);
    CREATE TABLE messages (
        endpoint text NOT NULL,
        position bigint NOT NULL,
        subject text NOT NULL,
        event text NOT NULL,
        state smallint NOT NULL,
        attempts integer NOT NULL,
        since bigint NOT NULL,
        next_at bigint,
        last_status integer,
        last_error text,
        PRIMARY KEY (endpoint, position)
    );
    CREATE INDEX messages_waiting ON messages (endpoint, subject, position) WHERE state = 0;
    CREATE INDEX messages_parked ON messages (endpoint, position) WHERE state = 2;
";
/// What came later, and is looked for by itself. Thousands of messages become due in the same millisecond, so the index of those has
/// their order.
const LATER: [(&str, &str); 3] = [
    ("disabled", "CREATE TABLE disabled (endpoint text PRIMARY KEY, since bigint NOT NULL)"),
    ("messages_settled", "CREATE INDEX messages_settled ON messages (endpoint, since) WHERE state <> 0"),
    (
        "messages_next",
        "DROP INDEX IF EXISTS messages_due;
         CREATE INDEX messages_next ON messages (endpoint, next_at, position) WHERE next_at IS NOT NULL",
    ),
];

const INSERT: &str = "
    INSERT INTO messages (endpoint, position, subject, event, state, attempts, since, next_at)
    SELECT n.endpoint, n.position, n.subject, n.event, CASE WHEN d.since IS NULL THEN 0 ELSE 2 END, 0, $5, CASE WHEN
        d.since IS NOT NULL OR row_number() OVER (PARTITION BY n.endpoint, n.subject ORDER BY n.position) > 1 OR EXISTS (SELECT 1 FROM messages m
            WHERE m.endpoint = n.endpoint AND m.subject = n.subject AND m.state = 0) THEN NULL ELSE $5 END
    FROM unnest($1::text[], $2::bigint[], $3::text[], $4::text[]) AS n (endpoint, position, subject, event)
        LEFT JOIN disabled d ON d.endpoint = n.endpoint
    ON CONFLICT DO NOTHING";

const SETTLE: &str = "
    UPDATE messages m SET state = o.state, attempts = m.attempts + o.tries, last_status = o.status, last_error = o.error,
        next_at = CASE WHEN EXISTS (SELECT 1 FROM messages e WHERE e.endpoint = $1 AND e.subject = m.subject AND e.state = 0
            AND e.position < m.position) THEN NULL ELSE o.next_at END
    FROM unnest($2::bigint[], $3::smallint[], $4::bigint[], $5::integer[], $6::text[], $7::integer[])
        AS o (position, state, next_at, status, error, tries)
    WHERE m.endpoint = $1 AND m.position = o.position AND m.state = 0
    RETURNING m.subject, o.state <> 0";

/// Makes the earliest waiting message of each of some subjects due.
const PROMOTE: &str = "
    UPDATE messages SET next_at = $3, since = $3 WHERE endpoint = $1 AND next_at IS NULL AND position IN (
        SELECT (SELECT min(position) FROM messages WHERE endpoint = $1 AND subject = s.subject AND state = 0)
        FROM unnest($2::text[]) AS s (subject))";

const ENABLE: &str = "DELETE FROM disabled WHERE endpoint = $1";

const HOLD_BACK: &str = "
    UPDATE messages m SET next_at = NULL WHERE endpoint = $1 AND state = 0 AND next_at IS NOT NULL AND EXISTS (
        SELECT 1 FROM messages e WHERE e.endpoint = $1 AND e.subject = m.subject AND e.state = 0 AND e.position < m.position)";
const LET_GO: &str = "
    UPDATE messages m SET next_at = $2, since = $2 WHERE endpoint = $1 AND state = 0 AND next_at IS NULL AND NOT EXISTS (
        SELECT 1 FROM messages e WHERE e.endpoint = $1 AND e.subject = m.subject AND e.state = 0 AND e.position < m.position)";

pub(super) struct PostgresOutbox {
    pool: PgPool,
}

impl From<sqlx::Error> for OutboxError {
    fn from(error: sqlx::Error) -> Self {
        Self::Store(error.into())
    }
}

/// Makes the schema and its tables as a role that may, and lets `runtime_role`, a role that is there already, use them.
pub(crate) async fn migrate(url: &str, runtime_role: Option<&str>) -> Result<(), OutboxError> {
    let mut connection = PgConnection::connect_with(&parse(url)?).await?;
    make(&mut connection).await?;
    if let Some(role) = runtime_role {
        let quoted = "SELECT quote_ident(rolname) FROM pg_roles WHERE rolname = $1";
        let quoted: Option<String> = sqlx::query_scalar(quoted).bind(role).fetch_optional(&mut connection).await?;
        let role =
            quoted.ok_or_else(|| OutboxError::Store(format!("role {role} is not there: create it first").into()))?;
        let grant = format!(
            "GRANT USAGE ON SCHEMA {SCHEMA} TO {role}; \
             GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {SCHEMA} TO {role}"
        );
        sqlx::raw_sql(AssertSqlSafe(grant)).execute(&mut connection).await?;
    }
    connection.close().await?;
    Ok(())
}

fn parse(url: &str) -> Result<PgConnectOptions, OutboxError> {
    let options: PgConnectOptions = url.parse()?;
    Ok(options.options(OWN).disable_statement_logging())
}

/// Makes what is missing.
async fn make(connection: &mut PgConnection) -> Result<(), OutboxError> {
    let mut transaction = connection.begin().await?;
    sqlx::query("SELECT pg_advisory_xact_lock($1)").bind(OPENING).execute(&mut *transaction).await?;
    let tables = format!("CREATE SCHEMA IF NOT EXISTS {SCHEMA}; {TABLES}");
    for (name, make) in [("messages", &*tables)].into_iter().chain(LATER) {
        let is_there = "SELECT to_regclass($1) IS NOT NULL";
        let is_there: bool =
            sqlx::query_scalar(is_there).bind(format!("{SCHEMA}.{name}")).fetch_one(&mut *transaction).await?;
        if !is_there {
            sqlx::raw_sql(AssertSqlSafe(make)).execute(&mut *transaction).await?;
        }
    }
    transaction.commit().await?;
    Ok(())
}

impl PostgresOutbox {
    pub(super) async fn open(url: &str, session_name: Option<&str>) -> Result<Self, OutboxError> {
        let mut options = parse(url)?;
        let mut connection = PgConnection::connect_with(&options).await?;
        make(&mut connection).await?;
        connection.close().await?;
        if let Some(name) = session_name {
            options = options.application_name(name);
        }
        let pool = PgPoolOptions::new().max_connections(SESSIONS_MAX).acquire_timeout(ANSWER_MAX);
        Ok(Self { pool: pool.connect_lazy_with(options) })
    }

    /// A transaction in which a partition's messages change.
    async fn change(&self, partition: u32) -> Result<Transaction<'static, Postgres>, OutboxError> {
        let mut transaction = self.pool.begin().await?;
        let partition = i32::try_from(partition).unwrap_or(i32::MAX);
        let lock = sqlx::query("SELECT pg_advisory_xact_lock($1, $2)").bind(CHANGING).bind(partition);
        lock.execute(&mut *transaction).await?;
        Ok(transaction)
    }
}

#[async_trait]
impl Outbox for PostgresOutbox {
    async fn checkpoint(&self, partition: u32) -> Result<Position, OutboxError> {
        let select =
            sqlx::query_scalar("SELECT position FROM checkpoints WHERE partition = $1").bind(i64::from(partition));
        let position: Option<i64> = select.fetch_optional(&self.pool).await?;
        read_back(position.unwrap_or_default())
    }

    async fn take_in(&self, intake: Intake, now: Timestamp) -> Result<(), OutboxError> {
        let mut transaction = self.change(intake.partition).await?;
        let move_on = "INSERT INTO checkpoints AS c VALUES ($1::int, $3) ON CONFLICT (partition) DO UPDATE SET position = $3 \
                       WHERE c.position = $2";
        let moved = sqlx::query(move_on).bind(i64::from(intake.partition)).bind(stored(intake.after));
        if moved.bind(stored(intake.to)).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(OutboxError::Overtaken(intake.partition));
        }
        if !intake.messages.is_empty() {
            let of = |what: fn(&super::NewMessage) -> &str| -> Vec<&str> { intake.messages.iter().map(what).collect() };
            let positions: Vec<i64> = intake.messages.iter().map(|message| stored(message.position)).collect();
            let insert = sqlx::query(INSERT).bind(of(|message| &message.endpoint)).bind(positions);
            let insert = insert.bind(of(|message| &message.subject)).bind(of(|message| message.event.name()));
            insert.bind(now.millis()).execute(&mut *transaction).await?;
        }
        for endpoint in &intake.removed {
            sqlx::query("DELETE FROM messages WHERE endpoint = $1")
                .bind(&**endpoint)
                .execute(&mut *transaction)
                .await?;
            sqlx::query(ENABLE).bind(&**endpoint).execute(&mut *transaction).await?;
        }
        transaction.commit().await?;
        Ok(())
    }

    async fn set_back(&self, partition: u32, ahead: Ahead, endpoints: &[Box<str>]) -> Result<(), OutboxError> {
        let mut transaction = self.change(partition).await?;
        let set_back = "UPDATE checkpoints SET position = $3 WHERE partition = $1::int AND position = $2";
        let set_back = sqlx::query(set_back).bind(i64::from(partition)).bind(stored(ahead.stored));
        if set_back.bind(stored(ahead.written)).execute(&mut *transaction).await?.rows_affected() == 0 {
            return Err(OutboxError::Overtaken(partition));
        }
        let endpoints: Vec<&str> = endpoints.iter().map(AsRef::as_ref).collect();
        let forget = sqlx::query("DELETE FROM messages WHERE endpoint = ANY($1) AND position > $2").bind(endpoints);
        forget.bind(stored(ahead.written)).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(())
    }

    async fn agenda(&self, endpoint: &str, now: Timestamp, limit: u32) -> Result<Agenda, OutboxError> {
        let select = "SELECT position, attempts, since, next_at, subject FROM messages WHERE endpoint = $1 AND next_at IS NOT NULL \
                      ORDER BY next_at, position LIMIT $2";
        let rows = sqlx::query(select).bind(endpoint).bind(i64::from(limit)).fetch_all(&self.pool).await?;
        let mut agenda = Agenda::default();
        for row in rows {
            let next_at = Timestamp::from_millis(row.try_get(3)?);
            if next_at > now {
                agenda.next_at = Some(next_at);
                break;
            }
            let (attempts, subject): (i32, String) = (row.try_get(1)?, row.try_get(4)?);
            agenda.now.push(Due {
                position: read_back(row.try_get(0)?)?,
                subject: subject.into(),
                attempts: read_back(attempts.into())?,
                since: Timestamp::from_millis(row.try_get(2)?),
            });
        }
        Ok(agenda)
    }

    async fn record(
        &self,
        partition: u32,
        endpoint: &str,
        outcomes: Vec<Outcome>,
        give_up: Option<Timestamp>,
        now: Timestamp,
    ) -> Result<u64, OutboxError> {
        let mut transaction = self.change(partition).await?;
        settle(&mut transaction, endpoint, &outcomes, now).await?;
        let mut parked = 0;
        if is_gone(&outcomes) {
            let disable = sqlx::query("INSERT INTO disabled VALUES ($1, $2) ON CONFLICT DO NOTHING").bind(endpoint);
            disable.bind(now.millis()).execute(&mut *transaction).await?;
            let park = "UPDATE messages SET state = 2, next_at = NULL WHERE endpoint = $1 AND state = 0";
            parked = sqlx::query(park).bind(endpoint).execute(&mut *transaction).await?.rows_affected();
        } else if let Some(give_up) = give_up {
            let park = "UPDATE messages SET state = 2, next_at = NULL WHERE endpoint = $1 AND next_at IS NOT NULL AND since <= $2";
            let park = sqlx::query(park).bind(endpoint).bind(give_up.millis());
            parked = park.execute(&mut *transaction).await?.rows_affected();
            if parked > 0 {
                sqlx::query(LET_GO).bind(endpoint).bind(now.millis()).execute(&mut *transaction).await?;
            }
        }
        transaction.commit().await?;
        Ok(parked)
    }

    async fn list(
        &self,
        endpoint: &str,
        state: Option<State>,
        before: Option<Position>,
        limit: u32,
    ) -> Result<Vec<Delivery>, OutboxError> {
        // The state stands in the statement, so that the index of what is parked can serve it.
        let filter = state.map(|state| format!("AND state = {}", state.code())).unwrap_or_default();
        let select = format!(
            "SELECT position, subject, event, state, attempts, next_at, last_status, last_error FROM messages \
             WHERE endpoint = $1 AND position < $2 {filter} ORDER BY position DESC LIMIT $3"
        );
        let select = sqlx::query(AssertSqlSafe(select)).bind(endpoint).bind(before.map_or(i64::MAX, stored));
        select.bind(i64::from(limit)).fetch_all(&self.pool).await?.iter().map(delivery).collect()
    }

    async fn replay(&self, partition: u32, endpoint: &str, which: Replay, now: Timestamp) -> Result<u64, OutboxError> {
        let mut transaction = self.change(partition).await?;
        let (condition, parameters) = match which {
            Replay::At(positions) => ("position = ANY($3)", positions.into_iter().map(stored).collect()),
            Replay::Parked => ("state = ANY($3)", vec![i64::from(State::Parked.code())]),
            Replay::From(position) => ("position >= ($3::bigint[])[1]", vec![stored(position)]),
        };
        let update = format!(
            "UPDATE messages SET state = 0, attempts = 0, since = $2, next_at = NULL WHERE endpoint = $1 AND state <> 0 AND \
             {condition}"
        );
        let update = sqlx::query(AssertSqlSafe(update)).bind(endpoint).bind(now.millis()).bind(parameters);
        let due = update.execute(&mut *transaction).await?.rows_affected();
        sqlx::query(ENABLE).bind(endpoint).execute(&mut *transaction).await?;
        sqlx::query(HOLD_BACK).bind(endpoint).execute(&mut *transaction).await?;
        sqlx::query(LET_GO).bind(endpoint).bind(now.millis()).execute(&mut *transaction).await?;
        transaction.commit().await?;
        Ok(due)
    }

    async fn disabled_since(&self, endpoint: &str) -> Result<Option<Timestamp>, OutboxError> {
        let select = sqlx::query_scalar("SELECT since FROM disabled WHERE endpoint = $1").bind(endpoint);
        let since: Option<i64> = select.fetch_optional(&self.pool).await?;
        Ok(since.map(Timestamp::from_millis))
    }

    async fn forget(&self, endpoint: &str, until: Timestamp, limit: u32) -> Result<u64, OutboxError> {
        let delete = "DELETE FROM messages WHERE endpoint = $1 AND state <> 0 AND position IN (SELECT position FROM messages \
                      WHERE endpoint = $1 AND state <> 0 AND since <= $2 LIMIT $3)";
        let delete = sqlx::query(delete).bind(endpoint).bind(until.millis()).bind(i64::from(limit));
        Ok(delete.execute(&self.pool).await?.rows_affected())
    }

    async fn counts(&self) -> Result<Counts, OutboxError> {
        let select =
            "SELECT (SELECT count(*) FROM messages WHERE state = 0), (SELECT count(*) FROM messages WHERE state = 2)";
        let (pending, parked): (i64, i64) = sqlx::query_as(select).fetch_one(&self.pool).await?;
        Ok(Counts { pending: read_back(pending)?, parked: read_back(parked)? })
    }

    async fn close(&self) {
        self.pool.close().await;
    }
}

/// Stores what came of tries. What was settled otherwise meanwhile stays as it is.
async fn settle(
    transaction: &mut Transaction<'static, Postgres>,
    endpoint: &str,
    outcomes: &[Outcome],
    now: Timestamp,
) -> Result<(), OutboxError> {
    let (mut positions, mut states, mut nexts, mut tries) = (vec![], vec![], vec![], vec![]);
    let (mut statuses, mut errors) = (vec![], vec![]);
    for outcome in outcomes {
        let (state, next_at, tried) = outcome.verdict.stored();
        positions.push(stored(outcome.position));
        states.push(state.code());
        nexts.push(next_at);
        tries.push(tried);
        statuses.push(outcome.status.map(i32::from));
        errors.push(outcome.error.as_deref());
    }
    let settled = sqlx::query_as(SETTLE).bind(endpoint).bind(positions).bind(states).bind(nexts).bind(statuses);
    let settled: Vec<(String, bool)> = settled.bind(errors).bind(tries).fetch_all(&mut **transaction).await?;
    let gone: Vec<String> = settled.into_iter().filter_map(|(subject, is_gone)| is_gone.then_some(subject)).collect();
    if !gone.is_empty() {
        sqlx::query(PROMOTE).bind(endpoint).bind(gone).bind(now.millis()).execute(&mut **transaction).await?;
    }
    Ok(())
}

fn delivery(row: &PgRow) -> Result<Delivery, OutboxError> {
    let (name, attempts, status): (String, i32, Option<i32>) = (row.try_get(2)?, row.try_get(4)?, row.try_get(6)?);
    let (subject, error): (String, Option<String>) = (row.try_get(1)?, row.try_get(7)?);
    Ok(Delivery {
        position: read_back(row.try_get(0)?)?,
        subject: subject.into(),
        event: event(&name)?,
        state: State::of(row.try_get(3)?)?,
        attempts: read_back(attempts.into())?,
        next_at: row.try_get::<Option<i64>, _>(5)?.map(Timestamp::from_millis),
        last_status: status.map(|status| read_back(status.into())).transpose()?,
        last_error: error.map(String::into_boxed_str),
    })
}
