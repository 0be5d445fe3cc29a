"""`daybook check books` and the watch: sound books pass, and each thing that can be wrong is found and explained."""

import threading
from collections.abc import Iterator
from typing import Any
from uuid import UUID, uuid4

import msgspec
import pytest
import structlog
from msgspec.structs import replace

from application import commands as c
from domain.errors import AccountMustExist
from domain.facts import TOPICS
from infrastructure.books import checking
from infrastructure.books.check import Checked, check_books
from infrastructure.books.checking import Checker
from infrastructure.books.watching import TABLE, BooksWatch, seen_by_watch
from infrastructure.eventstore.log import APPEND, Appending, last_row, read_after
from infrastructure.eventstore.mapper import encode_event
from infrastructure.postgres.connections import connect
from infrastructure.projecting.repairing import repair
from projections.catalogue import BY_NAME
from tests.books.story import Bookshop, Two, wander


@pytest.fixture
def two(database: Any) -> Iterator[Two]:
    shop = Two(database.app_url).live()
    shop.project()
    yield shop
    shop.close()


def check(shop: Bookshop, **asked: Any) -> Checked:
    return check_books(shop.url, patience=0, **asked)


def end_of(shop: Bookshop) -> int:
    with connect(shop.url, application="test") as connection:
        return last_row(connection)[0]


def run(shop: Bookshop, sql: str, *parameters: Any) -> None:
    with connect(shop.url, application="test") as connection:
        assert connection.execute(sql.encode(), parameters).rowcount > 0


def test_sound_books_pass_from_anywhere(two: Two) -> None:
    end, told = end_of(two), []

    found = check(two, tell=lambda at, end: told.append((at, end)))

    assert found == Checked(events=end, position=end, tables_at=end, violation=None)
    assert (end, end) in told
    for after in range(0, end, 7):
        assert check(two, after=after).violation is None
    assert check(two, account_id=two.bob).violation is None
    assert check(two, account_id=two.bob, after=end // 2).violation is None


def test_customers_that_were_let_go_are_taken_up_again(
    shop: Bookshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    wander(shop, days=40, seed=3)
    shop.project()
    monkeypatch.setattr(checking, "CUSTOMERS_MAX", 1)
    monkeypatch.setattr(checking, "PAGE", 7)

    found = check(shop)

    assert found.violation is None
    assert found.events == end_of(shop)


def test_an_account_that_does_not_exist_is_refused(two: Two) -> None:
    with pytest.raises(AccountMustExist):
        check(two, account_id=uuid4())


@pytest.mark.parametrize(
    ("spoil", "rule"),
    [
        ("UPDATE read.journal SET amount = amount + 0.01 WHERE account_id = %s AND log_position = {at}", "journal_is_the_log"),
        ("UPDATE read.journal SET balance = balance + 0.01 WHERE account_id = %s AND log_position = {at}", "journal_is_the_log"),
        ("DELETE FROM read.journal WHERE account_id = %s AND log_position = {at} AND line = 1", "journal_is_the_log"),
        ("UPDATE read.journal SET log_position = 1 WHERE account_id = %s AND log_position = {at}", "journal_is_the_log"),
        ("UPDATE read.balances SET cash = cash - 0.01 WHERE account_id = %s", "table_cash_is_the_accounts"),
        ("UPDATE read.balances SET held = held - 0.01 WHERE account_id = %s", "table_cash_is_the_accounts"),
        ("DELETE FROM read.balances WHERE account_id = %s", "table_cash_is_the_accounts"),
        ("UPDATE read.positions SET quantity = quantity + 1 WHERE account_id = %s", "table_shares_are_the_positions"),
        ("UPDATE read.positions SET cost = cost + 1 WHERE account_id = %s", "table_cost_is_the_positions"),
        ("DELETE FROM read.positions WHERE account_id = %s", "table_shares_are_the_positions"),
    ],
)  # fmt: skip
def test_a_table_that_is_wrong_is_found(two: Two, spoil: str, rule: str) -> None:
    run(two, spoil.format(at=last_booking(two, two.ann)), two.ann)

    violation = check(two).violation

    assert violation is not None
    assert violation.rule == rule
    assert violation.account_id in (two.ann, None)
    assert violation.expected != violation.found
    assert rule in str(violation)


def last_booking(two: Two, account_id: UUID) -> int:
    with connect(two.url, application="test") as connection:
        row = connection.execute(
            "SELECT max(log_position) FROM read.journal WHERE account_id = %s AND log_position < 2^62",
            (account_id,),
        ).fetchone()
    assert row is not None
    return int(row[0])


def append(shop: Bookshop, kind: str, **otherwise: Any) -> int:
    """Put a fact into the log that no command would record: one of a kind again, with some fields otherwise."""
    with connect(shop.url, application="test") as connection:
        rows = read_after(connection, 0, limit=10_000)
        like = next(row for row in reversed(rows) if row.topic.startswith(kind))
        event = like.event()
        version = max(r.originator_version for r in rows if r.originator_id == event.originator_id) + 1
        fields = {name: value(event) if callable(value) else value for name, value in otherwise.items()}
        event = replace(event, originator_version=version, recorded_at=shop.time, **fields)
        new = Appending(rows[-1].log_position)
        said = msgspec.json.encode({"actor": "nobody", "request_id": uuid4()})
        new.extend([event], topics=[TOPICS[type(event)]], states=[encode_event(event)], said=said)
        connection.execute(APPEND, new.columns())
    shop.project()
    return new.end


@pytest.mark.parametrize(
    ("kind", "rules"),
    [
        ("Account.PurchaseDebited", {"purchases_are_covered", "shares_are_the_accounts", "sign"}),
        ("Position.LotOpened", {"purchases_are_covered"}),
        ("Position.LotsRelieved", {"sign", "shares_are_the_accounts", "cash_is_the_accounts"}),
        ("Account.SaleCredited", {"segregation", "cash_is_the_accounts", "shares_are_the_accounts"}),
        (
            "Account.Settled",
            {"sign", "mirror", "segregation", "purchases_are_covered", "cash_is_the_accounts"},
        ),
    ],
)
def test_a_fact_without_those_that_belong_to_it_is_found(two: Two, kind: str, rules: set[str]) -> None:
    position = append(two, kind)

    violation = check(two, after=position - 5).violation

    assert violation is not None
    assert violation.log_position == position
    assert violation.event.startswith(kind)
    assert violation.rule in rules


def test_an_event_that_does_not_balance_is_found(two: Two, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = checking.postings
    monkeypatch.setattr(checking, "postings", lambda event: whole(event)[1:])

    violation = check(two).violation

    assert violation is not None
    assert violation.rule == "event_balances"


def test_cash_of_a_customer_who_has_booked_nothing_is_found(two: Two) -> None:
    nobody = uuid4()
    two.do(c.OpenAccount(account_id=nobody, owner_id=uuid4()))
    two.project()
    assert check(two).violation is None
    run(two, "UPDATE read.balances SET cash = 1 WHERE account_id = %s", nobody)

    violation = check(two).violation

    assert violation is not None
    assert (violation.rule, violation.account_id) == ("table_cash_is_the_accounts", nobody)


# The watch.


def look(shop: Bookshop, watch: BooksWatch) -> Any:
    with connect(shop.url, application="test") as connection:
        connection.execute(TABLE.encode())
        has_more = True
        while has_more:
            said, has_more = watch.look(connection)
            if said is not None:
                break
        return seen_by_watch(connection)


def test_the_watch_follows_the_log_and_goes_on_where_it_was(two: Two) -> None:
    watch = BooksWatch(two.url)
    first = look(two, watch)
    assert (first.position, first.violation) == (end_of(two), None)

    two.next_day(two.ann, two.bob)
    two.trade(two.ann, "buy", "XYZ", "1", "50.00")
    two.project()

    again = look(two, BooksWatch(two.url))
    assert (again.position, again.violation) == (end_of(two), None)


def test_the_watch_tells_what_is_wrong_until_it_is_mended(two: Two) -> None:
    run(two, "UPDATE read.balances SET cash = cash + 5 WHERE account_id = %s", two.bob)
    watch = BooksWatch(two.url)

    seen = look(two, watch)
    assert seen.violated_at == last_booking(two, two.bob)
    assert str(two.bob) in seen.violation
    assert seen.position == 0

    repair(two.url, BY_NAME["balances"], two.bob)
    assert look(two, watch).violation is None


def test_a_wrong_row_is_named_until_it_is_mended_however_far_the_log_goes_on(two: Two) -> None:
    run(two, "UPDATE read.balances SET cash = cash + 5 WHERE account_id = %s", two.bob)
    watch = BooksWatch(two.url)
    first = look(two, watch)
    for who in (two.ann, two.bob, two.ann):
        two.next_day(two.ann, two.bob)
        two.trade(who, "buy", "XYZ", "1", "50.00")
        two.project()
        run(two, "UPDATE read.balances SET cash = cash - 7 WHERE account_id = %s", two.ann)

        for one in (watch, BooksWatch(two.url)):  # also one that begins anew
            again = look(two, one)
            assert (again.violated_at, again.violation) == (first.violated_at, first.violation)
        found = check(two, after=first.violated_at - 1).violation
        assert found is not None
        assert found.rule == "table_cash_is_the_accounts"

    repair(two.url, BY_NAME["balances"], two.bob)
    then = look(two, watch)
    assert str(two.ann) in then.violation
    repair(two.url, BY_NAME["balances"], two.ann)
    last = look(two, watch)
    assert (last.violation, last.position) == (None, end_of(two))


def test_a_wrong_row_is_found_by_a_watch_that_comes_late_and_where_partitions_are_apart(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a page booked is compared also when the tables stood together only some pages later."""
    monkeypatch.setattr(checking, "PAGE", 3)
    assert look(two, BooksWatch(two.url)).violation is None
    two.next_day(two.ann, two.bob)
    two.trade(two.bob, "buy", "XYZ", "1", "50.00")
    two.project()
    run(two, "UPDATE read.balances SET cash = cash + 5 WHERE account_id = %s", two.bob)
    run(two, "UPDATE projection_partitions SET position = position - 1 WHERE name = 'balances'")
    assert look(two, BooksWatch(two.url)).violation is None
    run(two, "UPDATE projection_partitions SET position = position + 1 WHERE name = 'balances'")
    two.next_day(two.ann)
    two.project()

    assert str(two.bob) in look(two, BooksWatch(two.url)).violation


def test_the_watch_checks_in_pages(shop: Bookshop, monkeypatch: pytest.MonkeyPatch) -> None:
    wander(shop, days=20, seed=4)
    shop.next_day(days=1)
    shop.project()
    monkeypatch.setattr(checking, "PAGE", 5)

    seen = look(shop, BooksWatch(shop.url))

    assert (seen.position, seen.violation) == (end_of(shop), None)


def cannot_be_read(shop: Bookshop, account_id: UUID, position: int) -> None:
    with connect(shop.url, application="test") as connection:
        connection.execute(
            "INSERT INTO stored_events SELECT %s, %s, 1000, %s, %s, %s, max(recorded_at), '{}' FROM stored_events",
            (position, account_id, "Account.Unheard", b"{}", account_id),
        )


def test_an_event_that_cannot_be_read_stops_the_watch_for_its_customer_alone(two: Two) -> None:
    watch, bad = BooksWatch(two.url), end_of(two) + 1
    cannot_be_read(two, two.ann, bad)
    two.project()

    seen = look(two, watch)
    assert (seen.violation, seen.position, seen.failed_at) == (None, bad - 1, bad)
    assert seen.failure == (
        f"Account.Unheard at log position {bad} cannot be read: no event is called Account.Unheard"
    )
    found = check(two).violation
    assert found is not None
    assert (found.rule, found.log_position, found.account_id) == ("event_is_readable", bad, two.ann)

    run(two, "UPDATE read.balances SET cash = cash + 5 WHERE account_id = %s", two.bob)
    run(two, "UPDATE read.books_watch SET position = 0, compared = 0")  # a watch that begins anew
    seen = look(two, BooksWatch(two.url))
    assert str(two.bob) in seen.violation
    assert seen.failed_at == bad


def test_whatever_the_watch_fails_at_is_told_once_and_tried_again_later(
    two: Two, monkeypatch: pytest.MonkeyPatch
) -> None:
    stop, watch = threading.Event(), BooksWatch(two.url)
    assert look(two, watch).failure is None

    def failing(*_: Any, **__: Any) -> None:
        stop.set()
        raise ArithmeticError("nothing adds up")

    monkeypatch.setattr(Checker, "page", failing)
    run(two, "UPDATE read.books_watch SET position = 0")
    with structlog.testing.capture_logs() as logs:
        watch.run(stop)
        stop.clear()
        watch.run(stop)

    with connect(two.url, application="test") as connection:
        seen = seen_by_watch(connection)
    assert seen is not None
    assert (seen.failed_at, seen.failure) == (1, "ArithmeticError: nothing adds up")
    told = [line for line in logs if line["event"] == "the books cannot be checked"]
    assert [line["reason"] for line in told] == ["ArithmeticError: nothing adds up"]
    assert not any("exc_info" in line for line in logs)
