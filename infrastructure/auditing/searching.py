"""One search over events and deeds: newest first, in the order of the log, page by page.

An entry's place is (log_position, number): an event has the number 0, a deed comes after the event that the log ended
with when it was done. New entries come before all that were there, so a cursor neither repeats nor hides any.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any
from uuid import UUID

import msgspec
from msgspec import Struct
from psycopg import Connection
from psycopg.errors import QueryCanceled

from domain.errors import InputIsWrong
from infrastructure.archiving.files import rows_in
from infrastructure.archiving.months import Wanted, months_of
from infrastructure.auditing.spans import first_at
from infrastructure.origins import Origin, Origins

LARGEST = 2**62
Place = tuple[int, int]
NEWEST: Place = (LARGEST, LARGEST)

LONGEST_SEARCH_MS = 20_000
PAGE = 1_000


class SearchMustBeNarrower(InputIsWrong):
    """The search takes too long: name an account, an actor or an order, or a shorter span of time."""


class Sought(Struct, frozen=True, kw_only=True):
    """What is looked for; None leaves it open. `since` is inclusive, `until` is not.

    With `is_refused` only refusals: rejected orders and refused deeds. Events count by the log's time, deeds by the
    wall's. An account is also found where it was only looked at.
    """

    account_id: UUID | None = None
    actor: str | None = None
    order_id: UUID | None = None
    symbol: str | None = None
    type: str | None = None
    kind: str | None = None
    code: str | None = None
    is_refused: bool = False
    text: str | None = None
    since: datetime | None = None
    until: datetime | None = None


class AuditEntry(Struct, frozen=True, kw_only=True):
    """An event, or a deed. `number` is 0 for an event.

    `fact` is the event as it is stored, null once its archive was destroyed after its years; `request` what was asked, of a deed; `answer` how it was answered, of a
    command with an idempotency key and of a deed. Address and agent are `erased` once their person is, and null
    when it was none of them: one of our own roles. `about` are the accounts, users and orders a deed named or showed.
    """

    kind: str
    log_position: int
    number: int
    at: datetime
    topic: str
    actor: str
    role: str
    account_id: UUID | None
    subject_id: UUID | None
    order_id: UUID | None
    symbol: str | None
    code: str | None
    origin_id: UUID | None
    address: str | None
    agent: str | None
    request_id: UUID | None
    correlation_id: UUID | None
    causation_id: str | None
    idempotency_key: str | None
    text: str
    fact: msgspec.Raw | None
    request: msgspec.Raw | None
    answer: msgspec.Raw | None
    about: list[UUID]

    @property
    def place(self) -> Place:
        """Where it stands."""
        return self.log_position, self.number


_EVENTS = (
    "SELECT 'event' AS kind, a.log_position, 0::bigint AS number, a.at, a.topic, a.actor, a.role, a.account_id,"
    " a.subject_id, a.order_id, a.symbol, a.code, a.origin_id, a.request_id, a.correlation_id, a.causation_id,"
    " a.idempotency_key, a.text, NULL::text AS request, NULL::text AS answer, '{}'::uuid[] AS about"
    " FROM read.audit a WHERE "
)
_DEEDS = (
    "SELECT d.kind, d.log_position, d.number, d.at, d.topic, d.actor, d.role, d.account_id,"
    " NULL::uuid, d.order_id, d.symbol, d.code, d.origin_id, d.request_id, d.correlation_id, d.causation_id,"
    " d.idempotency_key, d.text, d.request::text, d.answer::text, d.about"
    " FROM deeds d WHERE "
)
_ORDERED = " ORDER BY log_position DESC, number DESC LIMIT %(limit)s"
# The events' own bytes and stored answers are looked up for the page alone.
_WHOLE = (
    "SELECT p.*, convert_from(e.state, 'UTF8'), convert_from(k.answer, 'UTF8') FROM page p"
    " LEFT JOIN stored_events e ON p.kind = 'event' AND e.notification_id = p.log_position"
    " LEFT JOIN idempotency_keys k"
    "  ON p.kind = 'event' AND k.account_id = p.account_id AND k.key = p.idempotency_key"
    " ORDER BY p.log_position DESC, p.number DESC"
)


def search(
    connection: Connection[Any],
    origins: Origins,
    sought: Sought,
    *,
    limit: int,
    before: Place = NEWEST,
    is_bounded: bool = True,
) -> list[AuditEntry]:
    """At most `limit` entries that come after the place `before`. Raises SearchMustBeNarrower after 20 seconds."""
    statement, parameters = _statement(connection, sought, before)
    try:
        with connection.transaction():
            if is_bounded:
                connection.execute(f"SET LOCAL statement_timeout = {LONGEST_SEARCH_MS}".encode())
            rows = connection.execute(statement.encode(), {**parameters, "limit": limit}).fetchall()
    except QueryCanceled:
        raise SearchMustBeNarrower(
            "the search takes too long: name an account, an actor or an order, or a shorter span of time"
        ) from None
    where = origins.read_now(connection, list({row[12] for row in rows if row[12] is not None}))
    facts = _archived_facts(connection, [row[1] for row in rows if row[0] == "event" and row[-2] is None])
    return [_entry(row, where, facts) for row in rows]


def pages(
    connection: Connection[Any], origins: Origins, sought: Sought, *, size: int = PAGE
) -> Iterator[list[AuditEntry]]:
    """All of it, page by page, so that memory holds one. What is done meanwhile is not in it."""
    before = NEWEST
    while found := search(connection, origins, sought, limit=size, before=before, is_bounded=False):
        yield found
        before = found[-1].place


def _statement(connection: Connection[Any], sought: Sought, before: Place) -> tuple[str, dict[str, Any]]:
    parameters: dict[str, Any] = msgspec.structs.asdict(sought)
    parameters |= {"position": before[0], "number": before[1], "end": before[0] + (before[1] > 0)}
    branches = []
    if sought.kind in (None, "event"):
        conditions = [*_of_events(sought), *_span(connection, sought, parameters)]
        branches.append(f"({_EVENTS}{' AND '.join(conditions)}{_ORDERED})")
    if sought.kind != "event":
        branches.append(f"({_DEEDS}{' AND '.join(_of_deeds(sought))}{_ORDERED})")
    if sought.text is not None:
        parameters["text"] = (
            "%" + sought.text.replace("\\", "\\\\").replace("%", r"\%").replace("_", r"\_") + "%"
        )
    both = " UNION ALL ".join(branches)
    return f"WITH page AS (SELECT * FROM ({both}) AS found{_ORDERED}) {_WHOLE}", parameters


def _of_events(sought: Sought) -> Iterator[str]:
    yield "a.log_position < %(end)s"
    yield from _alike(sought, "a")
    if sought.account_id is not None:
        yield "a.account_id = %(account_id)s"
    if sought.order_id is not None:
        yield "a.order_id = %(order_id)s"
    if sought.symbol is not None:
        # An execution names its order only; the order knows the symbol.
        orders = "SELECT o.order_id FROM read.orders o WHERE o.symbol = %(symbol)s"
        yield f"(a.symbol = %(symbol)s OR a.order_id IN ({orders}))"
    if sought.type is not None:
        yield "(a.topic = %(type)s OR split_part(a.topic, ':', 1) = %(type)s)"


def _of_deeds(sought: Sought) -> Iterator[str]:
    yield "(d.log_position, d.number) < (%(position)s, %(number)s)"
    yield from _alike(sought, "d")
    if sought.account_id is not None:
        owner = "SELECT u.user_id FROM users u WHERE u.account_id = %(account_id)s"
        yield f"(d.account_id = %(account_id)s OR d.about && (ARRAY[%(account_id)s::uuid] || ARRAY({owner})))"
    if sought.order_id is not None:
        yield "(d.order_id = %(order_id)s OR d.about @> ARRAY[%(order_id)s::uuid])"
    if sought.symbol is not None:
        yield "d.symbol = %(symbol)s"
    if sought.type is not None:
        yield "d.topic = %(type)s"
    if sought.kind is not None:
        yield "d.kind = %(kind)s"
    if sought.since is not None:
        yield "d.at >= %(since)s"
    if sought.until is not None:
        yield "d.at < %(until)s"


def _alike(sought: Sought, table: str) -> Iterator[str]:
    if sought.actor is not None:
        yield f"{table}.actor = %(actor)s"
    if sought.code is not None:
        yield f"{table}.code = %(code)s"
    if sought.is_refused:
        yield f"{table}.code IS NOT NULL"
    if sought.text is not None:
        yield f"{table}.text ILIKE %(text)s"


def _span(connection: Connection[Any], sought: Sought, parameters: dict[str, Any]) -> Iterator[str]:
    """A span of time as one of the log, whose time never runs backwards: so it is found without a look at the rest."""
    for name, moment, sign in (("first", sought.since, ">="), ("last", sought.until, "<")):
        if moment is not None:
            parameters[name] = first_at(connection, moment)
            yield f"a.log_position {sign} %({name})s"


def _archived_facts(connection: Connection[Any], places: list[int]) -> dict[int, str]:
    """Events that are not in the table any more, by their log positions. Raises ArchiveMustBeReadable.

    Those that were destroyed after their years are left out: the audit still has who, when and what in words.
    """
    if not places:
        return {}
    wanted = Wanted(after=min(places) - 1, up_to=max(places), places=sorted(places))
    months = months_of(connection.execute(*wanted.question).fetchall())
    rows = [row for one in months if one.disposed_at is None for row in rows_in(one, wanted)]
    return {row.log_position: bytes(row.state).decode() for row in rows}


def _entry(row: Sequence[Any], where: dict[UUID, Origin], facts: dict[int, str]) -> AuditEntry:
    *known, request, answer, about, fact, kept = row
    origin = where.get(known[12])
    return AuditEntry(
        kind=known[0],
        log_position=known[1],
        number=known[2],
        at=known[3],
        topic=known[4],
        actor=known[5],
        role=known[6],
        account_id=known[7],
        subject_id=known[8],
        order_id=known[9],
        symbol=known[10],
        code=known[11],
        origin_id=known[12],
        address=None if origin is None else origin.address,
        agent=None if origin is None else origin.agent,
        request_id=known[13],
        correlation_id=known[14],
        causation_id=known[15],
        idempotency_key=known[16],
        text=known[17],
        fact=_raw(facts.get(known[1]) if fact is None and known[0] == "event" else fact),
        request=_raw(request),
        answer=_raw(kept if answer is None else answer),
        about=about,
    )


def _raw(text: str | None) -> msgspec.Raw | None:
    return None if text is None else msgspec.Raw(text.encode())
