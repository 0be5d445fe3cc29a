"""Which lots an account's sales take their shares out of when the order does not say: a standing order."""

from datetime import datetime
from typing import Any

from domain.aggregate import Event
from domain.errors import LotMethodMustStandByItself
from domain.terms import LotMethod


class Choosing:
    """The part of an account that has a standing order about lots."""

    __slots__ = ()

    lot_method: LotMethod
    record: Any

    class LotMethodChosen(Event, frozen=True, kw_only=True):
        """From now on sales go by this method unless their order says otherwise (26 CFR 1.1012-1(c)(8))."""

        method: LotMethod

        def apply(self, account: Any) -> None:
            account.lot_method = self.method

    def choose_lot_method(self, method: LotMethod, *, at: datetime) -> None:
        """Give a standing order; the one that stands already changes nothing. Raises LotMethodMustStandByItself."""
        if method is LotMethod.SPECIFIC:
            raise LotMethodMustStandByItself("specific lots are named by an order, not by an account")
        if method is not self.lot_method:
            self.record(Choosing.LotMethodChosen, at=at, method=method)
