"""`/metrics`: what Prometheus reads."""

import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from uuid import uuid4

from prometheus_client.parser import text_string_to_metric_families

from infrastructure.figures import FIGURES
from infrastructure.postgres.connections import connect
from infrastructure.redis.figures import telling_figures
from tests.http.running import Running, until

Figures = dict[tuple[str, frozenset[tuple[str, str]]], float]


def figures(running: Running) -> Figures:
    """Every sample of a page by its name and labels."""
    with running.client() as client:
        page = client.get("/metrics")
    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/plain; version=0.0.4")
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(page.text)
        for sample in family.samples
    }


def figure(found: Figures, sample: str, /, **labels: str) -> float | None:
    """The first sample of this name with these labels among its own."""
    wanted = frozenset(labels.items())
    return next((value for (one, has), value in found.items() if one == sample and wanted <= has), None)


def test_the_page_says_how_the_log_and_every_projection_stand(running: Running) -> None:
    with closing(running.customer("5.00")):
        pass

    found = until(lambda: _at_the_end(figures(running)))

    end = figure(found, "daybook_log_position") or 0
    assert end >= 2
    assert figure(found, "daybook_projection_position", projection="balances", partition="0") == end
    assert figure(found, "daybook_projection_lag_seconds", projection="balances", partition="0") == 0
    assert figure(found, "daybook_projection_parked_accounts", projection="balances") == 0
    assert figure(found, "daybook_projection_failing", projection="orders", partition="0") == 0
    assert figure(found, "daybook_dependency_up", name="postgresql") == 1


def _at_the_end(found: Figures) -> Figures | None:
    lag = [value for (name, _), value in found.items() if name == "daybook_projection_lag_events"]
    return found if len(lag) >= 11 and not any(lag) else None


def test_commands_commits_and_refusals_are_counted(running: Running) -> None:
    before = FIGURES.count("commands"), FIGURES.count("refusals", "available_cash_must_cover_withdrawal")

    with closing(running.customer("5.00")) as customer:
        refused = customer.post("/api/v1/wallet/withdraw", json={"amount": "6.00"})
        code = refused.json()["code"]

    found = until(lambda: _counted(figures(running), code))
    assert FIGURES.count("commands") >= before[0] + 3
    assert (figure(found, "daybook_commits_total", role="api") or 0) >= 2
    assert (figure(found, "daybook_events_total", role="api") or 0) >= 2
    assert (figure(found, "daybook_batch_commands_count", role="api") or 0) >= 3
    assert figure(found, "daybook_batch_commands_bucket", role="api", le="+Inf") == figure(
        found, "daybook_batch_commands_count", role="api"
    )
    assert figure(found, "daybook_commands_waiting", role="api") == 0
    assert (figure(found, "daybook_process_memory_bytes", role="api") or 0) > 1_000_000


def _counted(found: Figures, code: str) -> Figures | None:
    return found if figure(found, "daybook_refusals_total", code=code) else None


def test_roles_without_http_of_their_own_are_on_the_page(running: Running) -> None:
    with telling_figures(running.settings.redis_url or "", "executor"):
        found = until(lambda: _with(figures(running), "executor"))
        until(lambda: figure(figures(running), "daybook_leases_held", role="projector", lease="projector/0"))

    assert (figure(found, "daybook_process_memory_bytes", role="executor") or 0) > 1_000_000


def _with(found: Figures, role: str) -> Figures | None:
    return found if figure(found, "daybook_process_started_seconds", role=role) else None


def test_parked_accounts_and_unfinished_rebuilds_are_on_the_page(running: Running) -> None:
    with _put_aside(running):
        found = until(lambda: _parked(figures(running)))

    assert figure(found, "daybook_projection_parked_accounts", projection="orders") == 1
    assert figure(found, "daybook_rebuild_position", projection="orders", state="paused") == 17


def _parked(found: Figures) -> Figures | None:
    return found if figure(found, "daybook_projection_parked_accounts", projection="orders") else None


@contextmanager
def _put_aside(running: Running) -> Iterator[None]:
    with connect(running.settings.database_url or "", application="test") as connection:
        connection.execute(
            "INSERT INTO projection_parked (name, generation, account_id, position, topic, error)"
            " SELECT name, generation, %s, 1, 'x', 'x' FROM projection_generations"
            " WHERE name = 'orders' AND state = 'live'",
            (uuid4(),),
        )
        connection.execute(
            "INSERT INTO projection_generations (name, generation, version, state) VALUES ('orders', 99, 1, 'paused')"
        )
        connection.execute(
            "INSERT INTO projection_partitions (name, generation, partition, is_live, position)"
            " VALUES ('orders', 99, 0, false, 17)"
        )
        try:
            yield
        finally:
            connection.execute("DELETE FROM projection_parked")
            connection.execute("DELETE FROM projection_generations WHERE generation = 99")


def test_a_page_is_answered_however_much_there_is_to_do(running: Running) -> None:
    barrier = threading.Barrier(5)
    pages: list[int] = []

    def look() -> None:
        barrier.wait()
        pages.append(len(figures(running)))

    threads = [threading.Thread(target=look) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(pages) == 5
