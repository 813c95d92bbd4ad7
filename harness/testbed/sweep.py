"""gc: sweep what a crash left behind.

The kernel sweeps a lab itself when its starter dies; what can be left is the state folder, or a
lab that was kept but never came up. On real machines anything can be left: `stop` takes it off
them. Only a testbed with a record of ours is touched.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from harness.clock import wait_until
from harness.errors import DeadlineExceeded, TestbedError, UsageError
from harness.hosts.lab.lab import Lab
from harness.model import naming
from harness.testbed import folders, record

DYING_SECONDS = 5.0
SHM = Path("/dev/shm")


@dataclass(frozen=True)
class Report:
    """What was swept, and what was seen and left alone, with the reason."""

    swept: tuple[str, ...]
    left: tuple[str, ...]


Lock = Callable[[str], AbstractContextManager[None]]


def sweep(lock: Lock, stop: Callable[[str], None]) -> Report:
    """Look at every state folder; `lock` holds a testbed, `stop` ends and forgets it."""
    swept, left = [], []
    for name in folders.entries():
        reason = _sweep_one(name, lock, stop)
        if reason:
            left.append(f"{name}: {reason}")
        else:
            swept.append(f"{name}: it was started and never finished, or its lab is gone")
    left += [f"{file}: carries our prefix, has no record here" for file in foreign_regions(SHM)]
    return Report(tuple(swept), tuple(left))


def _sweep_one(name: str, lock: Lock, stop: Callable[[str], None]) -> str:
    """Sweep one; why it was left instead, or nothing. Decided under the lock: what was true
    before it was held may have changed.
    """
    if not naming.NAME.fullmatch(name):
        return "this is no testbed's name"
    try:
        with lock(name):
            reason = _why_leave(name)
            if not reason:
                stop(name)
            return reason
    except UsageError as error:
        return f"in use: {error}"
    except TestbedError as error:
        return f"cannot be swept: {error}"


def _why_leave(name: str) -> str:
    """Why a testbed is not for us to sweep; empty when it is. To be asked under its lock."""
    try:
        found = record.ours(name)
    except UsageError as error:
        return f"no record of ours: {error}"
    if found.state == "up" and (found.machines is not None or _alive_for_good(name)):
        return "it is up; testbed down ends it"
    return ""


def _alive_for_good(name: str) -> bool:
    """Whether its lab runs, and is not just ending."""
    try:
        wait_until(
            lambda: Lab.load(folders.lab_folder(name)) is None,
            within=0.3,
            what="the lab to end",
        )
    except DeadlineExceeded:
        return True
    return False


def foreign_regions(folder: Path) -> list[str]:
    """Files of this machine's own /dev/shm that look like regions. A lab has a /dev/shm of its
    own, so these belong to somebody else.
    """
    if not folder.is_dir():
        return []
    return sorted(str(f) for f in folder.iterdir() if naming.parse_region_name(f.name))
