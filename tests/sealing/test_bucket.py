"""Seals in a bucket with object lock, at a real server that speaks S3."""

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from infrastructure.postgres.connections import connect
from infrastructure.sealing.bucket import SealBucket, SealBucketMustBeLocked
from infrastructure.sealing.bucket_publishing import BucketPublisher
from infrastructure.sealing.examining import Examination
from infrastructure.sealing.keys import read_public_keys
from infrastructure.sealing.seals import SealBucketMustAnswer
from infrastructure.sealing.store import SealStore
from tests.conftest import free_port
from tests.sealing.parts import Examined, until, wrong

YEARS = timedelta(days=2192)
FIRST, SECOND = "seals-000000000001-000000000008.jsonl", "seals-000000000009-000000000009.jsonl"


@pytest.fixture(scope="module")
def s3() -> Iterator[str]:
    """The address of a server on the loopback address."""
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=free_port(), verbose=False)
    server.start()
    yield f"http://127.0.0.1:{server._port}"
    server.stop()


@pytest.fixture(autouse=True)
def _credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")


@pytest.fixture
def client(s3: str) -> Any:
    """Somebody else's client of the same server."""
    return boto3.client("s3", endpoint_url=s3)


@pytest.fixture
def address(s3: str, client: Any, request: pytest.FixtureRequest) -> str:
    """A bucket with object lock."""
    name = f"seals-{abs(hash(request.node.nodeid))}"
    client.create_bucket(Bucket=name, ObjectLockEnabledForBucket=True)
    return f"{s3}/{name}/daybook"


def objects(client: Any, address: str) -> dict[str, bytes]:
    """Everything in the bucket, by name within its folder."""
    bucket = address.split("/")[-2]
    found = client.list_objects_v2(Bucket=bucket).get("Contents", [])
    return {
        each["Key"].removeprefix("daybook/"): client.get_object(Bucket=bucket, Key=each["Key"])["Body"].read()
        for each in found
    }


def publisher(examined: Examined, address: str) -> BucketPublisher:
    return BucketPublisher(examined.url, SealBucket(address, retention=YEARS), interval=0.05)


def verified(examined: Examined, address: str) -> Any:
    trusted = read_public_keys(examined.public_keys)
    return Examination(trusted=trusted, is_own_file=False).run(examined.url, SealBucket(address).lines())


def test_the_objects_one_after_another_are_the_file(examined: Examined, address: str, client: Any) -> None:
    publisher(examined, address).publish()
    examined.lengthen(2)
    examined.seal()
    publisher(examined, address).publish()
    publisher(examined, address).publish()

    kept = objects(client, address)

    assert sorted(kept) == [FIRST, SECOND]
    assert b"".join(kept[name] for name in sorted(kept)) == examined.file.read_bytes()
    assert b"".join(SealBucket(address).lines()) == examined.file.read_bytes()
    assert wrong(verified(examined, address)) == []


def test_an_object_is_locked_for_its_time_and_cannot_be_deleted(
    examined: Examined, address: str, client: Any
) -> None:
    publisher(examined, address).publish()

    name = {"Bucket": address.split("/")[-2], "Key": f"daybook/{FIRST}"}
    head = client.head_object(**name)
    assert head["ObjectLockMode"] == "COMPLIANCE"
    left = head["ObjectLockRetainUntilDate"] - datetime.now(UTC)
    assert YEARS - timedelta(minutes=5) < left <= YEARS
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        client.delete_object(**name, VersionId=head["VersionId"])


def test_an_object_that_was_written_over_is_read_as_it_was_locked(
    examined: Examined, address: str, client: Any
) -> None:
    publisher(examined, address).publish()
    name = {"Bucket": address.split("/")[-2], "Key": f"daybook/{FIRST}"}
    client.put_object(**name, Body=b"forged\n")

    assert wrong(verified(examined, address)) == []
    client.delete_object(**name)
    assert wrong(verified(examined, address)) == []


def test_who_rewrites_log_seals_and_file_is_found_out_by_the_bucket(examined: Examined, address: str) -> None:
    publisher(examined, address).publish()
    examined.tamper(
        "UPDATE stored_events SET topic = 'x' WHERE notification_id = 17",
        "TRUNCATE seals",
        "TRUNCATE seal_blocks",
    )
    examined.file.unlink()
    examined.seal()
    assert wrong(examined.verify()) == [], "with the sealer's own key everything can be written anew"

    findings = verified(examined, address).findings

    assert [finding.where for finding in findings] == ["database", "log"]
    assert findings[1].difference is not None
    assert findings[1].difference.log_position == 17


def test_a_bucket_without_object_lock_is_refused(s3: str, client: Any) -> None:
    client.create_bucket(Bucket="open")

    with pytest.raises(SealBucketMustBeLocked, match="has no object lock"):
        SealBucket(f"{s3}/open").require_lock()
    with pytest.raises(SealBucketMustBeLocked, match="there is no bucket"):
        SealBucket(f"{s3}/nowhere").require_lock()


@pytest.mark.parametrize("text", ["", "bucket", "s3://bucket", "https://host", "https://host/", "ftp://h/b"])
def test_an_address_that_cannot_be_read_is_refused(text: str) -> None:
    with pytest.raises(SealBucketMustBeLocked, match="the address of a bucket is"):
        SealBucket(text)


def test_a_bucket_that_does_not_answer_holds_nothing_up(examined: Examined) -> None:
    away = publisher(examined, f"http://127.0.0.1:{free_port()}/bucket")
    stop = threading.Event()

    thread = away.start(stop)
    examined.lengthen(1)

    assert examined.seal() == 9
    with pytest.raises(SealBucketMustAnswer):
        away.publish()
    stop.set()
    thread.join(60)
    assert wrong(examined.verify()) == []


def test_the_thread_publishes_by_itself(examined: Examined, address: str, client: Any) -> None:
    stop = threading.Event()
    thread = publisher(examined, address).start(stop)
    try:
        until(lambda: FIRST in objects(client, address))
        examined.lengthen(1)
        examined.seal()
    finally:
        stop.set()
        thread.join(60)

    assert sorted(objects(client, address)) == [FIRST, SECOND], "what is left is published at the stop"
    with connect(examined.url, application="test") as connection:
        assert SealStore(connection).standing().bucket_number == 9


def test_many_seals_go_into_several_objects_and_the_last_is_found_again(
    examined: Examined, address: str, client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("bucket", "bucket_publishing"):
        monkeypatch.setattr(f"infrastructure.sealing.{module}.MOST_SEALS", 3)
    publisher(examined, address).publish()

    assert [name[6:31] for name in sorted(objects(client, address))] == [
        "000000000001-000000000003",
        "000000000004-000000000006",
        "000000000007-000000000008",
    ]
    assert [SealBucket(address).last_number(at_least=number) for number in (0, 3, 8, 100)] == [8, 8, 8, 8]
