"""The helper: ``python -m harness.pytest_plugin.inside FD``, run inside a lab by its session.

It ends when the session hangs up or dies; the lab ends then, too, unless it was kept.
"""

from __future__ import annotations

import os
import socket
import sys

from harness.pytest_plugin.steward import LabSteward
from harness.pytest_plugin.wire import serve


def main(argv: list[str]) -> None:
    """Serve the session at the other end of that descriptor."""
    end = socket.socket(fileno=int(argv[0]))
    os.set_inheritable(end.fileno(), False)
    steward = LabSteward()
    try:
        serve(end, steward)
    finally:
        steward.close()


if __name__ == "__main__":
    main(sys.argv[1:])
