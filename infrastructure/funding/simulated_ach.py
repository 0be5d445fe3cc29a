"""A bank that is not there: transfers by ACH, done a set time after they were asked for.

What becomes of a transfer follows from its amount and its times alone, so that whoever is asked again after a
crash says the same. The cents of an amount decide, as in the sandboxes of payment providers; the codes behind
the reasons are those of Nacha's return reasons.
"""

from datetime import datetime

from application.funding import News, SentTransfer
from domain.transfer import TransferStatus

FAILS = {91: "insufficient_funds", 92: "account_closed"}  # R01, R02
COMES_BACK = {96: "insufficient_funds", 97: "not_authorized"}  # R01, R10


class SimulatedAch:
    """Completes every transfer when it is due, but for amounts whose cents say otherwise.

    91 and 92 fail when they are due. 96 and 97 are completed, and returned after the same time once more.
    """

    def news(self, transfer: SentTransfer, *, now: datetime) -> News | None:
        """What has become of a transfer by now."""
        cents = int(transfer.amount * 100) % 100
        if transfer.completed_at is not None:
            delay = transfer.due_at - transfer.initiated_at
            is_back = cents in COMES_BACK and now >= transfer.completed_at + delay
            return News(TransferStatus.RETURNED, COMES_BACK[cents]) if is_back else None
        if now < transfer.due_at:
            return None
        if cents in FAILS:
            return News(TransferStatus.FAILED, FAILS[cents])
        return News(TransferStatus.COMPLETED)

    def return_cents(self) -> tuple[int, ...]:
        """The cents of amounts that come back."""
        return tuple(COMES_BACK)
