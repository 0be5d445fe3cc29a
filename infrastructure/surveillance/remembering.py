"""What surveillance remembers between two starts: its place in the log, and the state of its detectors."""

import zlib
from typing import Any

import msgspec
import structlog
from msgspec import Struct
from psycopg import Connection

from application.surveillance import Thresholds, Watch

log = structlog.get_logger()

FORM = 1
"""Raised when the state of a detector changes its fields: what was put down before is then made anew from the log."""

_LOAD = "SELECT position, thresholds, form, state FROM surveillance"
_SAVE = (
    "INSERT INTO surveillance (position, thresholds, form, state) VALUES (%s, %s, %s, %s)"
    " ON CONFLICT (id) DO UPDATE SET position = EXCLUDED.position, thresholds = EXCLUDED.thresholds,"
    " form = EXCLUDED.form, state = EXCLUDED.state, updated_at = now()"
)

_decode = msgspec.msgpack.Decoder(Watch).decode


class Remembered(Struct, kw_only=True):
    """A watch that has seen the log up to a position. Alerts up to `quiet_until` have been raised before."""

    watch: Watch
    position: int = 0
    quiet_until: int = 0


def remembered(connection: Connection[Any], thresholds: Thresholds) -> Remembered:
    """Where it was. With other thresholds, or of another form, the state is made anew without raising what is past."""
    row = connection.execute(_LOAD.encode()).fetchone()
    if row is None:
        return Remembered(watch=Watch())
    position, by, form, state = row
    if form == FORM and by == _text(thresholds):
        return Remembered(watch=_decode(zlib.decompress(state)), position=position, quiet_until=position)
    log.info("the thresholds are others than before: the log is read anew", up_to=position)
    return Remembered(watch=Watch(), quiet_until=position)


def remember(connection: Connection[Any], at: Remembered, thresholds: Thresholds) -> None:
    """Put down where it is."""
    state = zlib.compress(msgspec.msgpack.encode(at.watch), 1)
    connection.execute(_SAVE.encode(), (at.position, _text(thresholds), FORM, state))


def _text(thresholds: Thresholds) -> str:
    return msgspec.json.encode(thresholds).decode()
