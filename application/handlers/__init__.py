"""One page that lists every command and who decides it.

A handler is load, decide, record: it reads aggregates from the ledger, calls their command methods
and answers. Whatever it raises leaves no trace; whatever it recorded is stored with its answer, or not at all.
"""

from functools import singledispatch

from application import casework as w
from application import commands as c
from application import corporate as f
from application import correcting as r
from application.answers import Answer
from application.handlers import (
    accounts,
    cases,
    corporate,
    erasures,
    executions,
    orders,
    reversals,
    splits,
    transfers,
)
from application.ledger import Ledger


@singledispatch
def handle(command: c.Command, ledger: Ledger) -> Answer:
    """Decide a command on the current state. Raises a Refusal when the answer is no."""
    raise TypeError(f"nobody decides a {type(command).__name__}")


handle.register(c.OpenAccount, accounts.open_account)
handle.register(c.Deposit, transfers.deposit)
handle.register(c.Withdraw, transfers.withdraw)
handle.register(c.CompleteTransfer, transfers.complete)
handle.register(c.FailTransfer, transfers.fail)
handle.register(c.ReturnTransfer, transfers.give_back)
handle.register(c.Settle, accounts.settle)
handle.register(c.SuspendAccount, accounts.suspend)
handle.register(c.ReinstateAccount, accounts.reinstate)
handle.register(c.CloseAccount, accounts.close)
handle.register(c.SendResidue, transfers.send_residue)
handle.register(c.ChooseLotMethod, accounts.choose_lot_method)
handle.register(c.CertifyErasure, erasures.certify)
handle.register(c.PlaceOrder, orders.place)
handle.register(c.ReplaceOrder, orders.replace)
handle.register(c.CancelOrder, orders.cancel)
handle.register(c.ExpireOrder, orders.expire)
handle.register(c.AcceptOrder, executions.accept)
handle.register(c.TriggerOrder, executions.trigger)
handle.register(c.ExecuteOrder, executions.execute)
handle.register(f.AnnounceDividend, corporate.announce_dividend)
handle.register(f.AnnounceSplit, corporate.announce_split)
handle.register(f.CancelAction, corporate.cancel)
handle.register(f.BeginAction, corporate.begin)
handle.register(f.FixEntitlements, corporate.fix_entitlements)
handle.register(f.CompleteAction, corporate.complete)
handle.register(f.EntitleDividend, corporate.entitle)
handle.register(f.PayDividend, corporate.pay_dividend)
handle.register(f.ApplySplit, splits.apply_split)
handle.register(f.BeginInterest, corporate.begin_interest)
handle.register(f.FinishInterest, corporate.finish_interest)
handle.register(f.PayInterest, corporate.pay_interest)
handle.register(r.ReverseCash, reversals.reverse_cash)
handle.register(r.CorrectCash, reversals.correct_cash)
handle.register(r.ReverseExecution, reversals.reverse_execution)
handle.register(r.CorrectExecution, reversals.correct_execution)
handle.register(w.OpenCase, cases.open_case)
handle.register(w.AssignCase, cases.assign)
handle.register(w.NoteCase, cases.note)
handle.register(w.CloseCase, cases.close)
handle.register(w.EndBlock, cases.end_block)
