"""The brokerage account: the cash a customer owns, what of it is promised, and what has yet to settle.

`core` has the account's life and the holds of its orders; each further room adds facts of one kind to it.
"""

from domain.account.blocking import SURVEILLANCE, AccountStatus
from domain.account.core import Account
from domain.account.income import Entitlement, entitlement_of
from domain.account.settling import Unsettled

__all__ = ["SURVEILLANCE", "Account", "AccountStatus", "Entitlement", "Unsettled", "entitlement_of"]
