"""testbed cp: one file between here and a guest or a host."""

from __future__ import annotations

import stat
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.progress import Progress

from harness import clock
from harness.cli import reach, show
from harness.cli.signals import stop_at_first_signal
from harness.errors import UsageError
from harness.guests import files
from harness.guests.guest import Guest
from harness.hosts.base import Host
from harness.model import naming
from harness.testbed.testbed import Testbed

HOST_STEP_SECONDS = 30.0


@dataclass(frozen=True)
class End:
    """One end of a copy; `machine` is empty for this side."""

    machine: str
    path: str

    @classmethod
    def parse(cls, text: str) -> End:
        """``g1:/path`` is a guest's or host's, everything else is here."""
        machine, colon, path = text.partition(":")
        if colon and naming.NAME.fullmatch(machine):
            return cls(machine, path)
        return cls("", text)


def copy(testbed: str, source: str, destination: str) -> None:
    """Copy one file, whole or not at all, with its permissions. Raises UsageError."""
    ends = End.parse(source), End.parse(destination)
    if bool(ends[0].machine) == bool(ends[1].machine):
        raise UsageError(
            "one end of a copy is here and the other is a guest or host",
            fix="testbed cp FILE g1:/path, or testbed cp g1:/path FILE",
        )
    for end in ends:
        if end.machine and not end.path.startswith("/"):
            raise UsageError(f"{end.machine}:{end.path} is no whole path", fix="start it with /")
    stop_at_first_signal()
    begun = clock.now()
    with reach.reached(testbed) as running:
        size = _put(running, *ends) if ends[1].machine else _get(running, *ends)
    seconds = clock.now() - begun
    Console(stderr=True).print(
        f"{source} → {destination}: {show.amount(size)} in {seconds:.1f} s",
        highlight=False,
        soft_wrap=True,
    )


def _put(running: Testbed, here: End, there: End) -> int:
    local = Path(here.path)
    try:
        status = local.stat()
    except OSError as error:
        raise UsageError("it cannot be read", where=here.path, why=error.strerror or "") from None
    if not stat.S_ISREG(status.st_mode):
        raise UsageError("only files are copied", where=here.path, fix="tar it first")
    mode = stat.S_IMODE(status.st_mode)
    machine = _machine(running, there.machine)
    if not isinstance(machine, Guest):
        machine.put(local, _named(there.path, local.name, _host_folder(machine)), mode=mode)
        return status.st_size
    remote = _named(there.path, local.name, lambda path: files.is_folder(machine.domain, path))
    with _followed(local.name, status.st_size) as progress:
        return machine.put(local, remote, mode=mode, progress=progress)


def _get(running: Testbed, there: End, here: End) -> int:
    name = Path(there.path).name
    local = Path(_named(here.path, name, lambda path: Path(path).is_dir()))
    if not local.parent.is_dir():
        raise UsageError("there is no such folder", where=str(local.parent))
    machine = _machine(running, there.machine)
    if not isinstance(machine, Guest):
        machine.get(there.path, local)
        return local.stat().st_size
    size, _ = files.status(machine.domain, there.path)
    with _followed(name, size) as progress:
        return machine.get(there.path, local, progress=progress)


def _machine(running: Testbed, name: str) -> Guest | Host:
    """The guest or host of that name. Raises UsageError naming all there are."""
    if name in running.places:
        return running.places[name].host
    if name in running.record.topology.guests:
        return running.guest(name)
    known = ", ".join([*running.record.topology.guests, *running.places])
    raise UsageError(f"there is no guest or host {name!r}", fix=f"choose one of {known}")


def _named(path: str, name: str, is_folder: Callable[[str], bool]) -> str:
    """Where the file goes: into a folder under its own name, else exactly there."""
    return str(Path(path) / name) if path.endswith("/") or is_folder(path) else path


def _host_folder(host: Host) -> Callable[[str], bool]:
    return lambda path: (
        host.run(["test", "-d", path], within=HOST_STEP_SECONDS, check=False).returncode == 0
    )


@contextmanager
def _followed(name: str, size: int) -> Iterator[files.Progress]:
    """A bar on a terminal; elsewhere the closing line says enough."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(name, total=size)
        yield lambda count: bar.advance(task, count)
