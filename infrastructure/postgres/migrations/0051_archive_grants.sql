-- What the role that runs Daybook may do with archives and holds. Repeated by every migration run.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_app') AND current_user <> 'daybook_app' THEN
        REVOKE ALL ON archived_months, archived_streams, archive_disposals, legal_holds FROM daybook_app;
        GRANT SELECT ON archived_months, archived_streams, archive_disposals TO daybook_app;
        GRANT SELECT, INSERT ON legal_holds TO daybook_app;
    END IF;
END
$$;
