"""Commands about cases, and about the blocks that come with some of them."""

from application import casework as c
from application.answers import AccountAnswer, CaseAnswer
from application.ledger import Ledger
from domain.account import SURVEILLANCE


def open_case(command: c.OpenCase, ledger: Ledger) -> CaseAnswer:
    """Keep an alert, with the block it calls for; a case that is there already changes nothing."""
    alert = command.alert
    case = ledger.blank_case(command.case_id, account_id=command.account_id)  # first: its fact stands first
    account = ledger.account(command.account_id)
    is_new = case.open(alert, at=ledger.now)
    if is_new and command.block_for and ledger.now < alert.alerted_at + command.block_for:
        account.block(
            f"{SURVEILLANCE}_{alert.kind.value}",
            until=ledger.now + command.block_for,
            case_id=case.id,
            at=ledger.now,
        )
    return CaseAnswer.of(case, is_new=is_new)


def assign(command: c.AssignCase, ledger: Ledger) -> CaseAnswer:
    """Give a case to somebody."""
    case = ledger.case(command.case_id, account_id=command.account_id)
    case.assign(command.assignee_id, at=ledger.now)
    return CaseAnswer.of(case)


def note(command: c.NoteCase, ledger: Ledger) -> CaseAnswer:
    """Write something into a case."""
    case = ledger.case(command.case_id, account_id=command.account_id)
    case.note(command.text, at=ledger.now)
    return CaseAnswer.of(case)


def close(command: c.CloseCase, ledger: Ledger) -> CaseAnswer:
    """End a case."""
    case = ledger.case(command.case_id, account_id=command.account_id)
    case.close(command.resolution, reason=command.reason, at=ledger.now)
    return CaseAnswer.of(case)


def end_block(command: c.EndBlock, ledger: Ledger) -> AccountAnswer:
    """Reinstate an account whose block is over."""
    account = ledger.account(command.account_id)
    account.end_block(at=ledger.now)
    return AccountAnswer.of(account)
