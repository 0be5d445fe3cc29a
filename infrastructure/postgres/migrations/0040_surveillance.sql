-- How far surveillance has read the log, and what it remembers of it. Can be thrown away: it then reads from the beginning,
-- and finds what it found before.

CREATE TABLE surveillance (
    id         integer     PRIMARY KEY DEFAULT 1 CHECK (id = 1),
    position   bigint      NOT NULL,
    thresholds text        NOT NULL,                -- by which the state was made
    form       integer     NOT NULL,                -- of the state, which later programs may not read
    state      bytea       NOT NULL,
    updated_at timestamptz NOT NULL DEFAULT now()
);
