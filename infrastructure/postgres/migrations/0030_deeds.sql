-- What somebody did, or was refused, that left no event in the log: refused commands, log-ins and failed ones,
-- look-ups and acts of staff and operators. Ids only: where a request came from is in `origins`, encrypted.

CREATE TABLE deeds (
    number          bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    deed_id         uuid        NOT NULL UNIQUE,     -- the writer's own, so that a batch is never written twice
    log_position    bigint      NOT NULL,            -- how far the log was known to reach
    at              timestamptz NOT NULL,            -- by the wall
    kind            text        NOT NULL CHECK (kind IN
                    ('refused', 'log_in', 'log_in_refused', 'log_out', 'look_up', 'export', 'act')),
    topic           text        NOT NULL,            -- the command's name, or method and route
    actor           text        NOT NULL,
    role            text        NOT NULL,
    account_id      uuid,
    order_id        uuid,
    symbol          text,
    code            text,                            -- of the refusal
    origin_id       uuid,
    request_id      uuid,
    correlation_id  uuid,
    causation_id    text,
    idempotency_key text,
    request         json,
    answer          json,
    text            text        NOT NULL,
    about           uuid[]      NOT NULL             -- whom and what it named or showed: accounts, users, orders
);
CREATE INDEX deeds_by_position ON deeds (log_position DESC, number DESC);
CREATE INDEX deeds_by_time ON deeds (at);
CREATE INDEX deeds_by_actor ON deeds (actor, log_position DESC, number DESC);
CREATE INDEX deeds_about ON deeds USING gin (about);

COMMENT ON TABLE deeds IS 'What the log does not have. Append-only: update, delete and truncate are refused.';

SELECT make_append_only('deeds');

-- Words within texts are found by an index where PostgreSQL has pg_trgm and the owner may have it.
DO $$
BEGIN
    CREATE EXTENSION IF NOT EXISTS pg_trgm;
    CREATE INDEX deeds_by_text ON deeds USING gin (text gin_trgm_ops);
EXCEPTION WHEN undefined_file OR insufficient_privilege OR feature_not_supported THEN
    RAISE NOTICE 'pg_trgm is not there: texts of deeds are searched without an index';
END
$$;
