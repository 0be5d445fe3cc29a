"""The commands of one transaction: what they read, what they decide, what is to be written."""

from collections.abc import Sequence
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import msgspec
import structlog
from msgspec import Struct
from psycopg import Connection

from application.answers import AccountAnswer, Answer, ErasureAnswer, OrderAnswer
from application.brokerage import fold
from application.commands import Stream
from application.handlers import handle
from application.ledger import Ledger
from application.requests import Request, encode_metadata
from domain.aggregate import Aggregate, Event
from domain.errors import IdempotencyKeyMustMatchItsRequest, Refusal
from domain.facts import TOPICS
from infrastructure.eventstore.aggregates import load_aggregates
from infrastructure.eventstore.cache import AggregateCache
from infrastructure.eventstore.jobs import Job
from infrastructure.eventstore.log import Appending, Recorded
from infrastructure.eventstore.mapper import encode_event
from infrastructure.postgres import arrays

log = structlog.get_logger()


class StoredAnswer(Struct, frozen=True, omit_defaults=True):
    """An answer as it is kept beside its idempotency key: one of these."""

    account: AccountAnswer | None = None
    order: OrderAnswer | None = None
    erasure: ErasureAnswer | None = None


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

    def __init__(self, jobs: Sequence[Job], *, cache: AggregateCache, collar: Decimal) -> None:
        self._jobs = jobs
        self._cache = cache
        self._collar = collar
        self._blank: set[UUID] = set()
        self._answered: dict[Key, tuple[bytes, bytes]] = {}
        self._touched: dict[UUID, Aggregate] = {}
        self._decided: dict[UUID, list[Event]] = {}
        self._connection: Connection[Any] | None = None
        self.rows = Appending()
        self.new_keys = NewKeys()

    # Before the decisions.

    def prefetch(self, connection: Connection[Any]) -> None:
        """Read, outside the log lock, what the decisions will need and memory does not have."""
        wanted = {
            stream_id: kind
            for job in self._jobs
            for kind, stream_id in job.request.command.streams()
            if stream_id not in self._cache
        }
        self._connection = connection
        if wanted:
            self._fetch([(kind, stream_id) for stream_id, kind in wanted.items()])

    def heed(self, rows: Sequence[Recorded]) -> None:
        """Take note of streams that others began after the prefetch."""
        if self._blank:
            self._blank.difference_update(row.originator_id for row in rows)

    def forget_blanks(self) -> None:
        """Too much has happened since the prefetch to know which streams are still empty."""
        self._blank.clear()

    @property
    def has_keys(self) -> bool:
        """Whether any command carries an idempotency key."""
        return any(job.request.metadata.idempotency_key for job in self._jobs)

    def keys(self) -> Sequence[arrays.Column]:
        """The idempotency keys of the commands: accounts and keys."""
        found = [key for job in self._jobs if (key := _key_of(job.request))]
        return (
            arrays.uuids([account_id for account_id, _ in found]),
            arrays.texts([text.encode() for _, text in found]),
        )

    def answer_repeated(self, rows: Sequence[tuple[UUID, str, bytes, bytes]]) -> None:
        """Take in the stored answers of keys that were used before."""
        for account_id, key, request_hash, answer in rows:
            self._answered[account_id, key] = (request_hash, answer)

    # The decisions.

    def decide(self, connection: Connection[Any], *, now: datetime, after: int) -> None:
        """Decide every command in turn; the first new event gets the position after `after`."""
        self._connection = connection
        position = after
        for job in self._jobs:
            try:
                position = self._decide(job, now=now, position=position)
            except Refusal as refusal:
                job.error = refusal
            except Exception as error:
                log.exception("command failed", command=type(job.request.command).__name__)
                job.error = error

    def _decide(self, job: Job, *, now: datetime, position: int) -> int:
        key = _key_of(job.request)
        if key is not None and key in self._answered:
            job.answer = self._repeat(key, job.request.request_hash)
            return position
        ledger = Ledger(self._load, now=now, collar=self._collar)
        try:
            answer = handle(job.request.command, ledger)
        except BaseException:
            self._abandon(ledger.touched())
            raise
        position = self._append(ledger.decided(), job.request, position, now=now)
        self._settle(ledger.touched())
        answer.log_position = position
        job.answer = answer
        if key is not None:
            self._remember(key, job.request.request_hash, answer)
        return position

    def _append(self, events: Sequence[Event], request: Request, position: int, *, now: datetime) -> int:
        if not events:
            return position
        said = encode_metadata(_stamped(request, now))
        for event in events:
            position += 1
            self.rows.add(
                event, position=position, topic=TOPICS[type(event)], state=encode_event(event), metadata=said
            )
        return position

    def _repeat(self, key: Key, request_hash: bytes) -> Answer:
        stored_hash, answer = self._answered[key]
        if stored_hash != request_hash:
            raise IdempotencyKeyMustMatchItsRequest(f"key {key[1]!r} was used with another request")
        stored = _decode(answer)
        found = stored.order or stored.account or stored.erasure
        assert found is not None, "what is kept is one of them"  # noqa: S101
        return found

    def _remember(self, key: Key, request_hash: bytes, answer: Answer) -> None:
        self.new_keys.add(key, request_hash, answer)
        self._answered[key] = (request_hash, self.new_keys.answers[-1])

    # The aggregates.

    def _load(self, kind: type[Aggregate], stream_id: UUID, account_id: UUID) -> Aggregate:
        found = self._cache.get(stream_id) or self._touched.get(stream_id)
        if found is None and stream_id not in self._blank:
            self._fetch([(kind, stream_id)])
            found = self._cache.get(stream_id)
        if found is None:
            found = kind(id=stream_id, account_id=account_id)
        return found

    def _fetch(self, streams: list[Stream]) -> None:
        assert self._connection is not None, "a batch reads through its transaction"  # noqa: S101
        stored = load_aggregates(self._connection, streams)
        for _, stream_id in streams:
            found = fold(stored.get(stream_id), self._decided.get(stream_id, ()))
            if found is None:
                self._blank.add(stream_id)
            else:
                self._cache.put(found)

    def _settle(self, touched: Sequence[Aggregate]) -> None:
        """What was decided is the state the next command of the batch starts from."""
        for aggregate in touched:
            if aggregate.pending:
                self._decided.setdefault(aggregate.id, []).extend(aggregate.pending)
                aggregate.pending.clear()
                self._touched[aggregate.id] = aggregate
                self._cache.put(aggregate)

    def _abandon(self, touched: Sequence[Aggregate]) -> None:
        """A refused command leaves no trace: what it changed in memory is read again, and what earlier
        commands of this batch decided is folded onto it.
        """
        for aggregate in touched:
            if aggregate.pending:
                self._cache.drop(aggregate.id)
                self._blank.discard(aggregate.id)
                self._touched.pop(aggregate.id, None)


def _stored(answer: Answer) -> StoredAnswer:
    if isinstance(answer, OrderAnswer):
        return StoredAnswer(order=answer)
    return StoredAnswer(erasure=answer) if isinstance(answer, ErasureAnswer) else StoredAnswer(account=answer)


def _key_of(request: Request) -> Key | None:
    key = request.metadata.idempotency_key
    return None if key is None else (request.command.account_id, key)


def _stamped(request: Request, now: datetime) -> Any:
    """The metadata, with the wall's time added when the log runs on another clock."""
    wall = datetime.now(UTC)
    if abs((wall - now).total_seconds()) < 60:
        return request.metadata
    return msgspec.structs.replace(request.metadata, wall=wall)
