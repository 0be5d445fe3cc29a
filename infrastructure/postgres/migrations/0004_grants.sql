-- What the role that runs Daybook may do. Repeated by every migration run, so that a role
-- created later gets its rights too; skipped where one role is both owner and user.

DO $$
BEGIN
    IF EXISTS (SELECT FROM pg_roles WHERE rolname = 'daybook_app') AND current_user <> 'daybook_app' THEN
        GRANT USAGE ON SCHEMA public TO daybook_app;
        GRANT USAGE, CREATE ON SCHEMA read TO daybook_app;
        REVOKE ALL ON stored_events, idempotency_keys, schema_migrations FROM daybook_app;
        GRANT SELECT, INSERT ON stored_events, idempotency_keys TO daybook_app;
        GRANT SELECT ON schema_migrations TO daybook_app;
        GRANT SELECT, INSERT, UPDATE, DELETE
            ON stored_snapshots, users, sessions, origins TO daybook_app;
        GRANT SELECT, INSERT, UPDATE, DELETE
            ON projection_generations, projection_partitions, projection_proofs, projection_parked TO daybook_app;
        GRANT SELECT ON projections TO daybook_app;
        REVOKE ALL ON seals, seal_blocks FROM daybook_app;
        GRANT SELECT, INSERT ON seals, seal_blocks TO daybook_app;
        GRANT SELECT, UPDATE ON sealing TO daybook_app;
    END IF;
END
$$;
