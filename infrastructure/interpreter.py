"""The one interpreter that a role's threads share."""

import sys

SWITCH_S = 0.001
"""For so long another thread may keep the interpreter from one that wants it, such as one that PostgreSQL has answered."""


def hand_over_sooner() -> None:
    """Let no thread wait for Python's own 5 ms, which it would do each time PostgreSQL has answered it.

    Beside a busy event loop a batch was decided only when all the loop's work was done, which then had nothing to do
    until the batch was written; beside the books' watch a projector's batch waited half a dozen times.
    """
    sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_S))
