"""What a real machine carries of the testbed that uses it: the owner's record, on the host itself.

It is written before anything else is made there and removed after all the rest is gone. So any
machine that reaches the host can tell whose things these are, and sweep what a crash left, with
no state of its own. A host carries one testbed at a time; a probe of doctor's stands beside it.
"""

from __future__ import annotations

import getpass
import socket
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from harness.errors import UsageError
from harness.hosts.base import Host
from harness.hosts.ssh import SshHost
from harness.testbed.record import TestbedRecord

FOLDER = "/var/lib/domsock/testbeds"
TAKEN, BUSY = 17, 75  # exit codes of ours, which no shell and no flock uses

# Whole or not at all, and never beside another's: two who come at once are served in turn.
_WRITE = """
set -eu
mkdir -p "$0"
exec 9>>"$0/.lock"
flock 9
for other in "$0"/*.json; do
  if [ -e "$other" ] && [ "$other" != "$0/$1.json" ] && [ "$2" = testbed ] &&
    grep -q '"kind":"testbed"' "$other"
  then cat "$other"; exit 17; fi
done
cat >"$0/.new"
if [ "$(tail -c 1 "$0/.new" | wc -l)" -ne 1 ]
then echo "its record was cut short on the way" >&2; exit 1; fi
mv "$0/.new" "$0/$1.json"
"""
_READ = 'for f in "$0"/*.json; do [ ! -e "$f" ] || { cat "$f"; echo; }; done'
_FORGET = 'rm -f "$0/$1.json" "$0/$1.alive"; rmdir "$0" 2>/dev/null || true'
# It waits a moment: whoever asks by _HELD has the lock while he asks.
_HOLD = (
    'mkdir -p "$0" && flock -w 3 "$0/$1.alive" sh -c "echo held; exec cat >/dev/null" '
    '|| { echo "another command is working on $1" >&2; exit 1; }'
)
_HELD = f'flock -n -E {BUSY} "$0/$1.alive" true'


class Claim(BaseModel):
    """One testbed's claim of one host.

    `state` is "starting" until the testbed stands, and "ending" once it is taken down: with these
    two somebody is at work, or has been killed. `by` is for people.
    """

    model_config = ConfigDict(frozen=True)

    testbed_id: str
    kind: Literal["testbed", "probe"] = "testbed"
    state: Literal["starting", "up", "ending"] = "starting"
    by: str
    created: str
    images: tuple[str, ...]
    hosts: tuple[str, ...]
    guests: tuple[str, ...]

    @classmethod
    def of(
        cls,
        record: TestbedRecord,
        state: Literal["starting", "up", "ending"] = "starting",
        images: Iterable[str] = (),
    ) -> Claim:
        """The claim that this testbed makes of each of its hosts; `images` are more than micro."""
        return cls(
            testbed_id=record.testbed_id,
            state=state,
            by=f"{getpass.getuser()}@{socket.gethostname()}",
            created=record.created,
            images=tuple(sorted({record.digest, *images})),
            hosts=tuple(record.topology.hosts),
            guests=tuple(record.topology.guests),
        )

    def __str__(self) -> str:
        return f"{self.testbed_id} of {self.by}, made {self.created}"

    def write(self, host: Host) -> None:
        """Make or renew it there. Raises UsageError when another testbed has the host."""
        argv = ["sh", "-c", _WRITE, FOLDER, self.testbed_id, self.kind]
        done = host.run(argv, input=self.model_dump_json() + "\n", check=False)
        if done.returncode == TAKEN:
            raise _taken(host, str(_parse(done.stdout) or "its record cannot be read"))
        if done.returncode:
            raise UsageError(
                "the host cannot be claimed",
                where=host.name,
                why=done.stderr.strip(),
                fix="testbed provision -i INVENTORY",
            )

    def forget(self, host: Host) -> None:
        """Remove it: nothing of the testbed is on that host any more."""
        host.run(["sh", "-c", _FORGET, FOLDER, self.testbed_id])

    def attended(self, host: Host) -> bool:
        """Whether a command that makes or ends this testbed lives, wherever it runs."""
        done = host.run(["sh", "-c", _HELD, FOLDER, self.testbed_id], check=False)
        return done.returncode == BUSY


def found_on(host: Host) -> list[Claim]:
    """Every claim that the host carries."""
    lines = host.run(["sh", "-c", _READ, FOLDER]).stdout.splitlines()
    return [claim for line in lines if (claim := _parse(line)) is not None]


def refuse_taken(host: Host) -> None:
    """Raises UsageError when a testbed has the host. A glance; only `Claim.write` is certain."""
    for claim in found_on(host):
        if claim.kind == "testbed":
            raise _taken(host, str(claim))


def _taken(host: Host, whose: str) -> UsageError:
    return UsageError(
        f"{host.name} carries a testbed already",
        why=whose,
        fix="testbed down, where it was made; when nobody has it, testbed gc -i INVENTORY",
    )


@contextmanager
def attending(hosts: Iterable[SshHost], testbed_id: str) -> Iterator[None]:
    """While the block lasts, whoever asks the hosts sees that this testbed is being worked on.

    The sign is a lock held there through our connection: when we are killed, it goes with us.
    """
    with ExitStack() as held:
        for host in hosts:
            held.enter_context(host.holding(["sh", "-c", _HOLD, FOLDER, testbed_id]))
        yield


def _parse(line: str) -> Claim | None:
    try:
        return Claim.model_validate_json(line)
    except ValidationError:
        return None
