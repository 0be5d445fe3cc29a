"""Corporate actions from the command line: the same commands and the same work as the API's and the scheduler's."""

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from functools import partial
from typing import Any

from psycopg import Connection

from application.answers import Answer
from application.commands import Command
from application.errors import ReadTableMustReachPosition
from domain.errors import CorporateActionMustBeDue
from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.bookkeeping.days import steps_of_a_day
from infrastructure.bookkeeping.giving import Giver
from infrastructure.bookkeeping.keeper import Step
from infrastructure.market.calendars import Calendar, calendar_named
from infrastructure.postgres.connections import connect
from infrastructure.projecting.tables import column_list, row_from
from infrastructure.settings import Settings
from infrastructure.wiring.deciding import Deciding, deciding
from projections.catalogue import BY_NAME
from projections.corporate_actions import CORPORATE_ACTIONS, ActionRow

ROLE = "operator"
PATIENCE_S = 10.0
AGAIN_S = 0.05


class ActionsDesk:
    """Announces, shows and applies. `calendar` is the exchange's."""

    def __init__(
        self,
        at_hand: Deciding,
        connection: Connection[Any],
        *,
        calendar: Calendar,
        steps: Callable[[Accounts], Sequence[Step]],
    ) -> None:
        self._at_hand = at_hand
        self._connection = connection
        self._giver = Giver(at_hand.committer, role=ROLE)
        self._steps = steps
        self.calendar = calendar

    def today(self) -> date:
        """The day by the exchange. Raises MarketClockMustRun."""
        return self.calendar.day_of(self._at_hand.clock.now())

    def give(self, command: Command) -> Answer:
        """The command's answer once it is durable. Raises its Refusal, or an Unavailable."""
        return self._giver.give(command)

    def announced(self, symbol: str | None, *, limit: int) -> list[ActionRow]:
        """Corporate actions, the last announced first, as the read table has them when it has reached the log's end."""
        accounts = Accounts(self._connection)
        _patiently(lambda: accounts.require_reached("corporate_actions", log_position=accounts.log_end()))
        projection = BY_NAME["corporate_actions"]
        sql = CORPORATE_ACTIONS.sql(column_list(projection.table)).encode()
        wanted = {"symbol": symbol, "status": None, "before": 2**62, "limit": limit}
        return [row_from(projection, values) for values in self._connection.execute(sql, wanted)]

    def run(self, day: date) -> int:
        """Do all that is due on a day or before. Raises CorporateActionMustBeDue for a day that has not come."""
        if day > self.today():
            raise CorporateActionMustBeDue(f"it is {self.today()}, {day} has not come")
        accounts = Accounts(self._connection)
        return sum(_patiently(partial(step, day)) for step in self._steps(accounts))


@contextmanager
def actions_desk(settings: Settings) -> Iterator[ActionsDesk]:
    """The desk for one command of the operator's."""
    with (
        deciding(settings) as at_hand,
        connect(at_hand.database_url, application="daybook actions") as connection,
    ):
        yield ActionsDesk(
            at_hand,
            connection,
            calendar=calendar_named(settings.calendar),
            steps=steps_of_a_day(settings, at_hand.committer, role=ROLE),
        )


def _patiently(work: Callable[[], Any]) -> Any:
    """What needs read tables that are on their way is tried again for a while."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return work()
        except ReadTableMustReachPosition:
            if time.monotonic() > deadline:
                raise
            time.sleep(AGAIN_S)
