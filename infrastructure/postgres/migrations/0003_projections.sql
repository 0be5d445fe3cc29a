-- How far each projection has read the log. Their tables live in a schema of their own, which the
-- projector owns: it builds them from code, also beside the live ones.

CREATE SCHEMA read;

CREATE TABLE projections (
    name       text        PRIMARY KEY,
    version    integer     NOT NULL,
    position   bigint      NOT NULL,
    updated_at timestamptz NOT NULL,
    failure    text
);
