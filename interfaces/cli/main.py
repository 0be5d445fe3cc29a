"""The `daybook` command: one command that runs everything, and one for each role alone."""

import importlib.metadata
import importlib.util
import sys
from collections.abc import Callable, Sequence

from cyclopts import App, CycloptsError

from infrastructure.settings import Settings
from interfaces import operating
from interfaces.cli.flags import GeneralFlags, MarketFlags, settings_from

# Roles and servers are imported inside the commands: `--help` needs none of them.

app = App(
    name="daybook",
    help="A stock brokerage whose whole truth is one append-only log.",
    version=lambda: importlib.metadata.version("daybook"),
)

_HERE = GeneralFlags()
_REAL = MarketFlags()


@app.command
def up(*, demo: bool | None = None, general: GeneralFlags = _HERE, market: MarketFlags = _REAL) -> int:
    """Run everything: the embedded servers that no URL replaces, and every role, until Ctrl-C.

    Parameters
    ----------
    demo
        Set up customers and orders to look at, once the API is ready.
    """

    def work() -> int:
        from interfaces import supervisor

        return supervisor.up(settings_from(general, market, demo=demo))

    return _outcome(work)


@app.command
def api(*, general: GeneralFlags = _HERE) -> int:
    """Serve the HTTP interfaces and the web page."""
    return _role("api", lambda: settings_from(general))


@app.command
def projector(*, general: GeneralFlags = _HERE) -> int:
    """Keep the read tables up to date with the log."""
    return _role("projector", lambda: settings_from(general))


@app.command
def market(*, general: GeneralFlags = _HERE, market: MarketFlags = _REAL) -> int:
    """Publish quotes: simulated, or replayed from real data at any speed."""
    return _role("market", lambda: settings_from(general, market))


@app.command
def executor(*, general: GeneralFlags = _HERE) -> int:
    """Fill orders from the quotes."""
    return _role("executor", lambda: settings_from(general))


@app.command
def scheduler(*, general: GeneralFlags = _HERE) -> int:
    """Do what is due at a time of the market's day."""
    return _role("scheduler", lambda: settings_from(general))


@app.command
def sealer(*, general: GeneralFlags = _HERE) -> int:
    """Seal the log, and publish the seals outside the database."""
    return _role("sealer", lambda: settings_from(general))


@app.command
def migrate(*, general: GeneralFlags = _HERE) -> int:
    """Bring the database's schema up to date."""

    def work() -> None:
        from infrastructure.postgres import migrate as migrations
        from infrastructure.privacy.master import MasterKeys
        from interfaces.roles.running import with_servers

        settings = with_servers(settings_from(general))
        is_given = settings.master_key or settings.master_key_file
        masters = MasterKeys.of(settings) if is_given else None
        migrations.migrate(settings.owner_database_url or settings.database_url or "", masters)
        print("The schema is up to date.")

    return _outcome(work)


@app.command
def demo(*, general: GeneralFlags = _HERE) -> int:
    """Live through a trading day against the Daybook that runs at --host and --port."""

    def work() -> int:
        from interfaces.demo.trading_day import run

        settings = settings_from(general)
        return run(f"http://{settings.host}:{settings.port}")

    return _outcome(work)


app.command("interfaces.cli.settle:settle", name="settle")
app.command("interfaces.cli.books:export", name="export")
app.command("interfaces.cli.books:check", name="check")
app.command("interfaces.cli.replay:replay", name="replay")
app.command("interfaces.cli.replay:walk", name="walk")

for _name in (
    "users",
    "projections",
    "transfers",
    "actions",
    "correct",
    "seals",
    "keys",
    "erase",
    "approvals",
    "audit",
    "archive",
    "hold",
    "cases",
    "surveillance",
):
    app.command(f"interfaces.cli.{_name}:app", name=_name)

for _name in ("verify", "prove", "verify-proof"):
    app.command(f"interfaces.cli.verifying:{_name.replace('-', '_')}", name=_name)


def main() -> None:
    """Run the command line. Exit codes: 0 done, 1 fault, 2 refused, 130 interrupted."""
    try:
        operating.begin(*_command(sys.argv[1:]))
        code = app(exit_on_error=False, result_action="return_value")
    except CycloptsError:
        sys.exit(2)
    except KeyboardInterrupt:  # while a command's modules were loaded
        sys.stderr.write("daybook: interrupted\n")
        sys.exit(130)
    sys.exit(code if isinstance(code, int) else 0)


def _command(words: Sequence[str]) -> tuple[str, Sequence[str]]:
    """The command that was given, and the words after it."""
    names, _, rest = app.parse_commands(words)
    return " ".join(names), rest


def _role(name: str, settings: Callable[[], Settings]) -> int:
    def work() -> int:
        from interfaces.roles.running import run_role

        return run_role(name, settings())

    return _outcome(work)


def _outcome(work: Callable[[], int | None]) -> int:
    from interfaces.roles.running import outcome

    return outcome(work)


if __name__ == "__main__":
    main()
