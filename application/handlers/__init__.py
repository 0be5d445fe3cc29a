"""One page that lists every command and who decides it.

A handler is load, decide, record: it reads aggregates from the ledger, calls their command methods
and answers. Whatever it raises leaves no trace; whatever it recorded is stored with its answer, or not at all.
"""

from functools import singledispatch

from application import commands as c
from application.answers import Answer
from application.handlers import accounts, erasures, executions, orders
from application.ledger import Ledger


@singledispatch
def handle(command: c.Command, ledger: Ledger) -> Answer:
    """Decide a command on the current state. Raises a Refusal when the answer is no."""
    raise TypeError(f"nobody decides a {type(command).__name__}")


handle.register(c.OpenAccount, accounts.open_account)
handle.register(c.Deposit, accounts.deposit)
handle.register(c.Withdraw, accounts.withdraw)
handle.register(c.SuspendAccount, accounts.suspend)
handle.register(c.ReinstateAccount, accounts.reinstate)
handle.register(c.CloseAccount, accounts.close)
handle.register(c.CertifyErasure, erasures.certify)
handle.register(c.PlaceOrder, orders.place)
handle.register(c.ReplaceOrder, orders.replace)
handle.register(c.CancelOrder, orders.cancel)
handle.register(c.ExpireOrder, orders.expire)
handle.register(c.AcceptOrder, executions.accept)
handle.register(c.TriggerOrder, executions.trigger)
handle.register(c.ExecuteOrder, executions.execute)
