"""Where the database and Redis are."""

from infrastructure.settings import SettingIsWrong, Settings


def urls_of(settings: Settings) -> tuple[str, str]:
    """The database's and Redis's URLs. Raises SettingIsWrong when one is not set."""
    if settings.database_url is None or settings.redis_url is None:
        raise SettingIsWrong("DAYBOOK_DATABASE_URL and DAYBOOK_REDIS_URL must be set, or `daybook up` run")
    return settings.database_url, settings.redis_url
