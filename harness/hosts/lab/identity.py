"""Which process is meant: a pid alone is recycled, pid + start time + boot are not."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")


@dataclass(frozen=True)
class ProcessIdentity:
    """One process, on one boot of one machine."""

    pid: int
    start_time: int
    boot_id: str

    @classmethod
    def of(cls, pid: int) -> ProcessIdentity | None:
        """The identity of the process that has this pid now; None when none lives."""
        found = _state_and_start(pid)
        return cls(pid, found[1], boot_id()) if found else None

    @property
    def alive(self) -> bool:
        """Whether this very process still runs. A zombie does not."""
        return ProcessIdentity.of(self.pid) == self


def boot_id() -> str:
    """The kernel's name for this boot."""
    return (PROC / "sys/kernel/random/boot_id").read_text().strip()


def _state_and_start(pid: int) -> tuple[str, int] | None:
    try:
        stat = (PROC / str(pid) / "stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()  # the name before it may hold spaces and brackets
    state, start = fields[0], int(fields[19])
    return None if state in "ZX" else (state, start)
