"""Embedded PostgreSQL: one cluster in the data folder, reached through a unix socket only."""

import contextlib
import signal
import subprocess
import time
from pathlib import Path
from urllib.parse import quote, urlencode

import psycopg
from psycopg import sql

from infrastructure.embedded.children import EmbeddedServerDidNotStart, kill, spawn, stop, tail
from infrastructure.embedded.places import PostgresPlace, place_of_postgres, socket_folder

DATABASE = "daybook"
OWNER_ROLE = "daybook_owner"
APP_ROLE = "daybook_app"

_SOCKET = ".s.PGSQL.5432.lock"  # the longest name PostgreSQL puts into the socket folder
_START_SECONDS = 60.0  # recovery after a crash may have a gigabyte of log to read
_TAKEOVER_SECONDS = 10.0  # how long the processes of a server that was killed may need to go
_LOG_BYTES_MAX = 10_000_000
_ENVIRONMENT = {"PATH": "/usr/bin:/bin", "LC_ALL": "C", "TZ": "UTC"}  # no PG… variable of the caller's
_CONFIGURATION = """\
# Written by Daybook at every start; ALTER SYSTEM overrides it.
listen_addresses = ''
unix_socket_permissions = 0700
max_connections = 100
shared_buffers = 128MB
fsync = on
synchronous_commit = on
full_page_writes = on
wal_compression = on
max_wal_size = 1GB
checkpoint_timeout = 10min
checkpoint_completion_target = 0.9
timezone = 'UTC'
log_timezone = 'UTC'
log_checkpoints = off
log_line_prefix = '%m [%p] %u@%d '
"""


class EmbeddedPostgres:
    """PostgreSQL 18 on `data_dir`, as a direct child of the calling thread.

    `owner_url` is the role that owns the database, `app_url` the role that runs Daybook; neither is a
    superuser. Both are known once `start` has returned.
    """

    def __init__(self, data_dir: Path) -> None:
        self.log = data_dir.absolute() / "logs" / "postgres.log"
        self._data_dir = data_dir.absolute()
        self._place: PostgresPlace | None = None
        self._sockets = Path()
        self._server: subprocess.Popen[bytes] | None = None

    @property
    def owner_url(self) -> str:
        return self.url(user=OWNER_ROLE)

    @property
    def app_url(self) -> str:
        return self.url(user=APP_ROLE)

    @property
    def pid(self) -> int | None:
        """The postmaster's process id, or None before the first start."""
        return None if self._server is None else self._server.pid

    def url(self, *, user: str, database: str = DATABASE) -> str:
        """A connection URL for any role and database of this server."""
        where = urlencode({"host": str(self._sockets), "port": 5432}, quote_via=quote, safe="")
        return f"postgresql://{quote(user)}@/{quote(database)}?{where}"

    def start(self) -> None:
        """Start the server, creating the cluster, roles and database when missing; return when it answers.

        Raises EmbeddedServerDidNotStart.
        """
        self.log.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        if self.log.exists() and self.log.stat().st_size > _LOG_BYTES_MAX:
            self.log.replace(self.log.with_suffix(".log.1"))
        place = self._place = place_of_postgres(self._data_dir)
        self._sockets = socket_folder(place.home / "run", name=_SOCKET, owner=place.run_as)
        if not (place.home / "data").exists():
            self._create_cluster(place)
        self._configure(place)
        self._run_server(place)
        self._create_roles()

    def stop(self, *, within: float = 10.0) -> None:
        """Stop the server: open sessions end at once, everything committed is kept.

        After `within` seconds it ends without writing its memory out, and recovers at the next start.
        """
        if self._server is not None:
            stop(self._server, signals=[(signal.SIGINT, within), (signal.SIGQUIT, 0.5)])

    def poll(self) -> int | None:
        """None while the server runs, else the exit code of its process."""
        return 0 if self._server is None else self._server.poll()

    def restart_if_dead(self) -> bool:
        """Start the server again when it has ended. Returns whether that was needed."""
        if self.poll() is None:
            return False
        self.start()
        return True

    def _create_cluster(self, place: PostgresPlace) -> None:
        # Into a folder of another name first: a half-made cluster must never be taken for a whole one.
        unfinished = place.home / "data.unfinished"
        if unfinished.exists():
            subprocess.run(["/bin/rm", "-rf", str(unfinished)], check=True)  # noqa: S603
        options = [
            "--username=postgres",
            "--auth=trust",
            "--encoding=UTF8",
            "--locale=C",
            "--no-instructions",
        ]
        with self.log.open("ab") as log:
            initdb = spawn(
                [place.programs / "initdb", f"--pgdata={unfinished}", *options],
                env=_ENVIRONMENT,
                run_as=place.run_as,
                output=log,
            )
        if initdb.wait() != 0:
            raise self._did_not_start("PostgreSQL's data folder cannot be created")
        with (unfinished / "postgresql.conf").open("a") as configuration:
            configuration.write("\ninclude_if_exists = 'daybook.conf'\n")
        (unfinished / "pg_hba.conf").write_text("local all all trust\n")
        unfinished.rename(place.home / "data")

    def _configure(self, place: PostgresPlace) -> None:
        folder = str(self._sockets).replace("'", "''")
        text = f"{_CONFIGURATION}unix_socket_directories = '\"{folder}\"'\n"
        file = place.home / "data" / "daybook.conf"
        file.write_text(text)
        file.chmod(0o644)  # ours, and PostgreSQL's user must read it whatever our umask

    def _run_server(self, place: PostgresPlace) -> None:
        give_up = time.monotonic() + _TAKEOVER_SECONDS
        while True:
            _forget_dead_server(place.home / "data" / "postmaster.pid")
            with self.log.open("ab") as log:
                self._server = spawn(
                    [place.programs / "postgres", "-D", place.home / "data"],
                    env=_ENVIRONMENT,
                    run_as=place.run_as,
                    output=log,
                    death_signal=signal.SIGINT,
                )
            if self._answers(self._server):
                return
            # Children of a server that was killed hold its memory for a moment.
            held = "still in use" in tail(self.log, lines=4) or "already exists" in tail(self.log, lines=4)
            if not held or time.monotonic() > give_up:
                raise self._did_not_start("PostgreSQL did not start")
            time.sleep(0.2)

    def _answers(self, server: subprocess.Popen[bytes]) -> bool:
        """Wait for an answer; False when the server ends instead."""
        give_up = time.monotonic() + _START_SECONDS
        while server.poll() is None:
            try:
                self._superuser().close()
            except psycopg.OperationalError:
                if time.monotonic() > give_up:
                    kill(server)
                    raise self._did_not_start("PostgreSQL does not answer") from None
                time.sleep(0.02)
            else:
                return True
        return False

    def _create_roles(self) -> None:
        with contextlib.closing(self._superuser()) as connection:
            known = {name for (name,) in connection.execute("SELECT rolname FROM pg_roles")}
            for role in (OWNER_ROLE, APP_ROLE):
                if role not in known:
                    connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
            found = connection.execute("SELECT 1 FROM pg_database WHERE datname = %s", [DATABASE])
            if found.fetchone() is None:
                names = sql.Identifier(DATABASE), sql.Identifier(OWNER_ROLE)
                connection.execute(sql.SQL("CREATE DATABASE {} OWNER {}").format(*names))

    def _superuser(self) -> psycopg.Connection[tuple[object, ...]]:
        url = self.url(user="postgres", database="postgres")
        return psycopg.connect(url, autocommit=True, connect_timeout=5)

    def _did_not_start(self, sentence: str) -> EmbeddedServerDidNotStart:
        return EmbeddedServerDidNotStart(f"{sentence}; its log {self.log} ends with:\n{tail(self.log)}")


def _forget_dead_server(lock: Path) -> None:
    """Remove the lock file of a server that is gone, even when its process id belongs to another by now.

    PostgreSQL itself asks only whether a process of that id exists; after a reboot, or in a new container, one
    often does. It still checks by its shared memory that no process of the old server is left.
    """
    try:
        pid = int(lock.read_text().split("\n", 1)[0])
    except (OSError, ValueError):
        return
    try:
        program = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0", 1)[0]
    except OSError:
        program = b""
    if Path("/proc/self/cmdline").exists() and not program.endswith(b"postgres"):
        lock.unlink(missing_ok=True)
