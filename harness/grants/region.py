"""A region's file on a host: made by us with its space really reserved, never by QEMU."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterable
from dataclasses import asdict, dataclass

from pydantic import TypeAdapter, ValidationError

from harness.errors import TestbedError
from harness.hosts.base import Host
from harness.model import naming

TOOL = "/var/lib/domsock/bin/domsock"
RECORDS = "/var/lib/domsock/regions"
SHM = "/dev/shm"
# Lets QEMU have a region where it is confined; hosts that need none lack it.
ADMIT = "/var/lib/domsock/bin/admit-region"


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
    def recorded(cls, host: Host, testbed: str, pair: tuple[str, str]) -> list[Region]:
        """Every region of that pair that has an owner record on the host."""
        every = cls.all_recorded(host, testbed)
        return [region for region in every if sorted(region.pair) == sorted(pair)]

    @classmethod
    def all_recorded(cls, host: Host, testbed: str) -> list[Region]:
        """Every region of that testbed that has an owner record on the host."""
        script = 'for f in "$0"/"$1".*.json; do [ ! -e "$f" ] || { cat "$f"; echo; }; done'
        first = f"{naming.REGION_PREFIX}.{testbed}"
        lines = host.run(["sh", "-c", script, RECORDS, first]).stdout.splitlines()
        return [region for line in lines if (region := _parse(line)) is not None]

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
        script = (
            'admit=$1 && shift && mkdir -p "${0%/*}" && cat >"$0.new" '
            '&& [ "$(tail -c 1 "$0.new" | wc -l)" -eq 1 ] && mv "$0.new" "$0" '
            '&& "$@" && if [ -x "$admit" ]; then "$admit" "$4"; fi'  # the record: whole or not
        )
        argv = ["sh", "-c", script, self.record, ADMIT, *self._create_argv()]
        made = host.run(argv, input=self._owner(), check=False)
        if made.returncode:
            raise TestbedError(
                f"the region of {'-'.join(self.pair)} cannot be made",
                where=host.name,
                why=made.stderr.strip(),
            )

    def _owner(self) -> str:
        return json.dumps(asdict(self)) + "\n"

    def _create_argv(self) -> list[str]:
        ids = ",".join(map(str, self.ids))
        return [
            *(TOOL, "region", "create", self.path, "--size", str(self.size)),
            *("--nonce", self.nonce, "--ids", ids, "--generation", str(self.generation)),
        ]

    def destroy(self, host: Host) -> None:
        """Remove file and record; one that was never made is fine.

        It is ours by its name, which was nobody else's when it was made. What is in it proves
        nothing: its guests can write there.
        """
        host.run(["rm", "-f", self.path, self.record, f"{self.record}.new"])


def destroy_files(
    hosts: Iterable[Host], testbed: str, pair: tuple[str, str], used: Collection[str] = ()
) -> None:
    """Every file of that pair on these hosts, but for those named as in use."""
    for host in hosts:
        for region in Region.recorded(host, testbed, pair):
            if region.name not in used:
                region.destroy(host)


_RECORD = TypeAdapter(Region)


def _parse(line: str) -> Region | None:
    """The region of a record; None when it is no record of ours."""
    try:
        return _RECORD.validate_json(line)
    except ValidationError:
        return None
