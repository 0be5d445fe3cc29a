"""The market role's work: one source, published until told to stop."""

import threading

import structlog

from infrastructure.market.announcer import Announcer
from infrastructure.market.calendars import Calendar, calendar_named
from infrastructure.market.pace import market_speed
from infrastructure.market.progress import Progress, ProgressFile
from infrastructure.market.replay import ReplayRunner
from infrastructure.market.simulation import SimulationRunner
from infrastructure.market.sources import Replay, Source, open_source
from infrastructure.market.sources.tickers import MOST
from infrastructure.redis.figures import telling_figures
from infrastructure.redis.market_day import DayTurn
from infrastructure.redis.quotes import QuotePublisher
from infrastructure.settings import SettingIsWrong, Settings

log = structlog.get_logger()


def open_runner(settings: Settings, stop: threading.Event) -> "MarketRunner":
    """A runner of what the settings ask for, going on where the last one stopped.

    Raises SettingIsWrong, CalendarIsUnknown or MarketDataCannotBeRead.
    """
    if settings.redis_url is None:
        raise SettingIsWrong("the market needs Redis: set DAYBOOK_REDIS_URL, or start all with `daybook up`")
    _check(settings)
    calendar = calendar_named(settings.calendar)
    progress = Progress.of(settings)
    source = open_source(
        settings, calendar, progress.at, first_sequence=progress.first_sequence, last_prices=progress.prices
    )
    return MarketRunner(
        settings,
        source=source,
        calendar=calendar,
        publisher=QuotePublisher(settings.redis_url),
        stop=stop,
        exit_at_end=settings.market_exit_at_end,
        progress=progress,
    )


def _check(settings: Settings) -> None:
    """Refuse what cannot be run before any data are read."""
    market_speed(settings)
    if not 1 <= settings.market_symbols <= MOST:
        raise SettingIsWrong(f"DAYBOOK_MARKET_SYMBOLS must be 1 to {MOST}, not {settings.market_symbols}")
    if not 0 < settings.market_interval < float("inf"):
        raise SettingIsWrong(
            f"DAYBOOK_MARKET_INTERVAL must be seconds above 0, not {settings.market_interval}"
        )


class MarketRunner:
    """Publishes one source until `stop`, or the end of its data with `exit_at_end`.

    To be run once: another runner is another run of the market, with ticks from 1.
    """

    def __init__(
        self,
        settings: Settings,
        *,
        source: Source,
        calendar: Calendar,
        publisher: QuotePublisher,
        stop: threading.Event,
        exit_at_end: bool = False,
        progress: Progress | None = None,
    ) -> None:
        self._source = source
        self._publisher = publisher
        self._redis_url = settings.redis_url or ""
        self._file = ProgressFile(settings.data_dir, progress or Progress(source=source.name))
        self._announcer = Announcer(publisher, source=source.name, stop=stop)
        self._day = DayTurn(settings.redis_url or "", calendar=calendar, stop=stop)
        self._runner: ReplayRunner | SimulationRunner
        if isinstance(source, Replay):
            self._runner = ReplayRunner(
                source,
                speed=market_speed(settings),
                calendar=calendar,
                announcer=self._announcer,
                day=self._day,
                file=self._file,
                stop=stop,
                exit_at_end=exit_at_end,
            )
        else:
            self._runner = SimulationRunner(
                source,
                interval=settings.market_interval,
                calendar=calendar,
                announcer=self._announcer,
                day=self._day,
                file=self._file,
                stop=stop,
            )

    def run(self) -> None:
        """Blocks. Raises MarketDataCannotBeRead when the data turn out to be broken; never for Redis."""
        log.info("market starts", source=self._source.name, run=self._announcer.run)
        try:
            with telling_figures(self._redis_url, "market"):
                self._runner.run()
        finally:
            self._file.write()
            self._publisher.close()
            self._day.close()
