"""`daybook projections status`, `verify`, `retry` and `repair`, as an operator gives them."""

import subprocess
import sys
from uuid import UUID

import msgspec
import pytest

from infrastructure.postgres.connections import connect
from interfaces.cli import projections as command
from projections.catalogue import BY_NAME
from tests.projecting.test_parking import _append
from tests.projecting.worked import ANN, BOB, Desk, project, work


@pytest.fixture(autouse=True)
def _environment(settings: object, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in settings.as_environment().items():  # type: ignore[attr-defined]
        monkeypatch.setenv(name, value)


def run(*words: str) -> int:
    """The exit code of `daybook projections …`."""
    found = command.app(list(words), exit_on_error=False, result_action="return_value")
    return int(found or 0)


def test_verify_says_that_everything_is_right(desk: Desk, capsys: pytest.CaptureFixture[str]) -> None:
    work(desk)
    project(desk.url)

    code = run("verify", "--rows")

    said = capsys.readouterr()
    lines = said.out.splitlines()
    assert code == 0
    assert [line.split(":")[0] for line in lines] == list(BY_NAME)
    assert lines[0].startswith("balances: right at 41, 41 events proved, 2 rows compared, table hash ")
    assert "proofs: 41 of 41" in said.err


def test_verify_explains_the_first_difference_and_repair_mends_it(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    work(desk)
    project(desk.url)
    with connect(desk.url, application="test") as connection:
        connection.execute("UPDATE read.balances SET cash = 1 WHERE account_id = %s", (ANN,))

    codes = [
        run("verify", "balances", "--rows"),
        run("verify", "balances", "--rows", "--json"),
        run("repair", "balances", "--account", str(ANN)),
        run("repair", "balances", "--account", str(BOB)),
        run("verify", "balances", "--rows"),
    ]

    text, json, mended, equal, right = [
        line for line in capsys.readouterr().out.splitlines() if not line.startswith("  ")
    ]
    assert codes == [1, 1, 0, 0, 0]
    assert text.startswith("balances: WRONG at 41")
    assert "cash is 1, must be 9460.53" in msgspec.json.decode(json)["first_difference"]
    assert mended == (
        f"balances: 1 rows of account {ANN} from 39 events at 41, 2 rows of before (1) and after differ"
    )
    assert equal == f"balances: 1 rows of account {BOB} from 2 events at 41, equal to those before"
    assert right.startswith("balances: right")


def test_parked_accounts_show_in_the_status_and_are_tried_again(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    work(desk)
    before = run("retry")
    _append(desk, "Account.Teleported", b"{}")
    project(desk.url)

    codes = [run("status"), run("retry", "orders", "--account", str(ANN)), run("verify", "orders", "--rows")]

    said = capsys.readouterr().out
    assert before == 0
    assert codes == [1, 1, 1]
    assert "nothing is parked" in said
    assert f"orders: account {ANN} is parked at 42 (Account.Teleported): EventIsUnreadable" in said
    assert f"orders: account {ANN}: 0 events folded, then parked again: EventIsUnreadable" in said
    assert "orders: right at 42, 1 account is parked and was left out, 42 events proved" in said


def test_a_rebuild_says_how_many_parked_accounts_it_did_not_compare(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    work(desk)
    _append(desk, "Account.Teleported", b"{}")
    project(desk.url)

    code = run("rebuild", "orders")

    assert code == 0
    assert "equal to the table before, 1 account is parked and was left out" in capsys.readouterr().out


def test_the_status_is_whole_where_no_terminal_is_and_json_for_programs(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    work(desk)
    project(desk.url)
    failure = "FoldFailed('" + "long " * 60 + "')"
    with connect(desk.url, application="test") as connection:
        connection.execute("UPDATE projection_partitions SET failure = %s WHERE name = 'orders'", (failure,))

    codes = [run("status"), run("status", "--json")]

    lines = capsys.readouterr().out.splitlines()
    texts, told = lines[: len(BY_NAME) + 1], [msgspec.json.decode(line) for line in lines[len(BY_NAME) + 1 :]]
    assert codes == [1, 1]
    assert [line.split()[0] for line in texts] == ["projection", *BY_NAME]
    assert any(failure in line for line in texts)
    assert [one["name"] for one in told] == list(BY_NAME)
    assert [one["failure"] for one in told if one["name"] == "orders"] == [failure]


def test_an_account_without_events_and_rows_is_not_repaired(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    work(desk)
    project(desk.url)

    code = run("repair", "balances", "--account", str(UUID(int=4711)))

    assert code == 2
    assert capsys.readouterr().err == f"daybook: there is no account {UUID(int=4711)} (account_must_exist)\n"


def test_a_rebuild_whose_database_went_away_ends_with_a_sentence(
    desk: Desk, capsys: pytest.CaptureFixture[str]
) -> None:
    gone = "postgresql://nobody:hunter2@127.0.0.1:1/nothing"

    code = run("rebuild", "orders", "--database-url", gone)

    assert code == 1
    assert capsys.readouterr().err == (
        "daybook: the database went away or cannot be reached; `daybook projections rebuild orders` goes on where it was\n"
    )


def test_a_fault_shows_no_values_of_variables() -> None:
    script = (
        "from interfaces.roles.running import outcome\n"
        "def work():\n    url = 'hunter' + str(2)\n    raise ArithmeticError('no')\n"
        "raise SystemExit(outcome(work))"
    )

    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)

    assert found.returncode == 1
    assert "ended by a fault" in found.stderr
    assert "ArithmeticError: no" in found.stderr
    assert "hunter2" not in found.stdout + found.stderr


@pytest.mark.parametrize(
    "words", [("verify", "nonsense"), ("retry", "nonsense"), ("repair", "nonsense", "--account", str(ANN))]
)
def test_an_unknown_projection_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(*words) == 2
    assert "there is no projection nonsense" in capsys.readouterr().err
