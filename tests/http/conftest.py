"""One server for all tests of a module: they differ in their customers."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest
import redis

from infrastructure.settings import Settings
from interfaces.cli import users
from tests.conftest import MASTER_KEY, Database, Servers, free_port, new_database
from tests.http.running import PASSWORD, Market, Running, serving, until


@pytest.fixture(scope="module")
def module_database(servers: Servers, database_template: str) -> Iterator[Database]:
    with new_database(servers, database_template) as found:
        yield found


@pytest.fixture(scope="module")
def module_settings(
    servers: Servers, module_database: Database, tmp_path_factory: pytest.TempPathFactory
) -> Settings:
    folder: Path = tmp_path_factory.mktemp("daybook")
    with redis.Redis.from_url(servers.redis.url) as client:
        client.flushall()
    return Settings(
        database_url=module_database.app_url,
        owner_database_url=module_database.owner_url,
        redis_url=servers.redis.url,
        master_key=MASTER_KEY,
        data_dir=folder,
        port=free_port(),
        fill_wait_ms=50,
    )


@pytest.fixture(scope="module")
def running(module_settings: Settings) -> Iterator[Running]:
    with serving(module_settings) as found:
        yield found


@pytest.fixture(scope="module")
def market(running: Running) -> Iterator[Market]:
    """The market with AAPL and MSFT quoted, and the server aware of it."""
    found = Market(running.settings.redis_url or "")
    found.publish(AAPL="100.00", MSFT="50.00")
    with closing(running.customer()) as client:
        until(lambda: client.get("/api/v1/quotes/AAPL").status_code == 200)
        until(lambda: client.get("/api/v1/quotes/MSFT").status_code == 200)
    yield found
    found.close()


@pytest.fixture
def customer(running: Running) -> Iterator[httpx.Client]:
    """A new customer with 10,000 dollars."""
    with closing(running.customer("10000.00")) as client:
        yield client


@pytest.fixture(scope="module")
def somebody(running: Running) -> Iterator[httpx.Client]:
    """A customer with 10,000 dollars for all tests of the module that change nothing."""
    with closing(running.customer("10000.00")) as client:
        yield client


@pytest.fixture(scope="module")
def staff(running: Running) -> Iterator[dict[str, httpx.Client]]:
    """A client each of compliance and admin."""
    clients = {}
    for role in ("compliance", "admin"):
        email = f"{role}@example.com"
        users.create_user(
            running.settings, email=email, full_name="Member of Staff", role=role, password=PASSWORD
        )
        clients[role] = running.client(running.log_in(email)["access_token"])
    yield clients
    for client in clients.values():
        client.close()
