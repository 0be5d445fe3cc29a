"""Every path, in the order of the table."""

from tests.bench import (
    cold_start,
    commands,
    executor,
    failover,
    growth,
    memory,
    orders,
    orders_library,
    overload,
    profile,
    projections,
    quote_to_fill,
    reads,
    rebuild,
    rebuild_beside,
    two_writers,
    visible,
)
from tests.bench.plan import Path

PATHS: tuple[Path, ...] = (
    orders.ORDERS,
    orders_library.PATH,
    commands.PATH,
    orders.HOT,
    two_writers.PATH,
    cold_start.PATH,
    projections.PATH,
    visible.PATH,
    executor.PATH,
    quote_to_fill.PATH,
    reads.PATH,
    overload.PATH,
    rebuild.PATH,
    rebuild_beside.PATH,
    failover.PATH,
    growth.PATH,
    rebuild.LONG,
    memory.PATH,
    profile.PATH,
)
