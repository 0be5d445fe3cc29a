-- Seals: signed roots of the hash tree over the log. They are published outside the database as well; what is here
-- serves those who ask for proofs, and is compared with what is published.

CREATE TABLE seals (
    number        bigint      PRIMARY KEY,
    count         bigint      NOT NULL,             -- events in the tree
    last_position bigint      NOT NULL,
    sealed_at     timestamptz NOT NULL,             -- by the wall
    seal          text        NOT NULL,             -- the line of JSON, byte for byte as it was signed
    signature     bytea       NOT NULL,
    leaves        bytea       NOT NULL              -- the leaf hashes of the events that are new in it, 32 bytes each
);
CREATE INDEX seals_last_position ON seals (last_position, number);
CREATE INDEX seals_count ON seals (count, number);
-- Hashes do not compress.
ALTER TABLE seals ALTER COLUMN leaves SET STORAGE EXTERNAL;

-- The hash of each whole block of 1,024 leaves, so that no proof hashes the whole log again.
CREATE TABLE seal_blocks (
    number bigint PRIMARY KEY,                      -- 0 is that of the leaves 0 to 1,023
    hash   bytea  NOT NULL
);

-- How far the sealer has come with publishing, in its one row; not evidence of anything.
CREATE TABLE sealing (
    is_only          boolean     PRIMARY KEY DEFAULT true CHECK (is_only),
    published_number bigint      NOT NULL DEFAULT 0, -- in the file
    bucket_number    bigint,                        -- in the bucket; NULL without one
    failure          text,
    updated_at       timestamptz NOT NULL DEFAULT now()
);
INSERT INTO sealing DEFAULT VALUES;

-- Makes a table append-only for everybody, also for those who replicate with triggers off.
CREATE FUNCTION make_append_only(what regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    name text := (SELECT relname FROM pg_class WHERE oid = what);
BEGIN
    EXECUTE format('CREATE TRIGGER %I BEFORE UPDATE OR DELETE ON %s'
                   ' FOR EACH ROW EXECUTE FUNCTION refuse_change()', name || '_are_for_ever', what);
    EXECUTE format('CREATE TRIGGER %I BEFORE TRUNCATE ON %s'
                   ' FOR EACH STATEMENT EXECUTE FUNCTION refuse_change()', name || '_are_not_truncated', what);
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', what, name || '_are_for_ever');
    EXECUTE format('ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', what, name || '_are_not_truncated');
END
$$;
REVOKE EXECUTE ON FUNCTION make_append_only(regclass) FROM PUBLIC;

SELECT make_append_only('seals');
SELECT make_append_only('seal_blocks');

ALTER TABLE idempotency_keys ENABLE ALWAYS TRIGGER idempotency_keys_are_for_ever;
ALTER TABLE idempotency_keys ENABLE ALWAYS TRIGGER idempotency_keys_are_not_truncated;
