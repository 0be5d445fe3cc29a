"""The log of a process that is no role: on stderr, its tracebacks without the values of variables.

What structlog does by itself shows every local variable of a traceback, among them URLs with their passwords.
"""

import sys

import structlog


def log_plainly() -> None:
    """Unless the process has configured its log already."""
    if structlog.is_configured():
        return
    *before, _ = structlog.get_config()["processors"]
    told = structlog.dev.ConsoleRenderer(
        colors=sys.stderr.isatty(), exception_formatter=structlog.dev.plain_traceback
    )
    structlog.configure(
        processors=[*before, told], logger_factory=lambda *_: structlog.PrintLogger(sys.stderr)
    )
