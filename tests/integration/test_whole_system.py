"""The whole of Daybook as its users run it: real servers, every role a process, spoken to over HTTP only."""

import json
import os
import random
import signal
import time
from collections.abc import Iterator
from contextlib import suppress
from decimal import Decimal
from typing import Any

import httpx
import pytest

from interfaces.demo import trading_day
from interfaces.demo.crowd import Crowd
from interfaces.demo.instance import Instance, own_instance
from interfaces.demo.outside import Outside
from interfaces.demo.seed import ADMIN, CUSTOMERS, PASSWORD, STAKE
from projections.catalogue import BY_NAME

ROLES = (
    "api",
    "projector",
    "market",
    "executor",
    "scheduler",
    "surveillance",
    "sealer",
    "redis",
    "postgres",
)


@pytest.fixture(scope="module")
def instance() -> Iterator[Instance]:
    with own_instance() as one:
        yield one


def pids(instance: Instance) -> dict[str, int]:
    return dict(json.loads((instance.data_dir / "pids.json").read_text()))


def rebuild_and_compare(base_url: str) -> list[Any]:
    admin = Outside(base_url)
    admin.log_in(ADMIN, PASSWORD)
    job = admin.post("/api/v1/admin/projections/rebuild")
    deadline = time.monotonic() + 120
    while True:
        seen = admin.get(f"/api/v1/admin/projections/jobs/{job['job_id']}")
        if seen["state"] != "running" or time.monotonic() > deadline:
            break
        time.sleep(0.1)
    admin.close()
    assert seen["state"] == "done", seen
    return [(result["projection"], result["compared"], result["differences"]) for result in seen["results"]]


# First, while no other Daybook runs beside its own.
def test_a_second_start_finds_everything_as_it_was() -> None:
    with own_instance() as instance:
        customer = Outside(instance.base_url)
        customer.log_in(CUSTOMERS[0][0], PASSWORD)
        order = customer.order(symbol="IBM", side="buy", type="limit", quantity=7, limit_price=1)
        balance = customer.get("/api/v1/wallet/balance")
        quote = customer.get("/api/v1/quotes/IBM")

        code, _ = instance.stop()
        instance.start()

        customer.log_in(CUSTOMERS[0][0], PASSWORD)
        assert code == 0
        assert customer.get("/api/v1/wallet/balance")["cash"] == balance["cash"]
        assert customer.get(f"/api/v1/orders/{order['order_id']}")["quantity"] == order["quantity"]
        assert customer.get("/api/v1/quotes/IBM")["at"] >= quote["at"]
        customer.close()


def test_the_demo_customers_have_their_money(instance: Instance) -> None:
    for email, _ in CUSTOMERS:
        customer = Outside(instance.base_url)
        customer.log_in(email, PASSWORD)

        cash = customer.get("/api/v1/wallet/balance")["cash"]

        customer.close()
        assert Decimal(cash) == STAKE


def test_every_claim_of_the_trading_day_is_true(instance: Instance) -> None:
    assert trading_day.run(instance.base_url) == 0


def test_killing_any_process_under_load_loses_and_doubles_nothing(instance: Instance) -> None:
    base_url = instance.base_url
    dice = random.Random(5)
    crowd = Crowd(base_url, ["IBM", "MSFT", "AAPL"], size=4).start()

    for role in [*ROLES, *dice.sample(ROLES, len(ROLES))]:
        time.sleep(dice.uniform(0.5, 1.2))
        with suppress(ProcessLookupError):  # the executor ends by itself when PostgreSQL is gone
            os.kill(pids(instance)[role], signal.SIGKILL)
    time.sleep(1)
    orders, _, wrong = crowd.finish()

    assert wrong == []
    assert orders > 0
    assert {(compared, differing) for _, compared, differing in rebuild_and_compare(base_url)} == {(True, 0)}


def test_health_names_every_dependency_and_every_projection(instance: Instance) -> None:
    health = httpx.get(f"{instance.base_url}/health", timeout=60).json()

    assert {d["name"] for d in health["dependencies"]} == {"postgresql", "redis", "executor", "market"}
    assert {p["name"] for p in health["projections"]} == set(BY_NAME)
