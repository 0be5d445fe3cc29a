"""Seals in an S3 bucket with object lock: nobody, not even the account's owner, can change or delete them before their time.

An object holds the lines of a minute or so, as they stand in the file, under `seals-<first>-<last>.jsonl`; all objects in the order of
their names are the file. Credentials come from where every S3 tool finds them: AWS_ACCESS_KEY_ID and
AWS_SECRET_ACCESS_KEY, ~/.aws/credentials, or the machine's role.
"""

import base64
import io
import os
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from hashlib import sha256
from typing import Any
from urllib.parse import urlsplit

import urllib3
from minio import Minio
from minio.commonconfig import COMPLIANCE
from minio.credentials.providers import (
    AWSConfigProvider,
    ChainedProvider,
    EnvAWSProvider,
    IamAwsProvider,
)
from minio.error import MinioException, S3Error
from minio.retention import Retention

from application.expected import TellTheOperator
from infrastructure.sealing.seals import SealBucketMustAnswer, Sealed

TIMEOUT_S = 10.0
PART = 256 << 20  # what is smaller goes up in one piece, under one checksum
MOST_SEALS = 5_000
"""In one object."""

_NAME = re.compile(r"seals-(\d{12})-(\d{12})\.jsonl$")
_NO_LOCK = ("ObjectLockConfigurationNotFoundError", "InvalidRequest")
_NO_BUCKET = ("NoSuchBucket",)


class SealBucketMustBeLocked(TellTheOperator):
    """The bucket for seals is not there, has no object lock, or its address cannot be read."""


class SealBucket:
    """One bucket, or a folder in it, by its address: `https://host/bucket/folder`."""

    def __init__(self, url: str, *, retention: timedelta = timedelta(0)) -> None:
        parts = urlsplit(url)
        self._bucket, _, folder = parts.path.strip("/").partition("/")
        if parts.scheme not in ("http", "https") or not parts.netloc or not self._bucket:
            raise SealBucketMustBeLocked(
                f"the address of a bucket is https://host/bucket/folder, not {url!r}"
            )
        self._url = url
        self._prefix = f"{folder}/" if folder else ""
        self._retention = retention
        self._client = _client(parts.netloc, is_secure=parts.scheme == "https")

    def require_lock(self) -> None:
        """Raises SealBucketMustBeLocked when it has no object lock, SealBucketMustAnswer when nobody can tell."""
        try:
            self._client.get_object_lock_config(self._bucket)
        except S3Error as error:
            if error.code in _NO_LOCK:
                raise SealBucketMustBeLocked(
                    f"the bucket {self._url} has no object lock; it can only be given one when it is made"
                ) from error
            if error.code in _NO_BUCKET:
                raise SealBucketMustBeLocked(f"there is no bucket {self._url}") from error
            raise SealBucketMustAnswer(f"{self._url}: {error.code}: {error.message}") from error
        except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise SealBucketMustAnswer(f"{self._url}: {error}") from error

    def put(self, seals: list[Sealed]) -> None:
        """Keep these seals, one after another, locked for the time of retention. Raises SealBucketMustAnswer."""
        body = b"".join(sealed.line() for sealed in seals)
        name = f"{self._prefix}seals-{seals[0].seal.number:012d}-{seals[-1].seal.number:012d}.jsonl"
        until = datetime.now(UTC) + self._retention
        try:
            self._client.put_object(
                self._bucket,
                name,
                io.BytesIO(body),
                len(body),
                content_type="application/jsonl",
                metadata=_checksum(body),
                part_size=PART,
                retention=Retention(COMPLIANCE, until.replace(microsecond=0)),
            )
        except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise SealBucketMustAnswer(f"{self._url}: {error}") from error

    def last_number(self, *, at_least: int = 0) -> int:
        """The last seal that is kept; 0 for none. `at_least` is where the search may begin."""
        begin = max(0, at_least - MOST_SEALS)  # the object with that seal may begin so much earlier
        names = self._names(f"{self._prefix}seals-{begin:012d}" if begin else None)
        numbers = [int(found[2]) for name in names if (found := _NAME.search(name))]
        if not numbers and begin:
            return self.last_number()
        return max(numbers, default=0)

    def lines(self) -> Iterator[bytes]:
        """Every line, in order. Of an object that was written again the first version counts: it is the locked one."""
        first: dict[str, Any] = {}
        for found in self._list(include_version=True):
            if _NAME.search(found.object_name) and not found.is_delete_marker:
                known = first.get(found.object_name)
                # Versions are listed the newest first; their times are whole seconds.
                if known is None or found.last_modified <= known.last_modified:
                    first[found.object_name] = found
        for name in sorted(first):
            yield from self._get(name, first[name].version_id).splitlines(keepends=True)

    def _names(self, start_after: str | None) -> list[str]:
        return [str(found.object_name) for found in self._list(start_after=start_after)]

    def _list(self, **how: Any) -> Iterator[Any]:
        try:
            yield from self._client.list_objects(self._bucket, prefix=f"{self._prefix}seals-", **how)
        except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise SealBucketMustAnswer(f"{self._url}: {error}") from error

    def _get(self, name: str, version: str | None) -> bytes:
        try:
            answer = self._client.get_object(self._bucket, name, version_id=version)
            try:
                return bytes(answer.data)
            finally:
                answer.close()
                answer.release_conn()
        except (MinioException, urllib3.exceptions.HTTPError, ValueError, OSError) as error:
            raise SealBucketMustAnswer(f"{self._url}: {error}") from error


def _checksum(body: bytes) -> dict[str, str | list[str] | tuple[str]]:
    """S3 takes a locked object only with a checksum; the client adds one over TLS only."""
    digest = base64.b64encode(sha256(body).digest()).decode()
    return {"x-amz-checksum-sha256": digest, "x-amz-sdk-checksum-algorithm": "SHA256"}


def _client(host: str, *, is_secure: bool) -> Minio:
    retries = urllib3.Retry(total=2, backoff_factor=0.2, status_forcelist=(500, 502, 503, 504))
    pool = urllib3.PoolManager(timeout=urllib3.Timeout(TIMEOUT_S), retries=retries)
    return Minio(
        host,
        secure=is_secure,
        region=os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION"),
        http_client=pool,
        credentials=ChainedProvider([EnvAWSProvider(), AWSConfigProvider(), IamAwsProvider()]),
    )
