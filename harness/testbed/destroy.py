"""Take a testbed off real machines: exactly what its claim says is its own, and nothing else.

Every step is idempotent, and the claim goes last: what is cut short can be begun again, by the
same command or by gc from any machine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from functools import partial

from harness.errors import TestbedError
from harness.events import EventLog
from harness.grants.host_domain import HostDomain
from harness.grants.region import Region
from harness.grants.routes import ROUTES_FILE, set_routes
from harness.guests import definition, disks
from harness.guests.place import Place
from harness.hosts import network
from harness.hosts.base import Host
from harness.model import naming
from harness.testbed.claim import Claim, found_on
from harness.virt.domain import Domain


def destroy(claim: Claim, hosts: Iterable[Host], events: EventLog) -> None:
    """Take it off all these hosts. Raises the first error after every host was tried."""
    errors: list[TestbedError] = []
    for host in hosts:
        try:
            with events.span("destroy", host=host.name):
                _destroy_on(claim, host)
        except TestbedError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def _destroy_on(claim: Claim, host: Host) -> None:
    claim.model_copy(update={"state": "ending"}).write(host)
    steps: list[Callable[[], None]] = [
        partial(_end_guests, claim, host),
        partial(_remove_links, claim, host),
        partial(_remove_regions, claim, host),
        partial(_remove_routes, claim, host),
        partial(network.leave, host, claim.testbed_id),
        partial(_remove_files, claim, host),
        partial(claim.forget, host),
    ]
    for step in steps:
        step()


def _end_guests(claim: Claim, host: Host) -> None:
    """By UUID: a domain that only has the same name is somebody else's."""
    place = Place.reach(host)
    try:
        for guest in claim.guests:
            uuid = naming.domain_uuid(claim.testbed_id, guest)
            domain = Domain.find(place.connection, uuid)
            if domain is not None:
                domain.destroy()
    finally:
        place.connection.close()


def _remove_links(claim: Claim, host: Host) -> None:
    """Those of the host itself. An agent that does not run has none when it comes back."""
    with suppress(TestbedError):
        HostDomain(host, claim.testbed_id).forget_all()


def _remove_regions(claim: Claim, host: Host) -> None:
    for region in Region.all_recorded(host, claim.testbed_id):
        region.destroy(host)


def _remove_routes(claim: Claim, host: Host) -> None:
    """An agent that does not run passes nothing on, but would when it comes back."""
    try:
        set_routes(host, claim.testbed_id, [])
    except TestbedError:
        host.run(["rm", "-f", "--", ROUTES_FILE])


def _remove_files(claim: Claim, host: Host) -> None:
    """Disks, consoles' logs, and the image unless another claim needs it: a guest that arrives is
    started from it. libvirt's own logs of the guests stay, like all logs.
    """
    gone = [definition.console_log(guest) for guest in claim.guests]
    gone += [disks.folder_of(claim.testbed_id, shared=shared) for shared in (False, True)]
    others = [found for found in found_on(host) if found.testbed_id != claim.testbed_id]
    needed = {image for other in others for image in other.images}
    gone += [definition.image_folder(image) for image in claim.images if image not in needed]
    host.run(["rm", "-rf", "--", *gone])
