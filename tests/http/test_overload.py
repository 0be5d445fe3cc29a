"""More requests than may be served at once are refused at once, and those that are served are not harmed."""

import threading
from concurrent.futures import ThreadPoolExecutor

import httpx
import msgspec

from infrastructure.settings import Settings
from tests.http.running import serving


def test_beyond_the_limit_requests_are_refused_with_retry_after(settings: Settings) -> None:
    few = msgspec.structs.replace(settings, requests_limit=2)
    with serving(few) as running, ThreadPoolExecutor(20) as people:
        client = running.customer("1000.00")
        start = threading.Barrier(20)

        def ask(_: int) -> httpx.Response:
            start.wait()
            return client.get("/api/v1/wallet/balance")

        answers = [answer for _ in range(5) for answer in people.map(ask, range(20))]
        health = client.get("/health").status_code
        client.close()

    refused = [answer for answer in answers if answer.status_code == 503]
    assert {answer.status_code for answer in answers} == {200, 503}
    assert {answer.headers["retry-after"] for answer in refused} == {"1"}
    assert {answer.json()["code"] for answer in refused} == {"queue_must_have_room"}
    assert health == 200
