"""Our own load generator: raw sockets, keep-alive HTTP/1.1, request bytes made beforehand, and of an answer
only the status and the length are read. One thread and one epoll for all connections.
"""

import gc
import select
import socket
import time
from collections import Counter, deque

from msgspec import Struct

from tests.bench.figures import percentiles

_LENGTH = b"content-length: "
_IDLE_S = 10.0


class Call(Struct, frozen=True):
    """One request, ready to send. A unique idempotency key goes between `head` and `tail`, when there is one."""

    head: bytes
    tail: bytes
    has_key: bool


class Spec(Struct, frozen=True, kw_only=True):
    """What to send: `calls` in turn, over so many connections. `rate` a second, or as fast as answers come."""

    port: int
    calls: list[Call]
    seconds: float
    keys: str
    connections: int = 128
    warm_s: float = 1.0
    rate: float | None = None


class Outcome(Struct, kw_only=True):
    """What came back. `statuses` counts every answer ever read, also those of the warm-up and after the end;
    the rest is of the measured time only. `unsent` had no free connection when their time came.
    """

    rate: float
    ok_rate: float
    statuses: dict[int, int]
    p50_ms: float
    p95_ms: float
    p99_ms: float
    client_cpu: float
    unsent: int = 0
    lost: int = 0
    retry_after: int = 0

    @property
    def ok(self) -> int:
        """Answers that said yes."""
        return sum(number for status, number in self.statuses.items() if 200 <= status < 300)


def drive(spec: Spec) -> Outcome:
    """Send, count and time, in this process."""
    gc.disable()
    cpu, wall = time.process_time(), time.monotonic()
    client = _Client(spec)
    client.connect()
    if spec.rate is None:
        client.run_closed()
    else:
        client.run_open(spec.rate)
    client.close()
    share = 100 * (time.process_time() - cpu) / (time.monotonic() - wall)
    gc.enable()
    return client.outcome(share)


class _Connection:
    """A socket with the request that is under way on it."""

    __slots__ = ("buffer", "receive", "send", "since", "socket")

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port))
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.socket.setblocking(False)
        self.send, self.receive = self.socket.send, self.socket.recv
        self.buffer = b""
        self.since = 0.0


class _Client:
    def __init__(self, spec: Spec) -> None:
        self._spec = spec
        self._poll = select.epoll()
        self._connections: dict[int, _Connection] = {}
        self._number = 0
        self._statuses: Counter[bytes] = Counter()
        self._timed: Counter[bytes] = Counter()
        self._latencies: list[float] = []
        self._unsent = self._lost = self._retry_after = 0
        self._from = self._to = 0.0

    def connect(self) -> None:
        for _ in range(self._spec.connections):
            connection = _Connection(self._spec.port)
            self._connections[connection.socket.fileno()] = connection
            self._poll.register(connection.socket.fileno(), select.EPOLLIN)

    def close(self) -> None:
        for connection in self._connections.values():
            connection.socket.close()
        self._poll.close()

    def outcome(self, client_cpu: float) -> Outcome:
        p50, p95, p99 = percentiles(self._latencies)
        timed = {int(status): number for status, number in self._timed.items()}
        return Outcome(
            rate=sum(timed.values()) / self._spec.seconds,
            ok_rate=sum(n for status, n in timed.items() if status < 300) / self._spec.seconds,
            statuses={int(status): number for status, number in self._statuses.items()},
            p50_ms=p50 * 1000,
            p95_ms=p95 * 1000,
            p99_ms=p99 * 1000,
            client_cpu=round(client_cpu, 1),
            unsent=self._unsent,
            lost=self._lost,
            retry_after=self._retry_after,
        )

    # As fast as answers come.

    def run_closed(self) -> None:
        """Each connection sends its next request when it has its answer; in the end all answers are awaited."""
        self._begin()
        for connection in self._connections.values():
            self._send(connection, time.perf_counter())
        waiting = len(self._connections)
        while waiting:
            events = self._poll.poll(_IDLE_S)
            if not events:
                break
            for descriptor, _ in events:
                connection = self._connections[descriptor]
                if not self._receive(connection):
                    continue
                now = time.perf_counter()
                if now < self._to:
                    self._send(connection, now)
                else:
                    waiting -= 1
        self._lost = waiting

    # At a rate of our own.

    def run_open(self, rate: float) -> None:
        """Requests fall due at `rate`, whatever comes back; times count from when a request fell due."""
        self._begin()
        free, due, busy = deque(self._connections.values()), time.perf_counter(), 0
        gap = 1 / rate
        while (now := time.perf_counter()) < self._to:
            while due <= now:
                if free:
                    self._send(free.popleft(), due)
                    busy += 1
                elif self._from <= due:
                    self._unsent += 1
                due += gap
            busy -= self._collect(free, self._poll.poll(max(0.0, due - time.perf_counter())))
        while busy and (events := self._poll.poll(_IDLE_S)):
            busy -= self._collect(free, events)
        self._lost = busy

    def _collect(self, free: "deque[_Connection]", events: list[tuple[int, int]]) -> int:
        """Take in what has come; how many answers are whole now."""
        before = len(free)
        for descriptor, _ in events:
            connection = self._connections[descriptor]
            if self._receive(connection):
                free.append(connection)
        return len(free) - before

    # Both.

    def _begin(self) -> None:
        self._from = time.perf_counter() + self._spec.warm_s
        self._to = self._from + self._spec.seconds

    def _send(self, connection: _Connection, since: float) -> None:
        calls = self._spec.calls
        self._number = number = self._number + 1
        call = calls[number % len(calls)]
        connection.since = since
        if call.has_key:
            request = b"%b%b%x%b" % (call.head, self._spec.keys.encode(), number, call.tail)
        else:
            request = call.head
        if connection.send(request) != len(request):
            raise OSError("a request did not fit into a socket's buffer")

    def _receive(self, connection: _Connection) -> bool:
        """Read what is there. Whether the answer is whole."""
        data = connection.receive(262_144)
        if not data:
            raise OSError("the server closed a connection")
        if connection.buffer:
            data = connection.buffer + data
        if not _is_whole(data):
            connection.buffer = data
            return False
        connection.buffer = b""
        self._note(data, connection.since)
        return True

    def _note(self, data: bytes, since: float) -> None:
        status, now = data[9:12], time.perf_counter()
        self._statuses[status] += 1
        if status == b"503":
            self._retry_after += b"\r\nretry-after: " in data
        if self._from <= now < self._to:
            self._timed[status] += 1
            if status < b"300":
                self._latencies.append(now - since)


def _is_whole(data: bytes) -> bool:
    end = data.find(b"\r\n\r\n")
    if end < 0:
        return False
    at = data.find(_LENGTH, 0, end)
    if at < 0:
        return True
    return len(data) >= end + 4 + int(data[at + len(_LENGTH) : data.find(b"\r\n", at)])


def call(method: str, path: str, *, token: str = "", body: bytes = b"", has_key: bool = False) -> Call:
    """A request to the own machine."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1", "User-Agent: bench"]
    lines += [f"Authorization: Bearer {token}"] if token else []
    lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"] if body else []
    head = "\r\n".join(lines).encode() + b"\r\n"
    if has_key:
        return Call(head + b"Idempotency-Key: ", b"\r\n\r\n" + body, True)
    return Call(head + b"\r\n" + body, b"", False)
