"""A region's file on a host: made by us with its space really reserved, never by QEMU."""

from __future__ import annotations

import json
import secrets
from dataclasses import asdict, dataclass

from harness.errors import TestbedError
from harness.hosts.base import Host
from harness.model import naming

TOOL = "/var/lib/domsock/bin/domsock"
RECORDS = "/var/lib/domsock/regions"
SHM = "/dev/shm"


@dataclass(frozen=True)
class Region:
    """One generation of a grant's memory. `nonce` is 32 hex digits; `size` is bytes."""

    testbed: str
    pair: tuple[str, str]
    ids: tuple[int, int]
    size: int
    generation: int
    nonce: str

    @classmethod
    def fresh(
        cls, testbed: str, pair: tuple[str, str], ids: tuple[int, int], size: int, generation: int
    ) -> Region:
        """A new generation with a nonce that no other region has."""
        return cls(testbed, pair, ids, size, generation, secrets.token_hex(16))

    @classmethod
    def load(cls, host: Host, name: str) -> Region | None:
        """The region of that file name, from its owner record on the host; None without one."""
        record = host.run(["cat", f"{RECORDS}/{name}.json"], check=False)
        if record.returncode:
            return None
        fields = json.loads(record.stdout)
        pair, ids = tuple(fields.pop("pair")), tuple(fields.pop("ids"))
        return cls(pair=pair, ids=ids, **fields)

    @property
    def name(self) -> str:
        """The file's name in /dev/shm."""
        return naming.region_name(self.testbed, self.pair, self.generation)

    @property
    def path(self) -> str:
        """The file."""
        return f"{SHM}/{self.name}"

    @property
    def record(self) -> str:
        """Who owns it: written before the file is made, removed after it is gone."""
        return f"{RECORDS}/{self.name}.json"

    def create(self, host: Host) -> None:
        """Record the owner, then make the file, all its space allocated and zeroed.

        Raises TestbedError when /dev/shm has no room: better now than a QEMU killed later.
        """
        host.run(["sh", "-c", 'mkdir -p "${0%/*}" && cat >"$0"', self.record], input=self._owner())
        made = host.run(self._create_argv(), check=False)
        if made.returncode:
            host.run(["rm", "-f", self.record])
            raise TestbedError(
                f"the region of {'-'.join(self.pair)} cannot be made",
                where=host.name,
                why=made.stderr.strip(),
            )

    def _owner(self) -> str:
        return json.dumps(asdict(self))

    def _create_argv(self) -> list[str]:
        ids = ",".join(map(str, self.ids))
        return [
            *(TOOL, "region", "create", self.path, "--size", str(self.size)),
            *("--nonce", self.nonce, "--ids", ids, "--generation", str(self.generation)),
        ]

    def destroy(self, host: Host) -> None:
        """Remove file and record. A file with another nonce is not ours, and stays; one that was
        never made is fine.
        """
        script = '{ [ ! -e "$1" ] || "$0" region rm "$1" --nonce "$2"; } && rm -f "$3"'
        host.run(["sh", "-c", script, TOOL, self.path, self.nonce, self.record])
