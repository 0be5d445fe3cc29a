"""The sealer role's part."""

from infrastructure.sealing.running import RunningSealer
from infrastructure.settings import SettingIsWrong, Settings


def sealer(settings: Settings) -> RunningSealer:
    """The sealer role's part."""
    if settings.database_url is None:
        raise SettingIsWrong("DAYBOOK_DATABASE_URL must be set, or `daybook up` run")
    return RunningSealer(settings, settings.database_url)
