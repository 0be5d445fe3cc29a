"""An examiner's twelve questions, asked by the command line alone, as docs/compliance.md has them.

`python -m tests.scenarios.examination` prints each question, its commands, what they answered and whether it is right.
It ends with 1 when an answer is wrong. With numbers behind it, it asks those questions only.
"""

import logging
import sys
import time
import traceback
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import structlog
from msgspec import Struct

from tests.scenarios.answers import CHECKS
from tests.scenarios.house import House, Said, house
from tests.scenarios.page import Question, filled, questions
from tests.scenarios.story import Known, Story

LONGEST_SHOWN = 40  # lines of an answer


class Examined(Struct, frozen=True, kw_only=True):
    """A question, what was answered, and what is wrong with that; None when it is right."""

    question: Question
    said: list[Said]
    wrong: str | None


class Examination:
    """The firm after its story, and somebody with the page in hand."""

    def __init__(self, examined: House, known: Known) -> None:
        self.house = examined
        self.known = known

    def ask(self, question: Question) -> Examined:
        """Give the question's commands, and hold the answers against what is known."""
        said = [self._say(command) for command in question.commands]
        try:
            CHECKS[question.number](self.house, self.known, said)
        except (AssertionError, LookupError, ValueError) as error:
            return Examined(question=question, said=said, wrong=_reason(error))
        return Examined(question=question, said=said, wrong=None)

    def _say(self, command: str) -> Said:
        return self.house.ask(command, *filled(command, self.known.words))


def _reason(error: Exception) -> str:
    """What was expected and is not so: the line that says it."""
    line = traceback.extract_tb(error.__traceback__)[-1]
    return f"{line.line} (line {line.lineno} of {line.name})" + (f": {error}" if str(error) else "")


@contextmanager
def examination() -> Iterator[Examination]:
    """A firm with its history, ready to be examined."""
    with house() as found:
        yield Examination(found, Story(found).live())


def shown(examined: Examined) -> str:
    """A question, its commands and answers, and whether they are right, for people."""
    number = examined.question.number
    lines = [f"\n{f'{number}. ' if number else ''}{examined.question.title}"]
    for one in examined.said:
        lines.append(f"\n  $ {one.command}")
        answer = (one.out + (one.err if one.code else "")).splitlines()
        lines += [f"    {line}" for line in answer[:LONGEST_SHOWN]]
        if len(answer) > LONGEST_SHOWN:
            lines.append(f"    … {len(answer) - LONGEST_SHOWN} more lines")
        lines.append(f"    exit code {one.code}")
    lines.append("\n  RIGHT" if examined.wrong is None else f"\n  WRONG: {examined.wrong}")
    return "\n".join(lines)


def main(numbers: Sequence[str]) -> int:
    """Ask, and say how it went."""
    structlog.configure(wrapper_class=structlog.make_filtering_bound_logger(logging.ERROR))
    began, wrong = time.monotonic(), 0
    asked = [one for one in questions() if not numbers or str(one.number) in numbers]
    with examination() as examiner:
        sys.stdout.write(f"The history took {time.monotonic() - began:.0f} s.\n")
        for question in asked:
            found = examiner.ask(question)
            wrong += found.wrong is not None
            sys.stdout.write(f"{shown(found)}\n")
            sys.stdout.flush()
    sys.stdout.write(f"\n{len(asked)} asked, {wrong} answered wrongly, {time.monotonic() - began:.0f} s.\n")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
