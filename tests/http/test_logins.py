"""Who gets in, and where."""

from contextlib import closing
from uuid import uuid4

import httpx
import pytest
from litestar.handlers import HTTPRouteHandler

from interfaces.http.app import litestar_app
from interfaces.http.entrance import LOGGED_IN, OPEN, admit
from tests.http.running import PASSWORD, Running, refused

OPEN_PATHS = {"/api/v1/auth/register", "/api/v1/auth/login", "/health", "/metrics"}
ROLES = ("customer", "compliance", "admin")


def handlers() -> list[tuple[str, str, HTTPRouteHandler]]:
    """Every method of every route of the application."""
    return [
        (method, route.path, route.route_handler_map[method][0])
        for route in litestar_app().routes
        for method in sorted(route.methods)
    ]


def concrete(path: str) -> str:
    return "/".join(_concrete(part) for part in path.split("/")) or "/"


def _concrete(part: str) -> str:
    if not part.startswith("{"):
        return part
    kinds = {":uuid}": str(uuid4()), ":int}": "1"}
    return next((value for kind, value in kinds.items() if part.endswith(kind)), "AAPL")


def test_every_route_of_the_application_checks_the_role_before_anything_else() -> None:
    for method, path, handler in handlers():
        assert handler.resolve_before_request() is admit, (method, path)


def test_without_a_token_only_the_open_routes_answer(running: Running) -> None:
    with running.client() as client:
        for method, path, _ in handlers():
            answer = client.request(method, concrete(path))
            if path.startswith("/docs") or (path in OPEN_PATHS and method != "OPTIONS"):
                assert answer.status_code not in (401, 403), (method, path)
            else:
                refused(answer, 401, "login_must_be_valid")
                assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_role_is_let_into_its_own_routes_only(running: Running, staff: dict[str, httpx.Client]) -> None:
    with closing(running.customer()) as customer:
        clients = {**staff, "customer": customer}
        for method, path, handler in handlers():
            roles = handler.opt.get("roles", frozenset())
            if roles == OPEN or path.endswith("/logout"):
                continue
            for role in ROLES:
                answer = clients[role].request(method, concrete(path))
                if role in roles:
                    assert answer.status_code not in (401, 403), (method, path, role)
                else:
                    refused(answer, 403, "role_must_allow")


def test_staff_pages_are_not_for_customers_nor_customers_pages_for_staff() -> None:
    for method, path, handler in handlers():
        roles = handler.opt.get("roles", frozenset())
        if "/admin/" in path and method != "OPTIONS":
            assert roles == {"admin"}
        elif "/compliance/" in path and method != "OPTIONS":
            # Compliance looks, works its cases, and changes nothing else.
            may = method in ("GET", "HEAD") or "/compliance/cases/" in path
            assert roles == ({"admin", "compliance"} if may else {"admin"})
        elif "/corporate-actions/" in path and method == "POST":
            assert roles == {"admin"}
        elif method != "OPTIONS" and roles not in (OPEN, LOGGED_IN):
            assert roles == {"customer"}, path


def test_registering_gives_a_customer_an_open_account_to_log_in_to(running: Running) -> None:
    email, registered = running.register()

    login = running.log_in(email.upper())

    assert login["token_type"] == "bearer"
    assert login["user"] == {**registered, "email": email, "full_name": "A Person", "role": "customer"}
    with running.client(login["access_token"]) as client:
        balance = client.get("/api/v1/wallet/balance").json()
    assert (balance["cash"], balance["status"]) == ("0.00", "open")


def test_an_address_is_taken_whatever_its_case(running: Running) -> None:
    email, _ = running.register()
    with running.client() as client:
        body = {"email": email.upper(), "password": PASSWORD, "full_name": "Another"}
        refused(client.post("/api/v1/auth/register", json=body), 409, "email_must_not_be_taken")


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({"email": "nobody"}, "email_must_be_well_formed"),
        ({"email": "a b@example.com"}, "email_must_be_well_formed"),
        ({"email": "a\x00@example.com"}, "email_must_be_well_formed"),
        ({"email": "a@" + "b" * 300 + ".com"}, "email_must_be_well_formed"),
        ({"password": "123456789"}, "password_must_be_long_enough"),
        ({"password": "x" * 257}, "password_must_be_long_enough"),
        ({"full_name": " "}, "full_name_must_be_well_formed"),
        ({"full_name": "A\x00B"}, "full_name_must_be_well_formed"),
        ({"full_name": "x" * 201}, "full_name_must_be_well_formed"),
    ],
)
def test_a_registration_says_which_part_is_wrong(running: Running, change: dict[str, str], code: str) -> None:
    body = {"email": "fine@example.com", "password": PASSWORD, "full_name": "Fine"} | change
    with running.client() as client:
        refused(client.post("/api/v1/auth/register", json=body), 422, code)


@pytest.mark.parametrize(
    ("email", "password"),
    [("nobody@example.com", PASSWORD), ("not an address", PASSWORD), (None, "wrong password"), (None, "")],
)
def test_wrong_credentials_are_refused_alike(running: Running, email: str | None, password: str) -> None:
    known, _ = running.register()
    with running.client() as client:
        answer = client.post("/api/v1/auth/login", json={"email": email or known, "password": password})
    problem = refused(answer, 401, "credentials_must_be_right")
    assert problem["detail"] == "no user has this e-mail address and password"


def test_a_password_that_only_begins_right_is_wrong(running: Running) -> None:
    longest = "x" * 256
    body = {"email": "longest@example.com", "password": longest, "full_name": "Longest"}
    with running.client() as client:
        assert client.post("/api/v1/auth/register", json=body).status_code == 201
        body = {"email": "longest@example.com", "password": longest + "x"}
        refused(client.post("/api/v1/auth/login", json=body), 401, "credentials_must_be_right")


def test_a_login_ends_at_once_when_it_is_logged_out_and_others_go_on(running: Running) -> None:
    email, _ = running.register()
    first, second = (running.client(running.log_in(email)["access_token"]) for _ in range(2))
    with closing(first), closing(second):
        assert first.get("/api/v1/wallet/balance").status_code == 200

        assert first.post("/api/v1/auth/logout").status_code == 204

        refused(first.get("/api/v1/wallet/balance"), 401, "login_must_be_valid")
        assert second.get("/api/v1/wallet/balance").status_code == 200


@pytest.mark.parametrize(
    "header", ["", "Bearer", "Bearer  x", "Basic abc", "Bearer nobodys-token", "Bearer é"]
)
def test_a_header_that_is_no_token_of_a_login_is_refused(running: Running, header: str) -> None:
    with running.client() as client:
        answer = client.get("/api/v1/wallet/balance", headers={"Authorization": header.encode("latin-1")})
    refused(answer, 401, "login_must_be_valid")
