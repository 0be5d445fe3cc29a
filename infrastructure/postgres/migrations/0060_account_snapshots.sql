-- States of whole accounts, so that a question about the past need not fold a history from its beginning.
-- Worked out from the log, by ids only; can be thrown away.

CREATE TABLE account_snapshots (
    account_id   uuid        NOT NULL,
    version      text        NOT NULL,
    log_position bigint      NOT NULL,
    recorded_at  timestamptz NOT NULL,
    dated        bigint[]    NOT NULL,
    state        bytea       NOT NULL,
    PRIMARY KEY (account_id, version, log_position)
);

CREATE INDEX account_snapshots_recorded_at ON account_snapshots (account_id, version, recorded_at, log_position);

COMMENT ON TABLE account_snapshots IS 'A whole account after the event at log_position. Worked out from the log; can be thrown away';
COMMENT ON COLUMN account_snapshots.version IS 'Of the code that folded it; no other code reads it';
COMMENT ON COLUMN account_snapshots.dated IS 'Log positions of the events up to there that count to another time, or take others back';
