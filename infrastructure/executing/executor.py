"""The executor: the only one who takes liquidity. Quotes come from Redis, orders from the log, and what
the book makes of them goes to the committer as commands.

The book is built from the log and kept up by it; a wake-up tells of new orders within milliseconds, and a
poll makes up for lost wake-ups. The book runs ahead of the log for one tick only: its intents are
committed before the next tick is looked at, and an order whose command was refused is taken from the log
again. An execution's id follows from order, quote and what was left, so that none is booked twice.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Future
from datetime import datetime
from uuid import UUID

import structlog

from application import commands as c
from application.answers import Answer
from application.errors import QueueMustHaveRoom
from application.requests import Request
from domain.book import Book
from domain.errors import Refusal
from domain.quotes import Quote, Session, Tick
from infrastructure.eventstore.committer import Committer
from infrastructure.executing.intents import command_of
from infrastructure.executing.market_view import MarketView
from infrastructure.executing.working_orders import WorkingOrders
from infrastructure.figures import FIGURES
from infrastructure.memory import keep_what_is_here
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.redis.channels import LOG_APPENDED, QUOTE_UPDATES, Subscription
from infrastructure.redis.quotes import TickNumber, decode_tick

log = structlog.get_logger()

POLL_S = 0.1
LEASE_CHECK_S = 0.5
SAY_PROGRESS_S = 1.0
SAY_PROGRESS_TICKS = 8
"""A market that waits for us is at most 20 ticks ahead; so it hears of us in time, and not at every tick."""
ROOM_S = 0.005


class LeaseWasLost(Exception):
    """The right to execute was lost; a fresh start asks for it again."""


class Executor:
    """Works the orders of one log against the quotes of one Redis.

    `tell_time` is told the time of each tick before its commands are committed, so that no fill carries
    an earlier time than the quote it took.
    """

    def __init__(
        self,
        *,
        database_url: str,
        redis_url: str,
        committer: Committer,
        book: Book,
        tell_time: Callable[[datetime], None] | None = None,
    ) -> None:
        self._database_url = database_url
        self._redis_url = redis_url
        self._committer = committer
        self._book = book
        self._tell_time = tell_time
        self._lease = Lease(database_url, "executor")
        self._said_at = 0.0
        self._said = TickNumber("", 0)
        self._session: Session | None = None
        self._is_new_session = False

    def run(self, stop: threading.Event) -> None:
        """Execute until `stop` is set. Raises when PostgreSQL is lost: a fresh start is the way back."""
        while not stop.is_set() and not self._lease.hold():
            stop.wait(LEASE_CHECK_S)
        if stop.is_set():
            return
        subscription = Subscription(self._redis_url, [QUOTE_UPDATES, LOG_APPENDED])
        self._market = MarketView(self._redis_url)
        with connect(self._database_url, application="daybook executor") as connection:
            self._orders = WorkingOrders(connection, self._book)
            try:
                self._orders.build()
                keep_what_is_here()
                self._load_quotes()
                self._follow(subscription, stop)
            finally:
                subscription.close()
                self._market.close()
                self._lease.release()

    def _follow(self, subscription: Subscription, stop: threading.Event) -> None:
        reconnects, checked = subscription.reconnects, time.monotonic()
        self._meet(self._orders.catch_up())
        while not stop.is_set():
            message = subscription.get(timeout=POLL_S)
            if subscription.reconnects != reconnects:
                reconnects = subscription.reconnects
                self._load_quotes()
            is_tick = message is not None and message[0] == QUOTE_UPDATES
            if message is not None and is_tick:
                self._on_tick(decode_tick(message[1]))
            if not is_tick or time.monotonic() - self._orders.caught_up_at > POLL_S:
                self._meet(self._orders.catch_up())
            self._say_progress(is_idle=message is None)
            if time.monotonic() - checked > LEASE_CHECK_S:
                checked = time.monotonic()
                self._require_lease()

    # What the market says.

    def _load_quotes(self) -> None:
        """Take the quotes as they stand, and let every working order meet them."""
        tick = self._market.load()
        if self._market.session is not None:
            self._carry_out(self._on_quotes(self._market.board.all(), self._market.session))
        self._market.tick = tick  # else a market that waits for us would wait for ticks that have gone

    def _on_tick(self, tick: Tick) -> None:
        if self._tell_time is not None:
            self._tell_time(tick.at)
        self._take_in_the_day(tick)
        if not self._market.apply(tick):
            log.warning("ticks were missed, reading all quotes", number=tick.number)
            self._load_quotes()
        self._carry_out(self._on_quotes(tick.quotes, tick.session))
        FIGURES.add("ticks")
        FIGURES.add("quotes", len(tick.quotes))
        self._market.tick = TickNumber(tick.run, tick.number)

    def _take_in_the_day(self, tick: Tick) -> None:
        """Before the first quotes of a session: a split may have changed orders that rest since the one before."""
        if tick.session != self._session:
            self._session, self._is_new_session = tick.session, True
        if self._is_new_session and tick.quotes:
            self._is_new_session = False
            self._meet(self._orders.catch_up())

    def _on_quotes(self, quotes: Iterable[Quote], session: Session) -> list[c.OrderCommand]:
        commands: list[c.OrderCommand] = []
        for intents in self._book.on_quotes(quotes, session):
            commands += [command_of(intent) for intent in intents]
        return commands

    def _meet(self, order_ids: Sequence[UUID]) -> None:
        """Let new orders meet the quotes as they stand."""
        session = self._market.session
        if session is None:
            return
        commands: list[c.OrderCommand] = []
        for order_id in order_ids:
            working = self._book.get(order_id)
            if working is not None:
                quote = self._market.board.get(working.symbol)
                intents = self._book.on_new_order(order_id, quote, session)
                commands += [command_of(intent) for intent in intents]
        self._carry_out(commands)

    # What the log is told.

    def _carry_out(self, commands: Sequence[c.OrderCommand]) -> None:
        """Commit what the book decided, and take from the log again whatever was refused."""
        if not commands:
            return
        submitted = [(command, self._submit(command)) for command in commands]
        refused = {command.order_id for command, future in submitted if not _went_through(command, future)}
        fills = [command for command in commands if isinstance(command, c.ExecuteOrder)]
        FIGURES.add("fills", sum(command.order_id not in refused for command in fills))
        fresh = self._orders.catch_up()
        for order_id in refused:
            self._orders.take_again(order_id)
        self._meet(fresh)

    def _submit(self, command: c.OrderCommand) -> "Future[Answer]":
        quote = getattr(command, "quote", None)
        request = Request.by_role(
            "executor", command, causation_id=None if quote is None else f"quote/{quote}"
        )
        while True:
            try:
                return self._committer.submit(request)
            except QueueMustHaveRoom:
                time.sleep(ROOM_S)  # our own commands fill the queue; they are being worked off

    # That we are alive.

    def _say_progress(self, *, is_idle: bool) -> None:
        now, tick = time.monotonic(), self._market.tick
        ticks = tick.number - self._said.number if tick.run == self._said.run else SAY_PROGRESS_TICKS
        if ticks >= SAY_PROGRESS_TICKS or (is_idle and ticks) or now - self._said_at >= SAY_PROGRESS_S:
            self._said_at, self._said = now, tick
            self._market.say_progress()

    def _require_lease(self) -> None:
        if not self._lease.hold():
            raise LeaseWasLost("another executor may be at work")


def _went_through(command: c.OrderCommand, future: "Future[Answer]") -> bool:
    try:
        future.result()
    except Refusal as refusal:
        log.info("a command was refused", command=type(command).__name__, code=refusal.code)
        return False
    except Exception:
        log.exception("a command failed", command=type(command).__name__)
        return False
    return True
