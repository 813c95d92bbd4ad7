"""The record of a testbed on disk: whose it is, and what is needed to find it again.

It holds intentions and identities only. Where guests are and which regions they have is asked
of the hosts, never remembered.
"""

from __future__ import annotations

import os
import secrets
from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ConfigDict

from harness import clock
from harness.errors import TestbedError, UsageError
from harness.model.grant_table import Granted, Table
from harness.model.inventory import Inventory
from harness.model.topology import GrantSpec, Topology
from harness.testbed.folders import folder_of, names

FILE = "testbed.json"
NEW_FILE = FILE + ".new"


class TestbedRecord(BaseModel):
    """One testbed. `state` is "starting" until everything stands.

    `common_cpu` is what unlike hosts have in common, as XML; empty: each gives what it has.
    `relay_key` is by what its hosts' agents know each other; empty: made before there was one.
    `machines` are the real machines that are its hosts; None: they are the namespaces of a lab.
    `grants` begins as the topology has it, and is what counts from then on. `released` are the
    guests that somebody moves by hand, each with the stay (`Guest.stay`) that this is about.
    """

    __test__ = False
    model_config = ConfigDict(frozen=True)

    testbed_id: str
    topology: Topology
    digest: str
    accelerator: Literal["kvm", "tcg"] | None = None
    common_cpu: str = ""
    state: Literal["starting", "up"] = "starting"
    owner: int
    created: str
    machines: Inventory | None = None
    boot_ms: dict[str, float] = {}
    grants: Table = ()
    released: dict[str, str] = {}
    relay_key: str = ""

    @classmethod
    def new(
        cls, topology: Topology, digest: str, machines: Inventory | None = None
    ) -> TestbedRecord:
        """A record for a testbed that is about to be made."""
        return cls(
            testbed_id=f"{topology.name}-{secrets.token_hex(3)}",
            topology=topology,
            digest=digest,
            machines=machines,
            owner=os.getuid(),
            created=clock.utc().isoformat(timespec="seconds"),
            grants=tuple(map(granted, topology.grants)),
            relay_key=secrets.token_hex(32),
        )

    @property
    def name(self) -> str:
        """The testbed's name: one of that name runs at a time."""
        return self.topology.name

    @property
    def folder(self) -> Path:
        """Where it and its lab keep their state."""
        return folder_of(self.name)

    def write(self) -> None:
        """Replace the record, whole or not at all."""
        self.folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        temporary = self.folder / NEW_FILE
        temporary.write_text(self.model_dump_json(indent=2) + "\n")
        temporary.replace(self.folder / FILE)


def granted(spec: GrantSpec) -> Granted:
    """A fresh row of the table."""
    since = clock.utc().isoformat(timespec="seconds")
    return Granted(spec=spec, since=since)


def read(name: str) -> TestbedRecord | None:
    """The record of that name; None when there is none that can be read."""
    file = folder_of(name) / FILE
    try:
        found = TestbedRecord.model_validate_json(file.read_text())
    except (OSError, ValueError):
        return None
    return found if found.name == name else None  # another's record leads to another's folder


def standing(name: str) -> TestbedRecord | None:
    """The same, but None only when there is none.

    Raises TestbedError when there is one that cannot be read: that testbed was not taken down.
    """
    found = read(name)
    if found is None and (folder_of(name) / FILE).exists():
        raise TestbedError(
            f"the record of {name} cannot be read",
            where=str(folder_of(name) / FILE),
            fix="use the version of testbed that made it",
        )
    return found


def ours(name: str) -> TestbedRecord:
    """The record of a testbed that we may end. Raises UsageError when it is not ours to end."""
    found = read(name)
    if found is None:
        known = ", ".join(names()) or "none"
        unreadable = f"{folder_of(name)} holds no record that can be read; "
        why = f"{unreadable if folder_of(name).exists() else ''}known: {known}"
        raise UsageError(f"there is no testbed {name!r}", why=why)
    if found.owner != os.getuid():
        raise UsageError(f"{name} belongs to user {found.owner}", why=f"you are {os.getuid()}")
    return found


def refuse_anothers(name: str) -> None:
    """Raises UsageError when the state folder of that name is not ours to use: what we write to
    it we remove some day, with all that is in it.
    """
    folder = folder_of(name)
    if read(name) is not None:
        ours(name)
    elif folder.exists() and any(entry.name != NEW_FILE for entry in folder.iterdir()):
        raise UsageError(
            f"the state folder of {name} holds something else",
            where=str(folder),
            why="there are files in it, but no record that can be read",
            fix="move them away, or choose another name",
        )
