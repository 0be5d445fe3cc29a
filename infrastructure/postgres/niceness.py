"""Low priority for the server's side of heavy work, where the server runs on this machine."""

import os
from contextlib import suppress
from pathlib import Path
from typing import Any

from psycopg import Connection


def be_nice(connection: Connection[Any], niceness: int) -> bool:
    """Let PostgreSQL's process of this connection yield to others. Whether it was possible.

    It is for a server that is reached through a unix socket, under root or the server's own user. It cannot be
    taken back by everybody who may do it: use it on connections that hold nothing that others wait for.
    """
    pid = connection.info.backend_pid
    if not connection.info.host.startswith("/"):
        return False
    with suppress(OSError):
        # Another container's socket has other process ids.
        if Path(f"/proc/{pid}/cmdline").read_bytes().startswith(b"postgres:"):
            os.setpriority(os.PRIO_PROCESS, pid, niceness)
            return True
    return False
