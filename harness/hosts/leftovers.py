"""What a run left behind on this machine: a difference of two snapshots.

It asks the kernel alone and knows nothing of the lab's own records, so it also sees what those
forgot. The rule for what counts as ours, among all that is new since `before`:

* a process, when it descends from this one, or carries our mark (`MARK` in its environment, which
  every descendant inherits even when its parents are gone), or runs in one of our namespaces;
* a namespace, when a process of our control group is in it and none that carries another run's
  mark. A container or service that somebody else started meanwhile has a control group of its own;
  we never make one. Another testbed of the same user has another mark;
* a mount in our mount namespace, and an interface in our network namespace: all of them;
* a file in /dev/shm, unless a process that is not ours has it mapped (a browser, a database).
"""

from __future__ import annotations

import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path

MARK = "TESTBED_MARK"
PROC = Path("/proc")
SHM = Path("/dev/shm")
NETWORK = Path("/sys/class/net")


@dataclass(frozen=True)
class Process:
    """A process; `namespaces` as the kernel writes them (``net:[4026531840]``)."""

    pid: int
    start_time: int
    parent: int
    command: str
    cgroup: str
    mark: str
    namespaces: frozenset[str]

    @property
    def key(self) -> tuple[int, int]:
        """What no other process of this boot has."""
        return self.pid, self.start_time


@dataclass(frozen=True)
class Snapshot:
    """What there is now."""

    observer: Process
    processes: tuple[Process, ...]
    mounts: frozenset[str]
    interfaces: frozenset[str]
    shm: frozenset[str]
    mapped: dict[str, frozenset[int]] = field(default_factory=dict)

    @property
    def namespaces(self) -> frozenset[str]:
        """All namespaces that some process is in."""
        return frozenset().union(*(process.namespaces for process in self.processes))


def snapshot() -> Snapshot:
    """Look at the machine."""
    processes = tuple(_processes())
    own = next(process for process in processes if process.pid == os.getpid())
    shm = frozenset(str(path) for path in SHM.rglob("*"))
    return Snapshot(
        observer=replace(own, mark=os.environ.get(MARK, "")),
        processes=processes,
        mounts=frozenset(_mounts()),
        interfaces=frozenset(path.name for path in NETWORK.iterdir()),
        shm=shm,
        mapped=_mapped(shm),
    )


def difference(before: Snapshot, after: Snapshot, ignore_own: Collection[int] = ()) -> list[str]:
    """What is left behind, one line each; nothing is fine.

    `ignore_own` are pids of processes that the caller runs on purpose.
    """
    namespaces = _our_namespaces(before, after)
    ours = [
        process
        for process in _new_processes(before, after)
        if process.pid not in ignore_own and _is_ours(process, after, namespaces)
    ]
    pids = {process.pid for process in ours}
    held = frozenset().union(*(process.namespaces for process in ours)) & namespaces
    return [
        *(f"process {process.pid}: {process.command}" for process in ours),
        *(f"namespace {name}" for name in sorted(held)),
        *(f"mount {line}" for line in sorted(after.mounts - before.mounts)),
        *(f"interface {name}" for name in sorted(after.interfaces - before.interfaces)),
        *(
            f"shared memory {path}"
            for path in sorted(after.shm - before.shm)
            if after.mapped.get(path, frozenset()) <= pids
        ),
    ]


def _new_processes(before: Snapshot, after: Snapshot) -> list[Process]:
    known = {process.key for process in before.processes} | {after.observer.key}
    return [process for process in after.processes if process.key not in known]


def _our_namespaces(before: Snapshot, after: Snapshot) -> frozenset[str]:
    me = after.observer
    inside = (process.namespaces for process in after.processes if process.cgroup == me.cgroup)
    others = (
        process.namespaces for process in after.processes if process.mark not in ("", me.mark)
    )
    new = frozenset().union(*inside) - before.namespaces - me.namespaces
    return new - frozenset().union(*others)


def _is_ours(process: Process, after: Snapshot, namespaces: frozenset[str]) -> bool:
    if process.namespaces & namespaces:
        return True
    if process.mark and process.mark == after.observer.mark:
        return True
    return after.observer.pid in _ancestors(process, after)


def _ancestors(process: Process, after: Snapshot) -> Iterator[int]:
    parents = {other.pid: other.parent for other in after.processes}
    pid = process.parent
    while pid in parents:
        yield pid
        pid = parents[pid]


def _processes() -> Iterator[Process]:
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it ended meanwhile
                process = _process(folder)
                if process:
                    yield process


def _process(folder: Path) -> Process | None:
    name, _, rest = (folder / "stat").read_text().rpartition(")")
    fields = rest.split()
    if fields[0] in "ZX":
        return None  # dead: only its parent can make it go
    command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
    return Process(
        pid=int(folder.name),
        start_time=int(fields[19]),
        parent=int(fields[1]),
        command=command.strip() or name.partition("(")[2],
        cgroup=(folder / "cgroup").read_text(),
        mark=_mark(folder),
        namespaces=frozenset(_namespaces(folder)),
    )


def _mark(folder: Path) -> str:
    """Our mark in its environment; another user's environment cannot be read, nor be ours."""
    prefix = f"{MARK}=".encode()
    with suppress(PermissionError):
        for entry in (folder / "environ").read_bytes().split(b"\0"):
            if entry.startswith(prefix):
                return entry[len(prefix) :].decode(errors="replace")
    return ""


def _namespaces(folder: Path) -> Iterator[str]:
    with suppress(PermissionError):
        for link in (folder / "ns").iterdir():
            yield str(link.readlink())


def _mounts() -> Iterator[str]:
    """Each mount as ``target type source``."""
    for line in (PROC / "self/mountinfo").read_text().splitlines():
        place, _, kind = line.partition(" - ")
        yield f"{place.split()[4]} {' '.join(kind.split()[:2])}"


def _mapped(paths: Collection[str]) -> dict[str, frozenset[int]]:
    """Which processes have these files mapped."""
    found: dict[str, set[int]] = {}
    if not paths:
        return {}
    for folder in PROC.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):
                maps = (folder / "maps").read_text(errors="replace")
                for path in paths:
                    if path in maps:
                        found.setdefault(path, set()).add(int(folder.name))
    return {path: frozenset(pids) for path, pids in found.items()}
