-- The log: every event, once, in order, for ever.

CREATE TABLE stored_events (
    notification_id    bigint      NOT NULL,
    originator_id      uuid        NOT NULL,
    originator_version bigint      NOT NULL,
    topic              text        NOT NULL,
    state              bytea       NOT NULL,
    account_id         uuid        NOT NULL,
    recorded_at        timestamptz NOT NULL,
    metadata           json        NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
) WITH (
    autovacuum_vacuum_insert_scale_factor = 0.1,
    autovacuum_analyze_scale_factor = 0.05
);

-- The order of the log. Positions are given out under the log lock, so commit order is position order.
CREATE UNIQUE INDEX stored_events_notification_id ON stored_events (notification_id);
-- One customer's whole history is one scan.
CREATE INDEX stored_events_account ON stored_events (account_id, notification_id);

COMMENT ON TABLE stored_events IS 'The log. Append-only: update, delete and truncate are refused.';
COMMENT ON COLUMN stored_events.notification_id IS 'Position in the log, 1, 2, 3, …';
COMMENT ON COLUMN stored_events.recorded_at IS 'By the clock Daybook runs on; never runs backwards along the log';
COMMENT ON COLUMN stored_events.metadata IS 'Who and why: ids only, no personal data';

-- What a repeated request is answered with. Written in the transaction of its facts.
CREATE TABLE idempotency_keys (
    account_id   uuid        NOT NULL,
    key          text        NOT NULL,
    request_hash bytea       NOT NULL,
    answer       bytea       NOT NULL,
    recorded_at  timestamptz NOT NULL,
    PRIMARY KEY (account_id, key)
);

-- State of long streams, so that they need not be replayed from their beginning. Can be thrown away.
CREATE TABLE stored_snapshots (
    originator_id      uuid   NOT NULL,
    originator_version bigint NOT NULL,
    topic              text   NOT NULL,
    state              bytea  NOT NULL,
    PRIMARY KEY (originator_id, originator_version)
);

CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$$;

CREATE TRIGGER stored_events_are_for_ever BEFORE UPDATE OR DELETE ON stored_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER stored_events_are_not_truncated BEFORE TRUNCATE ON stored_events
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
CREATE TRIGGER idempotency_keys_are_for_ever BEFORE UPDATE OR DELETE ON idempotency_keys
    FOR EACH ROW EXECUTE FUNCTION refuse_change();
CREATE TRIGGER idempotency_keys_are_not_truncated BEFORE TRUNCATE ON idempotency_keys
    FOR EACH STATEMENT EXECUTE FUNCTION refuse_change();
-- Also for those who replicate with triggers off.
ALTER TABLE stored_events ENABLE ALWAYS TRIGGER stored_events_are_for_ever;
ALTER TABLE stored_events ENABLE ALWAYS TRIGGER stored_events_are_not_truncated;
