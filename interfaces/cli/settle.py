"""`daybook settle`: settle what is due, now or up to a day."""

import sys
from datetime import date

from domain.errors import Refusal
from infrastructure.settings import SettingIsWrong
from interfaces.cli.flags import GeneralFlags, settings_from

REFUSED = 2

_HERE = GeneralFlags()


def settle(*, through: str | None = None, general: GeneralFlags = _HERE) -> int:
    """Settle the trades that are due: shares and money change hands, proceeds become withdrawable.

    The scheduler does this by itself; here it can be done for any day that has come. What is settled
    already stays as it is.

    Parameters
    ----------
    through
        The last settlement date to settle, such as 2026-01-31; today by the market's calendar when left out.
    """
    from infrastructure.wiring.deciding import settler
    from interfaces.roles.running import outcome, with_servers

    def work() -> int:
        day = None if through is None else _day(through)
        with settler(with_servers(settings_from(general))) as found:
            try:
                count = found.settle_today() if day is None else found.settle(day, progress=_show)
            except Refusal as refusal:
                print(f"daybook: {refusal.detail} ({refusal.code})", file=sys.stderr)
                return REFUSED
        print(f"Settled {count} {'account' if count == 1 else 'accounts'}.")
        return 0

    return outcome(work)


def _day(text: str) -> date:
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise SettingIsWrong(f"{text!r} is not a day such as 2026-01-31") from None


def _show(settled: int) -> None:
    if sys.stderr.isatty():
        print(f"\r{settled:,} settled", end="", file=sys.stderr, flush=True)
