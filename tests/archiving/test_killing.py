"""Killed at any step, an archive run has lost nothing and doubled nothing, and the next one finishes the work."""

import json
import signal
import subprocess
import sys
from datetime import date

import pytest

from infrastructure.archiving.months import archived_end
from tests.archiving.parts import AFTER_ALL, Kept
from tests.sealing.parts import wrong

CHILD = """
import json, os, signal, sys
from datetime import date
from pathlib import Path
from infrastructure.archiving.moving import Archiver
from infrastructure.sealing.keys import read_public_keys

told = json.loads(sys.argv[1])

def tell(what, at, end):
    if what.startswith(told["step"]):
        os.kill(os.getpid(), signal.SIGKILL)

archiver = Archiver(told["url"], folder=Path(told["folder"]), seals=Path(told["seals"]),
                    trusted=read_public_keys(Path(told["keys"])), tell=tell)
list(archiver.run(date(2027, 1, 1)))
"""


def run_until(kept: Kept, step: str) -> int:
    """Archive in a process of its own that kills itself when it comes to a step."""
    told = {
        "step": step,
        "url": kept.owner_url,
        "folder": str(kept.folder),
        "seals": str(kept.examined.file),
        "keys": str(kept.examined.public_keys),
    }
    done = subprocess.run([sys.executable, "-c", CHILD, json.dumps(told)], check=False)
    return done.returncode


@pytest.mark.parametrize(
    ("step", "months"),
    [("writing", 0), ("reading back", 0), ("checked", 0), ("named", 0), ("noted", 0), ("moved", 1),
     ("writing 2026-02", 1), ("named 2026-03", 3)],
)  # fmt: skip
def test_killed_at_any_step_it_goes_on_where_it_was(kept: Kept, step: str, months: int) -> None:
    kept.live()
    before = kept.told()

    code = run_until(kept, step)

    assert code == (0 if step == "named 2026-03" else -signal.SIGKILL)
    with kept.connection() as connection:
        end = archived_end(connection)
    assert sum(row.log_position == end for row in kept.rows()) == min(months, 1)
    assert kept.told() == before
    assert wrong(kept.verify()) == []

    kept.archive(AFTER_ALL)

    assert kept.told() == before
    assert wrong(kept.verify()) == []
    assert kept.hot()[0] > 1
    assert list(kept.folder.glob("*.partial")) == []
    assert kept.archive(date(2026, 12, 1)) == []
