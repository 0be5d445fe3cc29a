"""A customer's name, addresses and agent are nowhere in the clear; after an erasure nothing can read them again."""

import asyncio
from typing import Any

import httpx
import psycopg
import pytest

from infrastructure.eventstore.account_snapshots import AccountSnapshotter
from infrastructure.people import People
from infrastructure.postgres.connections import async_pool
from infrastructure.privacy.forgetting import follow_erasures
from infrastructure.privacy.master import MasterKeys
from infrastructure.projecting.verifying import verify
from infrastructure.settings import Settings
from infrastructure.wiring.deciding import settler
from projections.catalogue import PROJECTIONS
from tests.conftest import Servers
from tests.http.running import Market, Running, executing, order, refused, until
from tests.privacy.looking import as_superuser, dump, dump_redis, found_in, logs_of

EMAIL, NAME, AGENT = "Quetzalcoatl.77@Zanzibar.example", "Xochitl Wrzesniewska", "Netscape-Chameleon/9.9"
ADDRESS, PASSWORD = "127.77.66.55", "an unmistakable password"
SECRETS = [EMAIL, NAME, AGENT, ADDRESS, PASSWORD, "xochitl", "zanzibar"]


def a_client(running: Running, token: str | None = None) -> httpx.Client:
    """From an address and with an agent of its own."""
    headers = {"User-Agent": AGENT} | ({"Authorization": f"Bearer {token}"} if token else {})
    transport = httpx.HTTPTransport(local_address=ADDRESS)
    return httpx.Client(base_url=running.url, headers=headers, transport=transport, timeout=60)


def live(running: Running) -> tuple[dict[str, Any], httpx.Client]:
    """Register, log in, wrongly too, trade, and leave with an empty account; answers ids and the open login."""
    credentials = {"email": EMAIL, "password": PASSWORD}
    with a_client(running) as stranger:
        ids = stranger.post("/api/v1/auth/register", json={**credentials, "full_name": NAME}).json()
        refused(
            stranger.post("/api/v1/auth/login", json={**credentials, "password": "wrong" * 3}),
            401,
            "credentials_must_be_right",
        )
        refused(
            stranger.post("/api/v1/auth/register", json={**credentials, "full_name": NAME}),
            409,
            "email_must_not_be_taken",
        )
        token = stranger.post("/api/v1/auth/login", json=credentials).json()["access_token"]
    client = a_client(running, token)
    until(lambda: client.get("/api/v1/quotes/AAPL").status_code == 200)
    keyed = {"Idempotency-Key": "first"}
    assert client.post("/api/v1/wallet/deposit", json={"amount": "5000.00"}, headers=keyed).status_code == 201
    refused(
        client.post("/api/v1/wallet/withdraw", json={"amount": "99999.00"}),
        422,
        "available_cash_must_cover_withdrawal",
    )
    bought = client.post(
        "/api/v1/orders", json=order(type="market", limit_price=None), headers={"Prefer": "wait=5"}
    )
    assert bought.json()["status"] == "filled", bought.text
    sold = client.post(
        "/api/v1/orders",
        json=order(type="market", limit_price=None, side="sell"),
        headers={"Prefer": "wait=5"},
    )
    assert sold.json()["status"] == "filled", sold.text
    assert client.post("/api/v1/orders", json=order()).status_code == 201
    return ids, client


def leave(running: Running, client: httpx.Client, admin: httpx.Client, ids: dict[str, Any]) -> None:
    """Take everything out, once it has settled, and have the account closed."""
    for each in client.get("/api/v1/orders", params={"status": "open"}).json()["items"]:
        assert client.delete(f"/api/v1/orders/{each['order_id']}").status_code == 200
    with settler(running.settings) as trades:
        until(lambda: trades.settle_today() > 0)
    cash = client.get("/api/v1/wallet/balance").json()["cash"]
    assert client.post("/api/v1/wallet/withdraw", json={"amount": cash}).status_code == 201
    assert admin.post(f"/api/v1/admin/accounts/{ids['account_id']}/close").json()["status"] == "closed"
    assert AccountSnapshotter(running.settings.database_url or "", every=5, looked_at=1).take() > 0


def everything(running: Running, servers: Servers, said: str) -> bytes:
    """All that Daybook has kept and said."""
    settings = running.settings
    pages = dump(as_superuser(servers, settings.database_url or ""))
    assert {"public.users", "public.origins", "public.stored_events", "read.audit"} <= set(pages)
    text = "\n".join(row for rows in pages.values() for row in rows).encode()
    return b"\n".join([text, dump_redis(settings.redis_url or ""), logs_of(servers), said.encode()])


@pytest.fixture
def trading(running: Running, servers: Servers) -> Any:
    market = Market(running.settings.redis_url or "")
    market.publish(AAPL="100.00")
    with executing(running.settings):
        yield
    market.close()


def test_a_person_is_nowhere_in_the_clear_and_gone_once_erased(
    running: Running,
    staff: dict[str, httpx.Client],
    servers: Servers,
    trading: None,
    capfd: pytest.CaptureFixture[str],
) -> None:
    settings = running.settings
    ids, client = live(running)
    user_id, person = ids["user_id"], f"/api/v1/compliance/people/{ids['user_id']}"
    said = "".join(capfd.readouterr())
    assert found_in(everything(running, servers, said), [*SECRETS, user_id]) == [user_id]  # so it does find

    # Staff may look, and see who it is and where from.
    assert staff["eve"].get(person).json()["full_name"] == NAME
    origin_id = origin_of(staff["eve"], ids["account_id"])
    found = whereabouts(settings, origin_id)
    assert (found.address, found.agent) == (ADDRESS, AGENT)

    leave(running, client, staff["ann"], ids)
    until(lambda: all(not each["lag"] for each in staff["ann"].get("/api/v1/admin/projections").json()))
    untouched = kept(settings, servers)
    wrapped = row(settings, "SELECT wrapped FROM personal_keys WHERE owner_id = %s", user_id)

    asked = staff["ann"].post(
        "/api/v1/compliance/erasures", json={"user_id": user_id, "reason": "she wishes it"}
    )
    done = staff["ben"].post(f"/api/v1/compliance/approvals/{asked.json()['approval_id']}/approve")
    assert done.status_code == 200, done.text

    outcome = done.json()["outcome"]
    assert (outcome["erased"]["identity"], outcome["erased"]["logins"]) == (1, 1)
    assert outcome["erased"]["origins"] >= 1
    until(lambda: client.get("/api/v1/wallet/balance").status_code == 401)
    client.close()
    require_erased(running, staff["eve"], user_id, origin_id)
    after = everything(running, servers, said)
    assert found_in(after, SECRETS) == []
    assert wrapped[0].hex().encode() not in after
    assert kept(settings, servers) == untouched
    certificate = until(lambda: _certificate(staff["eve"], ids["account_id"], outcome["log_position"]))
    by = (certificate["actor"], certificate["causation_id"])
    assert by == (staff_id(staff["ben"], settings), f"approval/{asked.json()['approval_id']}")
    require_whole_ledger(running, staff["eve"], ids["account_id"], outcome["log_position"])


def origin_of(examiner: httpx.Client, account_id: str) -> str:
    """The origin of some event of an account."""
    page = examiner.get("/api/v1/compliance/audit", params={"account_id": account_id, "kind": "event"}).json()
    return next(str(each["origin_id"]) for each in page["items"] if each["origin_id"])


def require_erased(running: Running, examiner: httpx.Client, user_id: str, origin_id: str) -> None:
    """Nothing reads the person any more, and no key or ciphertext is left."""
    settings = running.settings
    with a_client(running) as stranger:
        answer = stranger.post("/api/v1/auth/login", json={"email": EMAIL, "password": PASSWORD})
        refused(answer, 401, "credentials_must_be_right")
    person = examiner.get(f"/api/v1/compliance/people/{user_id}").json()
    assert (person["full_name"], person["email"]) == ("erased", "erased")
    assert whereabouts(settings, origin_id).address == whereabouts(settings, origin_id).agent == "erased"
    assert row(settings, "SELECT 1 FROM personal_keys WHERE owner_id = %s", user_id) is None
    assert row(settings, "SELECT personal, email_index FROM users WHERE user_id = %s", user_id) == (
        None,
        None,
    )
    assert row(settings, "SELECT 1 FROM origins WHERE user_id = %s AND personal IS NOT NULL", user_id) is None


def require_whole_ledger(running: Running, examiner: httpx.Client, account_id: str, position: int) -> None:
    """Every read table is still proved by the log, and the account can still be seen as it stood."""
    for verified in verify(running.settings.database_url or "", PROJECTIONS, rows=True):
        assert verified.is_right, verified
    as_of = f"/api/v1/compliance/accounts/{account_id}/as-of"
    found = examiner.get(as_of, params={"log_position": position}).json()
    assert (found["status"], found["cash"]) == ("closed", "0.00")


def test_another_process_forgets_too(running: Running, staff: dict[str, httpx.Client]) -> None:
    settings = running.settings
    email, ids = running.register()

    async def watch() -> None:
        async with async_pool(settings.database_url or "", application="test") as pool:
            people = People(pool, MasterKeys.of(settings))
            follower = asyncio.create_task(follow_erasures(settings.redis_url or "", people))
            seen = (await people.prove(email, "correct horse battery")).user_id, "10.1.2.3", "an agent"
            await people.origin(*seen)
            assert people._origins.seen.get(seen) is not None
            await asyncio.to_thread(_erase, running, staff, ids)
            for _ in range(300):
                if people._origins.seen.get(seen) is None and people._ring._known.get(seen[0]) is None:
                    break
                await asyncio.sleep(0.02)
            assert people._origins.seen.get(seen) is None
            assert people._ring._known.get(seen[0]) is None
            # A request that was under way gets an id that leads nowhere, and stores nothing.
            assert (await people.origins([await people.origin(*seen)])) == {}
            follower.cancel()
            people.close()

    asyncio.run(watch())


def test_a_key_that_a_process_still_remembers_stores_nothing_any_more(
    running: Running, staff: dict[str, httpx.Client]
) -> None:
    settings = running.settings
    email, ids = running.register()

    async def late() -> None:
        async with async_pool(settings.database_url or "", application="test") as pool:
            people = People(pool, MasterKeys.of(settings))
            user = await people.prove(email, "correct horse battery")
            await asyncio.to_thread(_erase, running, staff, ids)
            assert people._ring._known.get(user.user_id) is not None
            origin_id = await people.origin(user.user_id, "10.1.2.3", "an agent")
            assert await people.origins([origin_id]) == {}
            people.close()

    asyncio.run(late())


@pytest.mark.parametrize("where", ["client_order_id", "Idempotency-Key", "reason"])
def test_what_is_kept_for_ever_takes_no_address(
    running: Running, staff: dict[str, httpx.Client], where: str
) -> None:
    email, ids = running.register()
    with running.client(running.log_in(email)["access_token"]) as client:
        if where == "reason":
            url = f"/api/v1/admin/accounts/{ids['account_id']}/suspend"
            answer = staff["ann"].post(url, json={"reason": f"asked by {email}"})
        elif where == "Idempotency-Key":
            answer = client.post("/api/v1/wallet/deposit", json={"amount": "1.00"}, headers={where: email})
        else:
            answer = client.post("/api/v1/orders", json=order(client_order_id=email))
        problem = refused(answer, 400, "request_must_be_well_formed")
    assert where in str(problem.get("pointer")) + str(problem.get("parameter"))
    assert email not in answer.text


def _erase(running: Running, staff: dict[str, httpx.Client], ids: dict[str, Any]) -> None:
    staff["ann"].post(f"/api/v1/admin/accounts/{ids['account_id']}/close")
    asked = staff["ann"].post("/api/v1/compliance/erasures", json={"user_id": ids["user_id"], "reason": "x"})
    assert asked.status_code == 201, asked.text
    done = staff["ben"].post(f"/api/v1/compliance/approvals/{asked.json()['approval_id']}/approve")
    assert done.status_code == 200, done.text


def _certificate(examiner: httpx.Client, account_id: str, position: int) -> dict[str, Any] | None:
    parameters = {"account_id": account_id, "kind": "event", "min_position": str(position)}
    newest: dict[str, Any] = examiner.get("/api/v1/compliance/audit", params=parameters).json()["items"][0]
    return newest if newest["topic"] == "Erasure.Certified" else None


def kept(settings: Settings, servers: Servers) -> dict[str, list[str]]:
    """What an erasure must leave as it is: every table but those of people, and the certificate's own rows."""
    about_people = ("users", "origins", "sessions", "personal_keys", "approvals", "projection")
    pages = dump(as_superuser(servers, settings.database_url or ""))
    found = {
        name: rows
        for name, rows in pages.items()
        if not name.startswith(tuple(f"public.{n}" for n in about_people))
        and name
        not in ("read.books_watch", "public.deeds")  # the one moves on by itself, the other has who looked
    }
    return {name: [each for each in rows if "Erasure.Certified" not in each] for name, rows in found.items()}


def whereabouts(settings: Settings, origin_id: str) -> Any:
    async def look() -> Any:
        from uuid import UUID

        async with async_pool(settings.database_url or "", application="test") as pool:
            people = People(pool, MasterKeys.of(settings))
            try:
                return (await people.origins([UUID(origin_id)]))[UUID(origin_id)]
            finally:
                people.close()

    return asyncio.run(look())


def row(settings: Settings, sql: str, *parameters: Any) -> Any:
    with psycopg.connect(settings.owner_database_url or "") as connection:
        return connection.execute(sql.encode(), parameters).fetchone()


def staff_id(client: httpx.Client, settings: Settings) -> str:
    """The user id behind a client's login."""
    import hashlib

    token = client.headers["Authorization"].removeprefix("Bearer ")
    found = row(
        settings,
        "SELECT user_id FROM sessions WHERE token_hash = %s",
        hashlib.sha256(token.encode()).digest(),
    )
    return str(found[0])
