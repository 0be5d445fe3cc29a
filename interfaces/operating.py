"""What operators do by command is written down before it is done: which command, and the ids it named."""

import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from uuid import UUID

from msgspec import Struct

from domain.errors import Refusal
from infrastructure.auditing.deeds import MOST_ABOUT, REDACTED, Deed, Kind, as_json, bounded
from infrastructure.auditing.keeping import keep_now
from infrastructure.credentials import CredentialsMustBeRight
from infrastructure.settings import Settings

OPERATOR = "operator"

SILENT = frozenset(
    (
        *("up", "api", "projector", "market", "executor", "scheduler", "surveillance", "sealer"),
        *("migrate", "demo", "keys create"),
    )
)
"""Roles, and what works before there is a database."""

LOOKS = frozenset(
    (
        *(
            "users list",
            "users find",
            "erase list",
            "replay",
            "walk",
            "check books",
            "audit search",
            "seals list",
            "seals show",
        ),
        *(
            "seals consistency",
            "verify",
            "prove",
            "verify-proof",
            "keys status",
            "transfers list",
            "actions list",
        ),
        *("projections status", "projections rebuilds", "projections verify"),
        *("approvals list", "cases list", "cases show", "archive status", "archive verify", "hold list"),
    )
)
EXPORTS = frozenset({"export", "audit export", "audit cat"})

_KEPT = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9][0-9T:.+Z-]*|--?[a-z][a-z-]*")


class _Given(Struct):
    """The command of this process, until it is written down."""

    name: str = ""
    words: Sequence[str] = ()


_given = _Given()


def begin(name: str, words: Sequence[str]) -> None:
    """Say which command this process carries out; it is written down as soon as its database is known."""
    _given.name, _given.words = ("" if name in SILENT else name), words


def write_down(settings: Settings) -> Settings:
    """Write down the command, once. Raises ActMustBeKept."""
    name, _given.name = _given.name, ""
    if name and settings.database_url is not None:
        _keep(settings.database_url, deed_of(name, _given.words))
    return settings


def deed_of(name: str, words: Sequence[str]) -> Deed:
    """A command as a deed. Of its words ids, numbers, days and flags are kept: others may be personal or secret."""
    parts = [part for word in words for part in word.split("=", 1)]
    kept = [part if _KEPT.fullmatch(part) else REDACTED for part in parts]
    about = [UUID(part) for part in kept if len(part) == 36]
    return Deed(
        log_position=0,
        kind=_kind(name),
        topic=f"daybook {name}",
        actor=OPERATOR,
        role="system",
        account_id=_account(name, kept),
        request=as_json({"command": name, "words": kept}),
        text=bounded(" ".join(["daybook", name, *kept])),
        about=list(dict.fromkeys(about)),
    )


def shown(settings: Settings, name: str, ids: Sequence[UUID]) -> None:
    """Write down whom a look is about to show, where the command itself did not name them by id."""
    if not ids or settings.database_url is None:
        return
    deed = Deed(
        log_position=0,
        kind="look_up",
        topic=f"daybook {name}",
        actor=OPERATOR,
        role="system",
        text=bounded(f"daybook {name} showed {' '.join(str(one) for one in ids)}"),
        about=list(ids)[:MOST_ABOUT],
    )
    _keep(settings.database_url, deed)


@contextmanager
def keeping_refusals(
    settings: Settings, name: str, kinds: tuple[type[Refusal], ...] = (Refusal,)
) -> Iterator[None]:
    """Write down what somebody is refused who gave a password on the command line: a wrong one is a failed log-in."""
    try:
        yield
    except kinds as refusal:
        if settings.database_url is not None:
            _keep(settings.database_url, _refused(refusal, name))
        raise


def _refused(refusal: Refusal, name: str) -> Deed:
    is_unknown = isinstance(refusal, CredentialsMustBeRight)
    user_id, account_id = (refusal.tried if isinstance(refusal, CredentialsMustBeRight) else None) or (
        None,
        None,
    )
    return Deed(
        log_position=0,
        kind="log_in_refused" if is_unknown else "refused",
        topic=f"daybook {name}",
        actor=OPERATOR,
        role="system",
        account_id=account_id,
        code=refusal.code,
        answer=as_json({"code": refusal.code, "detail": bounded(refusal.detail)}),
        text=bounded(f"Refused daybook {name}: {refusal.detail}"),
        about=[one for one in (user_id, account_id) if one is not None],
    )


def _kind(name: str) -> Kind:
    return "look_up" if name in LOOKS else "export" if name in EXPORTS else "act"


def _account(name: str, kept: Sequence[str]) -> UUID | None:
    """The account that a command names as such."""
    after = kept.index("--account") + 1 if "--account" in kept else 0
    if not after and name != "replay":
        return None
    return UUID(kept[after]) if after < len(kept) and len(kept[after]) == 36 else None


def _keep(url: str, deed: Deed) -> None:
    if not keep_now(url, deed):
        sys.stderr.write("daybook: this database cannot be written: nobody will know of this look\n")
