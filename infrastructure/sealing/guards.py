"""Whether what keeps log and seals from being changed is still in its place: triggers for everybody, grants for the running role.

Triggers refuse, they do not remember: a superuser can switch one off, change a row, and switch it on again. That is what
seals are for. A trigger that is off now is a finding of its own, and so is a function behind one that is not ours: the log's
lets go of rows that an archive has, and of no others.
"""

import re
from functools import cache
from importlib.resources import files
from typing import Any

from psycopg import Connection

GUARDED = (
    "stored_events", "idempotency_keys", "seals", "seal_blocks", "deeds",
    "archived_months", "archived_streams", "archive_disposals", "legal_holds",
)  # fmt: skip

# Bits of pg_trigger.tgtype.
_BEFORE_ROW_DELETE_UPDATE, _BEFORE_TRUNCATE = 1 + 2 + 8 + 16, 2 + 32
_BEFORE_ROW_INSERT, _AFTER_ROW_INSERT, _AFTER_INSERT = 1 + 2 + 4, 1 + 4, 4

_TRIGGERS = """
    SELECT t.tgtype, p.proname, p.prosrc FROM pg_trigger t JOIN pg_proc p ON p.oid = t.tgfoid
     WHERE t.tgrelid = to_regclass(%s) AND t.tgenabled = ANY(%s) AND t.tgqual IS NULL AND t.tgattr = ''
"""
_FUNCTION_OF = {("stored_events", _BEFORE_ROW_DELETE_UPDATE): "refuse_change_of_log"}
_MORE = (
    ("stored_events", _AFTER_INSERT, "refuse_archived_again", "that refuses what was archived"),
    ("archived_months", _BEFORE_ROW_INSERT, "require_true_archive", "that checks what is archived"),
    ("archived_months", _AFTER_ROW_INSERT, "move_to_archive", "that moves what is archived"),
    ("archive_disposals", _BEFORE_ROW_INSERT, "require_no_hold", "that heeds legal holds"),
)
_WRITTEN = re.compile(r"FUNCTION (\w+)\([^)]*\) RETURNS \w+ LANGUAGE [^$]*? AS (\$\w*\$)(.*?)\2", re.DOTALL)
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
    there = _ours(connection, table, ["A"])
    missing = []
    for kind, what in (
        (_BEFORE_ROW_DELETE_UPDATE, "that refuses update and delete"),
        (_BEFORE_TRUNCATE, "that refuses truncate"),
    ):
        if (kind, _FUNCTION_OF.get((table, kind), "refuse_change")) not in there:
            missing.append(what)
    either = _ours(connection, table, ["A", "O"])
    missing += [what for on, kind, name, what in _MORE if on == table and (kind, name) not in either]
    return [f"{table}: the trigger {what} is missing or switched off" for what in missing]


def _ours(connection: Connection[Any], table: str, enabled: list[str]) -> set[tuple[int, str]]:
    """The triggers whose function is word for word the one that a migration made."""
    found = connection.execute(_TRIGGERS, (table, enabled)).fetchall()
    return {(kind, name) for kind, name, source in found if _written().get(name) == source}


@cache
def _written() -> dict[str, str]:
    """The functions' bodies as the migrations have them; a later migration counts."""
    folder = files("infrastructure.postgres").joinpath("migrations")
    texts = sorted(
        (entry.name, entry.read_text("utf-8")) for entry in folder.iterdir() if entry.name.endswith(".sql")
    )
    return {name: body for _, text in texts for name, _, body in _WRITTEN.findall(text)}


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
