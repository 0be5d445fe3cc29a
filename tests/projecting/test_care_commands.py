"""`daybook projections status`, `verify`, `retry` and `repair`, as an operator gives them."""

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
    assert codes == [1, 1, 0]
    assert "nothing is parked" in said
    assert f"orders: account {ANN} is parked at 42 (Account.Teleported): EventIsUnreadable" in said
    assert f"orders: account {ANN}: 0 events folded, then parked again: EventIsUnreadable" in said
    assert "1 accounts are parked" in said


@pytest.mark.parametrize(
    "words", [("verify", "nonsense"), ("retry", "nonsense"), ("repair", "nonsense", "--account", str(ANN))]
)
def test_an_unknown_projection_is_refused(
    desk: Desk, capsys: pytest.CaptureFixture[str], words: tuple[str, ...]
) -> None:
    assert run(*words) == 2
    assert "there is no projection nonsense" in capsys.readouterr().err
