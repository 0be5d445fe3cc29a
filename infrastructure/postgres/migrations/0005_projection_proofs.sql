-- Projections in generations and partitions.
--
-- A generation is one table of a projection: the live one, one that is being built beside it, or the one before.
-- A partition is a share of the accounts: those whose id's last byte, modulo the number of partitions, is its
-- number. Each partition has read the log up to its own position.

CREATE TABLE projection_generations (
    name       text        NOT NULL,
    generation integer     NOT NULL,
    version    integer     NOT NULL,                -- of the code that folds it
    partitions integer     NOT NULL DEFAULT 1 CHECK (partitions BETWEEN 1 AND 256),
    state      text        NOT NULL CHECK (state IN ('live', 'building', 'paused', 'ready', 'failed', 'previous')),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    detail     jsonb       NOT NULL DEFAULT '{}',   -- what whoever builds it wants to remember
    PRIMARY KEY (name, generation)
);
CREATE UNIQUE INDEX projection_generations_live ON projection_generations (name) WHERE state = 'live';
CREATE UNIQUE INDEX projection_generations_next ON projection_generations (name)
    WHERE state IN ('building', 'paused', 'ready', 'failed');
CREATE UNIQUE INDEX projection_generations_previous ON projection_generations (name) WHERE state = 'previous';

-- Whoever folds into a table locks its row here first (FOR UPDATE, in the order of name and partition).
-- `events` and `chain` are the proof: number and rolling hash of the events consumed after `proved_after`
-- and up to `position`.
CREATE TABLE projection_partitions (
    name         text        NOT NULL,
    generation   integer     NOT NULL,
    partition    integer     NOT NULL,
    is_live      boolean     NOT NULL,
    position     bigint      NOT NULL DEFAULT 0,
    proved_after bigint      NOT NULL DEFAULT 0,
    events       bigint      NOT NULL DEFAULT 0,
    chain        bytea       NOT NULL DEFAULT '',
    updated_at   timestamptz NOT NULL DEFAULT now(),
    failure      text,
    PRIMARY KEY (name, generation, partition),
    FOREIGN KEY (name, generation) REFERENCES projection_generations ON DELETE CASCADE
) WITH (fillfactor = 50);

-- Proofs that are closed: a stretch of the log, what one partition of so many consumed of it. Stretches are
-- closed every so many events, when partitions are divided anew, and when a rebuilt table goes live.
CREATE TABLE projection_proofs (
    name           text    NOT NULL,
    generation     integer NOT NULL,
    after_position bigint  NOT NULL,
    up_to_position bigint  NOT NULL,
    partitions     integer NOT NULL,
    partition      integer NOT NULL,
    events         bigint  NOT NULL,
    chain          bytea   NOT NULL,
    PRIMARY KEY (name, generation, up_to_position, partitions, partition),
    FOREIGN KEY (name, generation) REFERENCES projection_generations ON DELETE CASCADE
);

-- Accounts that a projection has put aside: from `position` on none of their events is folded. The events
-- themselves stay where they are, in the log.
CREATE TABLE projection_parked (
    name       text        NOT NULL,
    generation integer     NOT NULL,
    account_id uuid        NOT NULL,
    position   bigint      NOT NULL,
    topic      text        NOT NULL,
    error      text        NOT NULL,
    attempts   integer     NOT NULL DEFAULT 1,
    parked_at  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (name, generation, account_id),
    FOREIGN KEY (name, generation) REFERENCES projection_generations ON DELETE CASCADE
);

-- What was folded before is kept; it is proved from here on, and from the beginning after a rebuild.
INSERT INTO projection_generations (name, generation, version, state)
    SELECT name, 1, version, 'live' FROM projections;
INSERT INTO projection_partitions (name, generation, partition, is_live, position, proved_after, updated_at, failure)
    SELECT name, 1, 0, true, position, position, updated_at, failure FROM projections;
DROP TABLE projections;

-- The live tables, one line each: as far as the slowest partition has come.
CREATE VIEW projections AS
    SELECT g.name, g.generation, g.version, g.partitions, min(p.position) AS position,
           max(p.updated_at) AS updated_at, min(p.failure) AS failure,
           (SELECT count(*) FROM projection_parked k
             WHERE k.name = g.name AND k.generation = g.generation) AS parked
      FROM projection_generations g JOIN projection_partitions p USING (name, generation)
     WHERE g.state = 'live'
     GROUP BY g.name, g.generation, g.version, g.partitions;
