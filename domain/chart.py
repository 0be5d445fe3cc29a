"""The chart of accounts: what every ledger account is called.

Debit-normal are Assets and Expenses, credit-normal Liabilities, Income and Equity; docs/accounting.md tells what each
is for. A customer's accounts carry the account's id, so that mirrors can be found; the C before it is there because
outside tools want a capital letter or a digit.
"""

from uuid import UUID

from domain.trade import COMMISSION


def free(account_id: UUID) -> str:
    """Cash the customer may spend; below zero by what unsettled proceeds have already paid for."""
    return f"Assets:Cust:C{account_id}:Cash:Free"


def held_for_orders(account_id: UUID) -> str:
    """Cash that open orders hold."""
    return f"Assets:Cust:C{account_id}:Cash:HeldOrders"


def held_for_settlement(account_id: UUID) -> str:
    """Cash that unsettled purchases will take."""
    return f"Assets:Cust:C{account_id}:Cash:HeldSettle"


def held_for_withdrawal(account_id: UUID) -> str:
    """Cash on its way out."""
    return f"Assets:Cust:C{account_id}:Cash:HeldWithdraw"


def debt(account_id: UUID) -> str:
    """What the customer owes the firm for deposits that a bank took back."""
    return f"Liabilities:Cust:C{account_id}:Owed"


def receivable(account_id: UUID) -> str:
    """Sale proceeds that are due."""
    return f"Assets:Cust:C{account_id}:Unsettled:Receivable"


def payable(account_id: UUID) -> str:
    """Purchases that have to be paid."""
    return f"Liabilities:Cust:C{account_id}:Unsettled:Payable"


def shares_at_cost(account_id: UUID, symbol: str) -> str:
    """Shares in lots."""
    return f"Assets:Cust:C{account_id}:Pos:{segment(symbol)}"


def realised(account_id: UUID, term: str) -> str:
    """Realised gain; `term` is ShortTerm, LongTerm or WashDisallowed."""
    return f"Income:Cust:C{account_id}:Realised:{term}"


def charged(account_id: UUID, name: str) -> str:
    """What a sale was charged."""
    return f"Expenses:Cust:C{account_id}:Fees:{_CHARGE_WORDS.get(name, name.upper())}"


def dividends(account_id: UUID) -> str:
    """Dividends received."""
    return f"Income:Cust:C{account_id}:Dividends"


def interest(account_id: UUID) -> str:
    """Interest received on cash."""
    return f"Income:Cust:C{account_id}:Interest"


def withheld(account_id: UUID) -> str:
    """What was kept back of income for the tax office."""
    return f"Expenses:Cust:C{account_id}:Tax:Withheld"


def outside(account_id: UUID) -> str:
    """The customer's world outside."""
    return f"Equity:Cust:C{account_id}:External"


def free_credit(account_id: UUID) -> str:
    """Cash the firm owes the customer."""
    return f"Liabilities:Firm:Cust:C{account_id}:FreeCredit"


def unsettled_payable(account_id: UUID) -> str:
    """Sale proceeds the firm will owe the customer."""
    return f"Liabilities:Firm:Cust:C{account_id}:UnsettledPayable"


def unsettled_receivable(account_id: UUID) -> str:
    """What the customer will owe the firm for purchases."""
    return f"Assets:Firm:Cust:C{account_id}:UnsettledReceivable"


def debt_due(account_id: UUID) -> str:
    """What the firm is owed by the customer."""
    return f"Assets:Firm:Cust:C{account_id}:Owed"


def owned_free(account_id: UUID, symbol: str) -> str:
    """The customer's shares that no order has reserved."""
    return f"Liabilities:SR:Cust:C{account_id}:{segment(symbol)}:Free"


def owned_held(account_id: UUID, symbol: str) -> str:
    """The customer's shares that orders to sell have reserved."""
    return f"Liabilities:SR:Cust:C{account_id}:{segment(symbol)}:HeldOrders"


def at_depository(symbol: str) -> str:
    """Shares that lie at the depository."""
    return f"Assets:SR:Street:DTC:{segment(symbol)}"


def at_clearing(symbol: str) -> str:
    """Shares the clearing house will deliver, or is to be given."""
    return f"Assets:SR:Street:NSCC:{segment(symbol)}"


def collected(name: str) -> str:
    """Charges collected for others."""
    return f"Liabilities:Firm:RegFees:{_CHARGE_WORDS.get(name, name.upper())}"


CUSTOMERS_BANK = "Assets:Firm:Bank:FBO"
FIRMS_BANK = "Assets:Firm:Bank:Operating"
STREET_RECEIVABLE = "Assets:Firm:Street:NSCC-Receivable"
STREET_PAYABLE = "Liabilities:Firm:Street:NSCC-Payable"
COMMISSION_INCOME = "Income:Firm:Commission"
ROUNDING_INCOME = "Income:Firm:Rounding"
TAX_WITHHELD = "Liabilities:Firm:Tax:Withheld"
CREDIT_INTEREST = "Expenses:Firm:CreditInterest"

_CHARGE_WORDS = {COMMISSION: "Commission", "sec31": "SEC31", "taf": "TAF", "cat": "CAT"}


def segment(symbol: str) -> str:
    """A symbol as part of an account's name: outside tools take letters, digits and hyphens there."""
    return symbol.translate(_HYPHENS)


_HYPHENS = str.maketrans({".": "-", "-": "--", "/": "---"})


def stock(symbol: str) -> str:
    """A symbol's commodity in the stock record; its own, since shares there have no cost."""
    return f"SR-{symbol}"
