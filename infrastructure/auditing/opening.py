"""The audit's desk for a command line, over a connection of its own."""

from collections.abc import Iterator
from contextlib import contextmanager

from infrastructure.auditing.desk import AuditDesk
from infrastructure.past import Alone
from infrastructure.postgres.connections import connect
from infrastructure.privacy.master import MasterKeys
from infrastructure.settings import Settings


@contextmanager
def audit_desk(settings: Settings, url: str) -> Iterator[AuditDesk]:
    """Open it, and close it again. Raises MasterKeyMustBeGiven."""
    masters = MasterKeys.of(settings)
    with connect(url, application="daybook audit") as connection:
        yield AuditDesk(url, Alone(connection), masters, reporter=settings.cat_reporter)
