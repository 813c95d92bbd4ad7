"""Bring a testbed up: from hosts that answer SSH to guests that share memory. Runs inside."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from harness import config
from harness.events import EventLog
from harness.guests import definition
from harness.guests.guest import Guest
from harness.guests.place import Place
from harness.hosts.base import Host
from harness.hosts.provision import provision
from harness.hosts.ssh import SshHost
from harness.images.image import Image
from harness.testbed.probe import choose_accelerator
from harness.testbed.record import TestbedRecord
from harness.testbed.testbed import Testbed

AGENT = config.REPOSITORY / "guest-agent" / "build"
T = TypeVar("T")
R = TypeVar("R")


def apply(
    record: TestbedRecord, hosts: Sequence[SshHost], image: Image, events: EventLog
) -> Testbed:
    """Provision the hosts, boot the guests, share the regions. Gives the testbed that stands."""
    provision(
        [host.target for host in hosts],
        {"testbed": record.testbed_id, "isolated": True, "agent_binary": str(AGENT)},
        events,
        record.folder,
    )
    with events.span("images", digest=image.digest):
        side_by_side(lambda host: place_image(host, image), hosts)
    places = {host.name: Place.reach(host) for host in hosts}
    accelerator = choose_accelerator(places, image, events)
    record = record.model_copy(update={"accelerator": accelerator})
    guests = boot(record, places, image, events)
    boot_ms = {name: round(guest.boot_ms or 0.0, 1) for name, guest in guests.items()}
    record = record.model_copy(update={"boot_ms": boot_ms})
    testbed = Testbed(record, places, guests, events)
    for grant in testbed.grants:
        with events.span("link", grant=grant.name):
            grant.introduce()
        if grant.together:
            grant.share()
    record.model_copy(update={"state": "up"}).write()
    return testbed


def place_image(host: Host, image: Image) -> None:
    """Put kernel and initrd where the definition expects them."""
    kernel, initrd = definition.image_paths(image.digest)
    host.run(["mkdir", "-p", str(Path(kernel).parent), definition.CONSOLE_LOGS])
    host.put(image.kernel, kernel)
    host.put(image.initrd, initrd)


def boot(
    record: TestbedRecord, places: dict[str, Place], image: Image, events: EventLog
) -> dict[str, Guest]:
    """Start all guests side by side, and wait until each one's agent answers."""

    def start(name: str) -> Guest:
        topology = record.topology
        made = definition.define(
            topology,
            name,
            testbed_id=record.testbed_id,
            image=image,
            kvm=record.accelerator == "kvm",
        )
        place = places[topology.guests[name].host]
        with events.span("boot", guest=name, host=place.name):
            guest = Guest.create(made, topology.guest_id(name), place, events)
            guest.boot()
        return guest

    names = list(record.topology.guests)
    return dict(zip(names, side_by_side(start, names), strict=True))


def side_by_side(action: Callable[[T], R], items: Iterable[T]) -> list[R]:
    """Do it for all at once; the first error is raised after all have ended."""
    work = list(items)
    with ThreadPoolExecutor(max(1, len(work))) as pool:
        futures = [pool.submit(action, item) for item in work]
    errors = [error for future in futures if (error := future.exception()) is not None]
    if errors:
        raise errors[0]
    return [future.result() for future in futures]
