"""`daybook projections verify`: compare proofs with the log, and whole tables with the log folded afresh.

Nothing is locked: tables and positions are looked at in one snapshot of the database, while the projector goes on.
"""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any

from msgspec import Struct
from psycopg import Connection, IsolationLevel

from infrastructure.postgres.connections import connect
from infrastructure.projecting.fresh import Difference, Fresh, folded_afresh
from infrastructure.projecting.hashing import table_hash
from infrastructure.projecting.proving import Parting, Proof, holes, partings, proofs_of, scan
from infrastructure.projecting.standing import Standing, standings
from projections.projection import Projection

Progress = Callable[[str, int, int], None]
"""Called with what is being done, the position that is reached and the one to be reached."""


class Verified(Struct, frozen=True, kw_only=True):
    """What was found out about a projection. `rows_compared` is None when only the proofs were looked at.

    Events up to `proved_after` were folded before proofs were kept: rebuild the table to prove them too.
    """

    name: str
    position: int
    events: int
    proved_after: int
    partings: list[Parting]
    holes: list[str]
    parked: int
    table_hash: str
    rows_compared: int | None
    rows_differing: int
    first_difference: str | None
    seconds: float

    @property
    def is_right(self) -> bool:
        """Whether nothing speaks against the table."""
        return not (self.partings or self.holes or self.rows_differing or self.first_difference)

    @property
    def is_complete(self) -> bool:
        """Whether it is right and has everybody: an account that is parked was left out."""
        return self.is_right and not self.parked


def verify(
    url: str, projections: Sequence[Projection], *, rows: bool = False, progress: Progress | None = None
) -> Iterator[Verified]:
    """Look at each of these projections. One scan of the log serves the proofs of all, one more the rows of all."""
    tell = progress or (lambda *_: None)
    with connect(url, application="daybook projections verify") as connection:
        with snapshot(connection):
            known = standings(connection)
            projections = [one for one in projections if one.name in known]
            proofs = {one.name: proofs_of(connection, one.name) for one in projections}
        stretches = [proof.stretch for kept in proofs.values() for proof in kept]
        log = scan(connection, stretches, lambda at, end: tell("proofs", at, end))
        ours = [one for one in projections if rows and known[one.name].version == one.version]
        with folded_afresh(url, ours, tell) as fresh:
            for projection in projections:
                began = time.monotonic()
                kept = proofs[projection.name]
                difference = _rows(fresh, projection, known[projection.name]) if rows else None
                with snapshot(connection):
                    standing = standings(connection)[projection.name]
                    is_known = standing.version == projection.version
                    hashed = table_hash(connection, projection) if is_known else "of another version"
                apart = (partings(kept, log), holes(kept))
                yield _verified(standing, kept, apart, hashed, difference, time.monotonic() - began)


def _rows(fresh: Fresh, projection: Projection, standing: Standing) -> Difference:
    if standing.version == projection.version:
        return fresh.difference(projection)
    version = f"the table is of version {standing.version}, the code of version {projection.version}"
    return Difference(rows=0, differing=0, first=f"{version}: it must be rebuilt first")


@contextmanager
def snapshot(connection: Connection[Any]) -> Iterator[None]:
    """A transaction that sees one moment of the database."""
    connection.isolation_level = IsolationLevel.REPEATABLE_READ
    try:
        with connection.transaction():
            yield
    finally:
        connection.isolation_level = None


def _verified(
    standing: Standing,
    proofs: Sequence[Proof],
    apart: tuple[list[Parting], list[str]],
    hashed: str,
    difference: Difference | None,
    seconds: float,
) -> Verified:
    return Verified(
        name=standing.name,
        position=standing.position,
        events=sum(proof.chain.events for proof in proofs),
        proved_after=proofs[0].stretch.after if proofs else standing.position,
        partings=apart[0],
        holes=apart[1],
        parked=standing.parked,
        table_hash=hashed,
        rows_compared=None if difference is None else difference.rows,
        rows_differing=0 if difference is None else difference.differing,
        first_difference=None if difference is None else difference.first,
        seconds=round(seconds, 3),
    )
