-- The event log and what is committed beside it. Keys are integers, so that indexes stay small in a rush.
-- References are checked at the commit: checked at once, they make SQLite keep an undo journal for each statement.

-- One row a partition. The writer moves it in the transaction of its events, checking its epoch.
CREATE TABLE heads (
    partition INTEGER PRIMARY KEY,
    position  INTEGER NOT NULL CHECK (position >= 0),
    epoch     INTEGER NOT NULL CHECK (epoch >= 0)
) STRICT;

INSERT INTO heads (partition, position, epoch) VALUES (0, 0, 0);

CREATE TABLE streams (
    id             INTEGER PRIMARY KEY CHECK (id > 0),
    merchant       TEXT NOT NULL,
    aggregate_type TEXT NOT NULL,
    aggregate_id   TEXT NOT NULL
) STRICT;

-- Leads with the type, so that the few streams of a rare type are found without walking the orders.
CREATE UNIQUE INDEX streams_by_name ON streams (aggregate_type, merchant, aggregate_id);

-- Named `log` because `events` is the view below. Times are milliseconds since 1970-01-01T00:00:00Z.
CREATE TABLE log (
    position      INTEGER PRIMARY KEY CHECK (position > 0),
    stream        INTEGER NOT NULL REFERENCES streams (id) DEFERRABLE INITIALLY DEFERRED,
    sequence      INTEGER NOT NULL CHECK (sequence > 0),
    event_type    TEXT NOT NULL,
    event_version TEXT NOT NULL,
    payload       TEXT NOT NULL,
    metadata      TEXT NOT NULL,
    occurred_at   INTEGER NOT NULL,
    recorded_at   INTEGER NOT NULL
) STRICT;

CREATE UNIQUE INDEX log_by_stream ON log (stream, sequence);

-- `key` stands for (merchant, source, message id), `body` for the content; stream and sequence tell what came of it.
CREATE TABLE deliveries (
    key      BLOB PRIMARY KEY CHECK (length(key) = 16),
    body     BLOB NOT NULL CHECK (length(body) = 16),
    stream   INTEGER NOT NULL REFERENCES streams (id) DEFERRABLE INITIALLY DEFERRED,
    sequence INTEGER NOT NULL CHECK (sequence > 0)
) STRICT, WITHOUT ROWID;

CREATE TABLE vault_keys (
    id       INTEGER PRIMARY KEY CHECK (id > 0),
    merchant TEXT NOT NULL,
    subject  BLOB NOT NULL CHECK (length(subject) = 16),
    wrapped  BLOB NOT NULL
) STRICT;

CREATE UNIQUE INDEX vault_keys_by_subject ON vault_keys (subject, merchant);

CREATE TABLE vault (
    position    INTEGER PRIMARY KEY REFERENCES log (position) DEFERRABLE INITIALLY DEFERRED,
    subject_key INTEGER NOT NULL REFERENCES vault_keys (id) DEFERRABLE INITIALLY DEFERRED,
    sealed      BLOB NOT NULL
) STRICT;

-- Erasing a customer finds the rows by their key.
CREATE INDEX vault_by_subject_key ON vault (subject_key);

-- What was appended stays. These fire for REPLACE as well where recursive_triggers is on, as the service sets it.
CREATE TRIGGER log_refuses_update BEFORE UPDATE ON log
BEGIN SELECT RAISE(ABORT, 'log is append-only'); END;
CREATE TRIGGER log_refuses_delete BEFORE DELETE ON log
BEGIN SELECT RAISE(ABORT, 'log is append-only'); END;

CREATE TRIGGER streams_refuse_update BEFORE UPDATE ON streams
BEGIN SELECT RAISE(ABORT, 'streams are append-only'); END;
CREATE TRIGGER streams_refuse_delete BEFORE DELETE ON streams
BEGIN SELECT RAISE(ABORT, 'streams are append-only'); END;

CREATE TRIGGER deliveries_refuse_update BEFORE UPDATE ON deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries are append-only'); END;
CREATE TRIGGER deliveries_refuse_delete BEFORE DELETE ON deliveries
BEGIN SELECT RAISE(ABORT, 'deliveries are append-only'); END;

-- A head only moves on.
CREATE TRIGGER heads_refuse_retreat BEFORE UPDATE ON heads
WHEN new.partition <> old.partition OR new.position < old.position OR new.epoch < old.epoch
BEGIN SELECT RAISE(ABORT, 'heads only move on'); END;
CREATE TRIGGER heads_refuse_delete BEFORE DELETE ON heads
BEGIN SELECT RAISE(ABORT, 'heads only move on'); END;

-- Personal data may be erased, never rewritten.
CREATE TRIGGER vault_refuses_update BEFORE UPDATE ON vault
BEGIN SELECT RAISE(ABORT, 'vault rows are never rewritten'); END;
CREATE TRIGGER vault_keys_refuse_update BEFORE UPDATE ON vault_keys
BEGIN SELECT RAISE(ABORT, 'vault keys are never rewritten'); END;

-- The columns of postgres-es first, so that its readers can read this log; then ours.
CREATE VIEW events AS
SELECT
    streams.aggregate_type,
    streams.aggregate_id,
    log.sequence,
    log.event_type,
    log.event_version,
    log.payload,
    log.metadata,
    streams.merchant,
    0 AS partition,
    log.position,
    log.occurred_at,
    log.recorded_at
FROM log
JOIN streams ON streams.id = log.stream;
