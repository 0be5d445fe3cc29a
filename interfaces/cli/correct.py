"""`daybook correct`: take back what was recorded wrongly, and record what is right, by its place in the log."""

import sys
from collections.abc import Callable
from decimal import Decimal
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from cyclopts import App, Parameter

from application.answers import AccountAnswer
from application.commands import Command
from application.requests import Metadata, Request
from domain.errors import Refusal
from domain.values import money, price, quantity
from infrastructure.correcting import Originals, Right
from infrastructure.wiring.deciding import deciding, originals
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.roles.running import REFUSED, outcome, with_servers

app = App(name="correct", help="Take back what was recorded wrongly; nothing that is stored is ever changed.")

_HERE = GeneralFlags()
Flag = Annotated[bool, Parameter(negative="")]


@app.command
def reverse(position: int, *, reason: str, json: Flag = False, general: GeneralFlags = _HERE) -> int:
    """Take back a deposit, a withdrawal, income, or an execution as a whole.

    Parameters
    ----------
    position
        The log position of the fact, or of any fact of the execution.
    reason
        Why, for those who examine the books. Names no person.
    json
        Say the account afterwards as a line of JSON.
    """
    return _work(general, lambda found: found.reversal(position, reason=reason), done="Reversed", json=json)


@app.command
def amount(
    position: int,
    *,
    amount: Decimal,
    reason: str,
    json: Flag = False,
    general: GeneralFlags = _HERE,
) -> int:
    """Take back a deposit, a withdrawal or income, and record the right amount in its place.

    Parameters
    ----------
    position
        The log position of the fact.
    amount
        The right amount in dollars; of income before taxes.
    reason
        Why, for those who examine the books. Names no person.
    json
        Say the account afterwards as a line of JSON.
    """

    def find(found: Originals) -> Command:
        return found.correction(position, Right(amount=money(amount)), reason=reason)

    return _work(general, find, done="Corrected", json=json)


@app.command
def execution(
    execution: UUID,
    *,
    price: Decimal | None = None,
    quantity: Decimal | None = None,
    reason: str,
    json: Flag = False,
    general: GeneralFlags = _HERE,
) -> int:
    """Take back an execution, and book it with the right price, quantity or both.

    Parameters
    ----------
    execution
        The execution's id.
    price
        The right price a share; as it was when left out.
    quantity
        The right quantity, not more than was executed; as it was when left out.
    reason
        Why, for those who examine the books. Names no person.
    json
        Say the account afterwards as a line of JSON.
    """

    def find(found: Originals) -> Command:
        right = Right(price=_price(price), quantity=_quantity(quantity))
        return found.correction(found.position_of(execution), right, reason=reason)

    return _work(general, find, done="Corrected", json=json)


def _price(given: Decimal | None) -> Decimal | None:
    return None if given is None else price(given)


def _quantity(given: Decimal | None) -> Decimal | None:
    return None if given is None else quantity(given)


def _work(general: GeneralFlags, find: Callable[[Originals], Command], *, done: str, json: bool) -> int:
    def work() -> int:
        try:
            settings = with_servers(settings_from(general))
            command = find(originals(settings))
            by = Metadata(actor="operator", role="system", request_id=uuid4())
            with deciding(settings) as at_hand:
                answer: Any = at_hand.committer.submit(Request(command=command, metadata=by)).result()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED
        print(msgspec.json.encode(answer).decode() if json else sentence(answer, done))
        return 0

    return outcome(work)


def sentence(answer: AccountAnswer, done: str) -> str:
    """What became of the account, in one line."""
    return (
        f"{done} at log position {answer.log_position}: account {answer.account_id} has {answer.cash} in cash,"
        f" {answer.available} of it available."
    )
