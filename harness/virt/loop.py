"""libvirt's event loop in one thread of this process.

It has to be registered before the first connection is opened, and stopped before the
interpreter ends (a loop still running then can crash it).
"""

from __future__ import annotations

import atexit
import threading
from typing import Any

import libvirt


class _Loop:
    """The thread that runs libvirt's callbacks."""

    def __init__(self) -> None:
        self._stop = threading.Event()
        libvirt.registerErrorHandler(_ignore, None)
        libvirt.virEventRegisterDefaultImpl()
        self._wake = libvirt.virEventAddTimeout(100, lambda *_: None, None)
        self._thread = threading.Thread(target=self._run, name="libvirt-events", daemon=True)
        self._thread.start()
        atexit.register(self.stop)

    def _run(self) -> None:
        while not self._stop.is_set():
            libvirt.virEventRunDefaultImpl()

    def stop(self) -> None:
        """Let the thread end; the timer wakes it within 0.1 s."""
        self._stop.set()
        self._thread.join(2)


def _ignore(_context: Any, _error: Any) -> None:
    """libvirt prints every error to stderr unless told not to; we raise them instead."""


_started: list[_Loop] = []  # state: libvirt has one event loop per process
_lock = threading.Lock()  # state: guards the one loop


def ensure_running() -> None:
    """Start the event loop unless it runs already."""
    with _lock:
        if not _started:
            _started.append(_Loop())
