-- What the role that runs Daybook may do with deeds. Repeated by every migration run.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_app') AND current_user <> 'daybook_app' THEN
        REVOKE ALL ON deeds FROM daybook_app;
        GRANT SELECT, INSERT ON deeds TO daybook_app;
    END IF;
END
$$;
