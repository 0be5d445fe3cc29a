"""Statements that go out together and come back together: one round trip, at a fifth of the driver's own cost.

psycopg's pipelines make a cursor, look up adapters and walk through generators for each statement; with small
batches that was most of what a batch cost. This uses the same connection through `psycopg.pq`, its interface to libpq.
"""

import os
import socket
from collections.abc import Sequence
from select import POLLIN, POLLOUT, poll
from typing import Any

import psycopg
from psycopg import pq
from psycopg.adapt import Transformer
from psycopg.errors import error_from_result

from infrastructure.postgres.arrays import Column

ROOM = 1 << 20
"""Bytes that a socket takes at once: a full batch has about 700 kB, and each wait for more room means winning the
interpreter back from a busy event loop. The kernel may allow less.
"""

_FINE = (pq.ExecStatus.COMMAND_OK, pq.ExecStatus.TUPLES_OK)
_BINARY = 1

Statement = tuple[str, Sequence[Column]]
"""SQL with `%b` for each parameter, always the same for the same SQL, and the parameters."""


class Together:
    """Runs statements on one connection, which is used by nobody else meanwhile and is in no pipeline.

    After a failed statement those after it were not run, and the transaction can only be rolled back.
    """

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self._wire = connection.pgconn
        self._names: dict[str, bytes] = {}
        self._ahead = False  # a statement was sent whose result has not been taken
        self._failed: psycopg.Error | None = None
        self._readable, self._either = poll(), poll()
        _make_room(self._wire.socket)
        self._readable.register(self._wire.socket, POLLIN)
        self._either.register(self._wire.socket, POLLIN | POLLOUT)

    def run(self, *statements: Statement) -> list[Any]:
        """Run all, in order, and give the result of each. Raises psycopg's errors, that of a statement sent before as well."""
        self.settle()
        named = [(self._name(sql, parameters), parameters) for sql, parameters in statements]
        self._wire.enter_pipeline_mode()
        for name, parameters in named:
            data = [parameter.data for parameter in parameters]
            self._wire.send_query_prepared(name, data, [_BINARY] * len(data), _BINARY)
        self._wire.pipeline_sync()
        self._flush()
        try:
            results = [self._result() for _ in named]
        except psycopg.Error:
            self._pass_over()
            raise
        self._end()
        return results

    def send(self, statement: Statement) -> None:
        """Let PostgreSQL begin with one statement, and do not wait. What is wrong with it is told by whatever comes next."""
        self.settle()
        sql, parameters = statement
        name, data = self._name(sql, parameters), [parameter.data for parameter in parameters]
        self._wire.send_query_prepared(name, data, [_BINARY] * len(data), _BINARY)
        self._ahead = True
        self._flush()

    def is_free(self) -> bool:
        """Whether PostgreSQL has done what was sent. Does not wait."""
        if self._ahead:
            self._wire.consume_input()
        return not self._ahead or not self._wire.is_busy()

    def settle(self) -> None:
        """Wait for the statement that was sent. To be called before the connection is used otherwise.

        An error is raised from now on by every call, whoever caught it the first time: the transaction has failed.
        """
        if self._failed is not None:
            raise self._failed
        if self._ahead:
            self._ahead = False
            try:
                self._result()
            except psycopg.Error as error:
                self._failed = error
                raise

    def rows(self, result: Any) -> list[tuple[Any, ...]]:
        """The rows of one result, as psycopg reads them."""
        if not result.ntuples:
            return []
        reader = Transformer(self._connection)
        reader.set_pgresult(result)
        return reader.load_rows(0, result.ntuples, tuple)

    def _name(self, sql: str, parameters: Sequence[Column]) -> bytes:
        """The name under which the server knows the statement; it is told when it is first used."""
        name = self._names.get(sql)
        if name is None:
            name = b"together_%d" % len(self._names)
            text, *rest = sql.split("%b")
            numbered = text + "".join(f"${number}{part}" for number, part in enumerate(rest, 1))
            told = self._wire.prepare(name, numbered.encode(), [parameter.oid for parameter in parameters])
            if told.status not in _FINE:
                raise self._error(told)
            self._names[sql] = name
        return name

    def _flush(self) -> None:
        while self._wire.flush():
            self._either.poll()
            self._wire.consume_input()  # else both sides could wait for each other to read

    def _result(self) -> Any:
        """The next statement's result, and the end of it."""
        result = self._next()
        if result is None:
            raise psycopg.OperationalError("the connection was lost")
        if result.status not in _FINE:
            raise self._error(result)
        if self._next() is not None:
            raise psycopg.InterfaceError("one statement had two results")
        return result

    def _end(self) -> None:
        """Only after this has the server done all: a transaction that the pipeline was has ended with it."""
        end = self._next()
        if end is None or end.status != pq.ExecStatus.PIPELINE_SYNC:
            raise psycopg.OperationalError("the connection was lost")
        self._wire.exit_pipeline_mode()

    def _pass_over(self) -> None:
        """What is left of a pipeline whose statement failed, so that the connection can be rolled back and used again."""
        while self._wire.status == pq.ConnStatus.OK:
            result = self._next()
            if result is not None and result.status == pq.ExecStatus.PIPELINE_SYNC:
                return self._wire.exit_pipeline_mode()
        return None

    def _error(self, result: Any) -> psycopg.Error:
        """What went wrong. libpq gives a lost connection as a result of its own, which has no code."""
        if self._wire.status != pq.ConnStatus.OK or not result.error_field(pq.DiagnosticField.SQLSTATE):
            return psycopg.OperationalError(f"the connection was lost: {result.get_error_message()}")
        return error_from_result(result)

    def _next(self) -> Any:
        while self._wire.is_busy():
            self._readable.poll()
            self._wire.consume_input()
        return self._wire.get_result()


def _make_room(descriptor: int) -> None:
    with socket.socket(fileno=os.dup(descriptor)) as same:
        if same.family == socket.AF_UNIX:  # TCP finds its own measure
            same.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, ROOM)
