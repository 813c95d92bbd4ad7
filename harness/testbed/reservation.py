"""Memory and /dev/shm that is spoken for: of testbeds that boot at the same time each would find
the machine empty, and together they would fill it.

One ledger per user, behind a lock that dies with its holder; an entry counts while its owner lives.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from filelock import FileLock

from harness import config
from harness.errors import UsageError
from harness.hosts.checks import Needs
from harness.hosts.lab.identity import ProcessIdentity
from harness.model.topology import Topology
from harness.testbed import capacity, labs

LEDGER = "reservations.json"
LOCK_SECONDS = 60.0


@dataclass(frozen=True)
class Entry:
    """What one testbed takes, in bytes. Once `settled` the machine shows its memory as used."""

    testbed: str
    owner: ProcessIdentity
    memory: int
    shm: int
    settled: bool = False


@contextmanager
def reserved(topology: Topology) -> Iterator[None]:
    """Hold what this topology needs, until the block ends.

    Raises UsageError when the machine lacks it, or has promised it to testbeds that boot now.
    """
    with _ledger() as entries:
        labs.check_machine(topology, beside=_promised(entries))
        needs, owner = capacity.needs(topology), ProcessIdentity.of(os.getpid())
        assert owner is not None, "this process lives"
        entries.append(Entry(topology.name, owner, needs.memory, needs.shm))
    try:
        yield
    finally:
        with _ledger() as entries:
            entries[:] = [entry for entry in entries if entry.testbed != topology.name]


def settle(testbed: str) -> None:
    """It stands: from now on the machine itself tells how much memory it has taken."""
    with _ledger() as entries:
        entries[:] = [
            replace(entry, settled=True) if entry.testbed == testbed else entry for entry in entries
        ]


def _promised(entries: list[Entry]) -> Needs:
    return Needs(
        memory=sum(entry.memory + entry.shm for entry in entries if not entry.settled),
        shm=sum(entry.shm for entry in entries),
    )


@contextmanager
def _ledger() -> Iterator[list[Entry]]:
    """The entries of those that live, to be changed in place; nobody else sees them meanwhile."""
    folder = config.state_dir()
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with FileLock(folder / f"{LEDGER}.lock", timeout=LOCK_SECONDS):
            entries = [entry for entry in _read(folder / LEDGER) if entry.owner.alive]
            yield entries
            _write(folder / LEDGER, entries)
    except OSError as error:
        raise UsageError(
            "the state folder cannot be written",
            where=str(folder),
            why=error.strerror or str(error),
            fix="set TESTBED_STATE to a folder of yours",
        ) from None


def _read(file: Path) -> list[Entry]:
    """What stands in the ledger; one that makes no sense holds nothing."""
    try:
        rows = json.loads(file.read_text())
        return [Entry(**{**row, "owner": ProcessIdentity(**row["owner"])}) for row in rows]
    except (OSError, ValueError, TypeError, KeyError):
        return []


def _write(file: Path, entries: list[Entry]) -> None:
    fresh = file.with_suffix(".new")
    fresh.write_text(json.dumps([asdict(entry) for entry in entries], indent=2) + "\n")
    fresh.replace(file)
