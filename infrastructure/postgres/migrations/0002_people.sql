-- Who people are. The only tables with personal data: events and their metadata name people by id only.

CREATE TABLE users (
    user_id       uuid        PRIMARY KEY,
    account_id    uuid        UNIQUE,
    email         text        NOT NULL,
    password_hash text        NOT NULL,
    full_name     text        NOT NULL,
    role          text        NOT NULL CHECK (role IN ('customer', 'compliance', 'admin')),
    created_at    timestamptz NOT NULL
);
CREATE UNIQUE INDEX users_email ON users (lower(email));

-- A login: the token itself is never stored, only its SHA-256.
CREATE TABLE sessions (
    token_hash bytea       PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);
CREATE INDEX sessions_user ON sessions (user_id);
CREATE INDEX sessions_expiry ON sessions (expires_at);

-- Where requests came from. An event's metadata carries the id; forgetting a person empties the row.
CREATE TABLE origins (
    origin_id  uuid        PRIMARY KEY,
    user_id    uuid        NOT NULL REFERENCES users ON DELETE CASCADE,
    address    text        NOT NULL,
    agent      text        NOT NULL,
    first_seen timestamptz NOT NULL
);
CREATE UNIQUE INDEX origins_same ON origins (user_id, address, agent);
