"""Cut a stream of quotes into ticks, at the session's boundaries and no coarser than asked."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from domain.quotes import Quote, Session
from infrastructure.market.calendars import Calendar


@dataclass
class Cut:
    """A tick to be: quotes from `first_at` to `at`, all of one session or all outside of any.

    Without quotes it marks a session's open or close.
    """

    first_at: datetime
    at: datetime
    session: Session
    quotes: list[Quote] = field(default_factory=list)
    after_the_end: bool = False  # the close of the session in which the data ended


@dataclass(frozen=True)
class Cutter:
    """Cuts `(at, quotes)` into ticks that last `window` of market time (None: any) and hold `most` quotes.

    Quotes of one moment stay together, also when they alone are more than `most`.
    """

    calendar: Calendar
    window: timedelta | None
    most: int

    def cut(
        self, source: Iterable[tuple[datetime, list[Quote]]], *, after: datetime | None = None
    ) -> Iterator[Cut]:
        """The ticks in order. With `after`, boundaries between that moment and the first quote count too."""
        current: Cut | None = None
        for at, quotes in source:
            if current is not None and self._fits(current, at=at, count=len(quotes)):
                current.quotes.extend(quotes)
                current.at = at
                continue
            if current is not None:
                yield current
                after = current.at
            if after is not None:
                yield from self._boundaries(after, at)
            current = Cut(at, at, self.calendar.session_at(at), list(quotes))
        if current is not None:
            yield current
            yield from self._last_close(current)

    def _fits(self, current: Cut, *, at: datetime, count: int) -> bool:
        return (
            len(current.quotes) + count <= self.most
            and (at == current.first_at or self.window is None or at < current.first_at + self.window)
            # The calendar gives the same session until its next boundary.
            and self.calendar.session_at(at) == current.session
        )

    def _boundaries(self, start: datetime, end: datetime) -> Iterator[Cut]:
        """The close of the session at `start` and the open of the one at `end`, where they lie between.

        Sessions without a single quote in between are passed over: nobody could have traded in them.
        """
        closes_at = self.calendar.session_at(start).closes_at
        opened_at = self.calendar.opened_at(end)
        for boundary in sorted({each for each in (closes_at, opened_at) if each and start < each < end}):
            yield Cut(boundary, boundary, self.calendar.session_at(boundary))

    def _last_close(self, current: Cut) -> Iterator[Cut]:
        closes_at = current.session.closes_at
        # A market that never closes has no close worth seeing: its day merely goes on without data.
        if closes_at is not None and not self.calendar.session_at(closes_at).is_open:
            yield Cut(closes_at, closes_at, self.calendar.session_at(closes_at), after_the_end=True)
