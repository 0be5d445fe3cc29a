"""Whether what keeps log and seals from being changed is still in its place: triggers for everybody, grants for the running role.

Triggers refuse, they do not remember: a superuser can switch one off, change a row, and switch it on again. That is what
seals are for. A trigger that is off now is a finding of its own.
"""

from typing import Any

from psycopg import Connection

GUARDED = ("stored_events", "idempotency_keys", "seals", "seal_blocks", "deeds")

_BEFORE_ROW_DELETE_UPDATE, _BEFORE_TRUNCATE = 1 + 2 + 8 + 16, 2 + 32  # bits of pg_trigger.tgtype
_TRIGGERS = """
    SELECT t.tgtype FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE t.tgrelid = to_regclass(%s) AND t.tgenabled = 'A' AND t.tgqual IS NULL AND t.tgattr = ''
       AND p.proname = 'refuse_change' AND p.prosrc LIKE '%%RAISE EXCEPTION%%'
"""
_RIGHTS = """
    SELECT r FROM unnest(ARRAY['UPDATE', 'DELETE', 'TRUNCATE', 'TRIGGER']) AS r
     WHERE has_table_privilege(%s, %s, r)
"""
_COLUMNS = """
    SELECT a.attname FROM pg_attribute a
     WHERE a.attrelid = to_regclass(%(table)s) AND a.attnum > 0 AND NOT a.attisdropped
       AND NOT has_table_privilege(%(role)s, a.attrelid, 'UPDATE')
       AND has_column_privilege(%(role)s, a.attrelid, a.attnum, 'UPDATE')
     ORDER BY a.attnum
"""
_OWNERS = """
    SELECT c.relname FROM pg_class c WHERE c.oid = to_regclass(%s) AND pg_has_role(%s, c.relowner, 'MEMBER')
"""
APP_ROLE = "daybook_app"


def broken_guards(connection: Connection[Any]) -> list[str]:
    """A sentence for each guard that is missing or switched off; none when all is well."""
    found = [sentence for table in GUARDED for sentence in _without_trigger(connection, table)]
    if _exists(connection, APP_ROLE):
        found += [
            sentence for table in GUARDED for sentence in _with_too_many_rights(connection, APP_ROLE, table)
        ]
    return found


def owners_that_run(connection: Connection[Any]) -> list[str]:
    """A sentence when this connection's own role could switch the triggers off, because it owns the log."""
    role = connection.info.user
    if connection.execute(_OWNERS, ("stored_events", role)).fetchone() is None:
        return []
    return [f"the role {role} owns the log and could switch its triggers off: run Daybook as another role"]


def _without_trigger(connection: Connection[Any], table: str) -> list[str]:
    there = {row[0] for row in connection.execute(_TRIGGERS, (table,)).fetchall()}
    missing = []
    if _BEFORE_ROW_DELETE_UPDATE not in there:
        missing.append(f"{table}: the trigger that refuses update and delete is missing or switched off")
    if _BEFORE_TRUNCATE not in there:
        missing.append(f"{table}: the trigger that refuses truncate is missing or switched off")
    return missing


def _with_too_many_rights(connection: Connection[Any], role: str, table: str) -> list[str]:
    if connection.execute(_OWNERS, (table, role)).fetchone() is not None:
        return [f"{table}: the role {role} owns the table, or is a member of the role that does"]
    rights = [row[0] for row in connection.execute(_RIGHTS, (role, table)).fetchall()]
    columns = connection.execute(_COLUMNS, {"role": role, "table": table}).fetchall()
    if columns:
        rights.append(f"UPDATE ({', '.join(row[0] for row in columns)})")
    return [f"{table}: the role {role} may {', '.join(rights)}"] if rights else []


def _exists(connection: Connection[Any], role: str) -> bool:
    return connection.execute("SELECT FROM pg_roles WHERE rolname = %s", (role,)).fetchone() is not None
