"""A served Daybook of each test's own, with two admins and an examiner."""

from collections.abc import Iterator

import httpx
import pytest
from msgspec import structs

from infrastructure.settings import Settings
from interfaces.cli import users
from tests.http.running import PASSWORD, Running, serving

STAFF = {"ann": "admin", "ben": "admin", "eve": "compliance"}


@pytest.fixture
def running(settings: Settings) -> Iterator[Running]:
    with serving(structs.replace(settings, settlement_days=0)) as found:  # so that accounts can be emptied
        yield found


@pytest.fixture
def staff(running: Running) -> Iterator[dict[str, httpx.Client]]:
    """Clients of two admins, `ann` and `ben`, and of an examiner, `eve`."""
    clients = {}
    for name, role in STAFF.items():
        email = f"{name}@daybook.example"
        users.create_user(running.settings, email=email, full_name=name, role=role, password=PASSWORD)  # type: ignore[arg-type]
        clients[name] = running.client(running.log_in(email)["access_token"])
    yield clients
    for client in clients.values():
        client.close()
