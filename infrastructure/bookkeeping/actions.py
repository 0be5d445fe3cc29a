"""Works corporate actions off, day by day: splits on their ex-date, dividends from the ex-date to the pay date.

Where each stands is in the log only. Every command names the action and changes nothing the second time, so a
run that was killed is simply done again, and two that run at once do no harm.
"""

from collections.abc import Iterator, Sequence
from datetime import date, datetime
from decimal import Decimal
from uuid import UUID

import structlog

from application import corporate as c
from application.holdings import shares_before
from domain.account import Entitlement, entitlement_of
from domain.corporate_action import ActionStatus, CorporateAction, Dividend, Split
from domain.position import position_id
from domain.values import NO_SHARES, NOTHING, Quantity
from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.bookkeeping.giving import Giver
from infrastructure.market.calendars import Calendar

log = structlog.get_logger()

UNFINISHED = (ActionStatus.ANNOUNCED, ActionStatus.BEGUN, ActionStatus.ENTITLED)


class CorporateActions:
    """The corporate actions of one log. `withholding` is the part of a dividend that is kept for the tax office."""

    def __init__(
        self, accounts: Accounts, giver: Giver, *, calendar: Calendar, withholding: Decimal = Decimal(0)
    ) -> None:
        self._accounts = accounts
        self._giver = giver
        self._calendar = calendar
        self._withholding = withholding

    def run(self, today: date) -> int:
        """Do all that is due on a day or before, by ex-date. Returns how many actions have come further.

        Raises ReadTableMustReachPosition while the read tables are behind.
        """
        actions = self._accounts.corporate_actions()
        return sum(self._work_on(one, actions, today) for one in actions if one.status in UNFINISHED)

    def _work_on(self, action: CorporateAction, actions: Sequence[CorporateAction], today: date) -> bool:
        announced = action.require_announced()
        if announced.ex_date > today:
            return False
        if isinstance(announced, Split):
            self._split(action.id, announced, today)
            return True
        is_known, is_due = action.status is ActionStatus.ENTITLED, announced.pay_date <= today
        if not is_known:
            splits = [one.id for one in actions if _counts_before(one.announced, announced)]
            self._entitle(action.id, announced, splits, today)
        if is_due:
            self._pay(action.id, announced)
        return is_due or not is_known

    # Splits.

    def _split(self, action_id: UUID, split: Split, today: date) -> None:
        self._giver.give(c.BeginAction(action_id=action_id, today=today))
        self._accounts.require_reached("positions", "open_orders", log_position=self._accounts.log_end())
        ids = self._accounts.concerned_by(split.symbol)
        self._giver.give_all(self._split_of(action_id, split, account_id) for account_id in ids)
        self._giver.give(c.CompleteAction(action_id=action_id, accounts=len(ids)))
        log.info("a split was applied", symbol=split.symbol, ex_date=str(split.ex_date), accounts=len(ids))

    def _split_of(self, action_id: UUID, split: Split, account_id: UUID) -> c.ApplySplit:
        return c.ApplySplit(
            account_id=account_id,
            action_id=action_id,
            symbol=split.symbol,
            numerator=split.numerator,
            denominator=split.denominator,
            cash_in_lieu=split.cash_in_lieu,
            effective_at=self._effective_at(split),
        )

    def _effective_at(self, split: Split) -> datetime:
        """As the ex-date begins at the exchange; or when it was announced, when that was later on the day."""
        return max(self._calendar.midnight(split.ex_date), split.announced_at)

    # Dividends.

    def _entitle(self, action_id: UUID, dividend: Dividend, splits: Sequence[UUID], today: date) -> None:
        self._giver.give(c.BeginAction(action_id=action_id, today=today))
        self._accounts.require_reached("positions", log_position=self._accounts.log_end())
        found = list(self._entitlements(action_id, dividend, splits))
        self._giver.give_all(c.EntitleDividend(account_id=a, entitlement=one) for a, one in found)
        fixed = c.FixEntitlements(
            action_id=action_id,
            accounts=len(found),
            quantity=sum((one.quantity for _, one in found), NO_SHARES),
            amount=sum((one.gross for _, one in found), NOTHING),
        )
        self._giver.give(fixed)
        log.info(
            "a dividend's holders are known",
            symbol=dividend.symbol,
            accounts=fixed.accounts,
            amount=str(fixed.amount),
        )

    def _entitlements(
        self, action_id: UUID, dividend: Dividend, splits: Sequence[UUID]
    ) -> Iterator[tuple[UUID, Entitlement]]:
        for account_id, quantity in self._held(dividend.symbol, dividend.ex_date, splits):
            entitlement = entitlement_of(
                action_id=action_id,
                symbol=dividend.symbol,
                quantity=quantity,
                rate=dividend.rate,
                ex_date=dividend.ex_date,
                pay_date=dividend.pay_date,
            )
            if entitlement.gross > NOTHING:
                yield account_id, entitlement

    def _held(self, symbol: str, ex_date: date, splits: Sequence[UUID]) -> Iterator[tuple[UUID, Quantity]]:
        """Every account's shares just before the ex-date began, as the log has them."""
        moment = self._calendar.midnight(ex_date)
        by_position = {position_id(a, symbol): a for a in self._accounts.holders_ever(symbol)}
        for stream_id, events in self._accounts.events_of(list(by_position)):
            quantity = shares_before(moment, events, late_splits=splits)
            if quantity > NO_SHARES:
                yield by_position[stream_id], quantity

    def _pay(self, action_id: UUID, dividend: Dividend) -> None:
        self._accounts.require_reached("dividends", log_position=self._accounts.log_end())
        ids = self._accounts.entitled_to(action_id)
        self._giver.give_all(
            c.PayDividend(account_id=a, action_id=action_id, withholding=self._withholding) for a in ids
        )
        self._giver.give(c.CompleteAction(action_id=action_id, accounts=len(ids)))
        log.info(
            "a dividend was paid", symbol=dividend.symbol, pay_date=str(dividend.pay_date), accounts=len(ids)
        )


def _counts_before(one: Dividend | Split | None, dividend: Dividend) -> bool:
    """Whether it is a split of the same symbol that had changed the shares before a dividend's ex-date."""
    return isinstance(one, Split) and one.symbol == dividend.symbol and one.ex_date < dividend.ex_date
