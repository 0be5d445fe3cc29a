"""Refusals that say nothing about the request: the system cannot serve it now, so try again.

Refusal
└── Unavailable                             503, with Retry-After
    ├── QueueMustHaveRoom                   more commands are waiting than the queue may hold
    ├── LogMustBeWritable                   PostgreSQL does not answer; send it again with its key
    ├── MarketClockMustRun                  no market time to stamp facts with
    ├── QuotesMustBeKnown                   not all quotes have arrived yet
    ├── ExportsMustBeFew                    as many exports as may be are being made
    ├── ArchiveMustBeReadable               an archived month is missing, altered or destroyed
    └── ReadTableMustReachPosition          the read table is behind the position asked for
"""

from domain.errors import Refusal


class Unavailable(Refusal):
    """The system cannot serve this now. `retry_after` is in seconds."""

    retry_after = 1


class QueueMustHaveRoom(Unavailable):
    """More commands are waiting than the queue may hold."""


class LogMustBeWritable(Unavailable):
    """The log cannot be written now. Whether the command was stored is not known if PostgreSQL went away in
    the middle of its commit: sent again with its idempotency key, it is done once either way.
    """


class DatabaseMustAnswer(Unavailable):
    """PostgreSQL cannot be read now."""


class MarketClockMustRun(Unavailable):
    """Daybook runs on the market's clock, and the market has not said what time it is."""


class QuotesMustBeKnown(Unavailable):
    """Not all quotes have arrived yet: the market has just started, or Redis has."""


class ExportsMustBeFew(Unavailable):
    """As many exports as one process makes at once are being made."""


class ArchiveMustBeReadable(Unavailable):
    """Events that this needs are in an archive that is missing, was altered, or was destroyed after its years."""


class ReadTableMustReachPosition(Unavailable):
    """A read asked for a log position its table has not reached in time."""

    def __init__(self, *, wanted: int, reached: int) -> None:
        super().__init__(f"the read table stands at log position {reached}, {wanted} was asked for")
        self.wanted = wanted
        self.reached = reached
