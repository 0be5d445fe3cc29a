"""Verifying the sealed log against merely reading it, and what sealing costs the orders beside it."""

import signal
import time
from hashlib import sha256
from pathlib import Path as File
from uuid import uuid4

from infrastructure.embedded.children import stop
from infrastructure.postgres.connections import connect
from infrastructure.sealing.examining import Examination
from infrastructure.sealing.files import published_lines
from infrastructure.sealing.keyring import Keyring
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.reading import BEFORE_ALL, LogSource
from infrastructure.sealing.running import public_keys_of, seal_file
from infrastructure.sealing.sealer import Sealer, SealTerms
from infrastructure.sealing.store import SealStore
from infrastructure.settings import Settings
from tests.bench.client import Outcome
from tests.bench.customers import order_calls
from tests.bench.figures import in_turns, median
from tests.bench.load import Load
from tests.bench.orders import Desk, against
from tests.bench.plan import QUICK, ROUNDS, Path, Row
from tests.bench.servers import Bench, until
from tests.bench.stories import Story, positions_of, trade

EVENTS = 200_000 if QUICK else 1_000_000
ACCOUNTS = 500
TARGET = 200_000.0
LEAST = 0.97


def measure(bench: Bench) -> list[Row]:
    """Both."""
    return [*_verifying(bench), _ordering(bench)]


def _verifying(bench: Bench) -> list[Row]:
    url, _ = bench.database()
    file = bench.folder / "verify" / "seals.jsonl"
    sealed = _sealed_log(url, file)
    bench.settle()
    rows = []
    for name, parallel in (("verify", 1), ("verify-parallel", 2)):
        ours, ceiling = in_turns(
            ROUNDS,
            lambda parallel=parallel: _verify(url, file, parallel),  # type: ignore[misc]
            lambda: _read(url),
        )
        rate, top = median([found[0] for found in ours]), median(ceiling)
        spent = median([found[1] for found in ours])
        rows.append(
            Row(
                path=f"{PATH.name}:{name}",
                unit="events/s",
                ours=rate,
                ceiling=top,
                ratio=rate / top,
                target=f"≥ {TARGET:,.0f} events/s",
                met=rate >= TARGET,
                note=f"{positions_of(url):,} events, {parallel} process{'es' * (parallel > 1)};"
                f" {spent:.2f} µs of processor an event in the first; sealed at {sealed:,.0f} events/s",
            )
        )
    return rows


def _sealed_log(url: str, file: File) -> float:
    """Make a log and seal it. Events a second of the sealing."""
    accounts = [uuid4() for _ in range(ACCOUNTS)]
    with Story(url) as story:
        for account_id in accounts:
            story.open(account_id)
        trading = trade(story, accounts)
        while story.position < EVENTS:
            next(trading)
    keyring = Keyring(file.with_suffix(".key"), public_keys=public_keys_of(file), may_create=True)
    began = time.monotonic()
    Sealer(url, file=file, keyring=keyring, terms=SealTerms()).catch_up()
    return story.position / (time.monotonic() - began)


def _verify(url: str, file: File, parallel: int) -> tuple[float, float]:
    """Events a second, and microseconds of this process's processor time an event."""
    trusted = read_public_keys(public_keys_of(file))
    began, spent = time.monotonic(), time.process_time()
    found = Examination(trusted=trusted, parallel=parallel).run(url, published_lines(file))
    seconds = time.monotonic() - began
    assert found.is_right, found.findings
    assert found.events_read == found.count
    return found.count / seconds, 1e6 * (time.process_time() - spent) / found.count


def _read(url: str) -> float:
    """Events a second that are read and hashed, each once, and nothing else."""
    began, events = time.monotonic(), 0
    for rows in LogSource(url).rows(BEFORE_ALL, 2**62):
        events += len(rows)
        for row in rows:
            sha256(row).digest()
    return events / (time.monotonic() - began)


def _ordering(bench: Bench) -> Row:
    """Orders with a sealer beside them and without, in turns, at the same server."""
    load = Load()
    desk = Desk(bench, load)
    calls = order_calls(desk.customers)
    shares: list[float] = []

    def with_sealer() -> Outcome:
        sealer = bench.role("sealer", desk.settings)
        until(lambda: _lag(desk.settings) == 0, "the sealer has caught up")
        meter = bench.meter(desk.api.pid, sealer=sealer.pid)
        found = desk.order(calls)
        percent = meter.percent()
        shares.append(percent["sealer"] / sum(percent.values()))
        stop(sealer, signals=[(signal.SIGTERM, 10.0)])
        return found

    ours, ceiling = in_turns(ROUNDS, with_sealer, lambda: desk.order(calls))
    desk.require_exactly_acknowledged(2 * ROUNDS)
    load.close()
    row = against(PATH, "orders/s", ours, [found.rate for found in ceiling], desk.cpu)
    row.path, row.target = f"{PATH.name}:orders", f"≥ {LEAST}"
    row.met = (row.ratio or 0) >= LEAST
    seals = len(list(published_lines(seal_file(desk.settings))))
    row.note = (
        f"{seals} seals; the sealer used {100 * median(shares):.1f} % of the processor time of all servers"
    )
    return row


def _lag(settings: Settings) -> int:
    url = settings.database_url or ""
    with connect(url, application="bench lag") as connection:
        return positions_of(url) - SealStore(connection).standing().log_position


PATH = Path(
    name="seals",
    what=f"`daybook verify` of a log of {EVENTS:,} events in one process and in two: reads every event, hashes it, compares it with "
    "what was sealed, checks every root, signature and link. And orders over HTTP with a sealer at work beside them.",
    ceiling="Reading the same events from PostgreSQL in one process, and SHA-256 of the bytes of each. For the orders: the same without a sealer.",
    target="≥ 200,000 events/s; orders ≥ 0.97",
    measure=measure,
)
