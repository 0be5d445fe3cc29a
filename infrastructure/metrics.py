"""`/metrics` in Prometheus's text format: where the log and the read tables stand, as PostgreSQL knows it, and the
figures of every process: this one's own, and what those without HTTP told to Redis.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import psycopg
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)
from prometheus_client.registry import Collector

from infrastructure.figures import FAMILIES, FIGURES, SIZES, Told
from infrastructure.health import Health, HealthCheck
from infrastructure.postgres.connections import AsyncPool
from infrastructure.redis import connect_async
from infrastructure.redis.figures import told_by_others

PREFIX = "daybook_"
MEDIA_TYPE = "text/plain; version=0.0.4; charset=utf-8"
FRESH_S = 1.0
"""So long a page is given out again: who asks more often learns nothing new, and costs nothing."""

_LANES = (
    "SELECT p.name, p.partition::text, p.position, greatest(l.end - p.position, 0),"
    " CASE WHEN p.position < l.end THEN extract(epoch FROM now() -"
    " coalesce((SELECT coalesce((e.metadata->>'wall')::timestamptz, e.recorded_at) FROM stored_events e"
    " WHERE e.notification_id = p.position + 1), (SELECT m.first_recorded_at FROM archived_months m"
    " WHERE p.position + 1 BETWEEN m.first_position AND m.last_position)))::float8 ELSE 0 END,"
    " (p.failure IS NOT NULL)::int"
    " FROM projection_partitions p, (SELECT coalesce(max(notification_id), 0) AS end FROM stored_events) l"
    " WHERE p.is_live ORDER BY p.name, p.partition"
)
_REBUILDS = (
    "SELECT g.name, g.state, avg(p.position)::float8 FROM projection_generations g"
    " JOIN projection_partitions p USING (name, generation) WHERE g.state NOT IN ('live', 'previous')"
    " GROUP BY g.name, g.state ORDER BY g.name"
)

Row = tuple[Any, ...]


class MetricsPage:
    """Makes the page. Never raises: what does not answer is left out, and `daybook_dependency_up` says so."""

    def __init__(self, pool: AsyncPool, redis_url: str, health: HealthCheck) -> None:
        self._pool = pool
        self._redis = connect_async(redis_url)
        self._health = health
        self._lock = asyncio.Lock()
        self._page = b""
        self._made = float("-inf")

    async def page(self) -> bytes:
        """The page, at most a second old."""
        async with self._lock:
            if time.monotonic() - self._made > FRESH_S:
                self._page = await self._written()
                self._made = time.monotonic()
        return self._page

    async def close(self) -> None:
        """Let go of the connection."""
        await self._redis.aclose()

    async def _written(self) -> bytes:
        health = await self._health.check()
        lanes, rebuilds = await self._postgres()
        told = [FIGURES.told("api"), *await told_by_others(self._redis)]
        return written([*_standing(health, lanes, rebuilds), *_told(told)])

    async def _postgres(self) -> tuple[Sequence[Row], Sequence[Row]]:
        try:
            async with self._pool.connection(timeout=2) as connection:
                lanes = await (await connection.execute(_LANES.encode())).fetchall()
                return lanes, await (await connection.execute(_REBUILDS.encode())).fetchall()
        except (psycopg.Error, TimeoutError):
            return [], []


class _Ready(Collector):
    def __init__(self, families: Sequence[Metric]) -> None:
        self._families = families

    def collect(self) -> Iterable[Metric]:
        return self._families


def written(families: Sequence[Metric]) -> bytes:
    """Families as text."""
    registry = CollectorRegistry(auto_describe=False)
    registry.register(_Ready(families))
    return generate_latest(registry)


def _standing(health: Health, lanes: Sequence[Row], rebuilds: Sequence[Row]) -> Iterator[Metric]:
    """What there is once in an installation."""
    yield _gauge(
        "dependency_up", "1 when it answers.", ("name",), [((d.name,), d.ok) for d in health.dependencies]
    )
    if health.dependencies[0].ok:
        yield _gauge("log_position", "Where the log ends.", (), [((), health.log_position)])
    lane = ("projection", "partition")
    yield _gauge("projection_position", "How far it is folded.", lane, [(row[:2], row[2]) for row in lanes])
    yield _gauge(
        "projection_lag_events", "Events behind the log's end.", lane, [(row[:2], row[3]) for row in lanes]
    )
    seconds = [(row[:2], max(0.0, row[4] or 0.0)) for row in lanes]
    yield _gauge("projection_lag_seconds", "Age of the oldest event that is not folded.", lane, seconds)
    failed = [(row[:2], row[5]) for row in lanes]
    yield _gauge("projection_failing", "1 while a batch fails and is tried again.", lane, failed)
    parked = [((one.name,), one.parked) for one in health.projections]
    yield _gauge("projection_parked_accounts", "Accounts that are put aside.", ("projection",), parked)
    states = [(row[:2], row[2]) for row in rebuilds]
    text = "How far an unfinished rebuild has come."
    yield _gauge("rebuild_position", text, ("projection", "state"), states)


def _gauge(
    name: str, text: str, labels: Sequence[str], samples: Sequence[tuple[Sequence[str], float]]
) -> Metric:
    family = GaugeMetricFamily(PREFIX + name, text, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family


def _told(processes: Sequence[Told]) -> Iterator[Metric]:
    """What each process says about itself."""
    found: dict[str, list[tuple[list[str], float]]] = defaultdict(list)
    for told in processes:
        for name, of, value in told.values:
            whose = [told.role, told.process, *([of] if of else [])]
            found[name].append((whose, value))
    for name, known in FAMILIES.items():
        labels = ["role", "process", *([known.label] if known.label else [])]
        if known.kind == "histogram":
            yield _sizes(name, known.help, processes)
        elif found[name]:
            kind = CounterMetricFamily if known.kind == "counter" else GaugeMetricFamily
            family = kind(PREFIX + name, known.help, labels=labels)
            for whose, value in found[name]:
                family.add_metric(whose, value)
            yield family


def _sizes(name: str, text: str, processes: Sequence[Told]) -> Metric:
    family = HistogramMetricFamily(PREFIX + name, text, labels=["role", "process"])
    bounds = [*(str(float(size)) for size in SIZES), "+Inf"]
    for told in processes:
        *buckets, total = told.sizes
        if total:
            family.add_metric([told.role, told.process], list(zip(bounds, buckets, strict=True)), total)
    return family
