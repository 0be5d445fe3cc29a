"""How far a long count is: no rate before something is counted, no estimate before there is a rate."""

import pytest

from interfaces.cli.telling import Counter


def test_an_estimate_waits_for_a_rate(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    now = [100.0]
    monkeypatch.setattr("interfaces.cli.telling.time.monotonic", lambda: now[0])
    count = Counter()
    for at, reached in ((102.0, 0), (104.0, 400), (106.0, 900)):
        now[0] = at
        count("events", reached, 900)

    assert capsys.readouterr().err.splitlines() == [
        "events: 0 of 900",
        "events: 400 of 900, 100/s, 5 s left",
        "events: 900 of 900, 150/s",
    ]
