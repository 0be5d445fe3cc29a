"""Every path, in the order of the table."""

from tests.bench import cold_start, commands, orders, orders_library, two_writers
from tests.bench.plan import Path

PATHS: tuple[Path, ...] = (
    orders.ORDERS,
    orders_library.PATH,
    commands.PATH,
    orders.HOT,
    two_writers.PATH,
    cold_start.PATH,
)
