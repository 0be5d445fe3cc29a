"""Prove that projections consumed exactly the log: compare what each partition kept with a bare scan of the log.

The scan decodes nothing: it takes the digests of the stored rows and makes the same chains from them, stretch by
stretch. Where a stretch has another count or another chain than the log, events were skipped, doubled,
folded in another order, or changed in the log since.
"""

from collections.abc import Callable, Iterable, Sequence
from typing import Any

from msgspec import Struct
from psycopg import Connection

from infrastructure.eventstore.log import read_after
from infrastructure.projecting.chains import Chain, digest_of, partition_of

CHUNK = 10_000

Progress = Callable[[int, int], None]
"""Called with the position that is reached and the one to be reached."""


class Stretch(Struct, frozen=True):
    """A piece of the log as one of so many partitions sees it: after one position, up to another."""

    after: int
    up_to: int
    partitions: int
    partition: int


class Proof(Struct, frozen=True):
    """What a projection says that it consumed of a stretch."""

    stretch: Stretch
    chain: Chain


class Parting(Struct, frozen=True, kw_only=True):
    """A stretch in which a projection and the log part: how many events each has there."""

    after: int
    up_to: int
    partition: int
    partitions: int
    events_consumed: int
    events_in_log: int

    def sentence(self) -> str:
        """For a person."""
        where = f"positions {self.after + 1} to {self.up_to}, partition {self.partition} of {self.partitions}"
        missing = self.events_in_log - self.events_consumed
        if missing > 0:
            return f"{where}: {missing} events of the log were skipped ({self.events_consumed} consumed)"
        if missing < 0:
            return f"{where}: {-missing} events were consumed more than once ({self.events_in_log} are in the log)"
        return f"{where}: not the {self.events_in_log} events of the log, or not in its order"


def proofs_of(connection: Connection[Any], name: str) -> list[Proof]:
    """Everything the live table's partitions keep about what they consumed, in the order of the log."""
    found = connection.execute(
        "SELECT after_position, up_to_position, k.partitions, partition, events, chain"
        " FROM projection_proofs k JOIN projection_generations g USING (name, generation)"
        " WHERE name = %(name)s AND g.state = 'live' UNION ALL"
        " SELECT proved_after, position, g.partitions, partition, events, chain"
        " FROM projection_partitions JOIN projection_generations g USING (name, generation)"
        " WHERE name = %(name)s AND is_live AND position > proved_after ORDER BY 1, 2, 3, 4",
        {"name": name},
    )
    return [Proof(Stretch(*row[:4]), Chain.stored(row[4], row[5])) for row in found.fetchall()]


def scan(
    connection: Connection[Any], stretches: Iterable[Stretch], progress: Progress | None = None
) -> dict[Stretch, Chain]:
    """The chains of these stretches as the log itself has them, from one pass over it."""
    waiting = sorted(set(stretches), key=lambda one: (one.after, one.up_to), reverse=True)
    end = max((one.up_to for one in waiting), default=0)
    position = waiting[-1].after if waiting else 0
    chains = {one: Chain() for one in waiting}
    running: list[Stretch] = []
    while position < end:
        rows = [row for row in read_after(connection, position, limit=CHUNK) if row.log_position <= end]
        digests = [(row.log_position, row.account_id, digest_of(row)) for row in rows]
        position = rows[-1].log_position if rows else end
        while waiting and waiting[-1].after < position:
            running.append(waiting.pop())
        for one in running:
            chains[one] = chains[one].extended(
                digest
                for place, account_id, digest in digests
                if one.after < place <= one.up_to
                and partition_of(account_id, one.partitions) == one.partition
            )
        running = [one for one in running if one.up_to > position]
        if progress is not None:
            progress(position, end)
    return chains


def partings(proofs: Sequence[Proof], log: dict[Stretch, Chain]) -> list[Parting]:
    """Where a projection and the log part, the first first."""
    return [
        _parting(proof.stretch, proof.chain.events, log[proof.stretch].events)
        for proof in proofs
        if proof.chain != log[proof.stretch]
    ]


def holes(proofs: Sequence[Proof]) -> list[str]:
    """What is proved twice or not at all, after the first position that is proved.

    While there are so many partitions, each must be proved without a gap; when there are another number,
    all of them begin where all of those before had come to.
    """
    found: list[str] = []
    begun = proofs[0].stretch.after if proofs else 0
    reached: dict[tuple[int, int], int] = {}
    for stretch in (proof.stretch for proof in proofs):
        lane = (stretch.partitions, stretch.partition)
        if reached and all(partitions != stretch.partitions for partitions, _ in reached):
            begun, reached = max(reached.values()), {}
        before = reached.get(lane, begun)
        if stretch.after != before:
            first, last = sorted((before, stretch.after))
            verdict = "proved by nothing" if stretch.after > before else "proved twice"
            where = f"positions {first + 1} to {last}, partition {stretch.partition} of {stretch.partitions}"
            found.append(f"{where}: {verdict}")
        reached[lane] = stretch.up_to
    return found


def _parting(stretch: Stretch, consumed: int, in_log: int) -> Parting:
    return Parting(
        after=stretch.after,
        up_to=stretch.up_to,
        partition=stretch.partition,
        partitions=stretch.partitions,
        events_consumed=consumed,
        events_in_log=in_log,
    )
