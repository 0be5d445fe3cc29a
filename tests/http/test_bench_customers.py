"""What `make bench` measures with is what registration makes: its customers log in, and their orders are taken."""

import httpx
from msgspec import json

from infrastructure.postgres.connections import connect
from tests.bench.client import Spec, drive
from tests.bench.customers import PASSWORD, Customer, customers, email_of, order_calls
from tests.bench.stories import SYMBOLS
from tests.http.running import Market, Running, until


def _login(running: Running, customer: Customer) -> httpx.Response:
    with running.client() as client:
        body = {"email": email_of(customer), "password": PASSWORD}
        return client.post("/api/v1/auth/login", json=body)


def test_the_customers_of_the_benchmarks_log_in_and_order(running: Running, market: Market) -> None:
    found = customers(running.settings, 3)
    market.publish(**dict.fromkeys(SYMBOLS[:3], "100.00"))
    with running.client(found[0].token) as client:
        until(lambda: client.get(f"/api/v1/quotes/{SYMBOLS[2]}").status_code == 200)

    told = drive(
        Spec(
            port=running.settings.port,
            calls=order_calls(found),
            seconds=0.2,
            keys="test-",
            connections=3,
            warm_s=0,
        )
    )

    assert set(told.statuses) == {201}
    assert [_login(running, one).status_code for one in found] == [200, 200, 200]
    with running.client(found[0].token) as client:
        assert client.get("/api/v1/orders").json()


def _filled(running: Running, user_id: object) -> list[list[str]]:
    """Which columns of a user's and the key's row are filled."""
    with connect(running.settings.database_url or "", application="test") as connection:
        row = connection.execute(
            "SELECT to_jsonb(u), to_jsonb(k) FROM users u JOIN personal_keys k ON k.owner_id = u.user_id"
            " WHERE u.user_id = %s",
            (user_id,),
        ).fetchone()
    assert row is not None
    return [sorted(name for name, value in json.decode(each).items() if value is not None) for each in row]


def test_their_rows_are_filled_as_those_of_registration(running: Running) -> None:
    one = customers(running.settings, 1)[0]
    _, registered = running.register()

    assert _filled(running, one.user_id) == _filled(running, registered["user_id"])
