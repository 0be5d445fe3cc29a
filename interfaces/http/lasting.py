"""Texts that stay in the log. Apart from the other fields: the command line needs it, and no web framework."""

import re

from interfaces.http.refusals import RequestMustBeWellFormed

_ADDRESS = re.compile(r"[^@\s]+@[^@\s.]+\.[^@\s]")


def kept_for_ever(text: str, *, name: str, parameter: str | None = None) -> str:
    """A text that goes into the log, where nobody could be forgotten: it must not have an e-mail address.

    Raises RequestMustBeWellFormed.
    """
    if "@" in text and _ADDRESS.search(text):
        pointer = None if parameter else f"#/{name}"
        raise RequestMustBeWellFormed(
            f"{name} is kept for ever and must not have an e-mail address",
            pointer=pointer,
            parameter=parameter,
        )
    return text
