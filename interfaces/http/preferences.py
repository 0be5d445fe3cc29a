"""The header `Prefer` (RFC 7240): how long a client wants to wait for an order to trade."""

import re

from application.answers import OrderAnswer
from interfaces.http.call import Call

LONGEST_WAIT_S = 10

_WAIT = re.compile(r"wait\s*=\s*\"?([0-9]{1,6})\"?")


async def wait_for_fill(call: Call, answer: OrderAnswer) -> OrderAnswer:
    """The order once it has ended, or as it is when the time the client or the settings give is over."""
    seconds = _wanted_wait(call)
    if seconds is None:
        seconds = call.parts.settings.fill_wait_ms / 1000
    if seconds <= 0:
        return answer
    settled = await call.parts.orders.settled(answer.order_id, answer.account_id, timeout=seconds)
    call.visit.desk.writes.note(settled.account_id, settled.log_position)
    call.visit.stand_at(settled.log_position)
    return settled


def _wanted_wait(call: Call) -> float | None:
    prefer = call.visit.text(b"prefer")
    if prefer is None:
        return None
    for preference in prefer.lower().split(","):
        text = preference.strip()
        if text == "respond-async":
            call.visit.say(b"preference-applied", "respond-async")
            return 0
        found = _WAIT.fullmatch(text)
        if found is not None:
            seconds = min(int(found.group(1)), LONGEST_WAIT_S)
            call.visit.say(b"preference-applied", f"wait={seconds}")
            return seconds
    return None
