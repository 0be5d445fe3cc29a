"""Daybook from the outside: a customer with nothing but HTTP, who repeats what was not answered.

Every command carries an idempotency key, so that it can be sent again after a broken connection or a 503
without being done twice.
"""

import time
from decimal import Decimal
from typing import Any
from uuid import uuid4

import httpx

PATIENCE_S = 30.0
PAUSE_S = 0.1

Json = dict[str, Any]


class Refused(Exception):
    """Daybook said no. `problem` is its problem document."""

    def __init__(self, status: int, problem: Json) -> None:
        super().__init__(f"{status} {problem.get('code', '')}: {problem.get('detail', '')}")
        self.status = status
        self.problem = problem

    @property
    def code(self) -> str:
        """The stable code of the refusal."""
        return str(self.problem.get("code", ""))


class Outside:
    """One customer's connection.

    `retries` counts how often something had to be sent again; `log_position` is where the last answer stood.
    """

    def __init__(self, base_url: str) -> None:
        self._client = httpx.Client(base_url=base_url, timeout=15)
        self._token: str | None = None
        self.retries = 0
        self.log_position = 0
        self.account_id = ""

    def close(self) -> None:
        """Hang up."""
        self._client.close()

    def log_in(self, email: str, password: str) -> Json:
        """Log in; later requests carry the token."""
        login = self.send("POST", "/api/v1/auth/login", {"email": email, "password": password})
        self._token = login["access_token"]
        self.account_id = login["user"]["account_id"] or ""
        return login

    def register(self, email: str, password: str, full_name: str) -> None:
        """Become a customer, or log in as the one who was registered before, and log in."""
        try:
            self.send(
                "POST",
                "/api/v1/auth/register",
                {"email": email, "password": password, "full_name": full_name},
            )
        except Refused as refused:
            if refused.status != 409:
                raise
        self.log_in(email, password)

    def get(self, path: str, **parameters: Any) -> Json:
        """Read something."""
        asked = {name: str(value) for name, value in parameters.items() if value is not None}
        return self.send("GET", path, parameters=asked)

    def post(self, path: str, body: Json | None = None, *, key: str | None = None) -> Json:
        """Command something, once."""
        return self.send("POST", path, body or {}, key=key or str(uuid4()))

    def deposit(self, amount: Decimal) -> Json:
        """Bring money."""
        return self.post("/api/v1/wallet/deposit", {"amount": f"{amount:.2f}"})

    def order(self, **terms: Any) -> Json:
        """Place an order."""
        body = {name: str(value) for name, value in terms.items() if value is not None}
        return self.post("/api/v1/orders", body)

    def change(self, order_id: str, **terms: Any) -> Json | None:
        """Replace an order's terms; None when it has ended or already has them."""
        body = {name: str(value) for name, value in terms.items()}
        try:
            return self.send("PATCH", f"/api/v1/orders/{order_id}", body)
        except Refused as refused:
            if refused.code in ("order_must_be_open", "replacement_must_change_something"):
                return None
            raise

    def send(
        self,
        method: str,
        path: str,
        body: Json | None = None,
        *,
        key: str | None = None,
        parameters: dict[str, str] | None = None,
    ) -> Json:
        """One request, repeated until it is answered. Raises Refused, or httpx's error after 30 seconds."""
        deadline = time.monotonic() + PATIENCE_S
        while True:
            try:
                response = self._client.request(
                    method, path, json=body, headers=self._headers(key), params=parameters
                )
            except httpx.TransportError:
                if time.monotonic() > deadline:
                    raise
            else:
                if response.status_code != 503 or time.monotonic() > deadline:
                    self.log_position = int(response.headers.get("Daybook-Position", self.log_position))
                    return _answer(response)
            self.retries += 1
            time.sleep(PAUSE_S)

    def _headers(self, key: str | None) -> dict[str, str]:
        headers = {}
        if self._token is not None:
            headers["Authorization"] = f"Bearer {self._token}"
        if key is not None:
            headers["Idempotency-Key"] = key
        return headers


def _answer(response: httpx.Response) -> Json:
    answer: Json = response.json() if response.content else {}
    if response.status_code >= 400:
        raise Refused(response.status_code, answer)
    return answer
