"""Every error a user can meet.

::

    TestbedError        69  the testbed itself broke
    ├── CommandFailed   69  a program we ran failed; carries its command line and output
    ├── DeadlineExceeded 69 a condition did not come true in time
    ├── ConnectionLost  69  what carried our words broke; opening it again may help
    ├── GuestGone       69  a guest has left the host it was found on; finding it again may help
    ├── UsageError       2  something wrong was asked for; nothing was touched
    └── SubjectFailed    1  what was tested failed

An interruption is none of them; it ends a command with 130, as a shell says it.

Each says what happened, where, why, and what to do next.
"""

from __future__ import annotations

from collections.abc import Sequence

INTERRUPTED = 130


class TestbedError(Exception):
    """The testbed broke: exit code 69."""

    __test__ = False  # its name starts with "Test": pytest must not collect it
    exit_code = 69

    def __init__(self, what: str, *, where: str = "", why: str = "", fix: str = "") -> None:
        super().__init__(what)
        self.what, self.where, self.why, self.fix = what, where, why, fix

    def __str__(self) -> str:
        place = f" ({self.where})" if self.where else ""
        reason = f": {self.why}" if self.why else ""
        advice = f"\n  next: {self.fix}" if self.fix else ""
        return f"{self.what}{place}{reason}{advice}"


class UsageError(TestbedError):
    """You asked for something wrong, and nothing was touched: exit code 2."""

    exit_code = 2


class SubjectFailed(TestbedError):
    """What was tested failed: exit code 1."""

    exit_code = 1


class CommandFailed(TestbedError):
    """A program ended with an exit code it must not have."""

    def __init__(
        self, argv: Sequence[str], returncode: int, stdout: str, stderr: str, *, where: str = ""
    ) -> None:
        self.argv, self.returncode = tuple(argv), returncode
        self.stdout, self.stderr = stdout, stderr
        said = (stderr.strip() or stdout.strip() or "it printed nothing")[-2000:]
        super().__init__(
            f"`{' '.join(argv)}` ended with exit code {returncode}", where=where, why=said
        )


class DeadlineExceeded(TestbedError):
    """A condition did not come true within its time."""


class ConnectionLost(TestbedError):
    """What carried our words broke; opening it again may help."""


class GuestGone(TestbedError):
    """A guest has left the host it was found on; finding it again may help."""
