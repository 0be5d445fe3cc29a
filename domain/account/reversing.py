"""Taking back what an account's cash did: deposits, withdrawals, income, and the money of executions.

The right amount, when there is one, is a new fact of the same kind in the same decision; it `corrects` the wrong one
and counts to its day.
"""

from abc import abstractmethod
from datetime import date, datetime
from typing import Any, ClassVar
from uuid import uuid5

from msgspec.structs import asdict, replace

from domain.errors import AvailableCashMustCoverReversal, CorrectionMustChangeSomething, EventMustBeReversible
from domain.reversal import Reversal, Reversing, correcting, facts_of
from domain.values import Money, rounded

KINDS: dict[str, Any] = {}
"""Facts of an account that can be taken back, by name; core.py puts them here."""


class Undoing(Reversing):
    """The part of an account whose facts can be taken back. Each of them says how much cash it `brought`."""

    __slots__ = ()

    owed: Money
    record: Any
    require_not_closed: Any
    release_withdrawal: Any
    is_settled: Any

    @property
    @abstractmethod
    def available(self) -> Money:
        """Cash that nothing holds, settled or not."""

    @property
    @abstractmethod
    def settled_free(self) -> Money:
        """What of it has settled."""

    class Reversed(Reversal, frozen=True, kw_only=True):
        """What a fact did to the cash is taken back.

        The money of an execution that had settled goes back on `settles_on`; None when it is no longer due at all.
        """

        settles_on: date | None = None

        KINDS: ClassVar[dict[str, Any]] = KINDS

    def reverse_cash(self, event: Any, *, reason: str, at: datetime) -> None:
        """Take back a deposit, a withdrawal or income. What it takes must be there, settled and free."""
        self.require_reversible_cash(event)
        self._require_cover(event.brought, self.settled_free)
        self._take_back(event, reason=reason, at=at)

    def correct_cash(self, event: Any, amount: Money, *, reason: str, at: datetime) -> None:
        """Take back a deposit, a withdrawal or income, and record it with the right amount; of income before taxes."""
        self.require_reversible_cash(event)
        if amount == getattr(event, "gross", event.amount):
            raise CorrectionMustChangeSomething(f"the amount is {amount} already")
        right = _with_amount(event, amount)
        if "repaid" in right:
            right["repaid"] = min(amount, self.owed + event.repaid)
        self._require_cover(event.brought - replace(event, **right).brought, self.settled_free)
        self._take_back(event, reason=reason, at=at)
        self.record(type(event), at=at, **correcting(event), **right)

    def reverse_execution_cash(self, event: Any, *, reason: str, settles_on: date, at: datetime) -> None:
        """Take back the money of an execution: out of what is due when that has not settled, else on `settles_on`."""
        self.require_not_closed()
        self.require_reversible(event, KINDS)
        self._require_cover(event.brought, self.available)
        self.record(
            Undoing.Reversed,
            at=at,
            settles_on=settles_on if self.is_settled(event) else None,
            **facts_of(event, reason=reason, kinds=KINDS),
        )

    def require_reversible_cash(self, event: Any) -> None:
        """Refuse what is not a deposit, a withdrawal or income of this account, or has been reversed."""
        self.require_not_closed()
        self.require_reversible(event, KINDS)
        if hasattr(event, "execution_id"):
            raise EventMustBeReversible("an execution is taken back as a whole")

    def _take_back(self, event: Any, *, reason: str, at: datetime) -> None:
        self.record(Undoing.Reversed, at=at, **facts_of(event, reason=reason, kinds=KINDS))
        if getattr(event, "held", False):
            self.release_withdrawal(event.transfer_id, at=at)

    @staticmethod
    def _require_cover(amount: Money, there: Money) -> None:
        if amount > there:
            raise AvailableCashMustCoverReversal(f"{there} is there, {amount} would be taken")


def _with_amount(event: Any, amount: Money) -> dict[str, Any]:
    """The fields of the right fact. Of income the same part is withheld as before."""
    base = ("originator_id", "originator_version", "account_id", "recorded_at", "effective_on", "corrects")
    fields = {name: value for name, value in asdict(event).items() if name not in base}
    if "gross" in fields:
        withheld = rounded(amount * event.withheld / event.gross)
        fields |= {"gross": amount, "withheld": withheld, "amount": amount - withheld}
    else:
        fields |= {
            "amount": amount,
            "transfer_id": uuid5(event.transfer_id, f"right/{event.originator_version}"),
        }
        if "held" in fields:
            fields["held"] = False
    if "accrued" in fields:
        fields["accrued"] = amount
    return fields
