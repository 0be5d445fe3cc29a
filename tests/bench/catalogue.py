"""Every path, in the order of the table."""

from tests.bench import (
    cold_start,
    commands,
    executor,
    growth,
    memory,
    orders,
    orders_library,
    overload,
    profile,
    projections,
    quote_to_fill,
    reads,
    seals,
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
    seals.PATH,
    growth.PATH,
    memory.PATH,
    profile.PATH,
)
