"""`python -m tests.soak.projections --kills 200`: kill projectors at random moments, then prove every table."""

import argparse
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psycopg

from infrastructure.embedded import EmbeddedPostgres
from infrastructure.postgres.migrate import migrate
from tests.soak.live import soak


@contextmanager
def database() -> Iterator[str]:
    """A real PostgreSQL with a migrated database, thrown away afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="daybook-soak-"))
    folder.chmod(0o711)  # so that PostgreSQL's own user gets in when this runs as root
    postgres = EmbeddedPostgres(folder)
    try:
        postgres.start()
        superuser = postgres.url(user="postgres", database="postgres")
        with psycopg.connect(superuser, autocommit=True) as connection:
            connection.execute("CREATE DATABASE soak OWNER daybook_owner")
        migrate(postgres.url(user="daybook_owner", database="soak"))
        yield postgres.url(user="daybook_app", database="soak")
    finally:
        postgres.stop()
        shutil.rmtree(folder, ignore_errors=True)


def main() -> int:
    """Exit code 0 when every table is the fold of the log, 1 when one is not."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--kills", type=int, default=200)
    parser.add_argument("--partitions", type=int, default=3, help="at most so many, changed on the way")
    parser.add_argument("--seed", type=int, default=int(time.time()))
    wanted = parser.parse_args()
    _say(f"seed {wanted.seed}")
    with database() as url:
        found = soak(url, kills=wanted.kills, partitions=wanted.partitions, seed=wanted.seed, say=_say)
    _say(
        f"{found.kills} kills, {found.kills_in_a_batch} of them in the middle of a batch, {found.events} events"
    )
    for sentence in found.wrong:
        _say(sentence)
    _say("every table is the fold of the log" if not found.wrong else "WRONG")
    return 1 if found.wrong else 0


def _say(text: str) -> None:
    sys.stdout.write(text + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
