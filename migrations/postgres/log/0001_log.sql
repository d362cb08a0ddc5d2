-- The event log and what is committed beside it, in the schema `orderlight`. Keys are integers, so that indexes stay small in a
-- rush, and text is compared byte by byte, which is what names are and what is fastest.
--
-- Whose rows are whose: a partition's writer alone hands out its positions, stream ids and subject key ids. The latter two carry
-- the partition in their high bits, so that they are unique over all partitions.
--
-- That streams are there which events and deliveries name, the writer's statement sees to: a stream never goes away, so it is enough to
-- look once, and a foreign key would look and lock for each row. Data keys do go away, so there is one for them.

-- One row a partition, as many as the log has for good. The writer moves it in the transaction of its events, checking its epoch.
-- Room is left in the page for the versions of the row, so that moving it touches no index.
CREATE TABLE orderlight.heads (
    partition INTEGER PRIMARY KEY CHECK (partition >= 0),
    position  BIGINT NOT NULL CHECK (position >= 0),
    epoch     BIGINT NOT NULL CHECK (epoch >= 0)
) WITH (fillfactor = 10);

INSERT INTO orderlight.heads (partition, position, epoch) SELECT number, 0, 0 FROM generate_series(0, 15) AS number;

CREATE TABLE orderlight.streams (
    id             BIGINT PRIMARY KEY CHECK (id > 0),
    merchant       TEXT COLLATE "C" NOT NULL,
    aggregate_type TEXT COLLATE "C" NOT NULL,
    aggregate_id   TEXT COLLATE "C" NOT NULL
);

-- Leads with the type, so that the few streams of a rare type are found without walking the orders.
CREATE UNIQUE INDEX streams_by_name ON orderlight.streams (aggregate_type, merchant, aggregate_id);

-- Named `log` because `events` is the view below. Times are milliseconds since 1970-01-01T00:00:00Z. Payload and metadata are
-- text, because what was hashed must come back byte for byte.
CREATE TABLE orderlight.log (
    position      BIGINT NOT NULL CHECK (position > 0),
    stream        BIGINT NOT NULL,
    sequence      BIGINT NOT NULL CHECK (sequence > 0),
    occurred_at   BIGINT NOT NULL,
    recorded_at   BIGINT NOT NULL,
    partition     INTEGER NOT NULL CHECK (partition >= 0),
    event_type    TEXT COLLATE "C" NOT NULL,
    event_version TEXT COLLATE "C" NOT NULL,
    payload       TEXT COLLATE "C" NOT NULL,
    metadata      TEXT COLLATE "C" NOT NULL,
    PRIMARY KEY (partition, position)
);

CREATE UNIQUE INDEX log_by_stream ON orderlight.log (stream, sequence);

-- `key` stands for (merchant, source, message id), `body` for the content; stream and sequence tell what came of it.
-- UUID is what Postgres calls sixteen bytes of fixed length.
CREATE TABLE orderlight.deliveries (
    key      UUID PRIMARY KEY,
    body     UUID NOT NULL,
    stream   BIGINT NOT NULL,
    sequence BIGINT NOT NULL CHECK (sequence > 0)
);

CREATE TABLE orderlight.vault_keys (
    id       BIGINT PRIMARY KEY CHECK (id > 0),
    subject  UUID NOT NULL,
    merchant TEXT COLLATE "C" NOT NULL,
    wrapped  BYTEA NOT NULL
);

CREATE UNIQUE INDEX vault_keys_by_subject ON orderlight.vault_keys (subject, merchant);

CREATE TABLE orderlight.vault (
    position    BIGINT NOT NULL CHECK (position > 0),
    subject_key BIGINT NOT NULL REFERENCES orderlight.vault_keys (id),
    partition   INTEGER NOT NULL CHECK (partition >= 0),
    sealed      BYTEA NOT NULL,
    PRIMARY KEY (partition, position)
);

-- Erasing a customer finds the rows by their key.
CREATE INDEX vault_by_subject_key ON orderlight.vault (subject_key);

-- Who has the log open. Worth nothing after a crash of the server, when every session is gone, so it is not logged either: a
-- heartbeat does not wait for the disk.
CREATE SEQUENCE orderlight.member_ids;
CREATE UNLOGGED TABLE orderlight.members (
    id      BIGINT PRIMARY KEY,
    address TEXT,
    beat_at TIMESTAMPTZ NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 10);

-- What was appended stays. The message is the trigger's argument.
CREATE FUNCTION orderlight.refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '%', tg_argv[0] USING ERRCODE = 'restrict_violation';
END $$;

CREATE TRIGGER log_refuses_change BEFORE UPDATE OR DELETE OR TRUNCATE ON orderlight.log
    FOR EACH STATEMENT EXECUTE FUNCTION orderlight.refuse('log is append-only');
CREATE TRIGGER streams_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON orderlight.streams
    FOR EACH STATEMENT EXECUTE FUNCTION orderlight.refuse('streams are append-only');
CREATE TRIGGER deliveries_refuse_change BEFORE UPDATE OR DELETE OR TRUNCATE ON orderlight.deliveries
    FOR EACH STATEMENT EXECUTE FUNCTION orderlight.refuse('deliveries are append-only');

-- A head only moves on, and none is added: a merchant's partition follows from how many there are.
CREATE TRIGGER heads_refuse_retreat BEFORE UPDATE ON orderlight.heads FOR EACH ROW
    WHEN (new.partition <> old.partition OR new.position < old.position OR new.epoch < old.epoch)
    EXECUTE FUNCTION orderlight.refuse('heads only move on');
CREATE TRIGGER heads_refuse_change BEFORE INSERT OR DELETE OR TRUNCATE ON orderlight.heads
    FOR EACH STATEMENT EXECUTE FUNCTION orderlight.refuse('heads only move on');

-- Personal data may be erased, never rewritten.
CREATE TRIGGER vault_refuses_update BEFORE UPDATE OR TRUNCATE ON orderlight.vault
    FOR EACH STATEMENT EXECUTE FUNCTION orderlight.refuse('vault rows are never rewritten');
CREATE TRIGGER vault_keys_refuse_update BEFORE UPDATE OR TRUNCATE ON orderlight.vault_keys
    FOR EACH STATEMENT EXECUTE FUNCTION orderlight.refuse('vault keys are never rewritten');

-- The columns of postgres-es first, so that its readers can read this log; then ours. They expect JSON; the bytes are in `log`.
CREATE VIEW orderlight.events AS
SELECT
    streams.aggregate_type,
    streams.aggregate_id,
    log.sequence,
    log.event_type,
    log.event_version,
    log.payload::json AS payload,
    log.metadata::json AS metadata,
    streams.merchant,
    log.partition,
    log.position,
    log.occurred_at,
    log.recorded_at
FROM orderlight.log
JOIN orderlight.streams ON streams.id = log.stream;
