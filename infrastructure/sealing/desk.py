"""What those who examine ask of the seals: a page of them, one of them, proofs."""

import base64
from collections.abc import Callable
from contextlib import AbstractContextManager
from datetime import datetime
from typing import Any
from uuid import UUID

from msgspec import Struct
from psycopg import Connection

from application.expected import TellTheOperator
from domain.errors import Conflict, EventMustExist, NotFound
from infrastructure.archiving.reading import Wanted, archived
from infrastructure.sealing.canonical import position_of
from infrastructure.sealing.merkle import WIDTH, consistency_path, inclusion_path, leaf_hash
from infrastructure.sealing.proofs import (
    ConsistencyProof,
    InclusionProof,
    ProofIsWrong,
    SignedSeal,
    check,
    encode_proof,
)
from infrastructure.sealing.reading import EventSource, read_whole
from infrastructure.sealing.seals import Sealed, SealIsWrong, sealed_of
from infrastructure.sealing.store import SealStore

_PAGE = "SELECT seal, signature, octet_length(leaves) / 32 FROM seals WHERE number < %s ORDER BY number DESC LIMIT %s"
_POSITION = "SELECT notification_id FROM stored_events WHERE originator_id = %s AND originator_version = %s"
LARGEST_NUMBER = 2**62


class SealMustExist(NotFound):
    """No seal has this number."""


class EventMustBeSealed(Conflict):
    """The event is younger than the last seal, or than the one that was asked for."""


class EventMustBeAsSealed(Conflict):
    """The event, or what the database keeps of the seals, is not what was sealed: verify the log."""


class OlderSealMustComeFirst(TellTheOperator):
    """A newer seal's log cannot go on in an older one's."""


class SealView(Struct, frozen=True, kw_only=True):
    """A seal, read. `events` are new in it, `count` are in the tree; `text` is what was signed."""

    number: int
    count: int
    events: int
    last_position: int
    root: str
    previous: str
    sealed_at: datetime
    key: str
    next_key: str | None
    text: str
    signature: str


class SealWithLeaves(SealView, frozen=True, kw_only=True):
    """A seal with the leaf hashes of the events that are new in it, 32 bytes each, in base64."""

    leaves: str


class SealDesk:
    """Answers from the database. `lend` gives a connection for one question; events are read from `source`, the
    log unless told otherwise.
    """

    def __init__(
        self,
        lend: Callable[[], AbstractContextManager[Connection[Any]]],
        source: EventSource | None = None,
    ) -> None:
        self._lend = lend
        self._source = source

    def page(self, before: int, limit: int) -> list[SealView]:
        """Seals before a number, the newest first."""
        with self._lend() as connection:
            rows = connection.execute(_PAGE.encode(), (before, limit), binary=True).fetchall()
        return [
            _view(sealed_of(text.encode(), bytes(signature), b""), events) for text, signature, events in rows
        ]

    def seal(self, number: int) -> SealWithLeaves:
        """One seal. Raises SealMustExist."""
        with self._lend() as connection:
            sealed = _require(SealStore(connection), number)
        return _with_leaves(sealed)

    def position_of(self, originator_id: UUID, version: int) -> int:
        """The log position of an event by its stream and version. Raises EventMustExist."""
        with self._lend() as connection:
            row = connection.execute(_POSITION.encode(), (originator_id, version)).fetchone()
            moved = [] if row else archived(connection, Wanted(stream_id=originator_id))
        places = [one.log_position for one in moved if one.originator_version == version]
        if row is None and not places:
            raise EventMustExist(f"there is no event {originator_id}@{version}")
        return int(row[0]) if row else places[0]

    def prove(self, log_position: int, *, number: int | None = None) -> InclusionProof:
        """That the event is in the log, by the first seal that has it, or by a later one.

        Raises EventMustExist, EventMustBeSealed, SealMustExist, or ProofIsWrong when the event, or what is kept of the
        seals, is not what was sealed.
        """
        with self._lend() as connection:
            store = SealStore(connection)
            first, canonical = store.covering(log_position), self._event_at(connection, log_position)
            if first is None:
                raise EventMustBeSealed(f"the event at log position {log_position} is not sealed yet")
            sealed = first if number is None else _require(store, number)
            if sealed.seal.number < first.seal.number:
                raise EventMustBeSealed(f"seal {number} ends at log position {sealed.seal.last_position}")
            index = _index_of(canonical, first)
            path = inclusion_path(index, sealed.seal.count, store.hashes().hash_of)
        proof = InclusionProof(
            log_position=log_position,
            index=index,
            event=base64.b64encode(canonical).decode(),
            path=[step.hex() for step in path],
            sealed=_signed(sealed),
        )
        check(encode_proof(proof))
        return proof

    def prove_for_others(self, log_position: int, *, number: int | None = None) -> InclusionProof:
        """The same; what is not as it was sealed is refused. Raises EventMustBeAsSealed."""
        if not 0 < log_position < LARGEST_NUMBER:
            raise EventMustExist(f"there is no event at log position {log_position}")
        try:
            return self.prove(log_position, number=number)
        except (ProofIsWrong, SealIsWrong) as error:
            raise EventMustBeAsSealed(str(error)) from error

    def _event_at(self, connection: Connection[Any], log_position: int) -> bytes:
        if self._source is None:
            chunks = read_whole(connection, log_position - 1, log_position)
        else:
            chunks = self._source.rows(log_position - 1, log_position)
        found = [row for chunk in chunks for row in chunk]
        if not found:
            raise EventMustExist(f"there is no event at log position {log_position}")
        return found[0]

    def prove_consistency(self, older: int, newer: int) -> ConsistencyProof:
        """That a seal's log begins with an older one's. Raises OlderSealMustComeFirst, SealMustExist, or ProofIsWrong."""
        if older > newer:
            raise OlderSealMustComeFirst(f"the older seal comes first: {newer} {older}, not {older} {newer}")
        with self._lend() as connection:
            store = SealStore(connection)
            one, other = _require(store, older), _require(store, newer)
            path = consistency_path(one.seal.count, other.seal.count, store.hashes().hash_of)
        proof = ConsistencyProof(path=[step.hex() for step in path], older=_signed(one), newer=_signed(other))
        check(encode_proof(proof))
        return proof


def _require(store: SealStore, number: int) -> Sealed:
    sealed = store.seal(number) if 0 < number < LARGEST_NUMBER else None
    if sealed is None:
        raise SealMustExist(f"there is no seal {number}")
    return sealed


def _index_of(canonical: bytes, sealed: Sealed) -> int:
    """The event's number among all, from 0. Raises ProofIsWrong when it is not among those that were sealed."""
    leaf, at = leaf_hash(canonical), -1
    while (at := sealed.leaves.find(leaf, at + 1)) >= 0:
        if at % WIDTH == 0:
            return sealed.first + at // WIDTH
    position, number = position_of(canonical), sealed.seal.number
    raise ProofIsWrong(f"the event at log position {position} is not among those that seal {number} sealed")


def _signed(sealed: Sealed) -> SignedSeal:
    return SignedSeal(seal=sealed.text.decode(), signature=base64.b64encode(sealed.signature).decode())


def _view(sealed: Sealed, events: int) -> SealView:
    return SealView(**_fields(sealed, events))


def _with_leaves(sealed: Sealed) -> SealWithLeaves:
    fields = _fields(sealed, sealed.seal.count - sealed.first)
    return SealWithLeaves(leaves=base64.b64encode(sealed.leaves).decode(), **fields)


def _fields(sealed: Sealed, events: int) -> dict[str, Any]:
    seal = sealed.seal
    return {
        "number": seal.number,
        "count": seal.count,
        "events": events,
        "last_position": seal.last_position,
        "root": seal.root,
        "previous": seal.previous,
        "sealed_at": seal.sealed_at,
        "key": seal.key,
        "next_key": seal.next_key,
        "text": sealed.text.decode(),
        "signature": base64.b64encode(sealed.signature).decode(),
    }
