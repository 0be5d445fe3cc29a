"""The executor: the only one who takes liquidity. Quotes come from Redis, orders from the log, and what
the book makes of them goes to the committer as commands.

The book is built from the log and kept up by it; a wake-up tells of new orders within milliseconds, and a
poll makes up for lost wake-ups. The book runs ahead of the log for one tick only: its intents are
committed before the next tick is looked at, and an order whose command was refused is taken from the log
again. An execution's id follows from order, quote and what was left, so that none is booked twice.
"""

import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import Future
from contextlib import closing
from typing import Any
from uuid import UUID, uuid5

import msgspec
import psycopg
import structlog
from redis.exceptions import RedisError

from application import commands as c
from application.answers import Answer
from application.brokerage import fold
from application.errors import MarketClockMustRun, QueueMustHaveRoom
from application.requests import Request
from domain.book import Book
from domain.errors import Refusal
from domain.matching import Acceptance, Election, Ending, Fill, Intent, WorkingOrder
from domain.order import Order
from domain.quotes import Quote, Session, Tick
from domain.terms import Side
from infrastructure.eventstore.committer import Committer
from infrastructure.eventstore.log import LAST, Recorded, rows_of
from infrastructure.postgres.connections import connect
from infrastructure.postgres.lease import Lease
from infrastructure.redis import connect as connect_redis
from infrastructure.redis.channels import LOG_APPENDED, QUOTE_UPDATES, Subscription
from infrastructure.redis.market_clock import MarketClock
from infrastructure.redis.quotes import LAST_TICK, PROGRESS, QuoteBoard, TickNumber, decode_tick

log = structlog.get_logger()

VENUE = "internal"
POLL_S = 0.1
LEASE_CHECK_S = 0.5
PROGRESS_S = 5
RETRY_S = 0.02
CHUNK = 20_000

_ORDER_ROWS = (
    "SELECT notification_id, originator_id, originator_version, topic, state, account_id, recorded_at, NULL"
    " FROM stored_events WHERE notification_id > %s AND notification_id <= %s AND topic LIKE 'Order.%%'"
    " ORDER BY notification_id"
)


class OrderTail:
    """Every order event after the last one seen, in order."""

    def __init__(self, connection: psycopg.Connection[Any]) -> None:
        self._connection = connection
        self.position = 0

    def read(self) -> list[Recorded]:
        """What has come since, at most a chunk of the log at a time; empty at the end of the log."""
        row = self._connection.execute(LAST, prepare=True).fetchone()
        end = row[0] if row else 0
        found: list[Recorded] = []
        while not found and self.position < end:
            upto = min(end, self.position + CHUNK)
            found = rows_of(self._connection.execute(_ORDER_ROWS, (self.position, upto), prepare=True))
            self.position = upto
        return found


class Executor:
    """Works the orders of one log against the quotes of one Redis."""

    def __init__(
        self,
        *,
        database_url: str,
        redis_url: str,
        committer: Committer,
        book: Book,
        run_name: str = "executor",
    ) -> None:
        self._database_url = database_url
        self._redis_url = redis_url
        self._committer = committer
        self._book = book
        self._lease = Lease(database_url, run_name)
        self._orders: dict[UUID, Order] = {}
        self._ranks: dict[UUID, int] = {}
        self._taken: dict[tuple[str, Side], tuple[int, Any]] = {}
        self._session: Session | None = None
        self._tick = TickNumber("", 0)
        self._said_at = 0.0
        self._caught_up_at = 0.0
        self._has_time = False
        self._stop = threading.Event()

    def run(self, stop: threading.Event) -> None:
        """Execute until `stop` is set. Raises when PostgreSQL is lost: a fresh start is the way back."""
        self._stop = stop
        while not stop.is_set() and not self._lease.hold():
            stop.wait(LEASE_CHECK_S)
        if stop.is_set():
            return
        subscription = Subscription(self._redis_url, [QUOTE_UPDATES, LOG_APPENDED])
        self._board = QuoteBoard(self._redis_url)
        self._redis = connect_redis(self._redis_url)
        with connect(self._database_url, application="daybook executor") as connection:
            self._tail = OrderTail(connection)
            try:
                self._build()
                self._load_quotes()
                self._follow(subscription, stop)
            finally:
                subscription.close()
                self._redis.close()
                self._lease.release()

    # From the log.

    def _build(self) -> None:
        began = time.monotonic()
        while rows := self._tail.read():
            for row in rows:
                self._learn(row)
        for order_id, order in self._orders.items():
            self._book.add(WorkingOrder.of(order, self._ranks[order_id]))
        for (symbol, side), (sequence, quantity) in self._taken.items():
            self._book.restore_consumed(symbol, sequence, side, quantity)
        seconds = round(time.monotonic() - began, 3)
        log.info("working orders", orders=len(self._book), log_position=self._tail.position, seconds=seconds)

    def _learn(self, row: Recorded) -> Order | None:
        """Fold one event; the order it is about while that is open, else None."""
        event = row.event()
        order: Order = fold(self._orders.get(row.originator_id), (event,))
        if isinstance(event, Order.Placed):
            self._ranks[order.id] = row.log_position
        if isinstance(event, Order.Executed):
            self._note_taken(order, event)
        if order.is_open:
            self._orders[order.id] = order
            return order
        self._orders.pop(order.id, None)
        self._ranks.pop(order.id, None)
        return None

    def _note_taken(self, order: Order, event: Order.Executed) -> None:
        side = order.terms.side if order.terms else Side.BUY
        sequence, quantity = self._taken.get((order.symbol, side), (0, 0))
        if event.quote < sequence:
            return
        quantity = quantity + event.quantity if sequence == event.quote else event.quantity
        self._taken[order.symbol, side] = (event.quote, quantity)

    def _catch_up(self) -> list[UUID]:
        """Bring the book up to the log. Returns the orders that are new or changed by their customers."""
        self._caught_up_at = time.monotonic()
        changed: dict[UUID, bool] = {}  # by order: whether its customer did it
        while rows := self._tail.read():
            for row in rows:
                self._learn(row)
                by_customer = row.topic in ("Order.Placed", "Order.Replaced")
                changed[row.originator_id] = by_customer or changed.get(row.originator_id, False)
        # Only now: as the last fact left it, not as it stood between a change of terms and a fill.
        for order_id, by_customer in changed.items():
            self._agree(order_id, by_customer=by_customer)
        return [order_id for order_id, by_customer in changed.items() if by_customer]

    def _agree(self, order_id: UUID, *, by_customer: bool) -> None:
        """Let the book have the order as the log has it, also when another executor's last fills came late."""
        order, working = self._orders.get(order_id), self._book.get(order_id)
        if order is None:
            self._book.remove(order_id)
        elif by_customer or working is None or working.leaves != order.leaves:
            self._book.resync(order, self._ranks[order_id])

    # From the market.

    def _load_quotes(self) -> None:
        """Take the quotes as they stand, and let every working order meet them."""
        tick = self._tick
        try:
            tick = self._read_market()
        except (RedisError, OSError) as error:
            log.warning("the quotes cannot be read", error=str(error))
        if self._session is not None:
            self._carry_out(self._on_quotes(self._board.all(), self._session))
        self._tick = tick  # else a market that waits for us would wait for ticks that have gone

    def _read_market(self) -> TickNumber:
        """Read quotes and session, and the number of a tick that they are at least as new as."""
        with closing(MarketClock(self._redis_url)) as clock:
            while True:
                found: Any = self._redis.get(LAST_TICK)
                clock.load()
                session = clock.session
                self._board.load()
                clock.load()
                if clock.session == session:  # else quotes from before the open would be met after it
                    break
        self._session = session or self._session
        return self._tick if found is None else msgspec.json.decode(found, type=TickNumber)

    def _begin_run(self, first: Tick) -> None:
        """The market starts anew. What Redis holds from before stands; what it holds of the ticks to come
        must not be met ahead of them: the quotes between would be lost.
        """
        found = QuoteBoard(self._redis_url)
        try:
            found.load()
        except (RedisError, OSError) as error:
            log.warning("the quotes cannot be read", error=str(error))
        quotes = [quote for quote in found.all() if quote.at <= first.at]
        self._board = QuoteBoard(self._redis_url)
        self._board.apply(
            Tick(run=first.run, number=0, at=first.at, session=first.session, quotes=quotes),
        )

    def _follow(self, subscription: Subscription, stop: threading.Event) -> None:
        reconnects, checked = subscription.reconnects, time.monotonic()
        self._meet(self._catch_up())
        while not stop.is_set():
            message = subscription.get(timeout=POLL_S)
            if subscription.reconnects != reconnects:
                reconnects = subscription.reconnects
                self._load_quotes()
            is_tick = message is not None and message[0] == QUOTE_UPDATES
            if message is not None and is_tick:
                self._on_tick(decode_tick(message[1]))
            if not is_tick or time.monotonic() - self._caught_up_at > POLL_S:
                self._meet(self._catch_up())
            self._say_progress(time.monotonic())
            if time.monotonic() - checked > LEASE_CHECK_S:
                checked = time.monotonic()
                self._require_lease()

    def _on_tick(self, tick: Tick) -> None:
        self._session = tick.session
        if tick.number == 1:
            self._begin_run(tick)
        if not self._board.apply(tick):
            log.warning("ticks were missed, reading all quotes", number=tick.number)
            self._load_quotes()
        self._carry_out(self._on_quotes(tick.quotes, tick.session))
        self._tick = TickNumber(tick.run, tick.number)
        self._said_at = 0.0

    def _on_quotes(self, quotes: Iterable[Quote], session: Session) -> list[c.OrderCommand]:
        commands: list[c.OrderCommand] = []
        for quote in quotes:
            intents = self._book.on_quote(quote, session)
            if intents:
                commands += [_command(intent) for intent in intents]
        return commands

    def _meet(self, order_ids: Sequence[UUID]) -> None:
        """Let new orders meet the quotes as they stand."""
        if self._session is None:
            return
        commands: list[c.OrderCommand] = []
        for order_id in order_ids:
            working = self._book.get(order_id)
            if working is not None:
                quote = self._board.get(working.symbol)
                intents = self._book.on_new_order(order_id, quote, self._session)
                commands += [_command(intent) for intent in intents]
        self._carry_out(commands)

    # To the log.

    def _carry_out(self, commands: Sequence[c.OrderCommand]) -> None:
        """Commit what the book decided, and take from the log again whatever was refused."""
        if not commands:
            return
        refused = self._decided(commands)
        fresh = self._catch_up()
        for order_id in refused:
            order = self._orders.get(order_id)
            if order is not None:
                self._book.resync(order, self._ranks[order_id])
            else:
                self._book.remove(order_id)
        self._meet(fresh)

    def _decided(self, commands: Sequence[c.OrderCommand]) -> set[UUID]:
        """Have all commands decided; the orders of those that were refused."""
        self._wait_for_time(commands[0])
        return {
            command.order_id
            for command, future in self._submitted(commands)
            if not _went_through(command, future)
        }

    def _wait_for_time(self, first: c.OrderCommand) -> None:
        """Once, before any other command: the first tick may be here before the committer's clock has read
        the market's time. Without a time all would be refused, and their fills be lost.

        Tried with a command that is given again anyway: repeating it changes nothing.
        """
        while not self._has_time and not self._stop.is_set():
            error = self._submit(first).exception()
            self._has_time = not isinstance(error, MarketClockMustRun)
            if not self._has_time:
                self._stop.wait(RETRY_S)

    def _submitted(self, commands: Sequence[c.OrderCommand]) -> list[tuple[c.OrderCommand, "Future[Answer]"]]:
        return [(command, self._submit(command)) for command in commands]

    def _submit(self, command: c.Command) -> "Future[Answer]":
        causation = getattr(command, "quote", None)
        request = Request.by_role(
            "executor", command, causation_id=None if causation is None else f"quote/{causation}"
        )
        while True:
            try:
                return self._committer.submit(request)
            except QueueMustHaveRoom:
                time.sleep(0.005)  # our own commands fill the queue; they are being worked off

    # That we are alive.

    def _say_progress(self, now: float) -> None:
        if now - self._said_at < 1:
            return
        self._said_at = now
        try:
            self._redis.set(PROGRESS, msgspec.json.encode(self._tick), ex=PROGRESS_S)
        except (RedisError, OSError) as error:
            log.debug("progress was not published", error=str(error))

    def _require_lease(self) -> None:
        if not self._lease.hold():
            raise LeaseWasLost("another executor may be at work")


class LeaseWasLost(Exception):
    """The right to execute was lost; a fresh start asks for it again."""


def _command(intent: Intent) -> c.OrderCommand:
    """The command that makes an intent true."""
    order = intent.order
    who: dict[str, Any] = {
        "account_id": order.account_id,
        "order_id": order.order_id,
        "symbol": order.symbol,
    }
    match intent:
        case Fill():
            return _execution(intent, who)
        case Election():
            return c.TriggerOrder(
                quote=intent.quote_sequence, elected_by=intent.elected_by, price=intent.price, **who
            )
        case Ending():
            return c.CancelOrder(reason=intent.reason, **who)
        case Acceptance():
            return c.AcceptOrder(venue=VENUE, **who)


def _execution(fill: Fill, who: dict[str, Any]) -> c.ExecuteOrder:
    left_before = fill.order.leaves + fill.quantity
    return c.ExecuteOrder(
        execution_id=uuid5(fill.order.order_id, f"{fill.quote_sequence}/{left_before}"),
        quantity=fill.quantity,
        price=fill.price,
        venue=VENUE,
        quote=fill.quote_sequence,
        **who,
    )


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
