"""A rebuild in a process of its own: `python -m infrastructure.projecting.rebuild.child`, used by the HTTP desk.

The order comes in `DAYBOOK_REBUILD` as JSON. What happens goes out as lines of JSON: reports, results, and an
error at the end if there was one.
"""

import os
import sys

import msgspec
import structlog
from msgspec import Struct

from infrastructure.projecting.rebuild.manner import NICENESS
from infrastructure.projecting.rebuild.reports import Rebuilt, Report
from infrastructure.projecting.rebuilding import rebuild_together
from projections.catalogue import BY_NAME

VARIABLE = "DAYBOOK_REBUILD"


class Order(Struct, frozen=True, kw_only=True):
    """What to rebuild."""

    url: str
    names: list[str]
    parallel: int = 1
    fresh: bool = False


class Line(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One line of output."""

    report: Report | None = None
    result: Rebuilt | None = None
    error: str | None = None


def main() -> int:
    """Carry out the order."""
    os.nice(NICENESS)
    structlog.configure(logger_factory=structlog.PrintLoggerFactory(sys.stderr))
    order = msgspec.json.decode(os.environ.pop(VARIABLE), type=Order)
    try:
        _work(order)
    except Exception as error:  # noqa: BLE001  told to whoever started us
        say(Line(error=repr(error)))
        return 1
    return 0


def _work(order: Order) -> None:
    projections = [BY_NAME[name] for name in order.names]
    results = rebuild_together(
        order.url,
        projections,
        parallel=order.parallel,
        fresh=order.fresh,
        progress=lambda report: say(Line(report=report)),
    )
    for result in results:
        say(Line(result=result))


def say(line: Line) -> None:
    """Write a line where the one who started us reads."""
    sys.stdout.buffer.write(msgspec.json.encode(line) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    sys.exit(main())
