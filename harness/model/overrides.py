"""What the command line says about all guests or hosts, laid over a topology."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pydantic import ValidationError

from harness.errors import UsageError
from harness.model.topology import Topology
from harness.model.words import hint


@dataclass(frozen=True)
class Overrides:
    """Options of `up` and of whole jobs; what is empty changes nothing. `qemu` maps hosts to
    paths, the empty name being every host.
    """

    kernel: str = ""
    initrd: str = ""
    modules: str = ""
    append: str = ""
    qemu: Mapping[str, str] = field(default_factory=dict)

    def onto(self, topology: Topology) -> Topology:
        """The topology with them. Raises UsageError for what does not go together."""
        given = topology.model_dump()
        for name in self.qemu:
            if name and name not in topology.hosts:
                valid = hint(name, topology.hosts, "hosts")
                raise UsageError(f"there is no host {name!r}: {valid}", where="--qemu")
        for name, host in given["hosts"].items():
            host["qemu"] = self.qemu.get(name) or self.qemu.get("") or host["qemu"]
        for guest in given["guests"].values():
            guest.update(self._of_guests())
        try:
            return Topology.model_validate(given)
        except ValidationError as error:
            raise refusal(error) from None

    def words(self) -> list[str]:
        """The options that say so on a command line."""
        given = {"kernel": self.kernel, "initrd": self.initrd, "modules": self.modules}
        options = {name: path for name, path in {**given, "append": self.append}.items() if path}
        qemu = [f"{host}={path}" if host else path for host, path in self.qemu.items()]
        return [f"--{name}={value}" for name, value in options.items()] + [
            f"--qemu={value}" for value in qemu
        ]

    def _of_guests(self) -> dict[str, Any]:
        """A kernel replaces all three files: those of another would not fit it."""
        files = {"kernel": self.kernel, "initrd": self.initrd, "modules": self.modules}
        wanted: dict[str, Any] = {name: path for name, path in files.items() if path}
        if self.kernel:
            wanted = {name: path or None for name, path in files.items()}
        return wanted | ({"append": self.append} if self.append else {})


def parse_qemu(values: list[str]) -> dict[str, str]:
    """``PATH`` for every host (under the empty name), ``h2=PATH`` for one."""
    found: dict[str, str] = {}
    for value in values:
        host, _, path = value.rpartition("=") if not value.startswith("/") else ("", "", value)
        if host in found:
            raise UsageError(f"{host or 'every host'} is given two QEMUs", where="--qemu")
        if not path.startswith("/"):
            raise UsageError(
                f"{value!r} is no place of a QEMU on a host",
                where="--qemu",
                fix="--qemu /PATH for all hosts, --qemu HOST=/PATH for one",
            )
        found[host] = path
    return found


def refusal(error: ValidationError) -> UsageError:
    """The first of its faults, in a sentence, and where it is."""
    first = error.errors()[0]
    where = ".".join(str(part) for part in first["loc"])
    return UsageError(str(first["msg"]).removeprefix("Value error, "), where=where)
