"""Puts published seals into the bucket, some together, from a thread of its own: the bucket never holds up sealing."""

import threading

import psycopg
import structlog

from infrastructure.postgres.connections import connect
from infrastructure.sealing.bucket import MOST_SEALS, SealBucket
from infrastructure.sealing.seals import SealBucketMustAnswer, Sealed
from infrastructure.sealing.store import SealStore

log = structlog.get_logger()

MOST_BYTES = 2_000_000
"""Of leaves in one object, before one more seal."""


class BucketPublisher:
    """Looks each `interval` seconds for seals that are in the file and not yet in the bucket."""

    def __init__(self, url: str, bucket: SealBucket, *, interval: float) -> None:
        self._url = url
        self._bucket = bucket
        self._interval = interval
        self._number: int | None = None  # the last one that the bucket has, once it was asked

    def start(self, stop: threading.Event) -> threading.Thread:
        """Work until `stop` is set. Raises SealBucketMustBeLocked before anything is sealed."""
        self._require_lock()
        thread = threading.Thread(target=self._run, args=(stop,), name="seal bucket", daemon=True)
        thread.start()
        return thread

    def publish(self) -> None:
        """Bring the bucket up to the file. Raises SealBucketMustAnswer, or psycopg.Error."""
        with connect(self._url, application="daybook sealer bucket") as connection:
            store = SealStore(connection)
            standing = store.standing()
            if self._number is None:
                self._number = self._bucket.last_number(at_least=standing.bucket_number or 0)
            waiting: list[Sealed] = []
            for sealed in store.after(self._number, up_to=standing.published_number):
                waiting.append(sealed)
                if len(waiting) == MOST_SEALS or sum(len(one.leaves) for one in waiting) > MOST_BYTES:
                    self._put(store, waiting)
                    waiting = []
            if waiting:
                self._put(store, waiting)
            elif standing.bucket_number is None:
                store.note(bucket_number=self._number)

    def _put(self, store: SealStore, seals: list[Sealed]) -> None:
        self._bucket.put(seals)
        self._number = seals[-1].seal.number
        store.note(bucket_number=self._number)

    def _run(self, stop: threading.Event) -> None:
        while not stop.wait(self._interval):
            self._try()
        self._try()

    def _try(self) -> None:
        try:
            self.publish()
        except (SealBucketMustAnswer, psycopg.Error) as error:
            log.warning("the bucket is behind", error=str(error).strip())
            self._number = None  # what arrived is not known: ask again

    def _require_lock(self) -> None:
        try:
            self._bucket.require_lock()
        except SealBucketMustAnswer as error:
            log.warning("whether the bucket has object lock is not known yet", error=str(error))
