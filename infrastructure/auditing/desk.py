"""What examiners ask of the audit: searches, files, and a day's report."""

from collections.abc import Callable, Iterator
from datetime import date

from infrastructure.auditing import cat, exporting
from infrastructure.auditing.exporting import Format
from infrastructure.auditing.searching import NEWEST, AuditEntry, Place, Sought, search
from infrastructure.origins import Origins
from infrastructure.privacy.keyring import KeyRing
from infrastructure.privacy.master import MasterKeys
from infrastructure.reading import Lender

Tell = Callable[[int, int], None]


class AuditDesk:
    """Answers in the calling thread. Every question reads the keys of people anew: whoever was erased stays erased."""

    def __init__(self, url: str, lender: Lender, masters: MasterKeys, *, reporter: str) -> None:
        self._url = url
        self._lender = lender
        self._masters = masters
        self._reporter = reporter

    def search(self, sought: Sought, *, limit: int, before: Place = NEWEST) -> list[AuditEntry]:
        """At most `limit` entries after the place `before`, newest first. Raises SearchMustBeNarrower."""
        with self._lender.connection() as connection:
            return search(connection, self._origins(), sought, limit=limit, before=before)

    def export(self, format: Format, sought: Sought, *, tell: Tell = lambda at, end: None) -> Iterator[bytes]:
        """Everything that is found, as a file, piece by piece."""
        return exporting.export(self._url, self._origins(), format, sought, tell=tell)

    def cat(self, day: date, *, tell: Tell = lambda at, end: None) -> Iterator[bytes]:
        """The order events of a day (Eastern Time) by CAT's names, as lines of JSON."""
        return cat.report(self._url, day, self._reporter, tell=tell)

    def _origins(self) -> Origins:
        return Origins(KeyRing(self._masters), visitor_days=0)
