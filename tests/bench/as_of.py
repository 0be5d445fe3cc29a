"""Accounts as they stood: one with a long history against one with a short."""

import random
import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlencode
from uuid import UUID

from msgspec import Struct

from infrastructure.eventstore.account_snapshots import AccountSnapshotter
from infrastructure.memory import keep_what_is_here
from infrastructure.past import open_history
from infrastructure.postgres.connections import connect
from infrastructure.reading import History
from infrastructure.settings import Settings
from tests.bench.client import Call, Outcome, call
from tests.bench.customers import Customer, log_in
from tests.bench.figures import in_turns, median, percentiles
from tests.bench.load import Load
from tests.bench.orders import require_all
from tests.bench.plan import QUICK, ROUNDS, SECONDS, Path, Row
from tests.bench.servers import Bench
from tests.bench.stories import SYMBOLS, Story

EVENTS = 100_000
SHORT = 100
SYMBOLS_HELD = 20
TIMES = 200 if QUICK else 500
TARGET_MS = 20.0
OTHERS = 50
"""Accounts that trade in between, so that the history lies scattered in the log as it does in life."""

Question = dict[str, datetime | int]


class Lived(Struct, frozen=True):
    """An account, when its events were recorded, and where they stand in the log."""

    account_id: UUID
    moments: list[datetime]
    positions: list[int]


def measure(bench: Bench) -> list[Row]:
    """In this process, as known; as counted to a moment, by all that is known today; and over HTTP."""
    settings = bench.settings()
    examiner, *others = log_in(settings, 1 + OTHERS)
    long, short = _written(settings, others)
    _make_examiner(settings, examiner)
    began = time.process_time()
    taken = AccountSnapshotter(
        settings.database_url or "", every=settings.account_snapshot_every, patience=600
    ).take()
    spent = time.process_time() - began
    bench.settle()
    keep_what_is_here()  # as the roles do
    with open_history(settings.database_url or "", _tomorrow) as history:
        rows = [
            _here(history, "known", long, short, _known),
            _here(history, "effective", long, short, _effective),
        ]
        rows[0].note = f"{taken} snapshots, {spent:.1f} s of processor to take them; {_slow(history, long)}"
    rows.append(_over_http(bench, settings, examiner, long, short))
    return rows


def _written(settings: Settings, others: list[Customer]) -> tuple[Lived, Lived]:
    """The two accounts. In the log beside them others trade half as much."""
    long, short = (log_in(settings, 1)[0].account_id for _ in range(2))
    url = settings.database_url or ""
    with Story(url) as story:
        for account_id in (long, short, *(one.account_id for one in others)):
            story.open(account_id)
        for symbol in SYMBOLS[:SYMBOLS_HELD]:  # orders that rest all the time
            story.place(long, symbol, price="5.00")
        for number in range(EVENTS // 24):
            story.day_trade(long, SYMBOLS[number % SYMBOLS_HELD])
            if number % 2:
                story.day_trade(others[number % OTHERS].account_id, SYMBOLS[number % SYMBOLS_HELD])
            if number % (EVENTS // 24 // 4) == 0:
                story.day_trade(short, SYMBOLS[0])
    return _lived(url, long), _lived(url, short)


def _lived(url: str, account_id: UUID) -> Lived:
    with connect(url, application="bench as-of") as connection:
        rows = connection.execute(
            "SELECT recorded_at, notification_id FROM stored_events WHERE account_id = %s ORDER BY 2",
            (account_id,),
        ).fetchall()
    return Lived(account_id, [row[0] for row in rows], [row[1] for row in rows])


def _make_examiner(settings: Settings, one: Customer) -> None:
    with connect(settings.database_url or "", application="bench as-of") as connection:
        connection.execute("UPDATE users SET role = 'compliance' WHERE user_id = %s", (one.user_id,))


def _tomorrow() -> datetime:
    return datetime.now(UTC) + timedelta(days=1)


def _known(lived: Lived) -> Question:
    """Any moment or any log position of its life, in turns."""
    number = random.randrange(len(lived.positions))
    return (
        {"at": lived.moments[number]} if random.random() < 0.5 else {"log_position": lived.positions[number]}
    )


def _effective(lived: Lived) -> Question:
    """What counts to any moment of its life, by all that is known at the end."""
    return {"log_position": lived.positions[-1], "effective_at": random.choice(lived.moments)}


def _here(
    history: History, name: str, long: Lived, short: Lived, question: Callable[[Lived], Question]
) -> Row:
    ours, ceiling = in_turns(
        ROUNDS,
        lambda: [_ask(history, long, question(long)) for _ in range(TIMES)],
        lambda: [_ask(history, short, question(short)) for _ in range(TIMES)],
    )
    return _row(name, [percentiles(one) for one in ours], [percentiles(one)[2] for one in ceiling])


def _ask(history: History, lived: Lived, question: Question, **how: bool) -> float:
    """Milliseconds."""
    known = {"log_position": None, "at": None, **question}
    began = time.perf_counter()
    history.as_of_now(lived.account_id, **known, **how)  # type: ignore[arg-type]
    return 1000 * (time.perf_counter() - began)


def _slow(history: History, long: Lived) -> str:
    """What is as long as the history."""
    end: Question = {"log_position": long.positions[-1]}
    whole, explained = _ask(history, long, end, whole=True), _ask(history, long, end, explain=True)
    return f"the whole account without snapshots {whole:,.0f} ms, explained {explained:,.0f} ms"


def _over_http(bench: Bench, settings: Settings, examiner: Customer, long: Lived, short: Lived) -> Row:
    load, api = Load(), bench.api(settings)
    cpu: dict[str, float] = {}

    def ask(lived: Lived) -> Outcome:
        calls = [_call(examiner, lived, _known(lived)) for _ in range(4 * TIMES)]
        meter = bench.meter(api.pid)
        found = load.run(settings.port, calls, seconds=SECONDS, connections=1)
        cpu.update({"client": found.client_cpu, **meter.percent()} if lived is long else {})
        require_all(found, load.yes(200))
        return found

    ours, ceiling = in_turns(ROUNDS, lambda: ask(long), lambda: ask(short))
    load.close()
    found = [(one.p50_ms, one.p95_ms, one.p99_ms) for one in ours]
    row = _row("http", found, [one.p99_ms for one in ceiling])
    row.cpu = cpu
    row.note = f"one question after the other, {median([one.rate for one in ours]):,.0f} a second"
    return row


def _call(examiner: Customer, lived: Lived, question: Question) -> Call:
    asked = urlencode(
        {key: one.isoformat() if isinstance(one, datetime) else one for key, one in question.items()}
    )
    path = f"/api/v1/compliance/accounts/{lived.account_id}/as-of?{asked}"
    return call("GET", path, token=examiner.token)


def _row(name: str, ours: list[tuple[float, float, float]], ceiling: list[float]) -> Row:
    p50, p95, p99 = (median([one[n] for one in ours]) for n in range(3))
    return Row(
        path=f"{PATH.name}:{name}",
        unit="ms",
        ours=p99,
        ceiling=median(ceiling),
        ratio=p99 / median(ceiling),
        target=f"p99 ≤ {TARGET_MS:.0f} ms",
        met=p99 <= TARGET_MS,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
    )


PATH = Path(
    name="as-of",
    what=f"An account with {EVENTS:,} events of day trading in {SYMBOLS_HELD} symbols as it stood at random moments and log positions. "
    "`known`: the plain question, in process. `effective`: what counts to a random moment, as known at the end. "
    "`http`: the plain question over HTTP by compliance. The times are p99.",
    ceiling=f"The same questions about an account of about {SHORT} events in the same log.",
    target="p99 ≤ 20 ms",
    measure=measure,
)
