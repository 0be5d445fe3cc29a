"""Gives commands to accounts by the hundred, and waits until all are durable."""

from collections.abc import Iterable
from concurrent.futures import Future
from itertools import islice

from application.answers import Answer
from application.commands import Command
from application.requests import Request
from infrastructure.eventstore.committer import Committer

AT_ONCE = 500


class Giver:
    """Gives commands in the name of a role."""

    def __init__(self, committer: Committer, *, role: str = "scheduler") -> None:
        self._committer = committer
        self._role = role

    def give(self, command: Command) -> Answer:
        """The command's answer once it is durable. Raises its Refusal, or an Unavailable."""
        return self._submit(command).result()

    def give_all(self, commands: Iterable[Command]) -> int:
        """Give many, and wait for all. Returns how many; raises the first refusal once the others are done."""
        given, rest = 0, iter(commands)
        while futures := [self._submit(command) for command in islice(rest, AT_ONCE)]:
            given += len(futures)
            errors = [error for future in futures if (error := future.exception()) is not None]
            if errors:
                raise errors[0]
        return given

    def _submit(self, command: Command) -> "Future[Answer]":
        return self._committer.submit(Request.by_role(self._role, command))
