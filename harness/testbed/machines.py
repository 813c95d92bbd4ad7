"""A testbed on real machines: bring it up, take it down, sweep what a crash left.

Whatever is made there is claimed first (claim.py), so everything here can be cut short at any
point and be mended from any machine that reaches the hosts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence

from harness.errors import TestbedError
from harness.events import EventLog
from harness.hosts.inventory_file import targets
from harness.hosts.ssh import SshHost
from harness.images.image import Image
from harness.model import naming
from harness.model.inventory import Inventory
from harness.testbed import folders, readiness, record
from harness.testbed.apply import apply, find_parts
from harness.testbed.claim import Claim, attending, found_on
from harness.testbed.destroy import destroy
from harness.testbed.record import TestbedRecord
from harness.testbed.sweep import Report


def hosts_of(inventory: Inventory) -> list[SshHost]:
    """The machines, ready to be reached."""
    return [SshHost(target) for target in targets(inventory)]


def bring_up(
    made: TestbedRecord,
    hosts: Sequence[SshHost],
    image: Image,
    events: EventLog,
    before_removal: Callable[[], None],
) -> None:
    """From machines that are hosts to guests that share memory.

    Raises UsageError, with nothing touched, when one of them is not ready or not free; after any
    other failure `before_removal` is called, and what was made is taken away again.
    """
    readiness.check(made, hosts)
    parts = find_parts(made, image, events).values()
    images = [part.kernel.digest for part in parts if part.kernel]
    claim, claimed = Claim.of(made, images=images), list[SshHost]()
    made.write()
    with attending(hosts, claim.testbed_id):
        try:
            for host in hosts:
                claim.write(host)
                claimed.append(host)
            apply(made, hosts, image, events).close()
            for host in hosts:
                claim.model_copy(update={"state": "up"}).write(host)
        except BaseException:  # Ctrl-C, too
            try:
                if len(claimed) == len(hosts):
                    before_removal()
            finally:
                _undo(claim, made.name, hosts, claimed, events)
            raise


def _undo(
    claim: Claim,
    name: str,
    hosts: Iterable[SshHost],
    claimed: Sequence[SshHost],
    events: EventLog,
) -> None:
    """Take away what was made. The error that brought us here is the one to tell; when this
    fails, too, the record stays for `testbed gc`.
    """
    try:
        for host in hosts:
            if host not in claimed:
                claim.forget(host)
        destroy(claim, claimed, events)
        folders.forget(name)
    except TestbedError as error:
        events.emit("cleanup.failed", testbed=name, error=str(error), next="testbed gc")


def take_down(made: TestbedRecord, events: EventLog) -> None:
    """Take it off its machines. Raises TestbedError when one of them could not be swept."""
    assert made.machines is not None
    hosts = hosts_of(made.machines)
    try:
        end(made.testbed_id, hosts, events)
    finally:
        for host in hosts:
            host.close()


def end(testbed_id: str, hosts: Iterable[SshHost], events: EventLog) -> None:
    """Take a testbed off those of the hosts that carry its claim; off the others it is already."""
    carrying = [(host, claim) for host in hosts if (claim := _carried(testbed_id, host))]
    with attending([host for host, _ in carrying], testbed_id):
        for claim in dict.fromkeys(claim for _, claim in carrying):
            destroy(claim, [host for host, its in carrying if its == claim], events)


def _carried(testbed_id: str, host: SshHost) -> Claim | None:
    return next((claim for claim in found_on(host) if claim.testbed_id == testbed_id), None)


def sweep(inventory: Inventory, ending: Sequence[str], events: EventLog) -> Report:
    """Sweep every machine of what nobody works on and what never stood; needs no state here.

    `ending` are the ids of testbeds that are up, and are to go all the same.
    """
    swept, left, reached = list[str](), list[str](), list[SshHost]()
    carried: dict[str, list[tuple[SshHost, Claim]]] = {}
    for host in hosts_of(inventory):
        try:
            for claim in found_on(host):
                carried.setdefault(claim.testbed_id, []).append((host, claim))
            reached.append(host)
        except TestbedError as error:
            left.append(f"{host.name}: {error}")
    for testbed_id, found in carried.items():
        reason = _sweep_one(found, testbed_id in ending, events)
        (left if reason else swept).append(_line(found, reason))
    left += _strangers(reached, carried)
    left += [f"{wanted}: no host carries it" for wanted in ending if wanted not in carried]
    return Report(tuple(swept), tuple(left))


def _line(found: list[tuple[SshHost, Claim]], reason: str) -> str:
    places = ", ".join(host.name for host, _ in found)
    return f"{found[0][1]}, on {places}" + (f": {reason}" if reason else "")


def _sweep_one(found: list[tuple[SshHost, Claim]], wanted: bool, events: EventLog) -> str:
    """Sweep one testbed; why it was left instead, or nothing."""
    claim = found[0][1]
    try:
        if any(one.attended(host) for host, one in found):
            return "a command is working on it"
        if not wanted and all(one.state == "up" for _, one in found):
            return f"it is up; testbed down where it was made, or gc --end {claim.testbed_id}"
        end(claim.testbed_id, [host for host, _ in found], events)
    except TestbedError as error:
        return f"cannot be swept: {error}"
    _forget(claim.testbed_id)
    return ""


def _forget(testbed_id: str) -> None:
    """Our own record of it, if it is from here."""
    for name in folders.names():
        found = record.read(name)
        if found is not None and found.testbed_id == testbed_id:
            folders.forget(name)


def _strangers(hosts: Iterable[SshHost], claimed: Iterable[str]) -> list[str]:
    """Regions that no claim explains: somebody else's, or of a testbed of another kind."""
    lines = []
    for host in hosts:
        for name in host.run(["ls", "/dev/shm"]).stdout.split():
            parsed = naming.parse_region_name(name)
            if parsed and parsed[0] not in claimed:
                lines.append(f"/dev/shm/{name} on {host.name}: no owner's record there")
    return lines
