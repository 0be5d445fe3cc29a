"""What the HTTP interface itself refuses, beside the refusals of domain, application and people.

Refusal
├── NotLoggedIn                      401   LoginMustBeValid
├── RoleMustAllow                    403
├── RequestMustBeWellFormed          400   with a pointer to the field
├── BodyMustBeSmall                  413
├── NotFound                         404   RouteMustExist, JobMustExist
├── MethodMustBeAllowed              405
└── InputIsWrong                     422   SymbolMustBeListed, CursorMustBeFromAPage
"""

from typing import Any

from application.answers import OrderAnswer
from domain.errors import InputIsWrong, NotFound, Refusal
from infrastructure.credentials import NotLoggedIn


class LoginMustBeValid(NotLoggedIn):
    """There is no bearer token, or it is not that of an open login."""


class RoleMustAllow(Refusal):
    """The user's role does not allow this."""


class RequestMustBeWellFormed(Refusal):
    """The request is not what the API describes. `pointer` leads to the part that is wrong."""

    def __init__(self, detail: str, *, pointer: str | None = None, parameter: str | None = None) -> None:
        super().__init__(detail)
        self.members: dict[str, Any] = {}
        if pointer is not None:
            self.members["pointer"] = pointer
        if parameter is not None:
            self.members["parameter"] = parameter


class BodyMustBeSmall(Refusal):
    """The body is larger than this API takes."""


class RouteMustExist(NotFound):
    """Nothing is served under this path."""


class MethodMustBeAllowed(Refusal):
    """The path does not take this method."""


class JobMustExist(NotFound):
    """This process knows no job with this id."""


class SymbolMustBeListed(InputIsWrong):
    """No quote of this symbol is known; nothing was recorded."""


class CursorMustBeFromAPage(InputIsWrong):
    """The cursor is not one that a page of this list gave out."""


class OrderWasRejected(Exception):
    """An order was recorded as rejected. Not a Refusal: it left a fact, which can be read back."""

    def __init__(self, answer: OrderAnswer) -> None:
        super().__init__(answer.detail)
        self.answer = answer
