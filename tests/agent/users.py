"""Other users of this machine, for tests that root runs."""

from __future__ import annotations

import os
import struct
from collections.abc import Callable

AGENT_UID = 65533  # an agent's that root has started, where no user has the name of one


def as_user(user: int, deed: Callable[[], int]) -> int:
    """Do it in a process of that user's, who is in no group; return what it returns, or the errno
    of what it raises.
    """
    read, write = os.pipe()
    child = os.fork()
    if child == 0:
        os.setgroups([])
        os.setresgid(user, user, user)
        os.setresuid(user, user, user)
        try:
            result = deed()
        except OSError as error:
            result = error.errno or -1
        os.write(write, struct.pack("<q", result))
        os._exit(0)
    os.close(write)
    os.waitpid(child, 0)
    with os.fdopen(read, "rb") as said:
        return int(struct.unpack("<q", said.read())[0])
