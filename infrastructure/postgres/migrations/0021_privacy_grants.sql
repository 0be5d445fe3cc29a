-- What the role that runs Daybook may do with personal data, their keys and approvals. Repeated by every migration run.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_app') AND current_user <> 'daybook_app' THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON personal_keys TO daybook_app;
        GRANT SELECT, INSERT, UPDATE ON approvals TO daybook_app;
        -- So that what was erased is cleared away at once, where PostgreSQL knows this right.
        IF current_setting('server_version_num')::int >= 170000 THEN
            EXECUTE 'GRANT MAINTAIN ON personal_keys, users, origins TO daybook_app';
        END IF;
    END IF;
END
$$;
