"""The brokerage account: the cash a customer owns, what of it is promised, and what has yet to settle.

`core` has the account's life and the holds of its orders; each further room adds facts of one kind to it.
"""

from domain.account.core import Account, AccountStatus
from domain.account.income import Entitlement, entitlement_of
from domain.account.settling import Unsettled

__all__ = ["Account", "AccountStatus", "Entitlement", "Unsettled", "entitlement_of"]
