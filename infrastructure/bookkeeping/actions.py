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
from domain.corporate_action import ActionKind, ActionStatus, CorporateAction
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
        if action.ex_date is None or action.ex_date > today:
            return False
        if action.kind is ActionKind.SPLIT:
            self._split(action, today)
            return True
        is_known, is_due = action.status is ActionStatus.ENTITLED, _is_due(action, today)
        if not is_known:
            splits = [one.id for one in actions if _counts_before(one, action)]
            self._entitle(action, splits, today)
        if is_due:
            self._pay(action)
        return is_due or not is_known

    # Splits.

    def _split(self, action: CorporateAction, today: date) -> None:
        self._giver.give(c.BeginAction(action_id=action.id, today=today))
        self._accounts.require_reached("positions", "open_orders", log_position=self._accounts.log_end())
        ids = self._accounts.concerned_by(action.symbol)
        self._giver.give_all(self._split_of(action, account_id) for account_id in ids)
        self._giver.give(c.CompleteAction(action_id=action.id, accounts=len(ids)))
        log.info("a split was applied", symbol=action.symbol, ex_date=str(action.ex_date), accounts=len(ids))

    def _split_of(self, action: CorporateAction, account_id: UUID) -> c.ApplySplit:
        assert action.numerator is not None and action.denominator is not None, "a split has a ratio"  # noqa: S101, PT018
        return c.ApplySplit(
            account_id=account_id,
            action_id=action.id,
            symbol=action.symbol,
            numerator=action.numerator,
            denominator=action.denominator,
            cash_in_lieu=action.cash_in_lieu,
            effective_at=self._effective_at(action),
        )

    def _effective_at(self, action: CorporateAction) -> datetime:
        """As the ex-date begins at the exchange; or when it was announced, when that was later on the day."""
        assert action.ex_date is not None and action.announced_at is not None, "it is announced"  # noqa: S101, PT018
        return max(self._calendar.midnight(action.ex_date), action.announced_at)

    # Dividends.

    def _entitle(self, action: CorporateAction, splits: Sequence[UUID], today: date) -> None:
        self._giver.give(c.BeginAction(action_id=action.id, today=today))
        self._accounts.require_reached("positions", log_position=self._accounts.log_end())
        found = list(self._entitlements(action, splits))
        self._giver.give_all(c.EntitleDividend(account_id=a, entitlement=one) for a, one in found)
        fixed = c.FixEntitlements(
            action_id=action.id,
            accounts=len(found),
            quantity=sum((one.quantity for _, one in found), NO_SHARES),
            amount=sum((one.gross for _, one in found), NOTHING),
        )
        self._giver.give(fixed)
        log.info(
            "a dividend's holders are known",
            symbol=action.symbol,
            accounts=fixed.accounts,
            amount=str(fixed.amount),
        )

    def _entitlements(
        self, action: CorporateAction, splits: Sequence[UUID]
    ) -> Iterator[tuple[UUID, Entitlement]]:
        rate, ex_date, pay_date = action.rate, action.ex_date, action.pay_date
        assert rate is not None and ex_date is not None and pay_date is not None, "a dividend has them"  # noqa: S101, PT018
        for account_id, quantity in self._held(action.symbol, ex_date, splits):
            entitlement = entitlement_of(
                action_id=action.id,
                symbol=action.symbol,
                quantity=quantity,
                rate=rate,
                ex_date=ex_date,
                pay_date=pay_date,
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

    def _pay(self, action: CorporateAction) -> None:
        self._accounts.require_reached("dividends", log_position=self._accounts.log_end())
        ids = self._accounts.entitled_to(action.id)
        self._giver.give_all(
            c.PayDividend(account_id=a, action_id=action.id, withholding=self._withholding) for a in ids
        )
        self._giver.give(c.CompleteAction(action_id=action.id, accounts=len(ids)))
        log.info(
            "a dividend was paid", symbol=action.symbol, pay_date=str(action.pay_date), accounts=len(ids)
        )


def _is_due(dividend: CorporateAction, today: date) -> bool:
    return dividend.pay_date is not None and dividend.pay_date <= today


def _counts_before(split: CorporateAction, dividend: CorporateAction) -> bool:
    """Whether a split of the same symbol had changed the shares before a dividend's ex-date."""
    if split.kind is not ActionKind.SPLIT or split.symbol != dividend.symbol:
        return False
    return split.ex_date is not None and dividend.ex_date is not None and split.ex_date < dividend.ex_date
