"""A command together with who gave it: what the committer takes, and what the log keeps of it."""

from datetime import datetime
from uuid import UUID, uuid4

import msgspec
from msgspec import Struct

from application.commands import Command


class Metadata(Struct, frozen=True, kw_only=True, omit_defaults=True, gc=False):
    """Who and why, beside every event. Ids only: no name, address or agent of a person.

    `actor` is a user's id or the name of a role of ours. `origin_id` names where the request came
    from, in a table that can be emptied. `wall` is the wall's time when the log runs on the market's.
    """

    actor: str
    role: str
    request_id: UUID
    correlation_id: UUID | None = None
    causation_id: str | None = None
    idempotency_key: str | None = None
    origin_id: UUID | None = None
    wall: datetime | None = None


class Request(Struct, frozen=True, kw_only=True, gc=False):
    """A command and its metadata. `request_hash` guards an idempotency key against another body."""

    command: Command
    metadata: Metadata
    request_hash: bytes = b""

    @classmethod
    def by_role(cls, role: str, command: Command, *, causation_id: str | None = None) -> "Request":
        """A request by one of our own roles, such as the executor."""
        metadata = Metadata(actor=role, role="system", request_id=uuid4(), causation_id=causation_id)
        return cls(command=command, metadata=metadata)


encode_metadata = msgspec.json.Encoder().encode
