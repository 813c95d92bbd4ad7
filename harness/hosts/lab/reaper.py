"""The duty of a namespace's PID 1: to reap every orphan."""

from __future__ import annotations

import os
import signal


def reap_until(pid: int | None = None) -> None:
    """Reap children as they end; return when `pid` has ended (None: never).

    SIGCHLD is blocked while we wait, and a blocked mask is inherited: nothing may be spawned
    after this call.
    """
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGCHLD])
    while True:
        for ended in _reap_all():
            if ended == pid:
                return
        signal.sigwait([signal.SIGCHLD])


def _reap_all() -> list[int]:
    ended: list[int] = []
    while True:
        try:
            pid, _status = os.waitpid(-1, os.WNOHANG)
        except ChildProcessError:
            return ended
        if not pid:
            return ended
        ended.append(pid)
