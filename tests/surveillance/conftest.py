"""A served Daybook, and clients of staff: Ann and Ben are admins, Eve examines."""

from collections.abc import Iterator

import httpx
import pytest

from infrastructure.settings import Settings
from interfaces.cli import users
from tests.http.running import PASSWORD, Running, serving


@pytest.fixture
def running(settings: Settings) -> Iterator[Running]:
    with serving(settings) as found:
        yield found


@pytest.fixture
def staff(running: Running) -> Iterator[dict[str, httpx.Client]]:
    clients = {}
    for name, role in (("ann", "admin"), ("ben", "admin"), ("eve", "compliance")):
        email = f"{name}@daybook.example"
        users.create_user(running.settings, email=email, full_name=name.title(), role=role, password=PASSWORD)
        clients[name] = running.client(running.log_in(email)["access_token"])
    yield clients
    for client in clients.values():
        client.close()
