-- Closed months of the log move to files outside the database. What is here says which, and keeps guard.

-- One row for each file: the events from first_position to last_position stand in it, and no longer in stored_events.
CREATE TABLE archived_months (
    number            int         PRIMARY KEY,
    month             date        NOT NULL,             -- its first day
    first_position    bigint      NOT NULL,
    last_position     bigint      NOT NULL UNIQUE,
    events            bigint      NOT NULL,
    first_recorded_at timestamptz NOT NULL,
    last_recorded_at  timestamptz NOT NULL,
    tree_hash         bytea       NOT NULL,             -- RFC 6962, over these events alone
    leaves_hash       bytea       NOT NULL,             -- SHA-256 over their leaf hashes, one after another
    folder            text        NOT NULL,             -- where the files were written
    file              text        NOT NULL,
    file_hash         bytea       NOT NULL,             -- SHA-256
    seals_file        text        NOT NULL,             -- the published seals of these events
    seals_hash        bytea       NOT NULL,
    archived_at       timestamptz NOT NULL DEFAULT now(),
    moved_by          xid8        NOT NULL DEFAULT pg_current_xact_id()
);

-- What stays here of every stream in a file, so that no version is given out twice and readers know where to look.
CREATE TABLE archived_streams (
    archive          int         NOT NULL REFERENCES archived_months,
    originator_id    uuid        NOT NULL,
    account_id       uuid        NOT NULL,
    first_version    bigint      NOT NULL,
    last_version     bigint      NOT NULL,
    last_topic       text        NOT NULL,
    last_recorded_at timestamptz NOT NULL,
    PRIMARY KEY (originator_id, last_version)
);
CREATE INDEX archived_streams_account ON archived_streams (account_id, archive);

-- Files that were destroyed after the years that they had to be kept.
CREATE TABLE archive_disposals (
    archive     int         PRIMARY KEY REFERENCES archived_months,
    reason      text        NOT NULL,
    actor       text        NOT NULL,
    disposed_at timestamptz NOT NULL DEFAULT now()
);

-- Legal holds: placed and lifted, each a row. account_id NULL is everybody.
CREATE TABLE legal_holds (
    number     bigint      GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    account_id uuid,
    act       text        NOT NULL CHECK (act IN ('placed', 'lifted')),
    reason     text        NOT NULL,
    actor      text        NOT NULL,
    at         timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX legal_holds_account ON legal_holds (account_id, number);

SELECT make_append_only('archived_months');
SELECT make_append_only('archived_streams');
SELECT make_append_only('archive_disposals');
SELECT make_append_only('legal_holds');

-- Nothing is destroyed that is under a hold, or out of turn.
CREATE FUNCTION require_no_hold() RETURNS trigger LANGUAGE plpgsql AS $hold$
BEGIN
    IF EXISTS (SELECT FROM public.legal_holds h WHERE h.account_id IS NULL OR h.account_id IN
                   (SELECT s.account_id FROM public.archived_streams s WHERE s.archive = NEW.archive)
                GROUP BY h.account_id HAVING sum(CASE h.act WHEN 'placed' THEN 1 ELSE -1 END) > 0) THEN
        RAISE EXCEPTION 'archive % is under a legal hold', NEW.archive USING ERRCODE = 'check_violation';
    END IF;
    IF NEW.archive <> (SELECT coalesce(max(archive), 0) + 1 FROM public.archive_disposals) THEN
        RAISE EXCEPTION 'the oldest archive goes first' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END
$hold$;
CREATE TRIGGER archive_disposals_are_free BEFORE INSERT ON archive_disposals
    FOR EACH ROW EXECUTE FUNCTION require_no_hold();
ALTER TABLE archive_disposals ENABLE ALWAYS TRIGGER archive_disposals_are_free;

-- The canonical bytes of an event: the row of COPY (FORMAT BINARY).
CREATE FUNCTION canonical_event(e public.stored_events) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT '\x0008'::bytea
        || int4send(8)  || int8send(e.notification_id)
        || int4send(16) || uuid_send(e.originator_id)
        || int4send(8)  || int8send(e.originator_version)
        || int4send(octet_length(textsend(e.topic))) || textsend(e.topic)
        || int4send(octet_length(e.state)) || e.state
        || int4send(16) || uuid_send(e.account_id)
        || int4send(8)  || timestamptz_send(e.recorded_at)
        || int4send(octet_length(json_send(e.metadata))) || json_send(e.metadata)
$$;

-- A row of archived_months is taken only when it says the truth about sealed events that follow the last archived
-- one, and never about the log's last event: positions go on from it.
CREATE FUNCTION require_true_archive() RETURNS trigger LANGUAGE plpgsql AS $require$
DECLARE
    before bigint := (SELECT coalesce(max(last_position), 0) FROM public.archived_months);
    found  record;
BEGIN
    IF NEW.first_position <> before + 1 OR NEW.events <> NEW.last_position - NEW.first_position + 1 THEN
        RAISE EXCEPTION 'an archive goes on after log position %, without a gap', before USING ERRCODE = 'check_violation';
    END IF;
    SELECT count(*) AS events, min(e.recorded_at) AS first_at, max(e.recorded_at) AS last_at,
           sha256(string_agg(sha256('\x00'::bytea || public.canonical_event(e)), ''::bytea ORDER BY e.notification_id)) AS hash
      INTO found FROM public.stored_events e WHERE e.notification_id <= NEW.last_position;
    IF found.events <> NEW.events OR found.hash <> NEW.leaves_hash
       OR found.first_at <> NEW.first_recorded_at OR found.last_at <> NEW.last_recorded_at THEN
        RAISE EXCEPTION 'the events up to log position % are not those of the archive', NEW.last_position
            USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM public.seals s, public.sealing p
                    WHERE s.last_position >= NEW.last_position AND s.number <= p.published_number) THEN
        RAISE EXCEPTION 'the events up to log position % are not all sealed and published', NEW.last_position
            USING ERRCODE = 'check_violation';
    END IF;
    IF NOT EXISTS (SELECT FROM public.stored_events e WHERE e.notification_id > NEW.last_position) THEN
        RAISE EXCEPTION 'the last event of the log stays' USING ERRCODE = 'check_violation';
    END IF;
    NEW.moved_by := pg_current_xact_id();
    RETURN NEW;
END
$require$;

-- What it says is done at once, in the same transaction: the streams are noted, and the rows leave.
CREATE FUNCTION move_to_archive() RETURNS trigger LANGUAGE plpgsql AS $move$
BEGIN
    INSERT INTO public.archived_streams
         (archive, originator_id, account_id, first_version, last_version, last_topic, last_recorded_at)
    SELECT NEW.number, originator_id, (array_agg(account_id))[1], min(originator_version), max(originator_version),
           (array_agg(topic ORDER BY originator_version DESC))[1], max(recorded_at)
      FROM public.stored_events WHERE notification_id <= NEW.last_position GROUP BY originator_id;
    DELETE FROM public.stored_events WHERE notification_id <= NEW.last_position;
    RETURN NULL;
END
$move$;

CREATE TRIGGER archived_months_are_true BEFORE INSERT ON archived_months
    FOR EACH ROW EXECUTE FUNCTION require_true_archive();
CREATE TRIGGER archived_months_are_moved AFTER INSERT ON archived_months
    FOR EACH ROW EXECUTE FUNCTION move_to_archive();
ALTER TABLE archived_months ENABLE ALWAYS TRIGGER archived_months_are_true;
ALTER TABLE archived_months ENABLE ALWAYS TRIGGER archived_months_are_moved;

-- A row leaves the log in the transaction that archives it, and in no other.
CREATE FUNCTION refuse_change_of_log() RETURNS trigger LANGUAGE plpgsql AS $refuse$
BEGIN
    IF TG_OP = 'DELETE' AND EXISTS (
        SELECT FROM public.archived_months m
         WHERE OLD.notification_id BETWEEN m.first_position AND m.last_position AND m.moved_by = pg_current_xact_id()
    ) THEN
        RETURN OLD;
    END IF;
    RAISE EXCEPTION '% is append-only: % refused', TG_TABLE_NAME, TG_OP
        USING ERRCODE = 'insufficient_privilege';
END
$refuse$;

DROP TRIGGER stored_events_are_for_ever ON stored_events;
CREATE TRIGGER stored_events_are_for_ever BEFORE UPDATE OR DELETE ON stored_events
    FOR EACH ROW EXECUTE FUNCTION refuse_change_of_log();
ALTER TABLE stored_events ENABLE ALWAYS TRIGGER stored_events_are_for_ever;

-- No version and no position is given out again after its event has moved.
CREATE FUNCTION refuse_archived_again() RETURNS trigger LANGUAGE plpgsql AS $again$
BEGIN
    IF NOT EXISTS (SELECT FROM public.archived_months) THEN
        RETURN NULL;  -- the rows need not be looked at
    END IF;
    IF EXISTS (SELECT FROM (SELECT originator_id, min(originator_version) AS version FROM appended GROUP BY 1) n
                 JOIN public.archived_streams a ON a.originator_id = n.originator_id AND a.last_version >= n.version)
       OR (SELECT min(n.notification_id) FROM appended n)
          <= (SELECT max(m.last_position) FROM public.archived_months m) THEN
        RAISE EXCEPTION 'this version or log position is that of an archived event' USING ERRCODE = 'unique_violation';
    END IF;
    RETURN NULL;
END
$again$;

CREATE TRIGGER stored_events_are_not_archived_ones AFTER INSERT ON stored_events
    REFERENCING NEW TABLE AS appended FOR EACH STATEMENT EXECUTE FUNCTION refuse_archived_again();

COMMENT ON TABLE stored_events IS
    'The log after the archived months. Append-only: update, delete and truncate are refused; rows leave by daybook archive.';
