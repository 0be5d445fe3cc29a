"""A rebuild, or a verification, in a process of its own: `python -m infrastructure.projecting.rebuild.child`, used by the HTTP desk.

The order comes in `DAYBOOK_REBUILD` as JSON. What happens goes out as lines of JSON: reports, results, and an
error at the end if there was one.
"""

import os
import sys
from typing import Literal

import msgspec
from msgspec import Struct

from infrastructure.plain_logs import log_plainly
from infrastructure.projecting.rebuild.manner import NICENESS, Manner
from infrastructure.projecting.rebuild.reports import Rebuilt, Report
from infrastructure.projecting.rebuilding import rebuild_together
from infrastructure.projecting.verifying import Verified, verify
from projections.catalogue import BY_NAME

VARIABLE = "DAYBOOK_REBUILD"


class Order(Struct, frozen=True, kw_only=True):
    """What to do about which projections. `parallel`, `fresh` and `gentle` are for a rebuild, `rows` for the other."""

    url: str
    names: list[str]
    work: Literal["rebuild", "verify"] = "rebuild"
    parallel: int = 1
    fresh: bool = False
    gentle: bool = True
    rows: bool = False


class Verifying(Struct, frozen=True, kw_only=True):
    """How far a verification has come with the `proofs` or the `rows`."""

    what: str
    position: int
    end: int


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of output."""

    report: Report | None = None
    result: Rebuilt | None = None
    verifying: Verifying | None = None
    verified: Verified | None = None
    error: str | None = None


def main() -> int:
    """Carry out the order."""
    os.nice(NICENESS)
    log_plainly()
    order = msgspec.json.decode(os.environ.pop(VARIABLE), type=Order)
    try:
        WORK[order.work](order)
    except Exception as error:  # noqa: BLE001  told to whoever started us
        say(Line(error=repr(error)))
        return 1
    return 0


def _rebuild(order: Order) -> None:
    projections = [BY_NAME[name] for name in order.names]
    results = rebuild_together(
        order.url,
        projections,
        parallel=order.parallel,
        fresh=order.fresh,
        manner=Manner(is_gentle=order.gentle),
        progress=lambda report: say(Line(report=report)),
    )
    for result in results:
        say(Line(result=result))


def _verify(order: Order) -> None:
    def tell(what: str, position: int, end: int) -> None:
        say(Line(verifying=Verifying(what=what, position=position, end=end)))

    projections = [BY_NAME[name] for name in order.names]
    for found in verify(order.url, projections, rows=order.rows, progress=tell):
        say(Line(verified=found))


WORK = {"rebuild": _rebuild, "verify": _verify}


def say(line: Line) -> None:
    """Write a line where the one who started us reads."""
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
