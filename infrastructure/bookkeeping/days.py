"""All that is done for a day: by the scheduler as the day begins, or by hand from the command line."""

from collections.abc import Callable, Sequence

from infrastructure.bookkeeping.accounts import Accounts
from infrastructure.bookkeeping.actions import CorporateActions
from infrastructure.bookkeeping.giving import Giver
from infrastructure.bookkeeping.interest import InterestOnCash, annual_rates
from infrastructure.bookkeeping.keeper import Step
from infrastructure.eventstore.committer import Committer
from infrastructure.market.calendars import calendar_named
from infrastructure.settings import Settings


def steps_of_a_day(
    settings: Settings, committer: Committer, *, role: str = "scheduler"
) -> Callable[[Accounts], Sequence[Step]]:
    """The work of a day, in its order. Raises SettingIsWrong and CalendarIsUnknown at once."""
    giver, calendar = Giver(committer, role=role), calendar_named(settings.calendar)
    rates = annual_rates(settings.interest_rates)

    def steps(accounts: Accounts) -> Sequence[Step]:
        actions = CorporateActions(accounts, giver, calendar=calendar, withholding=settings.withholding)
        interest = InterestOnCash(
            accounts, giver, calendar=calendar, rates=rates, withholding=settings.withholding
        )
        return actions.run, interest.run

    return steps
