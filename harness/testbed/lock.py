"""One command at a time works on a testbed.

Looking counts as working: a guest's agent has one control channel, and opening it a second time
takes it away from whoever moves the guest.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from harness import config
from harness.clock import Deadline, wait_until
from harness.errors import DeadlineExceeded, UsageError
from harness.testbed import folders

SAY_AFTER = 1.0


@contextmanager
def exclusive(
    name: str, *, patience: float = 0.0, waiting: Callable[[], None] = lambda: None
) -> Iterator[None]:
    """Hold the testbed of that name: nobody else starts, changes, looks at, ends or sweeps it.

    Waits up to `patience` seconds for another command, and calls `waiting` after the first.
    The kernel lets go of the lock when the holder dies. Raises UsageError when it stays held.
    """
    path = _file_of(name)
    held = _acquire_within(path, name, patience, waiting)
    try:
        yield
    finally:
        path.unlink(missing_ok=True)  # while it is held: nobody can have got hold of this file
        os.close(held)


def _file_of(name: str) -> Path:
    folders.folder_of(name)  # refuses what is no name
    root = config.state_dir() / "locks"
    try:
        root.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            "the state folder cannot be written",
            where=str(root),
            why=error.strerror or str(error),
            fix="set TESTBED_STATE to a folder of yours",
        ) from None
    return root / f"{name}.lock"


def _acquire_within(path: Path, name: str, patience: float, waiting: Callable[[], None]) -> int:
    what, deadline = f"another command on {name}", Deadline(patience)
    try:
        try:
            return wait_until(lambda: _acquire(path), within=min(patience, SAY_AFTER), what=what)
        except DeadlineExceeded:
            if deadline.expired:
                raise
            waiting()
        return wait_until(lambda: _acquire(path), within=deadline.left(), what=what, every=0.1)
    except DeadlineExceeded:
        raise UsageError(
            f"another command is working on {name} now", fix="wait for it, or end it"
        ) from None


def _acquire(path: Path) -> int | None:
    """A descriptor that holds the lock; None when another process holds it."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if os.path.samestat(os.fstat(descriptor), path.stat()):
            return descriptor
    except (BlockingIOError, FileNotFoundError):
        pass  # held, or removed by its last holder after we had opened it
    os.close(descriptor)
    return None
