"""One command at a time changes a testbed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import filelock

from harness import config
from harness.errors import UsageError


@contextmanager
def exclusive(name: str) -> Iterator[None]:
    """Hold the testbed of that name: nobody else starts, changes, ends or sweeps it.

    The kernel lets go of the lock when the holder dies. Raises UsageError when it is held.
    """
    root = config.state_dir() / "locks"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    lock = filelock.FileLock(root / f"{name}.lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout:
        raise UsageError(
            f"another command is working on {name} now", fix="wait for it, or end it"
        ) from None
    try:
        yield
    finally:
        lock.release()
