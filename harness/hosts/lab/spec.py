"""What a lab consists of, and what follows from it: pure, read by both sides of the namespace."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass

from harness.errors import UsageError
from harness.model import naming

BRIDGE = "mgmt0"
PREFIX_LENGTH = 24
HARNESS_ADDRESS = "10.98.0.1"
FIRST_HOST_ADDRESS = 11
MAX_HOSTS = 200
MIN_SHM = 1 << 20
SSH_PORT = 22


@dataclass(frozen=True)
class LabSpec:
    """Names of the lab and its hosts, and the room in each host's /dev/shm."""

    name: str
    hosts: tuple[str, ...]
    shm_bytes: int

    def __post_init__(self) -> None:
        for name in (self.name, *self.hosts):
            if not naming.NAME.fullmatch(name):
                raise UsageError(
                    f"{name!r} cannot name a lab or a host",
                    why="a name has 1 to 15 of a-z, 0-9 and '-', and starts with a letter",
                )
        if not 1 <= len(self.hosts) <= MAX_HOSTS:
            raise UsageError(f"a lab has 1 to {MAX_HOSTS} hosts, not {len(self.hosts)}")
        if len(set(self.hosts)) != len(self.hosts):
            raise UsageError("two hosts of a lab have the same name", why=", ".join(self.hosts))
        if self.shm_bytes < MIN_SHM:
            raise UsageError(
                f"{self.shm_bytes} bytes of /dev/shm hold no region", fix="give 1 MiB or more"
            )

    def index(self, host: str) -> int:
        """The host's place, from 0 on."""
        if host not in self.hosts:
            raise UsageError(f"there is no host {host!r} in lab {self.name}", why=str(self.hosts))
        return self.hosts.index(host)

    def address(self, host: str) -> str:
        """The host's address on the management network."""
        return f"10.98.0.{FIRST_HOST_ADDRESS + self.index(host)}"

    def port(self, host: str) -> str:
        """The bridge port that the host is plugged into."""
        return f"port-{self.index(host)}"

    def as_json(self) -> str:
        """One line, for `from_json`."""
        return json.dumps(asdict(self))

    @classmethod
    def from_json(cls, text: str) -> LabSpec:
        """The inverse of `as_json`."""
        fields = json.loads(text)
        return cls(fields["name"], tuple(fields["hosts"]), fields["shm_bytes"])
