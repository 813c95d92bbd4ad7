"""A running testbed in reach: its hosts, its guests, its grants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

from harness.cli import inside
from harness.errors import GuestGone, TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.inventory_file import targets
from harness.hosts.ssh import SshHost
from harness.testbed import record
from harness.testbed.lock import exclusive
from harness.testbed.testbed import Testbed

T = TypeVar("T")

LOOKS = 3  # for a guest that is never where it just was


def on_machines(name: str) -> bool:
    """Whether the hosts of that testbed are real machines."""
    found = record.read(name)
    return found is not None and found.machines is not None


def hosts_of(name: str) -> list[SshHost]:
    """The testbed's hosts, ready to be reached; those of a lab from inside."""
    found = record.read(name)
    if found is not None and found.machines is not None:
        return [SshHost(target) for target in targets(found.machines)]
    return [SshHost(host) for host in inside.running_lab(name).hosts]


@contextmanager
def reached(name: str, events: EventLog | None = None) -> Iterator[Testbed]:
    """The running testbed of that name, its agents left in peace; enters its lab first."""
    inside.enter(name)
    if not inside.is_inside() and not on_machines(name):
        inside.running_lab(name)  # says that there is none
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} cannot be read", fix="testbed gc")
    if found.state != "up":
        raise UsageError(f"{name} is not up yet", fix="wait for testbed up, or testbed down")
    testbed = Testbed.connect(found, hosts_of(name), events or EventLog())
    try:
        yield testbed
    finally:
        testbed.close()


@contextmanager
def held(name: str, patience: float, events: EventLog | None = None) -> Iterator[Testbed]:
    """The running testbed with its grants, for us alone; enters its lab first."""
    inside.enter(name, patience)
    lock = exclusive(name, patience=patience, waiting=inside.say_waiting(name))
    with lock, reached(name, events) as testbed:
        testbed.recover_grants()
        yield testbed


def answered(name: str, patience: float, question: Callable[[Testbed], T]) -> T:
    """What the running testbed answers. One guest that moves on meanwhile is looked for again."""
    for _ in range(LOOKS - 1):
        with suppress(GuestGone), held(name, patience) as testbed:
            return question(testbed)
    with held(name, patience) as testbed:
        return question(testbed)
