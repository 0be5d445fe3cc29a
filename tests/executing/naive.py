"""What a day of ticks does to resting orders, worked out as naively as possible.

Nothing of Daybook is used here. Prices are whole ten-thousandths of a dollar, quantities whole
millionths of a share, times milliseconds since midnight in New York.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path
from zipfile import ZipFile

MICRO = 1_000_000  # to a share
OPENS, CLOSES = 34_200_000, 57_600_000  # 09:30 and 16:00

Row = tuple[int, int, int, int, int, int, int]  # sequence, ms, bid, bid size, ask, ask size, last; 0: none


@dataclass
class Resting:
    """An order that rests. `cap` is the most that a buy without a limit may pay."""

    rank: int
    is_buy: bool
    leaves: int
    time_in_force: str = "gtc"
    limit: int | None = None
    stop: int | None = None
    cap: int | None = None
    is_over: bool = False  # a day order of an earlier session
    elected: bool = False
    status: str = "accepted"
    fills: list[tuple[int, int]] = field(default_factory=list)  # quantity and price

    @property
    def bound(self) -> int:
        found = self.cap if self.limit is None else self.limit
        return found if found is not None else 10**12 if self.is_buy else 0

    def take(self, price: int, offered: int) -> int:
        taken = 0 if self.time_in_force == "fok" and offered < self.leaves else min(offered, self.leaves)
        if taken > 0:
            self.leaves -= taken
            self.fills.append((taken, price))
            self.status = "partially_filled" if self.leaves else "filled"
        return max(taken, 0)


def rows_of(folder: Path) -> list[Row]:
    """The day's usable rows, quotes before trades of the same millisecond, each with all that holds then."""
    lines = []
    for kind in ("quote", "trade"):
        with ZipFile(next(folder.glob(f"*_{kind}.zip"))) as archive:
            for number, line in enumerate(archive.read(archive.namelist()[0]).decode().splitlines()):
                ms, *fields, suspicious = line.split(",")
                if suspicious == "0":
                    lines.append(
                        (int(ms), kind, number, [int(text) for text in fields[:4] if text.isdigit()])
                    )
    rows, bid, ask, last = [], (0, 0), (0, 0), 0
    for sequence, (ms, kind, _, fields) in enumerate(sorted(lines), 1):
        if kind == "trade":
            last = fields[0]
        else:
            bid = fields[:2] if fields[0] else bid
            ask = fields[2:] if fields[2] else ask
        rows.append((sequence, ms, *bid, *ask, last))
    return rows


def scan(rows: Iterable[Row], orders: Iterable[Resting], *, taken: tuple[int, int] = (0, 0)) -> None:
    """Let every row meet every open order. `taken` is what buys and sells have had of the first row."""
    live = sorted((each for each in orders if each.leaves and not each.is_over), key=lambda each: each.rank)
    stops, buys, sells, hasty = _sorted_out(live)
    for _, ms, bid, bid_size, ask, ask_size, last in rows:
        if not OPENS <= ms < CLOSES:
            continue
        elected = [o for o in stops if last and (last >= o.stop if o.is_buy else last <= o.stop)]
        if elected:
            for order in elected:
                order.elected = True
            stops, buys, sells, hasty = _sorted_out(live)
        buying = [order for order in buys if ask and ask <= order.bound]
        selling = [order for order in sells if bid and bid >= order.bound]
        _share_out(buying, ask, ask_size * MICRO - taken[0])
        _share_out(selling, bid, bid_size * MICRO - taken[1])
        taken = (0, 0)
        for order in hasty:
            order.status = "cancelled" if order.leaves else order.status
        if elected or buying or selling or hasty:
            live = [order for order in live if order.leaves and order.status != "cancelled"]
            stops, buys, sells, hasty = _sorted_out(live)


def _share_out(orders: list[Resting], price: int, offered: int) -> None:
    """Who names no limit comes first, then the best limit, then who was first."""
    for order in sorted(orders, key=_priority):
        offered -= order.take(price, offered)


def _priority(order: Resting) -> tuple[int, int]:
    if order.limit is None:
        return -(10**12), order.rank
    return -order.limit if order.is_buy else order.limit, order.rank


def _sorted_out(live: list[Resting]) -> tuple[list[Resting], list[Resting], list[Resting], list[Resting]]:
    free = [order for order in live if order.stop is None or order.elected]
    return (
        [order for order in live if order.stop is not None and not order.elected],
        [order for order in free if order.is_buy],
        [order for order in free if not order.is_buy],
        [order for order in free if order.time_in_force in ("ioc", "fok")],
    )
