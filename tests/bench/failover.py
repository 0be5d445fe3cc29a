"""How long read tables stand still when a projector dies."""

import signal
from collections.abc import Sequence

from tests.bench.figures import median
from tests.bench.plan import ROUNDS, Path, Row
from tests.bench.servers import Bench
from tests.soak.live import failover
from tests.soak.rebuild_log import lengthen

HITS = {"killed": signal.SIGKILL, "stopped": signal.SIGSTOP}
LONGEST_S = 5.0


def measure(bench: Bench) -> Sequence[Row]:
    """One of two projectors is hit, again and again; first by a kill, then by a stop."""
    url, _ = bench.database()
    lengthen(url, 1_000)
    return [_row(how, [failover(url, number) for _ in range(ROUNDS)]) for how, number in HITS.items()]


def _row(how: str, seconds: Sequence[float]) -> Row:
    return Row(
        path=f"{PATH.name}:{how}",
        unit="s",
        ours=median(seconds),
        ceiling=None,
        target=PATH.target,
        met=max(seconds) <= LONGEST_S,
        note=f"by round {', '.join(f'{each:.2f}' for each in seconds)} s",
    )


PATH = Path(
    name="failover",
    what="Two projectors share two partitions. One gets SIGKILL (`killed`) or SIGSTOP (`stopped`), and 500 events are appended at "
    "once: seconds until the other has folded all of them into every table.",
    ceiling="None.",
    target=f"≤ {LONGEST_S:.0f} s in every round",
    measure=measure,
)
