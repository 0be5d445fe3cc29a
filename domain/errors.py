"""Every expected no, on one page.

    Refusal                                     code, and a sentence
    ├── InputIsWrong                            the request itself cannot be meant
    │   ├── MoneyMustBeWholeCents
    │   ├── PriceMustHaveAtMostFourPlaces
    │   ├── QuantityMustHaveAtMostSixPlaces
    │   ├── SymbolMustBeWellFormed
    │   ├── OrderTermsMustFitItsType
    │   ├── LotMethodMustStandByItself
    │   ├── ReplacementMustChangeSomething
    │   ├── CorrectionMustChangeSomething
    │   ├── InstantMustBeWellFormed
    │   └── CorporateActionMustBeWellFormed
    ├── NotFound
    │   ├── AccountMustExist
    │   ├── OrderMustExist
    │   ├── TransferMustExist
    │   ├── CorporateActionMustExist
    │   ├── EventMustExist
    │   ├── CaseMustExist
    │   └── MomentMustBeWithinTheAccountsLife
    ├── Conflict                                the state of things does not allow it
    │   ├── OrderMustBeOpen
    │   ├── StopMustNotBeElected
    │   ├── ClientOrderIdMustBeUnique
    │   ├── IdempotencyKeyMustMatchItsRequest
    │   ├── ReinstatementMustBeApproved
    │   ├── AccountMustBeEmpty
    │   ├── AccountMustBeClosed
    │   ├── ResidueMustBeThere
    │   ├── SettlementMustBeDue
    │   ├── TransferMustAllow
    │   ├── CorporateActionMustBeNew
    │   ├── CorporateActionMustNotHaveBegun
    │   ├── CorporateActionMustBeDue
    │   ├── ExDateMustNotHavePassed
    │   ├── InterestMustBeDue
    │   ├── EventMustBeReversible
    │   ├── EventMustNotBeReversed
    │   ├── LotMustBeWhole
    │   ├── CaseMustBeOpen
    │   └── AccountMustNotBeClosed
    └── RuleBroken                              a rule of the trade says no; an order is kept as rejected
        ├── AvailableCashMustCoverOrder
        ├── AvailableCashMustCoverWithdrawal
        ├── AvailableCashMustCoverReversal
        ├── FreeSharesMustCoverOrder
        ├── LotsMustCoverOrder
        ├── AccountMustBeOpenForTrading
        ├── SymbolMustBeQuoted
        ├── ExecutionMustNotExceedLeaves
        ├── ExecutionMustRespectItsLimit
        └── QuantityMustExceedFilled

A refusal's `code` is its class name in snake case; it is part of the API and never changes.
Anything else that is raised is a fault of ours, not an answer.
"""

import re


class Refusal(Exception):
    """An expected no. `code` says what must be; the text says what was instead."""

    code = "refused"

    def __init_subclass__(cls) -> None:
        cls.code = re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower()

    @property
    def detail(self) -> str:
        """The sentence for a person."""
        return str(self)


class InputIsWrong(Refusal):
    """The request itself cannot be meant."""


class NotFound(Refusal):
    """What the request names is not there."""


class Conflict(Refusal):
    """What the request asks for does not fit the state of things."""


class RuleBroken(Refusal):
    """A rule of the trade says no."""


class MoneyMustBeWholeCents(InputIsWrong):
    """An amount of money is not a positive number of whole cents."""


class PriceMustHaveAtMostFourPlaces(InputIsWrong):
    """A price is not a positive number with at most four decimal places."""


class QuantityMustHaveAtMostSixPlaces(InputIsWrong):
    """A quantity is not a positive number with at most six decimal places."""


class SymbolMustBeWellFormed(InputIsWrong):
    """A symbol is not a ticker."""


class OrderTermsMustFitItsType(InputIsWrong):
    """A limit or stop price is missing, or given where the order type has none."""


class LotMethodMustStandByItself(InputIsWrong):
    """A standing order for lots names a method that only an order can follow."""


class ReplacementMustChangeSomething(InputIsWrong):
    """A replacement asks for what the order already is."""


class CorrectionMustChangeSomething(InputIsWrong):
    """A correction gives what was recorded already."""


class InstantMustBeWellFormed(InputIsWrong):
    """A moment in time has no offset from UTC, or both a time and a log position were asked for."""


class CorporateActionMustBeWellFormed(InputIsWrong):
    """A dividend's rate or dates, or a split's ratio, cannot be meant."""


class AccountMustExist(NotFound):
    """No account has this id."""


class OrderMustExist(NotFound):
    """No order of this account has this id."""


class TransferMustExist(NotFound):
    """No transfer of this account has this id."""


class CorporateActionMustExist(NotFound):
    """No corporate action has this id."""


class EventMustExist(NotFound):
    """Nothing stands at this log position, or no execution has this id."""


class CaseMustExist(NotFound):
    """No case has this id."""


class MomentMustBeWithinTheAccountsLife(NotFound):
    """The account did not exist at the moment asked about."""


class OrderMustBeOpen(Conflict):
    """The order has already ended."""


class StopMustNotBeElected(Conflict):
    """The stop has been elected already."""


class ClientOrderIdMustBeUnique(Conflict):
    """The customer has used this client order id before."""


class IdempotencyKeyMustMatchItsRequest(Conflict):
    """The idempotency key was used before with another request."""


class ReinstatementMustBeApproved(Conflict):
    """Surveillance blocked the account: one member of staff asks for its reinstatement, another approves."""


class AccountMustBeEmpty(Conflict):
    """An account with cash, shares or open orders cannot be closed."""


class AccountMustBeClosed(Conflict):
    """What only a closed account allows was asked of another: it may hold cash, shares or open orders."""


class ResidueMustBeThere(Conflict):
    """Nothing is left in a closed account that could be sent away."""


class SettlementMustBeDue(Conflict):
    """A day is to be settled that has not come."""


class TransferMustAllow(Conflict):
    """What is told of a transfer cannot happen in its status, such as the return of one that failed."""


class CorporateActionMustBeNew(Conflict):
    """A corporate action of this kind was announced for this symbol and ex-date with other terms."""


class CorporateActionMustNotHaveBegun(Conflict):
    """The corporate action is being applied, or has been: it cannot be taken back any more."""


class CorporateActionMustBeDue(Conflict):
    """The corporate action is not due yet, or was cancelled."""


class ExDateMustNotHavePassed(Conflict):
    """A split is announced for a day that is over: what was traded since is in new shares already."""


class InterestMustBeDue(Conflict):
    """Interest is to be paid for a month that is not over."""


class EventMustBeReversible(Conflict):
    """The event is of a kind that nothing takes back, or what came after it rests on it."""


class EventMustNotBeReversed(Conflict):
    """The event has been reversed before."""


class LotMustBeWhole(Conflict):
    """Shares of the purchase that is to be reversed were sold, changed, or promised to an order."""


class CaseMustBeOpen(Conflict):
    """The case has been closed."""


class AccountMustNotBeClosed(Conflict):
    """The account is closed."""


class AvailableCashMustCoverOrder(RuleBroken):
    """The order could cost more than the cash that is free."""


class AvailableCashMustCoverWithdrawal(RuleBroken):
    """The withdrawal is more than the cash that is free."""


class AvailableCashMustCoverReversal(RuleBroken):
    """What a reversal takes out of the account is no longer there."""


class FreeSharesMustCoverOrder(RuleBroken):
    """The order would sell more shares than are free: no short sales."""


class LotsMustCoverOrder(RuleBroken):
    """A lot that the order names is not there, or has too few shares that no other order has named."""


class AccountMustBeOpenForTrading(RuleBroken):
    """The account is suspended or closed."""


class SymbolMustBeQuoted(RuleBroken):
    """A market or stop order to buy needs a current ask to know what to set aside."""


class ExecutionMustNotExceedLeaves(RuleBroken):
    """An execution reports more shares than the order has left."""


class ExecutionMustRespectItsLimit(RuleBroken):
    """An execution's price is worse than the order allows."""


class QuantityMustExceedFilled(RuleBroken):
    """A replacement's quantity is not more than what has been filled."""
