"""Makes this process forget whoever was erased, by whichever process: woken by Redis, and looking by itself."""

import structlog

from application.errors import Unavailable
from infrastructure.people import People
from infrastructure.redis.channels import PEOPLE_ERASED, AsyncSubscription

log = structlog.get_logger()

LOOK_AGAIN_S = 5.0


async def follow_erasures(redis_url: str, people: People) -> None:
    """Until cancelled."""
    subscription = AsyncSubscription(redis_url, [PEOPLE_ERASED])
    try:
        while True:
            await subscription.get(timeout=LOOK_AGAIN_S)
            try:
                await people.forget_erased()
            except Unavailable as error:
                log.debug("could not look who was erased", error=str(error))
    finally:
        await subscription.close()
