"""The erasure of a person: what is left of it is a certificate, which names nobody."""

from datetime import datetime
from uuid import UUID

from domain.aggregate import Aggregate, Event


class Erasure(Aggregate, kw_only=True):
    """One person's erasure. Its id is that of the approval it was carried out under."""

    certified_at: datetime | None = None

    class Certified(Event, frozen=True, kw_only=True):
        """A person's key was destroyed, and with it everything personal. Ids and counts only, no reason in words.

        `erased` counts what was there by category: `identity`, `origins`, `logins`. `key_fingerprint` is one-way.
        """

        user_id: UUID
        erased: dict[str, int]
        key_fingerprint: str | None
        requested_by: UUID
        requested_at: datetime
        approved_by: UUID
        approved_at: datetime
        erased_at: datetime

        def apply(self, erasure: "Erasure") -> None:
            erasure.certified_at = self.recorded_at

    def certify(
        self,
        *,
        user_id: UUID,
        erased: dict[str, int],
        key_fingerprint: str | None,
        requested: tuple[UUID, datetime],
        approved: tuple[UUID, datetime],
        erased_at: datetime,
        at: datetime,
    ) -> None:
        """Write down what was erased, and which two people wanted it; asking again changes nothing."""
        if self.certified_at is not None:
            return
        self.record(
            Erasure.Certified,
            at=at,
            user_id=user_id,
            erased=erased,
            key_fingerprint=key_fingerprint,
            requested_by=requested[0],
            requested_at=requested[1],
            approved_by=approved[0],
            approved_at=approved[1],
            erased_at=erased_at,
        )

    FACTS = (Certified,)
