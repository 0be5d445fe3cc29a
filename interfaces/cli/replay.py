"""`daybook replay` and `daybook walk`: any account at any moment, what made every number, and the life of an order."""

import sys
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

import msgspec
from cyclopts import Parameter
from cyclopts.validators import Number
from msgspec import UNSET, Struct

from application.history import AccountAsOf
from application.lineage import Contribution
from domain.errors import InstantMustBeWellFormed, MomentMustBeWithinTheAccountsLife, Refusal
from infrastructure.books.standing import as_beancount
from infrastructure.past import open_history
from infrastructure.reading import History, Instant
from interfaces.cli.books import DatabaseUrl, DataDir, clock_of, found_settings, moment, refusing
from interfaces.cli.differing import show_difference, show_walk
from interfaces.moments import end_of_day, log_position_in
from interfaces.roles.running import FAULT

Flag = Annotated[bool, Parameter(negative="")]
Format = Literal["table", "json", "beancount"]
Position = Annotated[int | None, Parameter(validator=Number(gte=1, lte=2**62))]


class Asked(Struct, frozen=True, kw_only=True):
    """Up to where things were known, one of two; and to when they count, when that is another moment."""

    log_position: int | None
    known_at: datetime | None
    effective_at: datetime | None


def replay(  # noqa: PLR0913  the flags of a command are its parameters
    account: UUID,
    *,
    at: str | None = None,
    known_at: str | None = None,
    log_position: Position = None,
    compare: str | None = None,
    format: Format = "table",
    explain: Flag = False,
    whole_log: Flag = False,
    data_dir: DataDir = None,
    database_url: DatabaseUrl = None,
) -> int:
    """Show a whole account as it stood. The same question has the same answer, byte for byte, whenever it is asked.

    Exit code 0; 1 when the account did not exist then; 2 when something else was refused.

    Parameters
    ----------
    account
        The account's id.
    at
        A moment such as 2026-03-31T16:00:00Z, or a day, to its end (UTC).
    known_at
        As known at this moment: corrections recorded later are not looked at. --at then says to when things count.
    log_position
        As known at this log position, inclusive.
    compare
        A second moment, day or log position: show what has changed until then, and by which events.
    format
        table for people, json, or beancount.
    explain
        Name the events that made each number.
    whole_log
        Fold every event of the account, without snapshots; the answer is the same. --explain always does.
    """

    def work(history: History) -> None:
        if compare is not None:
            first = _only(at, known_at, log_position, is_plain=format != "beancount" and not explain)
            show_difference(history.difference(account, first, instant_in(compare)), as_json=format == "json")
            return
        then = _then(history, account, _asked(at, known_at, log_position), explain=explain, whole=whole_log)
        if format == "json":
            print(msgspec.json.encode(then).decode())
        elif format == "beancount":
            print(as_beancount(then), end="")
        else:
            print("\n".join(_table(then)))

    return telling_the_past(work, data_dir, database_url)


def walk(
    order: UUID, *, json: Flag = False, data_dir: DataDir = None, database_url: DatabaseUrl = None
) -> int:
    """Walk through one order's life: every fact about it, with the account before and after.

    Parameters
    ----------
    order
        The order's id.
    json
        Say it as one line of JSON.
    """
    return telling_the_past(lambda history: show_walk(history, order, as_json=json), data_dir, database_url)


def telling_the_past(work: Callable[[History], None], data_dir: DataDir, database_url: DatabaseUrl) -> int:
    """The exit code of a question about the past; 1 for what was before the account's life."""

    def ask() -> int:
        settings = found_settings(data_dir, database_url)
        try:
            with open_history(settings.database_url or "", clock_of(settings)) as history:
                work(history)
        except MomentMustBeWithinTheAccountsLife as refusal:
            print(f"daybook: {told(refusal)}", file=sys.stderr)
            return FAULT
        return 0

    return refusing(ask)


def told(refusal: Refusal) -> str:
    """A refusal in one line, with its code."""
    return f"{refusal.detail} ({refusal.code})"


def moment_or_day(text: str) -> datetime:
    """A moment; of a day its end (UTC). Raises InstantMustBeWellFormed."""
    found = end_of_day(text) or moment(text)
    assert found is not None, "a text is a moment or refused"  # noqa: S101
    return found


def _asked(at: str | None, known_at: str | None, log_position: int | None) -> Asked:
    counts = None if at is None else moment_or_day(at)
    if known_at is not None and log_position is not None:
        raise InstantMustBeWellFormed("either --known-at or --log-position says what was known, not both")
    if known_at is None and log_position is None:
        if counts is None:
            raise InstantMustBeWellFormed("--at, --known-at or --log-position is needed")
        return Asked(log_position=None, known_at=counts, effective_at=None)
    known = None if known_at is None else moment_or_day(known_at)
    return Asked(log_position=log_position, known_at=known, effective_at=counts)


def instant_in(text: str) -> Instant:
    """A log position, a moment, or the end of a day (UTC). Raises InstantMustBeWellFormed."""
    return log_position_in(text) or moment_or_day(text)


def _only(at: str | None, known_at: str | None, log_position: int | None, *, is_plain: bool) -> Instant:
    """The first moment of a comparison."""
    if not is_plain:
        raise InstantMustBeWellFormed("--compare goes with --format table or json, and explains by itself")
    if sum(one is not None for one in (at, known_at, log_position)) != 1:
        raise InstantMustBeWellFormed(
            "--compare needs just one of --at, --known-at and --log-position beside it"
        )
    return log_position or moment_or_day(at or known_at or "")


def _then(history: History, account_id: UUID, asked: Asked, *, explain: bool, whole: bool) -> AccountAsOf:
    return history.as_of_now(
        account_id,
        asked.log_position,
        asked.known_at,
        effective_at=asked.effective_at,
        explain=explain,
        whole=whole,
    )


def _table(then: AccountAsOf) -> Iterator[str]:
    yield f"account       {then.account_id}  {then.status}"
    yield f"log position  {then.log_position}  {then.events} events, the last at {then.recorded_at.isoformat()}"
    if then.effective_at is not UNSET:
        yield f"effective at  {then.effective_at.isoformat()}"
    made = {} if then.lineage is UNSET else then.lineage
    assert isinstance(made, dict)  # noqa: S101  a union with UNSET
    for name in ("cash", "held", "available", "withdrawing", "owed", "unsettled", "withdrawable"):
        yield f"{name:<13}{getattr(then, name):>16}"
        yield from _made_by(made.pop(name, ()))
    yield from _things(then)
    for path, some in made.items():
        if some:
            yield f"\n{path}  {sum(one.amount for one in some)}"
            yield from _made_by(some)


def _things(then: AccountAsOf) -> Iterator[str]:
    for position in then.positions:
        yield f"\n{position.symbol}  {position.quantity} shares, {position.reserved} reserved, cost {position.cost}"
        for lot in position.lots:
            yield f"  lot {lot.lot_id}  {lot.quantity} of {lot.acquired_at.date()}, cost {lot.cost}"
    for order in then.open_orders:
        what = f"{order.side} {order.quantity} {order.symbol} {order.type}"
        yield f"\norder {order.order_id}  {what}, {order.filled_quantity} filled, {order.status}"
    for quote in then.last_quotes:
        yield f"\nlast quote of {quote.symbol}: {quote.quote}, traded at {quote.price} at {quote.executed_at.isoformat()}"


def _made_by(some: Iterable[Contribution]) -> Iterator[str]:
    for one in some:
        yield f"{one.amount:>+29}  at {one.log_position}  {one.event}"
