"""How every role runs as a process: its log, its signals, and what its end says."""

import importlib
import logging
import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any, TextIO

import structlog
from msgspec import structs

from application.expected import TellTheOperator
from infrastructure.embedded.folder import find_servers
from infrastructure.plain_logs import log_plainly
from infrastructure.settings import SettingIsWrong, Settings
from interfaces import operating

ROLES = ("market", "projector", "executor", "scheduler", "surveillance", "sealer", "api")

SUPERVISED = "DAYBOOK_SUPERVISED"  # in the environment of a role that `daybook up` started

DONE, FAULT, REFUSED, INTERRUPTED = 0, 1, 2, 130

_LEVELS = {"debug": 10, "info": 20, "warning": 30, "error": 40, "critical": 50}
_STOP_SECONDS = 8.0  # longer than the supervisor waits before it kills


def run_role(name: str, settings: Settings) -> int:
    """Run `interfaces.roles.<name>` until SIGTERM or SIGINT; returns the process's exit code.

    0: ended as asked. 2: refused, with one line on stderr. 1: a fault of ours, with its traceback in the log.
    """

    def work() -> None:
        configure_logging(settings, role=name)
        stop = threading.Event()
        stop_on_signals(stop)
        found = with_servers(settings)
        role = importlib.import_module(f"interfaces.roles.{name}")
        role.run(found, stop)

    return outcome(work)


def outcome(work: Callable[[], int | None]) -> int:
    """Do the work; turn how it ended into an exit code, and an expected error into one line."""
    log_plainly()
    try:
        return work() or DONE
    except KeyboardInterrupt:  # roles wait for a signal instead: what is cut off here is not done
        sys.stderr.write("daybook: interrupted\n")
        return INTERRUPTED
    except Exception as error:  # noqa: BLE001 - the last place that can say what went wrong
        message = operator_message(error)
        if message is not None:
            sys.stderr.write(f"daybook: {message}\n")
            return REFUSED
        structlog.get_logger().critical("ended by a fault", exc_info=error)
        return FAULT


def operator_message(error: BaseException) -> str | None:
    """What to tell the operator about an expected error; None when the error is a fault of ours."""
    return error.operator_message if isinstance(error, TellTheOperator) else None


def with_servers(settings: Settings) -> Settings:
    """The settings with the URLs of the embedded servers that `daybook up` runs in the same data folder.

    The command that needs them is written down here. Raises NoDaybookRuns when a URL is missing and no `daybook up`
    runs there, ActMustBeKept.
    """
    if settings.database_url is not None and settings.redis_url is not None:
        return operating.write_down(settings)
    servers = find_servers(settings.data_dir)
    if settings.database_url is not None:
        servers.pop("database_url", None)
        servers.pop("owner_database_url", None)
        servers.pop("master_key_file", None)
    if settings.redis_url is not None:
        servers.pop("redis_url", None)
    key_file = servers.pop("master_key_file", None)
    if key_file is not None and settings.master_key is None and settings.master_key_file is None:
        settings = structs.replace(settings, master_key_file=Path(key_file))
    return operating.write_down(structs.replace(settings, **servers))


def stop_on_signals(stop: threading.Event) -> None:
    """Set `stop` on the first SIGTERM, SIGINT or SIGHUP; a second one ends the process at once.

    A process that does not manage to stop ends by itself after some seconds, so that it cannot outlive a
    supervisor that was killed.
    """

    def handle(number: int, _frame: FrameType | None) -> None:
        if stop.is_set():
            os._exit(128 + number)
        stop.set()
        alarm = threading.Timer(_STOP_SECONDS, os._exit, args=[FAULT])
        alarm.daemon = True
        alarm.start()

    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
        signal.signal(number, handle)


def configure_logging(settings: Settings, *, role: str, stream: TextIO | None = None) -> None:
    """Send structlog and the standard library's logging to stderr, as lines of text or of JSON."""
    level = _LEVELS.get(settings.log_level.lower())
    if level is None:
        raise SettingIsWrong(
            f"DAYBOOK_LOG_LEVEL must be one of {', '.join(_LEVELS)}, not {settings.log_level!r}"
        )
    before: list[Any] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        _role_adder(role),
    ]
    # As text, also in JSON: a structured traceback would carry the values of local variables into the log.
    json = structlog.processors.JSONRenderer(default=str)
    last: list[Any] = [structlog.processors.format_exc_info, json if settings.log_format == "json" else _text]
    structlog.configure(
        processors=[*before, structlog.stdlib.ProcessorFormatter.wrap_for_formatter],
        wrapper_class=structlog.make_filtering_bound_logger(level),
        logger_factory=structlog.stdlib.LoggerFactory(),
        cache_logger_on_first_use=True,
    )
    handler = logging.StreamHandler(stream or sys.stderr)
    remove = structlog.stdlib.ProcessorFormatter.remove_processors_meta
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(foreign_pre_chain=before, processors=[remove, *last])
    )
    logging.raiseExceptions = False  # a terminal that is gone must not end a role
    logging.basicConfig(level=max(level, _LEVELS["info"]), handlers=[handler], force=True)
    logging.getLogger().setLevel(level)
    for chatty in ("httpx", "httpcore", "apscheduler", "asyncio"):
        logging.getLogger(chatty).setLevel(max(level, _LEVELS["warning"]))


def _role_adder(role: str) -> Callable[[Any, str, dict[str, Any]], dict[str, Any]]:
    def add(_logger: Any, _method: str, fields: dict[str, Any]) -> dict[str, Any]:
        fields["role"] = role
        return fields

    return add


def _text(_logger: Any, _method: str, fields: dict[str, Any]) -> str:
    """`timestamp level role event key=value …`, a traceback on the lines below."""
    exception = fields.pop("exception", None)
    role = fields.pop("role")
    # Under a supervisor every line has the role in front already.
    head = [str(fields.pop("timestamp")), f"{fields.pop('level'):<7}"]
    head += [] if SUPERVISED in os.environ else [f"{role:<12}"]
    event = str(fields.pop("event"))
    line = " ".join([*head, event, *(f"{name}={value}" for name, value in fields.items())])
    return line if exception is None else f"{line}\n{exception}"
