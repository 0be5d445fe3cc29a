"""Statements that are sent together: answered in order, or not at all from the first error on."""

import os
import socket
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from uuid import UUID

import psycopg
import pytest

from infrastructure.postgres import arrays
from infrastructure.postgres.connections import connect
from infrastructure.postgres.together import ROOM, Together

ECHO = "SELECT t FROM unnest(%b) AS t"


def texts(*values: str) -> arrays.Column:
    return arrays.texts([value.encode() for value in values])


@pytest.fixture
def connection(database: Any) -> Iterator[psycopg.Connection[Any]]:
    one = connect(database.owner_url, application="together")
    yield one
    one.close()


@pytest.fixture
def together(connection: psycopg.Connection[Any]) -> Together:
    return Together(connection)


def test_results_come_in_the_order_of_the_statements(together: Together) -> None:
    now = datetime(2026, 3, 2, 15, 0, 0, 123456, tzinfo=UTC)

    results = together.run(
        (ECHO, (texts("a", "b"),)),
        ("SELECT %b + 1, %b", (arrays.int8(-41), arrays.time(now))),
        (ECHO, (texts(),)),
        (ECHO, (texts("c"),)),
    )

    found = [together.rows(result) for result in results]
    assert found == [[("a",), ("b",)], [(-40, now)], [], [("c",)]]


def test_more_than_any_buffer_holds_goes_both_ways(together: Together) -> None:
    much = texts(*["x" * 1000] * (4 * ROOM // 1000))

    results = together.run(*[(ECHO, (much,))] * 3)

    assert [result.ntuples for result in results] == [4 * ROOM // 1000] * 3


def test_the_connection_serves_plain_statements_in_between_in_the_same_transaction(
    connection: psycopg.Connection[Any], together: Together
) -> None:
    connection.execute("CREATE TABLE noted (what text)")

    together.run(("BEGIN", ()), ("INSERT INTO noted SELECT * FROM unnest(%b)", (texts("one"),)))
    inside = connection.execute("SELECT what FROM noted").fetchall()
    together.run(("ROLLBACK", ()))

    assert inside == [("one",)]
    assert connection.execute("SELECT what FROM noted").fetchall() == []


def test_what_follows_a_failed_statement_is_not_run_not_even_the_commit(
    connection: psycopg.Connection[Any], database: Any, together: Together
) -> None:
    connection.execute("CREATE TABLE noted (what text PRIMARY KEY)")
    note = "INSERT INTO noted SELECT * FROM unnest(%b)"

    with pytest.raises(psycopg.errors.UniqueViolation):
        together.run(
            ("BEGIN", ()),
            (note, (texts("one"),)),
            (note, (texts("one"),)),
            (note, (texts("two"),)),
            ("COMMIT", ()),
        )

    together.run(("ROLLBACK", ()), (note, (texts("three"),)))
    with connect(database.owner_url, application="test") as other:
        assert other.execute("SELECT what FROM noted").fetchall() == [("three",)]


def test_a_statement_that_is_no_sql_is_refused(together: Together) -> None:
    with pytest.raises(psycopg.errors.SyntaxError):
        together.run(("SELEKT", ()))


@pytest.mark.parametrize("statements", [1, 3])
def test_a_connection_that_is_cut_is_an_operational_error(
    connection: psycopg.Connection[Any], servers: Any, together: Together, statements: int
) -> None:
    together.run((ECHO, (texts("a"),)))
    superuser = servers.postgres.url(user="postgres", database="postgres")
    with connect(superuser, application="cutter") as cutter:
        cutter.execute("SELECT pg_terminate_backend(%s, 5000)", (connection.info.backend_pid,))

    with pytest.raises(psycopg.OperationalError):
        together.run(*[(ECHO, (texts("a"),))] * statements)


@pytest.mark.parametrize("is_known", [True, False])
def test_a_connection_that_ends_without_a_word_is_an_operational_error(
    connection: psycopg.Connection[Any], together: Together, is_known: bool
) -> None:
    if is_known:
        together.run((ECHO, (texts("a"),)))
    with socket.socket(fileno=os.dup(connection.pgconn.socket)) as same:
        same.shutdown(socket.SHUT_RDWR)

    with pytest.raises(psycopg.OperationalError):
        together.run((ECHO, (texts("a"),)), (ECHO, (texts("b"),)))


def test_a_connection_that_is_cut_in_the_middle_is_an_operational_error(together: Together) -> None:
    with pytest.raises(psycopg.OperationalError):
        together.run(
            (ECHO, (texts("a"),)),
            ("SELECT pg_terminate_backend(pg_backend_pid())", ()),
            (ECHO, (texts("b"),)),
        )


def test_a_transaction_that_is_left_alone_after_it_is_ended_by_the_server(database: Any) -> None:
    with connect(database.owner_url, application="together", idle_limit_ms=200) as one:
        Together(one).run(("BEGIN", ()), ("SELECT 1", ()))
        time.sleep(1)

        with pytest.raises(psycopg.errors.IdleInTransactionSessionTimeout):
            one.execute("SELECT 1")


def test_numbers_and_ids_come_in_binary_when_that_is_wanted(connection: psycopg.Connection[Any]) -> None:
    together = Together(connection)

    (result,) = together.run(
        ("SELECT 12.50::numeric, '00000000-0000-0000-0000-000000000001'::uuid, '[1]'::jsonb", ())
    )

    assert result.fformat(0) == 1
    assert together.rows(result) == [(Decimal("12.50"), UUID(int=1), b"[1]")]


def test_a_statement_that_was_sent_is_done_when_the_next_are_answered(
    connection: psycopg.Connection[Any], together: Together
) -> None:
    connection.execute("CREATE TABLE noted (what text)")
    note = "INSERT INTO noted SELECT * FROM unnest(%b)"
    together.run(("BEGIN", ()))

    together.send((note, (texts("one"),)))
    together.send((note, (texts("two"),)))
    results = together.run(("SELECT what FROM noted ORDER BY what", ()), ("COMMIT", ()))

    assert together.rows(results[0]) == [("one",), ("two",)]
    assert together.is_free()


def test_the_error_of_a_statement_that_was_sent_is_told_again_and_again(
    connection: psycopg.Connection[Any], database: Any, together: Together
) -> None:
    connection.execute("CREATE TABLE noted (what text PRIMARY KEY)")
    note = "INSERT INTO noted SELECT * FROM unnest(%b)"
    together.run(("BEGIN", ()))
    together.send((note, (texts("one", "one"),)))

    for _ in range(2):
        with pytest.raises(psycopg.errors.UniqueViolation):
            together.settle()
    with pytest.raises(psycopg.errors.UniqueViolation):
        together.send((note, (texts("two"),)))
    with pytest.raises(psycopg.errors.UniqueViolation):
        together.run((note, (texts("two"),)), ("COMMIT", ()))

    connection.close()
    with connect(database.owner_url, application="test") as other:
        assert other.execute("SELECT what FROM noted").fetchall() == []


def test_a_connection_that_ends_while_a_statement_is_under_way_is_an_operational_error(
    connection: psycopg.Connection[Any], together: Together
) -> None:
    together.run((ECHO, (texts("a"),)))
    together.send(("SELECT pg_terminate_backend(pg_backend_pid())", ()))

    with pytest.raises(psycopg.OperationalError):
        together.run((ECHO, (texts("a"),)))
