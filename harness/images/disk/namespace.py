"""Being root for a while: an outer namespace, as the lab's, in which files belong to anybody.

What is mounted in it, and every process, ends with it; so nothing stays of a build that is killed.
"""

from __future__ import annotations

import os
from collections.abc import Sequence

from harness.images.disk import tools

IDS = ("--user", "--map-root-user", "--map-auto")
OWN = ("--mount", "--pid", "--fork", "--kill-child=KILL", "--mount-proc")


def inside(argv: Sequence[str], *, root: bool | None = None) -> list[str]:
    """The command line that runs `argv` as root there. `root`: who calls is root already."""
    is_root = os.geteuid() == 0 if root is None else root
    return ["unshare", *(() if is_root else IDS), *OWN, "--", *argv]


def environment() -> dict[str, str]:
    """What it runs with: the same for everybody, so that builds are."""
    return {**os.environ, "PATH": tools.path(), "LC_ALL": "C.UTF-8"}
