"""`python -m tests.golden.add`: golden files for events that have none yet, out of tests/golden/samples.py.

It changes none that is there. When one is missing or differs from its hash in sums.txt, that is said and nothing is added.
"""

import sys

from tests.golden.files import add_missing, digest_of, files, sums


def main() -> int:
    """Add what is missing. 1 when a file is not what it was."""
    found = {file.name: digest_of(file) for file in files()}
    changed = [name for name, digest in sums().items() if found.get(name) != digest]
    strange = sorted(set(found) - set(sums()))
    if changed or strange:
        names = ", ".join([*changed, *strange])
        print(f"not what was added, restore them: {names}", file=sys.stderr)  # noqa: T201
        return 1
    for file in add_missing():
        print(f"added {file.name}")  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
