"""`daybook up`: embedded servers and all roles as children of one process, restarted when they die.

Stopping goes from the outside in: the API first, so that nothing new comes in, then the other roles, Redis, and
PostgreSQL last. When this process is killed, the kernel signals every child.
"""

import http.client
import os
import signal
import socket
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from types import FrameType

from msgspec import structs

from application.expected import TellTheOperator
from infrastructure.embedded import EmbeddedPostgres, EmbeddedRedis, EmbeddedServerDidNotStart
from infrastructure.embedded.children import end_with_parent
from infrastructure.embedded.folder import locked, publish, withdraw, write_json
from infrastructure.privacy.master import MasterKeys
from infrastructure.privacy.rotating import make_unless_there
from infrastructure.settings import Settings
from interfaces.roles.running import REFUSED, ROLES, SUPERVISED, configure_logging, operator_message, outcome
from interfaces.supervised import Pauses, RoleProcess, Terminal

ENDS_WITH_PARENT = (
    "DAYBOOK_ENDS_WITH_PARENT"  # set by `make run`, so that a make that is killed takes us along
)

# Together below five seconds.
_API_STOP_SECONDS = 1.0
_ROLES_STOP_SECONDS = 2.0
_REDIS_STOP_SECONDS = 0.5
_POSTGRES_STOP_SECONDS = 0.8

Server = EmbeddedPostgres | EmbeddedRedis


class PortIsTaken(TellTheOperator):
    """Another program listens where the API should."""


class RoleRefused(TellTheOperator):
    """A role said that it cannot run as it was told to: starting it again would not help."""


def up(settings: Settings, roles: Sequence[str] = ROLES) -> int:
    """Run everything until SIGTERM or SIGINT. Returns the exit code: 0 stopped as asked, 1 fault, 2 refused."""

    def work() -> None:
        configure_logging(settings, role="daybook")
        stop = _Stop()
        if os.environ.get(ENDS_WITH_PARENT):
            end_with_parent()
        data_dir = settings.data_dir.absolute()
        with locked(data_dir):
            port = free_port(settings.host, settings.port) if "api" in roles else settings.port
            supervisor = Supervisor(structs.replace(settings, data_dir=data_dir, port=port), stop=stop)
            try:
                supervisor.start(roles)
                supervisor.watch()
            finally:
                supervisor.stop_all()

    return outcome(work)


def free_port(host: str, port: int) -> int:
    """The port, or any free one for 0. Raises PortIsTaken."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    with socket.socket(family) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((host, port))
        except OSError as error:
            raise PortIsTaken(
                f"port {port} on {host} cannot be used ({error.strerror}): free it, or choose another with --port"
            ) from error
        return int(probe.getsockname()[1])


class _Stop:
    """How often SIGTERM, SIGINT or SIGHUP came: once asks to stop, twice to stop at once."""

    def __init__(self) -> None:
        self.count = 0
        for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
            signal.signal(number, self._count)

    def _count(self, _number: int, _frame: FrameType | None) -> None:
        self.count += 1


class Supervisor:
    """Starts, watches and stops the children. Everything that starts a child runs in the main thread."""

    def __init__(self, settings: Settings, *, stop: _Stop) -> None:
        self._settings = settings
        self._stop = stop
        self._terminal = Terminal(log_format=settings.log_format)
        self._servers: dict[str, tuple[Server, Pauses]] = {}
        self._roles: dict[str, RoleProcess] = {}
        self._api_is_ready = False
        self._demo: threading.Thread | None = None
        self._banner: list[str] = []

    def start(self, roles: Sequence[str]) -> None:
        """Start the servers, migrate, start the roles. Raises EmbeddedServerDidNotStart."""
        self._start_servers()
        if self._stop.count:
            return
        self._migrate()
        environment = {**os.environ, **self._settings.as_environment(), SUPERVISED: "1"}
        for name, role in self._processes(roles):
            if self._stop.count:
                return
            self._roles[name] = RoleProcess(role, name=name, environment=environment, terminal=self._terminal)
            self._roles[name].start()
        self._write_pids()

    def watch(self) -> None:
        """Restart what dies, show what the roles say, until asked to stop or the replay has ended."""
        while not self._stop.count and not self._replay_has_ended():
            self._terminal.pump(seconds=0.1)
            for name, (server, pauses) in self._servers.items():
                self._tend_server(name, server, pauses)
            for role in self._roles.values():
                self._tend_role(role)
            self._greet()

    def stop_all(self) -> None:
        """Stop every child, within five seconds."""
        self._terminal.say("stopping")
        api = [role for role in self._roles.values() if role.name == "api"]
        self._end(api, seconds=_API_STOP_SECONDS)
        self._end(list(self._roles.values()), seconds=_ROLES_STOP_SECONDS)
        for role in self._roles.values():
            role.kill()
        withdraw(self._settings.data_dir)
        limits = {"redis": _REDIS_STOP_SECONDS, "postgres": _POSTGRES_STOP_SECONDS}
        for name, (server, _) in reversed(self._servers.items()):
            server.stop(within=0.0 if self._stop.count > 1 else limits[name])
        (self._settings.data_dir / "pids.json").unlink(missing_ok=True)
        self._terminal.pump(seconds=0)
        self._terminal.say("stopped")

    def _processes(self, roles: Sequence[str]) -> Iterator[tuple[str, str]]:
        """Each process's name and role: `projector-2` is the second that projects."""
        for role in roles:
            for number in range(1, (self._settings.projectors if role == "projector" else 1) + 1):
                yield (role if number == 1 else f"{role}-{number}"), role

    def _start_servers(self) -> None:
        found: dict[str, str] = {}
        if self._settings.database_url is None:
            postgres = EmbeddedPostgres(self._settings.data_dir)
            self._start_server("postgres", postgres)
            self._find_master_key(postgres.owner_url)
            found |= {"database_url": postgres.app_url, "owner_database_url": postgres.owner_url}
        if self._settings.redis_url is None:
            redis = EmbeddedRedis(self._settings.data_dir)
            self._start_server("redis", redis)
            found["redis_url"] = redis.url
        if found:
            # Who gives commands from outside must stamp and count days as the roles here do.
            settings = self._settings
            file = settings.master_key_file
            key = {} if file is None else {"master_key_file": str(file.absolute())}
            told = {**found, **key, "clock": settings.clock, "calendar": settings.calendar}
            publish(settings.data_dir, told)
            self._settings = structs.replace(self._settings, **found)

    def _find_master_key(self, owner_url: str) -> None:
        """The embedded Daybook has its master key in its data folder, made at its first start."""
        settings = self._settings
        if settings.master_key is None and settings.master_key_file is None:
            file = settings.data_dir / "master.key"
            make_unless_there(file, owner_url)
            self._settings = structs.replace(settings, master_key_file=file)

    def _start_server(self, name: str, server: Server) -> None:
        # Noted before it starts: a start that fails half-way is stopped as well.
        self._servers[name] = (server, Pauses())
        server.start()
        self._terminal.say(f"{name} is ready (pid {server.pid})")

    def _migrate(self) -> None:
        from infrastructure.postgres.migrate import migrate

        url = self._settings.owner_database_url or self._settings.database_url
        assert url is not None, "servers are started first"  # noqa: S101 - for the type checker
        migrate(url, MasterKeys.of(self._settings), tell=self._terminal.say)

    def _tend_server(self, name: str, server: Server, pauses: Pauses) -> None:
        code = server.poll()
        if code is None or not pauses.is_over():
            return
        self._terminal.say(f"{name} ended with code {code} and is started again", level="error")
        pauses.started()
        try:
            server.start()
        except EmbeddedServerDidNotStart as error:
            self._terminal.say(str(error), level="error")
        self._write_pids()

    def _tend_role(self, role: RoleProcess) -> None:
        code = role.poll()
        if code == REFUSED:
            raise RoleRefused(f"{role.name} cannot run with these settings; its own words are above")
        if code is None or not role.pauses.is_over():
            return
        self._terminal.say(f"{role.name} ended with code {code} and is started again", level="warning")
        self._api_is_ready = self._api_is_ready and role.name != "api"
        role.start()
        self._write_pids()

    def _replay_has_ended(self) -> bool:
        """Whether the market was to exit at the end of its replay, and did."""
        market = self._roles.get("market")
        return self._settings.market_exit_at_end and market is not None and market.poll() == 0

    def _greet(self) -> None:
        """Say once that the API is ready; then let the demo's customers in."""
        if not self._api_is_ready and "api" in self._roles and self._api_answers():
            self._api_is_ready = True
            self._terminal.say(f"ready: {self._base_url}")
            if self._settings.demo and self._demo is None:
                self._demo = threading.Thread(target=self._seed_demo, daemon=True)
                self._demo.start()
        while self._banner:
            self._terminal.show(self._banner.pop())

    def _seed_demo(self) -> None:
        try:
            from interfaces.demo.seed import seed_demo

            self._banner.append(seed_demo(self._base_url, self._settings))
        except Exception as error:  # noqa: BLE001 - the brokerage runs on without its demo
            self._banner.append(f"the demo could not be set up: {operator_message(error) or repr(error)}")

    @property
    def _base_url(self) -> str:
        host = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(self._settings.host, self._settings.host)  # noqa: S104
        return f"http://{f'[{host}]' if ':' in host else host}:{self._settings.port}"

    def _api_answers(self) -> bool:
        connection = http.client.HTTPConnection(self._base_url.removeprefix("http://"), timeout=0.5)
        try:
            connection.request("GET", "/health")
            return connection.getresponse().status == http.HTTPStatus.OK
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()

    def _end(self, roles: list[RoleProcess], *, seconds: float) -> None:
        give_up = time.monotonic() + seconds
        for role in roles:
            role.terminate()
        self._pump_until(lambda: all(role.poll() is not None for role in roles), give_up=give_up)

    def _pump_until(self, done: Callable[[], bool], *, give_up: float) -> None:
        while not done() and time.monotonic() < give_up and self._stop.count < 2:
            self._terminal.pump(seconds=0.02)

    def _write_pids(self) -> None:
        pids: dict[str, int | None] = {"supervisor": os.getpid()}
        pids |= {name: server.pid for name, (server, _) in self._servers.items()}
        pids |= {role.name: role.pid for role in self._roles.values()}
        write_json(self._settings.data_dir / "pids.json", pids)
