"""The api role as a part that is started and stopped."""

import socket
import threading
import time
from typing import Any

import httpx
import psycopg
import pytest

from infrastructure.settings import Settings
from interfaces.roles import api
from interfaces.roles.api import AddressMustBeFree
from tests.http.running import refused, serving


def test_an_address_in_use_is_said_in_a_sentence(settings: Settings) -> None:
    with socket.socket() as taken:
        taken.bind((settings.host, settings.port))
        taken.listen()
        with pytest.raises(AddressMustBeFree) as raised:
            api.run(settings, threading.Event())
    assert (
        raised.value.operator_message == f"cannot listen on 127.0.0.1:{settings.port}: Address already in use"
    )


def test_an_open_request_is_finished_when_the_server_stops(settings: Settings) -> None:
    answers: list[Any] = []
    with serving(settings) as running:
        client = running.customer("1.00")

        def wait() -> None:  # 2 seconds for a position that never comes, were it not for the end
            answers.append(client.get("/api/v1/wallet/balance", params={"min_position": 9999}))

        thread = threading.Thread(target=wait)
        thread.start()
        time.sleep(0.5)
    thread.join(timeout=60)
    client.close()
    assert answers[0].status_code == 503


def test_what_was_written_is_read_back_or_said_to_be_late_while_nobody_projects(settings: Settings) -> None:
    stop = threading.Event()
    thread = threading.Thread(target=api.run, args=(settings, stop), daemon=True)
    with serving(settings) as running:
        client = running.customer("1.00")
        assert client.get("/api/v1/wallet/balance").json()["cash"] == "1.00"
        headers = dict(client.headers)
    thread.start()
    try:
        with httpx.Client(base_url=running.url, headers=headers, timeout=60) as again:
            _until_served(again)
            assert again.post("/api/v1/wallet/deposit", json={"amount": "2.00"}).status_code == 201
            refused(again.get("/api/v1/wallet/balance"), 503, "read_table_must_reach_position")
            assert again.get("/api/v1/account/as-of?log_position=3").json()["cash"] == "3.00"
    finally:
        client.close()
        stop.set()
        thread.join(timeout=60)


def test_a_fault_of_ours_names_the_request_and_nothing_else(settings: Settings) -> None:
    with serving(settings) as running:
        client = running.customer("1.00")
        assert client.get("/api/v1/wallet/balance").status_code == 200  # the projector is that far
        with psycopg.connect(settings.database_url or "") as connection:
            connection.execute("ALTER TABLE read.balances RENAME TO gone")
        problem = refused(client.get("/api/v1/wallet/balance"), 500, "fault_is_ours")
        client.close()
    assert "gone" not in str(problem)
    assert "balances" not in str(problem)


def _until_served(client: httpx.Client) -> None:
    for _ in range(200):
        try:
            client.get("/health")
        except httpx.TransportError:
            time.sleep(0.05)
        else:
            return
