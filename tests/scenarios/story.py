"""What happened at the firm that is examined: lived through from the outside, and noted by hand.

Everything in `Known` was either decided here or said by the API when it happened. No answer of the command line is
worked out by asking Daybook again; sums are made here, in Decimal.
"""

import shutil
import time
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import httpx
from msgspec import Struct

from infrastructure.people import Role
from interfaces.cli.users import create_user
from tests.http.running import PASSWORD, until
from tests.scenarios.house import House, Said

D = Decimal

CLIENT_ADDRESS, CLIENT_AGENT = "127.0.0.7", "dora-app/3.1"
STAFF: dict[str, Role] = {"ann": "admin", "ben": "admin", "eve": "compliance"}
ROUND_TRIPS = 11
HOLD_REASON, HOLD_BY = "inquiry 26-118", "counsel"


class Known(Struct, kw_only=True):
    """What the story knows, by the words that the page puts into its commands."""

    words: dict[str, str] = {}
    facts: dict[str, Any] = {}
    before: dict[str, Said] = {}  # answers of an earlier visit


class Story:
    """Lives through it. Each method is a day; `known` is what an examiner's answers are held against."""

    def __init__(self, house: House) -> None:
        self.house = house
        self.known = Known()
        self.staff: dict[str, httpx.Client] = {}

    def live(self) -> Known:
        """All of it, in order."""
        self.hire()
        self.monday()
        self.first_visit()
        self.tuesday()
        self.friday()
        self.wash_sales()
        self.goodbye()
        self.looks()
        self.month_end()
        return self.known

    # The days.

    def hire(self) -> None:
        """Two admins and an examiner of the firm's own."""
        self.house.at("2026-03-02T13:00:00")
        for name, role in STAFF.items():
            user = create_user(
                self.house.settings,
                email=f"{name}@firm.example",
                full_name=name,
                role=role,
                password=PASSWORD,
            )
            self.known.words[name.upper()] = str(user.user_id)
            self.staff[name] = self._log_in(f"{name}@firm.example", address="127.0.0.2", agent="desk/1")

    def monday(self) -> None:
        """2 March: money, a purchase, an order that rests, a sale, and a deposit that is entered wrongly."""
        dora = self.dora = self._customer("dora", address=CLIENT_ADDRESS, agent=CLIENT_AGENT)
        facts = self.known.facts
        self.house.at("2026-03-02T14:00:00")
        facts["stake"] = _done(dora.post("/api/v1/wallet/deposit", json={"amount": "100000.00"}))[
            "log_position"
        ]
        self.house.at("2026-03-02T14:02:00", IBM="120.00")
        bought = self._filled(dora, "IBM", "buy", "500", key="dora-buys-ibm")
        self.known.words["ORDER"] = facts["order"] = bought["order_id"]
        self.house.at("2026-03-02T14:03:00")
        resting = {"symbol": "IBM", "side": "buy", "type": "limit", "quantity": "100"}
        resting |= {"limit_price": "100.00", "time_in_force": "gtc"}
        facts["resting"] = _done(dora.post("/api/v1/orders", json=resting))["order_id"]
        until(lambda: dora.get(f"/api/v1/orders/{facts['resting']}").json()["accepted_at"], seconds=30)
        self.house.at("2026-03-02T14:04:00", IBM="125.00")
        facts["sale"] = self._filled(dora, "IBM", "sell", "400")["order_id"]
        self.house.at("2026-03-02T15:00:00")
        facts["wrong"] = _done(dora.post("/api/v1/wallet/deposit", json={"amount": "500.00"}))["log_position"]

    def first_visit(self) -> None:
        """The examiner comes for the first time, and takes the seals along."""
        self._wait_until_sealed(self.known.facts["wrong"])
        last = self.house.ask("daybook seals list", "seals", "list", "--limit", "1", "--json")
        self.known.words["OLD"] = _number_of(last)
        seals = self.house.settings.data_dir / "seals"
        shutil.copy(seals / "seals.pub", self.house.desk / "copy.pub")

    def tuesday(self) -> None:
        """3 March: three orders that are refused, each for another reason, and a cancellation."""
        dora = self.dora
        self.house.at("2026-03-03T10:00:00", IBM="126.00")
        refused = {
            "available_cash_must_cover_order": {"symbol": "IBM", "side": "buy", "quantity": "100000"},
            "free_shares_must_cover_order": {"symbol": "IBM", "side": "sell", "quantity": "5000"},
            "symbol_must_be_listed": {"symbol": "NOSUCH", "side": "buy", "quantity": "1"},
        }
        for number, (code, terms) in enumerate(refused.items(), 1):
            key = {"Idempotency-Key": f"dora-refused-{number}"}
            answer = dora.post("/api/v1/orders", json={"type": "market", **terms}, headers=key)
            assert answer.json()["code"] == code, answer.text
        self.known.facts["refused"] = list(refused)
        self.house.at("2026-03-03T11:00:00")
        _done(dora.delete(f"/api/v1/orders/{self.known.facts['resting']}"))

    def friday(self) -> None:
        """6 March: the deposit of Monday was 50 dollars, not 500."""
        self.house.at("2026-03-06T09:00:00")
        body = {
            "log_position": self.known.facts["wrong"],
            "amount": "50.00",
            "reason": "entered a digit too many",
        }
        done = _done(self.staff["ann"].post("/api/v1/admin/corrections", json=body))
        self.known.facts["corrected"] = done["log_position"]

    def wash_sales(self) -> None:
        """1 April: Walt buys and sells the same ten shares again and again. He is blocked, and unblocked by two."""
        walt = self._customer("walt", address="127.0.0.8", agent="bot/9")
        self.house.at("2026-04-01T14:00:00", IBM="130.00")
        _done(walt.post("/api/v1/wallet/deposit", json={"amount": "10000.00"}))
        self.known.facts["washed"] = []
        for number in range(ROUND_TRIPS):
            self.house.at(f"2026-04-01T14:{number + 10}:00")
            for side in ("buy", "sell"):
                order = self._filled(walt, "IBM", side, "10")
                self.known.facts["washed"].append(order["order_id"])
        self._work_the_case()

    def _work_the_case(self) -> None:
        eve, ann, ben = (self.staff[name] for name in ("eve", "ann", "ben"))
        walt = self.known.words["WALT"]

        def found() -> Any:
            return eve.get("/api/v1/compliance/cases", params={"account_id": walt}).json()["items"]

        (case,) = until(found, seconds=30)
        case_id = self.known.words["CASE"] = case["case_id"]
        path = f"/api/v1/compliance/cases/{case_id}"
        _done(eve.post(f"{path}/assign", json={"assignee_id": self.known.words["EVE"]}))
        _done(eve.post(f"{path}/notes", json={"text": "same shares, same minute, no market risk"}))
        body = {"account_id": walt, "reason": "the trades were a test of the feed"}
        asked = _done(ann.post("/api/v1/compliance/reinstatements", json=body))
        approve = f"/api/v1/compliance/approvals/{asked['approval_id']}/approve"
        assert ann.post(approve).status_code in (403, 409, 422)
        _done(ben.post(approve))
        _done(eve.post(f"{path}/close", json={"resolution": "warned", "reason": "told to stop"}))

    def goodbye(self) -> None:
        """2 April: Fay takes her money, her account is closed, and she asks to be forgotten."""
        self.house.at("2026-04-02T10:00:00")
        fay = self._customer("fay", address="127.0.0.9", agent="fay-phone/7")
        _done(fay.post("/api/v1/wallet/deposit", json={"amount": "77.00"}))
        _done(fay.post("/api/v1/wallet/withdraw", json={"amount": "77.00"}))
        ann, ben, words = self.staff["ann"], self.staff["ben"], self.known.words
        _done(ann.post(f"/api/v1/admin/accounts/{words['FAY']}/close"))
        body = {"user_id": words["FAY_USER"], "reason": "asked for in writing"}
        asked = _done(ann.post("/api/v1/compliance/erasures", json=body))
        done = _done(ben.post(f"/api/v1/compliance/approvals/{asked['approval_id']}/approve"))
        self.known.facts["erased"] = done
        words["CERTIFICATE"] = str(done["outcome"]["log_position"])

    def looks(self) -> None:
        """Members of staff look at Dora, and one of them at something else."""
        account, eve = self.known.words["ACCOUNT"], self.staff["eve"]
        self.house.at("2026-04-03T10:00:00")
        for path in (
            f"/api/v1/compliance/accounts/{account}/as-of?at=2026-03-31T00:00:00Z",
            f"/api/v1/compliance/audit?account_id={account}",
            "/api/v1/compliance/holdings/IBM",
        ):
            _done(eve.get(path))
        self.known.facts["last"] = _done(self.dora.post("/api/v1/wallet/deposit", json={"amount": "1.00"}))[
            "log_position"
        ]

    def month_end(self) -> None:
        """March is asked about, archived and put under a hold; then the examiner comes again."""
        end = self._end_of_the_log()
        self._wait_until_sealed(end)
        account, moment = self.known.words["ACCOUNT"], "2026-03-02T14:03:07Z"
        self.known.before[moment] = self._operator("replay", account, "--at", moment, "--format", "json")
        self.known.facts["march_end"] = self.house.events_before("2026-04-01")
        self._operator("archive", "run", "--before", "2026-04")
        self._operator("hold", "place", account, "--reason", HOLD_REASON, "--by", HOLD_BY)
        seals = self.house.settings.data_dir / "seals"
        shutil.copy(seals / "seals.jsonl", self.house.desk / "copy.jsonl")
        newest = self.house.ask("daybook seals list", "seals", "list", "--limit", "1", "--json")
        words = self.known.words
        words |= {"NEW": _number_of(newest), "TODAY": datetime.now(UTC).date().isoformat()}
        words |= {"LAST": str(end), "EVENT": str(self.known.facts["wrong"]), "MEMBER": words["EVE"]}
        words |= {"SUSPECT": words["WALT"], "FORGOTTEN": words["FAY"]}

    # Means.

    def _operator(self, *words: str) -> Said:
        said = self.house.ask(" ".join(words), *words)
        assert said.code == 0, said
        return said

    def _customer(self, name: str, *, address: str, agent: str) -> httpx.Client:
        """Somebody who registers and logs in; `NAME` is the account, `NAME_USER` the person."""
        email = f"{name}@client.example"
        with self.house.running.client() as client:
            body = {"email": email, "password": PASSWORD, "full_name": f"{name.title()} Client"}
            found = _done(client.post("/api/v1/auth/register", json=body))
        words = self.known.words
        words[name.upper()], words[f"{name.upper()}_USER"] = found["account_id"], found["user_id"]
        if name == "dora":
            words |= {"ACCOUNT": found["account_id"], "CLIENT": found["user_id"], "EMAIL": email}
        return self._log_in(email, address=address, agent=agent)

    def _log_in(self, email: str, *, address: str, agent: str) -> httpx.Client:
        client = self.house.client(address=address, agent=agent)
        answer = _done(client.post("/api/v1/auth/login", json={"email": email, "password": PASSWORD}))
        client.headers["Authorization"] = f"Bearer {answer['access_token']}"
        return client

    def _filled(
        self, client: httpx.Client, symbol: str, side: str, quantity: str, *, key: str | None = None
    ) -> dict[str, Any]:
        """A market order that fills at the quote that stands."""
        body = {"symbol": symbol, "side": side, "type": "market", "quantity": quantity}
        headers = {} if key is None else {"Idempotency-Key": key}
        order = _done(client.post("/api/v1/orders", json=body, headers=headers))

        def filled() -> Any:
            found = client.get(f"/api/v1/orders/{order['order_id']}").json()
            return found if found.get("status") == "filled" else None

        found: dict[str, Any] = until(filled, seconds=30)
        return found

    def _end_of_the_log(self) -> int:
        """Where it ends once the roles have done what they had to do after the last command."""
        counts = [self.known.facts["last"]]

        def is_still() -> bool:
            time.sleep(1)
            counts.append(self.house.events_before("2100-01-01"))
            return counts[-1] == counts[-2]

        until(is_still, seconds=60)
        return counts[-1]

    def _wait_until_sealed(self, position: int) -> None:
        def is_sealed() -> bool:
            health = httpx.get(f"{self.house.running.url}/health", timeout=30).json()
            return bool(health["sealing"]["position"] >= position and health["sealing"]["lag"] == 0)

        until(is_sealed, seconds=30)
        time.sleep(0.1)


def _done(answer: httpx.Response) -> dict[str, Any]:
    assert answer.status_code in (200, 201), f"{answer.request.url}: {answer.text}"
    found: dict[str, Any] = answer.json()
    return found


def _number_of(said: Said) -> str:
    """The number of the one seal that was listed as JSON."""
    import msgspec

    return str(msgspec.json.decode(said.out.strip().encode())["number"])
