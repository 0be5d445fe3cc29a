"""The twelve questions of docs/compliance.md, each a test: asked by its commands, answered rightly."""

from collections.abc import Iterator

import pytest

from tests.scenarios.answers import CHECKS
from tests.scenarios.examination import Examination, examination, shown
from tests.scenarios.page import Question, questions


@pytest.fixture(scope="module")
def examiner() -> Iterator[Examination]:
    with examination() as found:
        yield found


@pytest.mark.parametrize("question", questions(), ids=lambda question: f"question {question.number}")
def test_the_page_alone_leads_to_the_right_answer(examiner: Examination, question: Question) -> None:
    found = examiner.ask(question)

    assert found.wrong is None, shown(found)


def test_every_question_has_commands_and_an_answer_that_is_known() -> None:
    asked = questions()

    assert {question.number for question in asked} == set(CHECKS)
    assert all(question.commands for question in asked)
