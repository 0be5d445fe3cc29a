"""A narrated trading day, lived from the outside: HTTP only. Every claim it prints is checked.

It runs against the Daybook that answers at the given address, or starts one of its own in a folder that is
removed afterwards. The end is 0 only if every claim was true.
"""

import time
from collections.abc import Callable
from contextlib import suppress
from decimal import ROUND_CEILING, Decimal
from typing import Any

import httpx
from msgspec import Struct
from rich.console import Console

from interfaces.demo.books import realised_profit
from interfaces.demo.crowd import Crowd
from interfaces.demo.instance import own_instance
from interfaces.demo.outside import Json, Outside, Refused
from interfaces.demo.seed import ADMIN, PASSWORD

CENT = Decimal("0.01")
PATIENCE_S = 180.0
NUDGE_S = 6.0
"""So long an order may rest before the customer moves its price nearer, to keep the story going."""


class ClaimIsFalse(Exception):
    """Something the story said was not so."""


class Moment(Struct, frozen=True):
    """The customer's cash and shares as they were read at a position of the log."""

    name: str
    balance: Json
    positions: list[Json]
    log_position: int


class Story:
    """Prints what happens, checks what is claimed, and remembers moments to come back to."""

    def __init__(self, customer: Outside, console: Console) -> None:
        self.customer = customer
        self.claims = 0
        self.moments: list[Moment] = []
        self._console = console

    def chapter(self, title: str) -> None:
        """A heading."""
        self._console.print(f"\n[bold]{title}[/bold]")

    def tell(self, text: str) -> None:
        """A line of the story."""
        self._console.print(f"    {text}", highlight=False)

    def claim(self, text: str, *, found: Any, wanted: Any) -> None:
        """A line that must be true: what was found equals what was wanted."""
        if found != wanted:
            self._console.print(f"  [red]✗[/red] {text}: found {found}, wanted {wanted}", highlight=False)
            raise ClaimIsFalse(text)
        self.claims += 1
        self._console.print(f"  [green]✓[/green] {text}", highlight=False)

    def balance(self) -> Json:
        """The customer's cash."""
        return self.customer.get("/api/v1/wallet/balance")

    def cash(self) -> Decimal:
        """The customer's cash, in dollars."""
        return Decimal(self.balance()["cash"])

    def positions(self) -> list[Json]:
        """The customer's positions."""
        return list(self.customer.get("/api/v1/portfolio/positions")["items"])

    def shares(self, symbol: str) -> Decimal:
        """How many shares of a symbol the customer has."""
        return sum((Decimal(p["quantity"]) for p in self.positions() if p["symbol"] == symbol), Decimal(0))

    def remember(self, name: str) -> None:
        """Note a moment: the cash and the shares as they are now."""
        balance, positions = self.balance(), self.positions()
        self.moments.append(Moment(name, balance, positions, self.customer.log_position))

    def quote(self, symbol: str) -> Json:
        """The quote of a symbol, once both sides are there."""
        return self.until(
            f"{symbol} is quoted on both sides",
            lambda: self.customer.get(f"/api/v1/quotes/{symbol}"),
            lambda quote: quote["bid"] is not None and quote["ask"] is not None,
        )

    def read(self, order: Json) -> Json:
        """An order as it is now, with its executions."""
        return self.customer.get(f"/api/v1/orders/{order['order_id']}")

    def until(
        self,
        what: str,
        look: Callable[[], Json],
        is_so: Callable[[Json], bool],
        nudge: Callable[[Json], object] | None = None,
    ) -> Json:
        """Look again and again until it is so; every few seconds, nudge."""
        began = nudged = time.monotonic()
        while not is_so(seen := look()):
            now = time.monotonic()
            if now - began > PATIENCE_S:
                raise ClaimIsFalse(f"{what}: not within {PATIENCE_S:.0f} s, {seen.get('status', 'still')}")
            if nudge is not None and now - nudged > NUDGE_S:
                nudge(seen)
                nudged = now
            time.sleep(0.1)
        return seen


def run(base_url: str, *, email: str = ADMIN, password: str = PASSWORD) -> int:
    """Live through the day. Returns the exit code: 0 when every claim was true, 1 when one was not."""
    console = Console()
    if _answers(base_url):
        return _live(base_url, console, email, password)
    console.print(f"No Daybook answers at {base_url}; starting one for the day.")
    with own_instance() as instance:
        return _live(instance.base_url, console, email, password)


def _live(base_url: str, console: Console, email: str, password: str) -> int:
    customer = Outside(base_url)
    story = Story(customer, console)
    crowd = Crowd(base_url, ["IBM", "MSFT"])
    try:
        customer.register(f"carol-{time.time_ns()}@example.com", PASSWORD, "Carol Example")
        crowd.start()
        _deposit(story)
        _market_buy(story)
        _resting_limit(story)
        _stop(story)
        _partial_fill_and_cancel(story)
        _sale(story)
        _past(story)
        _rebuild(story, base_url, email, password)
        _crowd(story, crowd)
    except (ClaimIsFalse, Refused, httpx.HTTPError) as failure:
        console.print(f"\n[red]The day failed:[/red] {failure}", highlight=False)
        return 1
    finally:
        crowd.close()
        _leave_nothing_behind(customer)
        customer.close()
    console.print(f"\nAll {story.claims} claims were true.", highlight=False)
    return 0


def _leave_nothing_behind(customer: Outside) -> None:
    """Cancel what is still open, also when the day failed."""
    with suppress(Refused, httpx.HTTPError):
        for order in customer.get("/api/v1/orders", status="open", limit=200)["items"]:
            customer.send("DELETE", f"/api/v1/orders/{order['order_id']}")


def _deposit(story: Story) -> None:
    story.chapter("Carol opens an account and brings money")
    answer = story.customer.deposit(Decimal(1_000_000))
    story.claim("the deposit is read back at once", found=story.cash(), wanted=Decimal(answer["cash"]))
    story.claim("nothing is held", found=Decimal(story.balance()["held"]), wanted=Decimal(0))


def _market_buy(story: Story) -> None:
    story.chapter("She buys at the market")
    before, quote = story.cash(), story.quote("IBM")
    story.tell(f"IBM is quoted {quote['bid']} to {quote['ask']}")
    # A day takes two seconds: an order for the day would end with it when nobody works it so soon.
    order = story.customer.order(symbol="IBM", side="buy", type="market", quantity=100, time_in_force="gtc")
    story.tell(f"the answer says {order['status']}")
    order = story.until("the market order fills", lambda: story.read(order), _is_filled)
    paid = _amount(order)
    story.claim("100 shares were filled", found=Decimal(order["filled_quantity"]), wanted=Decimal(100))
    story.claim(f"exactly {paid} left the cash", found=before - story.cash(), wanted=paid)
    story.claim("no cash is held any more", found=Decimal(story.balance()["held"]), wanted=Decimal(0))
    story.remember("after the market buy")


def _resting_limit(story: Story) -> None:
    story.chapter("She leaves a limit order to rest")
    limit = _near(story.quote("IBM")["bid"], "0.99")
    order = story.customer.order(
        symbol="IBM", side="buy", type="limit", quantity=50, limit_price=limit, time_in_force="gtc"
    )
    wanted = (limit * 50).quantize(CENT, ROUND_CEILING)
    if not Decimal(order["filled_quantity"]):
        story.claim(
            f"{wanted} is held for 50 IBM at {limit}", found=Decimal(story.balance()["held"]), wanted=wanted
        )

    def raise_limit(_: Json) -> None:
        nearer = _near(story.quote("IBM")["ask"], "1.001")
        story.tell(f"the market moved away; she raises her limit to {nearer}")
        story.customer.change(order["order_id"], limit_price=nearer)

    order = story.until("the limit order fills", lambda: story.read(order), _is_filled, raise_limit)
    worst = max(Decimal(e["price"]) for e in order["executions"])
    story.claim(
        f"it filled at {worst}, no worse than its limit of {order['limit_price']}",
        found=worst <= Decimal(order["limit_price"]),
        wanted=True,
    )
    story.claim("the hold is gone", found=Decimal(story.balance()["held"]), wanted=Decimal(0))


def _stop(story: Story) -> None:
    story.chapter("She protects herself with a stop")
    stop = _near(story.quote("IBM")["bid"], "0.995")
    order = story.customer.order(
        symbol="IBM", side="sell", type="stop", quantity=30, stop_price=stop, time_in_force="gtc"
    )
    story.tell(f"a stop to sell 30 IBM at {stop}")

    def raise_stop(_: Json) -> None:
        nearer = _near(story.quote("IBM")["bid"], "1.002")
        story.tell(f"the market rose; she pulls the stop up to {nearer}")
        story.customer.change(order["order_id"], stop_price=nearer)

    order = story.until("the stop is elected and fills", lambda: story.read(order), _is_filled, raise_stop)
    story.claim("the stop was elected first", found=order["triggered_at"] is not None, wanted=True)
    story.claim("30 shares were sold", found=Decimal(order["filled_quantity"]), wanted=Decimal(30))
    story.claim("120 shares are left", found=story.shares("IBM"), wanted=Decimal(120))
    story.remember("after the stop")


def _partial_fill_and_cancel(story: Story) -> None:
    story.chapter("She asks for more than the market shows")
    quote = story.quote("MSFT")
    limit, quantity = _near(quote["ask"], "1.05"), max(2000, int(quote["ask_size"]) * 20)
    story.customer.deposit((limit * quantity).quantize(CENT))
    before = story.cash()
    order = story.customer.order(
        symbol="MSFT", side="buy", type="limit", quantity=quantity, limit_price=limit, time_in_force="gtc"
    )
    story.tell(f"{quantity} MSFT at {limit} or better; the quote shows {quote['ask_size']}")
    order = story.until("a part fills", lambda: story.read(order), _has_filled_some)
    order = story.customer.send("DELETE", f"/api/v1/orders/{order['order_id']}")
    order = story.read(order)
    story.claim("the rest was cancelled", found=order["status"], wanted="cancelled")
    filled = Decimal(order["filled_quantity"])
    story.claim(f"{filled} of {quantity} were filled", found=0 < filled < quantity, wanted=True)
    paid = _amount(order)
    story.claim(f"exactly {paid} left the cash", found=before - story.cash(), wanted=paid)
    story.claim("nothing is held", found=Decimal(story.balance()["held"]), wanted=Decimal(0))


def _sale(story: Story) -> None:
    story.chapter("She sells her IBM and realises the profit")
    before = story.cash()
    order = story.customer.order(symbol="IBM", side="sell", type="market", quantity=120, time_in_force="gtc")
    order = story.until("the sale fills", lambda: story.read(order), _is_filled)
    story.claim("exactly the proceeds came in", found=story.cash() - before, wanted=_amount(order))
    executions = _executions(story, "IBM")
    wanted = realised_profit(executions)
    story.claim(
        f"the realised profit is {wanted}, as first-in-first-out gives from {len(executions)} executions",
        found=sum((_gain(e) for e in executions if e["side"] == "sell"), Decimal(0)),
        wanted=wanted,
    )
    story.claim("no IBM is left", found=story.shares("IBM"), wanted=Decimal(0))
    story.remember("after the sale")


def _past(story: Story) -> None:
    story.chapter("She asks what her account looked like before")
    for moment in story.moments:
        then = story.customer.get("/api/v1/account/as-of", log_position=moment.log_position)
        cash = moment.balance["cash"]
        story.claim(f"{moment.name}: cash {cash}", found=Decimal(then["cash"]), wanted=Decimal(cash))
        wanted = _shares(moment.positions)
        story.claim(f"{moment.name}: shares {_list(wanted)}", found=_shares(then["positions"]), wanted=wanted)
        at = then["recorded_at"]
        again = story.customer.get("/api/v1/account/as-of", at=at)
        story.claim(f"{moment.name}: the same when asked for {at}", found=again, wanted=then)


def _rebuild(story: Story, base_url: str, email: str, password: str) -> None:
    story.chapter("Operations rebuild every read table while the market is open")
    before = (story.balance()["cash"], story.positions())
    admin = Outside(base_url)
    admin.log_in(email, password)
    job = admin.post("/api/v1/admin/projections/rebuild")
    path = f"/api/v1/admin/projections/jobs/{job['job_id']}"
    done = story.until("the rebuild ends", lambda: admin.get(path), lambda seen: seen["state"] != "running")
    story.claim("the rebuild went through", found=done["state"], wanted="done")
    for result in done["results"]:
        story.claim(
            f"{result['projection']}: {result['rows']} rows from {result['events']} events, none differs",
            found=(result["compared"], result["differences"]),
            wanted=(True, 0),
        )
    after = (story.balance()["cash"], story.positions())
    story.claim("Carol's books read as before", found=_still(after), wanted=_still(before))
    admin.close()


def _crowd(story: Story, crowd: Crowd) -> None:
    story.chapter("Meanwhile a crowd has been trading")
    orders, repeated, wrong = crowd.finish()
    story.tell(f"{orders} orders answered, {repeated} requests sent again")
    story.claim("every answered order is there once, and every cent is accounted for", found=wrong, wanted=[])


def _gain(sale: Json) -> Decimal:
    """What a sale realised for tax: a loss that a wash sale has moved into the cost of other shares is not in it."""
    return Decimal(sale["profit"]) + Decimal(sale["wash_disallowed"])


def _executions(story: Story, symbol: str) -> list[Json]:
    page = story.customer.get("/api/v1/orders", status="all", symbol=symbol, limit=200)
    found = [e for order in page["items"] for e in story.read(order)["executions"]]
    return sorted(found, key=lambda e: int(e["log_position"]))


def _still(books: tuple[str, list[Json]]) -> tuple[str, list[Any]]:
    """The part of the books that does not move with the market's prices."""
    cash, positions = books
    return cash, [(p["symbol"], p["quantity"], p["cost"], p["realised"]) for p in positions]


def _is_filled(order: Json) -> bool:
    if order["ended_at"] is not None and order["status"] != "filled":
        raise ClaimIsFalse(f"the order ended unfilled: {order['status']}, {order['reason']}")
    return bool(order["status"] == "filled")


def _has_filled_some(order: Json) -> bool:
    return Decimal(order["filled_quantity"]) > 0


def _amount(order: Json) -> Decimal:
    return sum((Decimal(execution["net_amount"]) for execution in order["executions"]), Decimal(0))


def _near(price: str, factor: str) -> Decimal:
    return (Decimal(price) * Decimal(factor)).quantize(CENT)


def _shares(positions: list[Json]) -> dict[str, Decimal]:
    return {p["symbol"]: Decimal(p["quantity"]) for p in positions if Decimal(p["quantity"])}


def _list(shares: dict[str, Decimal]) -> str:
    return ", ".join(f"{quantity.normalize():f} {symbol}" for symbol, quantity in shares.items()) or "none"


def _answers(base_url: str) -> bool:
    try:
        return httpx.get(f"{base_url}/health", timeout=2).status_code in (200, 503)
    except httpx.TransportError:
        return False
