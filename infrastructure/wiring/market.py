"""The market role's part."""

from infrastructure.redis.turn import Turn
from infrastructure.settings import SettingIsWrong, Settings


def market_turn(settings: Settings) -> Turn:
    """The right to publish quotes."""
    if settings.redis_url is None:
        raise SettingIsWrong("DAYBOOK_REDIS_URL must be set, or `daybook up` run")
    return Turn(settings.redis_url)
