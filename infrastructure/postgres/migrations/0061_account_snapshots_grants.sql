-- What the role that runs Daybook may do with snapshots of accounts. Repeated by every migration run.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_app') AND current_user <> 'daybook_app' THEN
        GRANT SELECT, INSERT, UPDATE, DELETE ON account_snapshots TO daybook_app;
    END IF;
END
$$;
