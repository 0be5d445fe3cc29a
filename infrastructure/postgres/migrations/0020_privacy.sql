-- Personal data, encrypted. The texts in the clear are encrypted by `daybook migrate` after this file, which then
-- drops their columns: SQL has no key.

-- A key for each person, wrapped by the master key, which is not here. Deleting the row erases the person.
CREATE TABLE personal_keys (
    owner_id      uuid        PRIMARY KEY,          -- a user, the visitors of a day, or the index of addresses
    kind          text        NOT NULL CHECK (kind IN ('user', 'visitors', 'index')),
    wrapped       bytea       NOT NULL,
    master_key_id text        NOT NULL,             -- of the master key that wraps it
    fingerprint   bytea       NOT NULL,             -- of the key itself, one-way
    created_at    timestamptz NOT NULL DEFAULT now(),
    expires_at    timestamptz                       -- when it is deleted by itself: visitors' only
);
CREATE INDEX personal_keys_master ON personal_keys (master_key_id, owner_id);
CREATE INDEX personal_keys_expiry ON personal_keys (expires_at) WHERE expires_at IS NOT NULL;

-- `personal` is an Identity; `email_index` finds an address without reading any.
ALTER TABLE users
    ADD COLUMN personal    bytea,
    ADD COLUMN email_index bytea,
    ADD COLUMN erased_at   timestamptz,
    ALTER COLUMN email         DROP NOT NULL,
    ALTER COLUMN password_hash DROP NOT NULL,
    ALTER COLUMN full_name     DROP NOT NULL;
CREATE UNIQUE INDEX users_email_index ON users (email_index);
CREATE INDEX users_erased ON users (erased_at) WHERE erased_at IS NOT NULL;

-- `personal` are Whereabouts under the key of `owner_id`: the user, or the visitors of a day, who have no user.
-- `same` finds the row of the same address and agent again.
ALTER TABLE origins
    ADD COLUMN owner_id uuid,
    ADD COLUMN personal bytea,
    ADD COLUMN same     bytea,
    ALTER COLUMN user_id DROP NOT NULL,
    ALTER COLUMN address DROP NOT NULL,
    ALTER COLUMN agent   DROP NOT NULL;
CREATE UNIQUE INDEX origins_owner_same ON origins (owner_id, same);

-- What needs two: asked for by one member of staff, approved by another.
CREATE TABLE approvals (
    approval_id  uuid        PRIMARY KEY,
    kind         text        NOT NULL,              -- 'erasure', 'reinstatement'
    subject_id   uuid        NOT NULL,              -- the user or account it is about
    reason       text        NOT NULL,
    state        text        NOT NULL CHECK (state IN ('requested', 'approved', 'done', 'declined')),
    requested_by uuid        NOT NULL,
    requested_at timestamptz NOT NULL DEFAULT now(),
    decided_by   uuid,
    decided_at   timestamptz,
    done_at      timestamptz,
    outcome      jsonb       NOT NULL DEFAULT '{}', -- what came of it
    CONSTRAINT approvals_have_four_eyes CHECK (state NOT IN ('approved', 'done') OR decided_by <> requested_by)
);
CREATE UNIQUE INDEX approvals_one_at_a_time ON approvals (kind, subject_id) WHERE state IN ('requested', 'approved');
CREATE INDEX approvals_by_time ON approvals (requested_at DESC, approval_id DESC);
CREATE INDEX approvals_by_subject ON approvals (subject_id);
