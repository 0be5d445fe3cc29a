"""Corporate actions: what a company does to all who hold its shares. Dividends in cash, and splits.

They are facts about the firm, not about an account: each has a stream of its own under the firm's id. What one
does to an account is decided there, account by account, and recorded with the action's id.

The life of a corporate action: announced → begun (from the ex-date on) → for a dividend entitled → completed.
Announced, it can also be cancelled; cancelled, announced again.
"""

from datetime import date, datetime
from decimal import Decimal
from enum import StrEnum
from uuid import UUID, uuid5

from msgspec import Struct
from msgspec.structs import replace

from domain.aggregate import Aggregate, Event
from domain.errors import (
    CorporateActionMustBeDue,
    CorporateActionMustBeNew,
    CorporateActionMustBeWellFormed,
    CorporateActionMustExist,
    CorporateActionMustNotHaveBegun,
    ExDateMustNotHavePassed,
)
from domain.values import Money, Price, Quantity

FIRM = UUID("5e1f7a3c-0d6b-5d2e-9c41-f1d0b00c0000")
"""The account_id of facts about the firm as a whole. No customer's account has it."""

LARGEST_RATIO = 1_000_000
LARGEST_RATE = Decimal(100_000)
MICRODOLLAR = Decimal("0.000001")


class ActionKind(StrEnum):
    """What is done."""

    DIVIDEND = "dividend"
    SPLIT = "split"


class ActionStatus(StrEnum):
    """How far it is."""

    ANNOUNCED = "announced"
    BEGUN = "begun"
    ENTITLED = "entitled"  # a dividend's holders are known; it waits for its pay date
    COMPLETED = "completed"
    CANCELLED = "cancelled"


class Dividend(Struct, frozen=True, kw_only=True, tag="dividend", gc=False):
    """Whoever holds the symbol as `ex_date` begins is paid `rate` dollars a share on `pay_date`."""

    symbol: str
    ex_date: date
    announced_at: datetime
    rate: Decimal
    record_date: date
    pay_date: date


class Split(Struct, frozen=True, kw_only=True, tag="split", gc=False):
    """From `ex_date` on there are `numerator` shares for every `denominator`; a fraction is paid or, with None, kept."""

    symbol: str
    ex_date: date
    announced_at: datetime
    numerator: int
    denominator: int
    cash_in_lieu: Price | None


class CorporateAction(Aggregate, kw_only=True):
    """One dividend or split of one symbol, as it was `announced` last; None before."""

    status: ActionStatus | None = None
    announced: Dividend | Split | None = None

    # What has happened. Stored for ever, replayed often: never refuses.

    class DividendAnnounced(Event, frozen=True, kw_only=True):
        """Whoever holds the symbol as `ex_date` begins will be paid `rate` dollars a share on `pay_date`."""

        symbol: str
        rate: Decimal
        ex_date: date
        record_date: date
        pay_date: date

        def apply(self, action: "CorporateAction") -> None:
            action.status = ActionStatus.ANNOUNCED
            action.announced = Dividend(
                symbol=self.symbol,
                ex_date=self.ex_date,
                announced_at=self.recorded_at,
                rate=self.rate,
                record_date=self.record_date,
                pay_date=self.pay_date,
            )

    class SplitAnnounced(Event, frozen=True, kw_only=True):
        """From `ex_date` on there are `numerator` shares for every `denominator`.

        `cash_in_lieu` is what is paid for each new share that is only a fraction; None when fractions are kept.
        """

        symbol: str
        numerator: int
        denominator: int
        ex_date: date
        cash_in_lieu: Price | None = None

        def apply(self, action: "CorporateAction") -> None:
            action.status = ActionStatus.ANNOUNCED
            action.announced = Split(
                symbol=self.symbol,
                ex_date=self.ex_date,
                announced_at=self.recorded_at,
                numerator=self.numerator,
                denominator=self.denominator,
                cash_in_lieu=self.cash_in_lieu,
            )

    class Begun(Event, frozen=True, kw_only=True):
        """Accounts are being worked on: from here on it can only be finished."""

        def apply(self, action: "CorporateAction") -> None:
            action.status = ActionStatus.BEGUN

    class EntitlementsFixed(Event, frozen=True, kw_only=True):
        """Every account that held shares as the ex-date began is known. `amount` is what all will be paid."""

        accounts: int
        quantity: Quantity
        amount: Money

        def apply(self, action: "CorporateAction") -> None:
            action.status = ActionStatus.ENTITLED

    class Completed(Event, frozen=True, kw_only=True):
        """Every account has it behind it."""

        accounts: int

        def apply(self, action: "CorporateAction") -> None:
            action.status = ActionStatus.COMPLETED

    class Cancelled(Event, frozen=True, kw_only=True):
        """It will not happen."""

        reason: str

        def apply(self, action: "CorporateAction") -> None:
            action.status = ActionStatus.CANCELLED

    # What may be decided. Check every rule, then record one fact.

    def announce_dividend(
        self, symbol: str, rate: Decimal, *, ex_date: date, record_date: date, pay_date: date, at: datetime
    ) -> None:
        """Announce a dividend in cash; announced again with the same terms it changes nothing."""
        if not ex_date <= record_date <= pay_date:
            raise CorporateActionMustBeWellFormed(
                f"ex-date, record date and pay date follow one another, not {ex_date}, {record_date}, {pay_date}"
            )
        wanted = Dividend(
            symbol=symbol,
            ex_date=ex_date,
            announced_at=at,
            rate=checked_rate(rate),
            record_date=record_date,
            pay_date=pay_date,
        )
        if self._is_known(wanted):
            return
        self.record(
            CorporateAction.DividendAnnounced,
            at=at,
            symbol=symbol,
            rate=wanted.rate,
            ex_date=ex_date,
            record_date=record_date,
            pay_date=pay_date,
        )

    def announce_split(
        self,
        symbol: str,
        numerator: int,
        denominator: int,
        *,
        ex_date: date,
        cash_in_lieu: Price | None,
        today: date,
        at: datetime,
    ) -> None:
        """Announce a split; announced again with the same terms it changes nothing. Not for days that are over."""
        require_ratio(numerator, denominator)
        wanted = Split(
            symbol=symbol,
            ex_date=ex_date,
            announced_at=at,
            numerator=numerator,
            denominator=denominator,
            cash_in_lieu=cash_in_lieu,
        )
        if self._is_known(wanted):
            return
        if ex_date < today:
            raise ExDateMustNotHavePassed(f"it is {today}, the ex-date would be {ex_date}")
        self.record(
            CorporateAction.SplitAnnounced,
            at=at,
            symbol=symbol,
            numerator=numerator,
            denominator=denominator,
            ex_date=ex_date,
            cash_in_lieu=cash_in_lieu,
        )

    def cancel(self, reason: str, *, at: datetime) -> None:
        """Take back an announcement; asking again changes nothing."""
        self.require_announced()
        if self.status is ActionStatus.CANCELLED:
            return
        if self.status is not ActionStatus.ANNOUNCED:
            raise CorporateActionMustNotHaveBegun(f"the {self.kind} is {self.status}")
        self.record(CorporateAction.Cancelled, at=at, reason=reason)

    def begin(self, *, today: date, at: datetime) -> None:
        """Begin to work on accounts, from the ex-date on; one that has begun changes nothing."""
        ex_date = self.require_announced().ex_date
        if self.status is ActionStatus.CANCELLED or today < ex_date:
            raise CorporateActionMustBeDue(f"it is {today}; the {self.kind} of {ex_date} is {self.status}")
        if self.status is ActionStatus.ANNOUNCED:
            self.record(CorporateAction.Begun, at=at)

    def fix_entitlements(self, *, accounts: int, quantity: Quantity, amount: Money, at: datetime) -> None:
        """Note that every holder of a dividend's ex-date is known; asking again changes nothing."""
        if self.status is ActionStatus.BEGUN and self.kind is ActionKind.DIVIDEND:
            self.record(
                CorporateAction.EntitlementsFixed, at=at, accounts=accounts, quantity=quantity, amount=amount
            )

    def complete(self, *, accounts: int, at: datetime) -> None:
        """Note that every account has been worked on; asking again changes nothing."""
        last = ActionStatus.ENTITLED if self.kind is ActionKind.DIVIDEND else ActionStatus.BEGUN
        if self.status is last:
            self.record(CorporateAction.Completed, at=at, accounts=accounts)

    # What may be asked.

    def require_announced(self) -> Dividend | Split:
        """What was announced. Raises CorporateActionMustExist when nothing was."""
        if self.announced is None:
            raise CorporateActionMustExist(f"there is no corporate action {self.id}")
        return self.announced

    @property
    def kind(self) -> ActionKind | None:
        """What is done; None before it was announced."""
        if self.announced is None:
            return None
        return ActionKind.DIVIDEND if isinstance(self.announced, Dividend) else ActionKind.SPLIT

    def _is_known(self, wanted: Dividend | Split) -> bool:
        """Whether the same is announced already, whenever that was. Raises CorporateActionMustBeNew."""
        known = self.announced
        if known is None or self.status is ActionStatus.CANCELLED:
            return False
        if replace(wanted, announced_at=known.announced_at) != known:
            raise CorporateActionMustBeNew(
                f"another {self.kind} of {known.symbol} has the ex-date {known.ex_date}"
            )
        return True

    FACTS = (DividendAnnounced, SplitAnnounced, Begun, EntitlementsFixed, Completed, Cancelled)


def action_id(kind: ActionKind, symbol: str, ex_date: date) -> UUID:
    """The id of a symbol's dividend or split of a day: derived, so that it is announced once."""
    return uuid5(FIRM, f"{kind.value}/{symbol}/{ex_date.isoformat()}")


def checked_rate(rate: Decimal) -> Decimal:
    """A dividend's dollars a share: more than nothing, at most 6 places. Raises CorporateActionMustBeWellFormed."""
    if not rate.is_finite() or not 0 < rate <= LARGEST_RATE or rate != rate.quantize(MICRODOLLAR):
        raise CorporateActionMustBeWellFormed(f"a rate is dollars a share with at most 6 places, not {rate}")
    return rate.quantize(MICRODOLLAR)


def require_ratio(numerator: int, denominator: int) -> None:
    """Refuse a ratio that splits nothing, or that no company would choose."""
    if not (0 < numerator <= LARGEST_RATIO and 0 < denominator <= LARGEST_RATIO) or numerator == denominator:
        raise CorporateActionMustBeWellFormed(
            f"a split is so many new shares for so many old ones, such as 7:1 or 1:10, not {numerator}:{denominator}"
        )
