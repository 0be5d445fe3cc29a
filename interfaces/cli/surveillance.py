"""`daybook surveillance`: the role that looks for what must not be; and the same look over the whole log once more."""

import sys
from collections.abc import Callable
from typing import Annotated

import msgspec
from cyclopts import App, Parameter
from cyclopts.validators import Number

from domain.case import Alert
from domain.errors import Refusal
from infrastructure.surveillance.replaying import Found
from infrastructure.surveillance.running import look_back, record
from interfaces.cli.flags import GeneralFlags, settings_from
from interfaces.cli.progress import progress
from interfaces.cli.telling import log_on_stderr
from interfaces.roles.running import REFUSED, outcome, run_role, with_servers

app = App(name="surveillance", help="Look for what must not be, and open a case for each alert.")

_HERE = GeneralFlags()
Flag = Annotated[bool, Parameter(negative="")]


@app.default
def role(*, general: GeneralFlags = _HERE) -> int:
    """Run the role: follow the log, open a case for each alert, and block for wash trading."""

    def work() -> int:
        return run_role("surveillance", settings_from(general))

    return outcome(work)


@app.command
def run(
    *,
    from_: Annotated[int, Parameter(name="--from", validator=Number(gte=0, lte=2**62))] = 0,
    record_: Annotated[bool, Parameter(name="--record", negative="")] = False,
    json: Flag = False,
    general: GeneralFlags = _HERE,
) -> int:
    """Look at the whole log once more by the present settings, and show each alert and whether it has a case.

    Changes nothing unless --record is given. The same log and settings show the same alerts.

    Parameters
    ----------
    from_
        Only alerts from this log position on; what came before counts all the same.
    record_
        Open a case for each alert that has none, as the role does.
    json
        Say each alert as a line of JSON.
    """

    def work() -> int:
        settings = with_servers(settings_from(general))
        count = 0

        def tell(found: Found) -> None:
            nonlocal count
            count += 1
            print(_as_json(found) if json else sentence(found))

        with log_on_stderr():
            with progress("surveillance", "events") as far:
                missing = look_back(settings, since=from_, each=tell, progress=far)
            new = record(settings, missing) if record_ and missing else 0
        said = f"{count} alert(s), {len(missing)} without a case" + (f"; {new} opened" if record_ else "")
        print(f"{said}.", file=sys.stderr if json else sys.stdout)
        return 0

    return _refusing(work)


def sentence(found: Found) -> str:
    """An alert in one line."""
    alert = found.alert
    case = "case   " if found.has_case else "no case"
    about = f"{alert.kind.value:<17}  {alert.account_id}  {alert.symbol or '-':<6}  {alert.day}"
    return f"{alert.log_position:>8}  {about}  {case}  {alert.case_id}  {figures_of(alert)}"


def figures_of(alert: Alert) -> str:
    """What was counted or measured."""
    return ", ".join(f"{name} {value.normalize():f}" for name, value in alert.figures.items())


def _as_json(found: Found) -> str:
    told = {
        **msgspec.to_builtins(found.alert),
        "case_id": str(found.alert.case_id),
        "has_case": found.has_case,
    }
    return msgspec.json.encode(told).decode()


def _refusing(work: Callable[[], int]) -> int:
    def refusing() -> int:
        try:
            return work()
        except Refusal as refusal:
            print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
            return REFUSED

    return outcome(refusing)
