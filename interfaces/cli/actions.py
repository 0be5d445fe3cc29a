"""`daybook actions`: dividends and splits: announce them, see them, and have them applied."""

import sys
from collections.abc import Callable
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Annotated
from uuid import UUID

import msgspec
from cyclopts import App, Parameter

from application.answers import ActionAnswer
from application.corporate import AnnounceDividend, AnnounceSplit, CancelAction
from domain.corporate_action import ActionKind, action_id
from domain.errors import Refusal
from domain.values import symbol as checked_symbol
from infrastructure.bookkeeping.desk import ActionsDesk, actions_desk
from infrastructure.bookkeeping.lean_factors import splits_in
from infrastructure.settings import SettingIsWrong
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.cli.telling import log_on_stderr
from interfaces.http.lasting import kept_for_ever
from projections.corporate_actions import ActionRow

app = App(name="actions", help="Dividends and splits: announce them, see them, have them applied.")
announce = App(name="announce", help="Announce a dividend or a split, or take an announcement back.")
app.command(announce)

REFUSED = 2

_HERE = GeneralFlags()
Json = Annotated[bool, Parameter(negative="", help="Say it as JSON on stdout.")]


@announce.command
def dividend(
    symbol: str,
    rate: str,
    *,
    ex_date: str,
    pay_date: str,
    record_date: str | None = None,
    json: Json = False,
    general: GeneralFlags = _HERE,
) -> int:
    """Announce a dividend in cash. Announced again with the same terms it is the same.

    Whoever holds the symbol as the ex-date begins is paid on the pay date. It may be announced late: then by
    what was held at the time.

    Parameters
    ----------
    symbol
        Such as AAPL.
    rate
        Dollars a share, at most 6 places.
    ex_date
        The first day on which a buyer does not get it, such as 2026-02-09.
    pay_date
        The day on which it is paid.
    record_date
        The day on which the company looks who holds shares (default: the ex-date, as trades settle on the next day).
    """

    def work(desk: ActionsDesk) -> int:
        wanted, day = checked_symbol(symbol), _day(ex_date)
        command = AnnounceDividend(
            action_id=action_id(ActionKind.DIVIDEND, wanted, day),
            symbol=wanted,
            rate=_number(rate),
            ex_date=day,
            record_date=day if record_date is None else _day(record_date),
            pay_date=_day(pay_date),
        )
        return _announced(desk.give(command), as_json=json)

    return _at_desk(general, work)


@announce.command
def split(
    symbol: str,
    ratio: str,
    *,
    ex_date: str,
    cash_in_lieu: str | None = None,
    json: Json = False,
    general: GeneralFlags = _HERE,
) -> int:
    """Announce a split. Announced again with the same terms it is the same.

    Shares, holds and resting orders of every account change as the ex-date begins.

    Parameters
    ----------
    symbol
        Such as AAPL.
    ratio
        New shares for old ones: 7:1, 3:2, or 1:10 for a reverse split.
    ex_date
        The first day that trades in new shares, today or later, such as 2026-02-09.
    cash_in_lieu
        What is paid for a whole new share where a fraction is left; fractions are kept when left out.
    """

    def work(desk: ActionsDesk) -> int:
        wanted, day = checked_symbol(symbol), _day(ex_date)
        numerator, denominator = _ratio(ratio)
        command = AnnounceSplit(
            action_id=action_id(ActionKind.SPLIT, wanted, day),
            symbol=wanted,
            numerator=numerator,
            denominator=denominator,
            ex_date=day,
            cash_in_lieu=None if cash_in_lieu is None else _number(cash_in_lieu),
            today=desk.today(),
        )
        return _announced(desk.give(command), as_json=json)

    return _at_desk(general, work)


@app.command
def cancel(wanted: UUID, *, reason: str, general: GeneralFlags = _HERE) -> int:
    """Take an announcement back, before its ex-date.

    Parameters
    ----------
    wanted
        The corporate action's id, as `daybook actions list` shows it.
    reason
        Why; it is kept for those who examine us.
    """

    def work(desk: ActionsDesk) -> int:
        command = CancelAction(action_id=wanted, reason=kept_for_ever(reason, name="reason"))
        return _announced(desk.give(command), as_json=False)

    return _at_desk(general, work)


@app.command(name="list")
def list_actions(
    *, symbol: str | None = None, limit: int = 100, json: Json = False, general: GeneralFlags = _HERE
) -> int:
    """Show dividends and splits, the last announced first.

    Parameters
    ----------
    symbol
        Only those of this symbol.
    limit
        At most so many.
    """

    def work(desk: ActionsDesk) -> int:
        found = desk.announced(None if symbol is None else checked_symbol(symbol), limit=limit)
        if json:
            print(msgspec.json.encode(found).decode())
        else:
            for row in found:
                print(_line(row))
        return 0

    return _at_desk(general, work)


@app.command
def run(*, date: str | None = None, general: GeneralFlags = _HERE) -> int:
    """Do now what the scheduler does as a day begins: splits, dividends and interest that are due.

    What is done already stays as it is, so this may be run at any time, also beside the scheduler.

    Parameters
    ----------
    date
        Up to this day, such as 2026-02-09; today by the market's calendar when left out.
    """

    def work(desk: ActionsDesk) -> int:
        moved = desk.run(desk.today() if date is None else _day(date))
        print(f"{moved} {'piece' if moved == 1 else 'pieces'} of work done.")
        return 0

    return _at_desk(general, work)


@app.command(name="import")
def import_splits(*, lean: Path, dry_run: bool = False, general: GeneralFlags = _HERE) -> int:
    """Announce the splits to come out of Lean's factor files, one `symbol.csv` each.

    A factor file tells a split's ratio and day. It does not tell what is paid for fractions, so they are kept; nor a
    dividend's record and pay dates, and its rate only as far as rounding allows, so dividends are left out and counted.
    Splits of days that are over are left out too: what was traded since is in new shares.

    Parameters
    ----------
    lean
        A folder of factor files, or one of them.
    dry_run
        Only say what would be announced.
    """

    def work(desk: ActionsDesk) -> int:
        today, announced, past, dividends = desk.today(), 0, 0, 0
        for file in splits_in(lean, desk.calendar):
            dividends += file.dividends
            for one in file.splits:
                if one.ex_date < today:
                    past += 1
                    continue
                print(f"{file.symbol} {one.numerator}:{one.denominator} on {one.ex_date}")
                announced += 1
                if not dry_run:
                    desk.give(
                        AnnounceSplit(
                            action_id=action_id(ActionKind.SPLIT, file.symbol, one.ex_date),
                            symbol=file.symbol,
                            numerator=one.numerator,
                            denominator=one.denominator,
                            ex_date=one.ex_date,
                            today=today,
                        )
                    )
        print(
            f"{announced} splits {'to announce' if dry_run else 'announced'}; left out: {past} before {today},"
            f" {dividends} dividends, whose record and pay dates a factor file does not tell."
        )
        return 0

    return _at_desk(general, work)


def _at_desk(general: GeneralFlags, work: Callable[[ActionsDesk], int]) -> int:
    from interfaces.roles.running import outcome, with_servers

    def refusing() -> int:
        try:
            with log_on_stderr(), actions_desk(with_servers(settings_from(general))) as desk:
                return work(desk)
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED

    return outcome(refusing)


def _announced(answer: object, *, as_json: bool) -> int:
    assert isinstance(answer, ActionAnswer)  # noqa: S101  what these commands are answered with
    if as_json:
        print(msgspec.json.encode(answer).decode())
    else:
        print(
            f"The {answer.kind} of {answer.symbol} on {answer.ex_date} is {answer.status}: {answer.action_id}."
        )
    return 0


def _line(row: ActionRow) -> str:
    """Id, symbol, ex-date, status and what it is, in columns."""
    if row.rate is not None:
        what = f"dividend of {row.rate.normalize():f} a share, paid on {row.pay_date}"
    else:
        paid = "" if row.cash_in_lieu is None else f", fractions paid at {row.cash_in_lieu}"
        what = f"split {row.numerator}:{row.denominator}{paid}"
    done = "" if row.accounts is None else f", {row.accounts} accounts"
    amount = "" if row.amount is None else f", {row.amount} in all"
    return f"{row.action_id}  {row.symbol:<8}  {row.ex_date}  {row.status:<9}  {what}{done}{amount}"


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingIsWrong(f"{text!r} is not a day such as 2026-01-31") from None


def _number(text: str) -> Decimal:
    try:
        return Decimal(text)
    except InvalidOperation:
        raise SettingIsWrong(f"{text!r} is not a number such as 0.25") from None


def _ratio(text: str) -> tuple[int, int]:
    new, _, old = text.partition(":")
    if not (new.isdecimal() and old.isdecimal() and len(text) < 20):
        raise SettingIsWrong(f"{text!r} is not a ratio such as 7:1 or 1:10")
    return int(new), int(old)
