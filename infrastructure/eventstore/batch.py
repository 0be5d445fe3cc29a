"""The commands of one transaction: what they read, what they decide, what is to be written."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from psycopg import Connection

from application.answers import (
    AccountAnswer,
    ActionAnswer,
    Answer,
    CaseAnswer,
    ErasureAnswer,
    OrderAnswer,
    PeriodAnswer,
)
from application.brokerage import fold
from application.commands import Stream
from application.handlers import handle
from application.ledger import Ledger
from application.requests import Metadata, Request, encode_metadata
from application.rules import TradingRules
from domain.aggregate import Aggregate, Event
from domain.errors import IdempotencyKeyMustMatchItsRequest, Refusal
from domain.facts import TOPICS
from infrastructure.eventstore.aggregates import load_aggregates
from infrastructure.eventstore.cache import AggregateCache
from infrastructure.eventstore.jobs import Job
from infrastructure.eventstore.log import APPEND, Appending, Foreign
from infrastructure.eventstore.mapper import encode_event
from infrastructure.postgres import arrays
from infrastructure.postgres.together import Together

log = structlog.get_logger()

WORTH_SENDING = 256
"""Rows that PostgreSQL begins to store while the next commands are decided."""


class StoredAnswer(Struct, frozen=True, omit_defaults=True):
    """An answer as it is kept beside its idempotency key: one of them."""

    account: AccountAnswer | None = None
    order: OrderAnswer | None = None
    action: ActionAnswer | None = None
    period: PeriodAnswer | None = None
    erasure: ErasureAnswer | None = None
    case: CaseAnswer | None = None


_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(StoredAnswer).decode

Key = tuple[UUID, str]


class NewKeys:
    """Idempotency rows on their way into the table, column by column."""

    def __init__(self) -> None:
        self.accounts: list[UUID] = []
        self.keys: list[bytes] = []
        self.hashes: list[bytes] = []
        self.answers: list[bytes] = []

    def __len__(self) -> int:
        return len(self.keys)

    def add(self, key: Key, request_hash: bytes, answer: Answer) -> None:
        """Keep an answer under its key."""
        self.accounts.append(key[0])
        self.keys.append(key[1].encode())
        self.hashes.append(request_hash)
        self.answers.append(_encode(_stored(answer)))

    def columns(self) -> Sequence[arrays.Column]:
        """Accounts, keys, hashes and answers."""
        return (
            arrays.uuids(self.accounts),
            arrays.texts(self.keys),
            arrays.byteas(self.hashes),
            arrays.byteas(self.answers),
        )


class Batch:
    """Commands decided together. Made anew for every try at a transaction."""

    def __init__(self, jobs: Sequence[Job], *, cache: AggregateCache, rules: TradingRules) -> None:
        self._jobs = jobs
        self._cache = cache
        self._rules = rules
        self._blank: set[int] = set()
        self._answered: dict[Key, tuple[bytes, bytes]] = {}
        self._decided = _ByStream()
        self._connection: Connection[Any] | None = None
        self._together: Together | None = None
        self.rows = Appending()
        self.new_keys = NewKeys()

    # Before the decisions.

    def prefetch(self, connection: Connection[Any], together: Together) -> None:
        """Read, outside the log lock, what the decisions will need and memory does not have."""
        cache = self._cache
        wanted = {
            stream_id: kind
            for job in self._jobs
            for kind, stream_id in job.request.command.streams()
            if stream_id not in cache
        }
        self._connection, self._together = connection, together
        if wanted:
            self._fetch([(kind, stream_id) for stream_id, kind in wanted.items()])

    def heed(self, rows: Sequence[Foreign]) -> None:
        """Take note of streams that others began after the prefetch."""
        if self._blank:
            self._blank.difference_update(int.from_bytes(stream) for _, _, stream, _, _, _ in rows)

    def forget_blanks(self) -> None:
        """Too much has happened since the prefetch to know which streams are still empty."""
        self._blank.clear()

    def keys(self) -> Sequence[arrays.Column] | None:
        """The idempotency keys of the commands: accounts and keys; None when no command has one."""
        found = [key for job in self._jobs if (key := _key_of(job.request))]
        if not found:
            return None
        return (
            arrays.uuids([account_id for account_id, _ in found]),
            arrays.texts([text.encode() for _, text in found]),
        )

    def answer_repeated(self, rows: Sequence[tuple[UUID, str, bytes, bytes]]) -> None:
        """Take in the stored answers of keys that were used before."""
        for account_id, key, request_hash, answer in rows:
            self._answered[account_id, key] = (request_hash, answer)

    # The decisions.

    def decide(self, connection: Connection[Any], together: Together, *, now: datetime, after: int) -> None:
        """Decide every command in turn; the first new event gets the position after `after`.

        Of many rows PostgreSQL is given the first through `together` before the last are decided.
        """
        self._connection, self._together = connection, together
        self.rows = Appending(after)
        wall = _wall_beside(now)
        for job in self._jobs:
            try:
                self._decide(job, now=now, wall=wall)
            except Refusal as refusal:
                job.error = refusal
            except Exception as error:
                log.exception("command failed", command=type(job.request.command).__name__)
                job.error = error
            if self.rows.waiting >= WORTH_SENDING and together.is_free():
                together.send((APPEND, self.rows.columns()))

    def _decide(self, job: Job, *, now: datetime, wall: datetime | None) -> None:
        request = job.request
        key = _key_of(request)
        if key is not None and key in self._answered:
            job.answer = self._repeat(key, request.request_hash)
            return
        ledger = Ledger(self._load, now=now, rules=self._rules)
        try:
            answer = handle(request.command, ledger)
            self._append(ledger.decided(), request.metadata, wall)
        except BaseException:
            self._abandon(ledger.touched())
            raise
        self._settle(ledger.touched())
        answer.log_position = self.rows.end
        job.answer = answer
        if key is not None:
            self._remember(key, request.request_hash, answer)

    def _append(self, events: Sequence[Event], metadata: Metadata, wall: datetime | None) -> None:
        if not events:
            return
        said = encode_metadata(metadata if wall is None else msgspec.structs.replace(metadata, wall=wall))
        states = [encode_event(event) for event in events]  # all or none
        self.rows.extend(events, topics=[TOPICS[type(event)] for event in events], states=states, said=said)

    def _repeat(self, key: Key, request_hash: bytes) -> Answer:
        stored_hash, answer = self._answered[key]
        if stored_hash != request_hash:
            raise IdempotencyKeyMustMatchItsRequest(f"key {key[1]!r} was used with another request")
        stored = _decode(answer)
        found = (
            stored.order or stored.account or stored.action or stored.period or stored.erasure or stored.case
        )
        assert found is not None, "what is kept is one of them"  # noqa: S101
        return found

    def _remember(self, key: Key, request_hash: bytes, answer: Answer) -> None:
        self.new_keys.add(key, request_hash, answer)
        self._answered[key] = (request_hash, self.new_keys.answers[-1])

    # The aggregates.

    def _load(self, kind: type[Aggregate], stream_id: UUID, account_id: UUID) -> Aggregate:
        found = self._cache.get(stream_id)
        if found is None and stream_id.int not in self._blank:
            self._fetch([(kind, stream_id)])
            found = self._cache.get(stream_id)
        # What is named by the id of something else is not there, and nothing of that is touched.
        return found if isinstance(found, kind) else kind(id=stream_id, account_id=account_id)

    def _fetch(self, streams: list[Stream]) -> None:
        assert self._connection is not None, "a batch reads through its transaction"  # noqa: S101
        stored = load_aggregates(self._connection, streams, together=self._together)
        for _, stream_id in streams:
            known = stored.get(stream_id)
            there = 0 if known is None else known.version  # rows that were sent ahead are read back already
            decided = self._decided.of(stream_id, self.rows.events)
            found = fold(known, (event for event in decided if event.originator_version > there))
            if found is None:
                self._blank.add(stream_id.int)
            else:
                self._cache.put(found)

    def _settle(self, touched: Sequence[Aggregate]) -> None:
        """What was decided is the state the next command of the batch starts from."""
        for aggregate in touched:
            if aggregate.pending:
                aggregate.pending.clear()
                self._cache.put(aggregate)

    def _abandon(self, touched: Sequence[Aggregate]) -> None:
        """A refused command leaves no trace: what it changed in memory is read again, and what earlier
        commands of this batch decided is folded onto it.
        """
        for aggregate in touched:
            if aggregate.pending:
                self._cache.drop(aggregate.id)
                self._blank.discard(aggregate.id.int)


class _ByStream:
    """A batch's events by stream, sorted only as far and as soon as somebody asks: few batches do."""

    def __init__(self) -> None:
        self._sorted = 0
        self._events: dict[int, list[Event]] = {}

    def of(self, stream_id: UUID, events: Sequence[Event]) -> Sequence[Event]:
        """Those among `events`, which only ever grows, that belong to the stream."""
        for event in events[self._sorted :]:
            self._events.setdefault(event.originator_id.int, []).append(event)
        self._sorted = len(events)
        return self._events.get(stream_id.int, ())


def _stored(answer: Answer) -> StoredAnswer:
    match answer:
        case OrderAnswer():
            return StoredAnswer(order=answer)
        case AccountAnswer():
            return StoredAnswer(account=answer)
        case ActionAnswer():
            return StoredAnswer(action=answer)
        case PeriodAnswer():
            return StoredAnswer(period=answer)
        case ErasureAnswer():
            return StoredAnswer(erasure=answer)
        case CaseAnswer():
            return StoredAnswer(case=answer)


def _key_of(request: Request) -> Key | None:
    key = request.metadata.idempotency_key
    return None if key is None else (request.command.account_id, key)


def _wall_beside(now: datetime) -> datetime | None:
    """The wall's time, to be noted when the log runs on another clock; else None."""
    wall = datetime.now(UTC)
    return None if abs((wall - now).total_seconds()) < 60 else wall
