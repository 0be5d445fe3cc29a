"""What somebody registers and logs in with: the form of each part, and every refusal about them."""

import re
import unicodedata
from uuid import UUID

from application.errors import Unavailable
from domain.errors import Conflict, InputIsWrong, Refusal

SHORTEST_PASSWORD, LONGEST_PASSWORD = 10, 256

_EMAIL = re.compile(r"[^@\s]{1,64}@[^@\s.]+(\.[^@\s.]+)+")


class NotLoggedIn(Refusal):
    """Nobody is known to be asking."""


class CredentialsMustBeRight(NotLoggedIn):
    """No user has this e-mail address and password. `tried` are user and account whose address it was, not to be told."""

    def __init__(self, detail: str, *, tried: tuple[UUID, UUID | None] | None = None) -> None:
        super().__init__(detail)
        self.tried = tried


class EmailMustNotBeTaken(Conflict):
    """Another user has this e-mail address."""


class EmailMustBeWellFormed(InputIsWrong):
    """The text is not an e-mail address."""


class PasswordMustBeLongEnough(InputIsWrong):
    """A password has 10 to 256 characters."""


class FullNameMustBeWellFormed(InputIsWrong):
    """A full name has 1 to 200 characters, all of them printable."""


class PeopleMustBeKnown(Unavailable):
    """The database of users and logins does not answer."""


def checked_email(email: str) -> str:
    """The address without blanks around it. Raises EmailMustBeWellFormed."""
    address = email.strip()
    if len(address) > 254 or not address.isprintable() or _EMAIL.fullmatch(address) is None:
        raise EmailMustBeWellFormed("an e-mail address looks like name@example.com")
    return address


def normalised(address: str) -> str:
    """The form in which two addresses of one person are the same text."""
    return unicodedata.normalize("NFC", address).lower()


def checked_password(password: str) -> str:
    """The password as it is. Raises PasswordMustBeLongEnough."""
    if not SHORTEST_PASSWORD <= len(password) <= LONGEST_PASSWORD:
        raise PasswordMustBeLongEnough(
            f"a password has {SHORTEST_PASSWORD} to {LONGEST_PASSWORD} characters, not {len(password)}"
        )
    return password


def checked_name(full_name: str) -> str:
    """The name without blanks around it. Raises FullNameMustBeWellFormed."""
    name = full_name.strip()
    if not 1 <= len(name) <= 200 or not name.isprintable():
        raise FullNameMustBeWellFormed("a full name has 1 to 200 printable characters")
    return name
