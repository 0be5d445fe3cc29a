"""The sealer as the settings want it, and where its files lie."""

import threading
from contextlib import AbstractContextManager, nullcontext
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from infrastructure.redis.figures import telling_figures
from infrastructure.sealing.keyring import Keyring
from infrastructure.sealing.sealer import Sealer, SealTerms
from infrastructure.settings import Settings

if TYPE_CHECKING:
    from infrastructure.sealing.bucket import SealBucket
    from infrastructure.sealing.bucket_publishing import BucketPublisher

# The client of S3 is imported only by those who have a bucket.


def seal_file(settings: Settings) -> Path:
    """Where seals are published."""
    return settings.seal_file or settings.data_dir / "seals" / "seals.jsonl"


def public_keys_of(file: Path) -> Path:
    """Where the public keys stand, beside a file of seals."""
    return file.with_suffix(".pub")


def key_file(settings: Settings) -> Path:
    """Where the private key is."""
    return settings.seal_key or settings.data_dir / "seals" / "seals.key"


def bucket_at(url: str, *, retention_days: int = 0) -> "SealBucket":
    """The bucket at an address. Raises SealBucketMustBeLocked when that cannot be read."""
    from infrastructure.sealing.bucket import SealBucket

    return SealBucket(url, retention=timedelta(days=retention_days))


def bucket_publisher(settings: Settings, url: str) -> "BucketPublisher | None":
    """What puts seals into the bucket, when one is set. Raises SealBucketMustBeLocked."""
    if settings.seal_bucket is None:
        return None
    from infrastructure.sealing.bucket_publishing import BucketPublisher

    bucket = bucket_at(settings.seal_bucket, retention_days=settings.seal_retention_days)
    return BucketPublisher(url, bucket, interval=settings.seal_bucket_interval)


class RunningSealer:
    """A sealer, and what puts its seals into the bucket."""

    def __init__(self, settings: Settings, url: str) -> None:
        file = seal_file(settings)
        self._sealer = Sealer(
            url,
            file=file,
            keyring=Keyring(
                key_file(settings),
                public_keys=public_keys_of(file),
                may_create=settings.seal_key is None,
            ),
            terms=SealTerms(interval=settings.seal_interval, events=settings.seal_events),
        )
        self._publisher = bucket_publisher(settings, url)
        redis = settings.redis_url  # only for figures: sealing needs no Redis
        self._telling: AbstractContextManager[None] = (
            nullcontext() if redis is None else telling_figures(redis, "sealer")
        )

    def run(self, stop: threading.Event) -> None:
        """Seal until `stop` is set. Raises SealKeyCannotBeUsed or SealBucketMustBeLocked."""
        ended = threading.Event()
        thread = None if self._publisher is None else self._publisher.start(ended)
        try:
            with self._telling:
                self._sealer.run(stop)
        finally:
            ended.set()
            if thread is not None:
                thread.join(timeout=1)
