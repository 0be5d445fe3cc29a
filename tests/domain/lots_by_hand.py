"""A position as a row of single shares, each with what it cost and since when it is owned: slow, and plain to see.

Prices are whole dollars, so that nothing is ever rounded.
"""

from datetime import date, timedelta
from typing import Any

from msgspec import Struct

MONTH = timedelta(days=30)


class Share(Struct):
    """One share. Those with the same label are one lot."""

    label: tuple[Any, ...]
    order: int
    bought: date
    since: date
    cost: int
    replaces: bool = False


class Lost(Struct):
    """So many shares sold at a loss that nothing has replaced."""

    sale: int
    label: tuple[Any, ...]
    day: date
    since: date
    shares: int
    each: int


class ByHand:
    """Shares in the order of their purchase."""

    def __init__(self) -> None:
        self.shares: list[Share] = []
        self.losses: list[Lost] = []
        self.realised = 0
        self.washed: list[tuple[int, int, int]] = []  # sale, shares, dollars

    def buy(self, number: int, shares: int, price: int, day: date, order: int) -> None:
        label = (number,)
        self.shares += [Share(label, order, day, day, price) for _ in range(shares)]
        self._forget(day)
        for lost in list(self.losses):
            self._replace(lost, [label])

    def sell(self, number: int, taken: list[int], price: int, day: date) -> None:
        """Sell the shares with these indices, in this order."""
        sold = [self.shares[index] for index in taken]
        self.shares = [share for index, share in enumerate(self.shares) if index not in set(taken)]
        self.realised += sum(price - share.cost for share in sold)
        self._forget(day)
        lost = []
        for label in dict.fromkeys(share.label for share in sold):
            part = [share for share in sold if share.label == label]
            if part[0].cost > price:
                each = part[0].cost - price
                lost.append((Lost(number, label, day, part[0].since, len(part), each), part[0].order))
        self.losses += [one for one, _ in lost]
        for one, order in lost:
            others = [s for s in self.shares if s.order != order and abs(s.bought - day) <= MONTH]
            self._replace(one, list(dict.fromkeys(share.label for share in others)))

    def pick(self, shares: int, method: str) -> list[int]:
        """The indices a method sells, lot by lot."""
        indices = list(range(len(self.shares)))
        labels = list(dict.fromkeys(share.label for share in self.shares))
        if method == "lifo":
            labels.reverse()
        if method == "hifo":
            cost = {share.label: share.cost for share in self.shares}
            labels.sort(key=lambda label: -cost[label])
        return [i for label in labels for i in indices if self.shares[i].label == label][:shares]

    def lots(self) -> list[tuple[int, int, date, date, bool]]:
        """Shares, cost, day bought, owned since, and whether they replace others, lot by lot."""
        labels = dict.fromkeys(share.label for share in self.shares)
        found = []
        for label in labels:
            lot = [share for share in self.shares if share.label == label]
            one = lot[0]
            found.append((len(lot), sum(s.cost for s in lot), one.bought, one.since, one.replaces))
        return found

    def _replace(self, lost: Lost, labels: list[tuple[Any, ...]]) -> None:
        for label in labels:
            there = [share for share in self.shares if share.label == label and not share.replaces]
            count = min(lost.shares, len(there))
            if not count:
                continue
            for share in there[len(there) - count :]:
                share.cost += lost.each
                share.since = share.bought - (lost.day - lost.since)
                share.replaces = True
                if count < len(there):
                    share.label = (*label, lost.sale, lost.label)
            self.realised += count * lost.each
            self.washed.append((lost.sale, count, count * lost.each))
            lost.shares -= count
        self.losses = [one for one in self.losses if one.shares]

    def _forget(self, day: date) -> None:
        self.losses = [lost for lost in self.losses if day - lost.day <= MONTH]
