"""The lab's record on disk: enough to find, enter and stop it, and to know when it is stale."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from harness.errors import UsageError
from harness.hosts.lab.identity import ProcessIdentity
from harness.hosts.lab.spec import LabSpec

FILE = "lab.json"
VERSION = 1


@dataclass(frozen=True)
class LabRecord:
    """`init` is PID 1 of the outer namespace, `parent` the unshare that made it: seen outside."""

    spec: LabSpec
    init: ProcessIdentity
    parent: ProcessIdentity
    pid_namespace: str
    user_namespace: bool

    def write(self, state_dir: Path) -> None:
        """Replace the record, whole or not at all."""
        fields = {"version": VERSION, **asdict(self)}
        temporary = state_dir / (FILE + ".new")
        temporary.write_text(json.dumps(fields, indent=2) + "\n")
        temporary.replace(state_dir / FILE)

    @classmethod
    def read(cls, state_dir: Path) -> LabRecord | None:
        """The record, or None when there is none that we can read."""
        try:
            fields = json.loads((state_dir / FILE).read_text())
            if fields["version"] != VERSION:
                return None
            return cls(
                LabSpec.from_json(json.dumps(fields["spec"])),
                ProcessIdentity(**fields["init"]),
                ProcessIdentity(**fields["parent"]),
                str(fields["pid_namespace"]),
                bool(fields["user_namespace"]),
            )
        except (OSError, ValueError, KeyError, TypeError, UsageError):
            return None

    @property
    def inside(self) -> bool:
        """Whether the caller itself runs in this lab."""
        try:
            return str(Path("/proc/self/ns/pid").readlink()) == self.pid_namespace
        except OSError:
            return False
