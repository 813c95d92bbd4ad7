"""One look at the whole testbed: its hosts' libvirtd, its guests' agents, its regions' files; and
the agents of those hosts that are granted to guests.
"""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

from harness.agent.answers import Link, Links
from harness.errors import TestbedError
from harness.grants.host_domain import HostDomain, mapped
from harness.grants.region import Region
from harness.guests.cards import Addresses
from harness.guests.guest import Guest
from harness.model import naming
from harness.testbed.testbed import Testbed
from harness.virt import xml
from harness.watch import whereabouts
from harness.watch.world import SeenGuest, SeenLink, State, World

ANSWER_SECONDS = 2.0  # an agent that takes longer is asked again in the next look


def observe(testbed: Testbed, *, all_hosts: bool) -> World:
    """What there is now. Without `all_hosts` a guest that is not found may be on another one.

    Raises TestbedError when a host ceases to answer meanwhile.
    """
    names = list(testbed.record.topology.guests)
    lost = SeenGuest("gone" if all_hosts else "unknown")
    granted = {name: testbed.hosts[name] for name in sorted(testbed.granted_hosts())}
    with ThreadPoolExecutor(max(1, len(names) + 2 * len(testbed.places))) as pool:
        files = [pool.submit(_files_on, testbed, host) for host in testbed.places]
        guests = {
            name: pool.submit(_look_at, testbed, guest) for name, guest in testbed.guests.items()
        }
        hosts = {name: pool.submit(_look_at_host, host) for name, host in granted.items()}
        seen = {name: guests[name].result() if name in guests else lost for name in names}
        seen |= {name: found.result() for name, found in hosts.items()}
        return World(seen, frozenset().union(*(found.result() for found in files)))


def _files_on(testbed: Testbed, host: str) -> frozenset[tuple[str, str]]:
    regions = Region.all_recorded(testbed.places[host].host, testbed.record.testbed_id)
    return frozenset((host, region.name) for region in regions)


def _look_at(testbed: Testbed, guest: Guest) -> SeenGuest:
    """One that goes away under our eyes is looked for again in the next look."""
    try:
        return _found(testbed, guest)
    except TestbedError:
        return SeenGuest("unknown", host=guest.place.name)


def _found(testbed: Testbed, guest: Guest) -> SeenGuest:
    links = _links(testbed, guest) if _state(guest) == "running" else {}
    state: State = _state(guest) if links is not None else "silent"
    return SeenGuest(
        state=state,
        host=guest.place.name,
        stay=guest.stay,
        known=guest.domain.note(),
        arrival=guest.domain.arrival(),
        regions=_regions(guest),
        links=links or {},
    )


def _look_at_host(host: HostDomain) -> SeenGuest:
    """It stays where it is, for ever."""
    seen = SeenGuest("silent", host=host.name, stay=host.name, known=host.name)
    try:
        found = host.links(ANSWER_SECONDS)
    except TestbedError:
        return seen
    links = {link.peer: _link(link) for link in found}
    return replace(seen, state="running", regions=mapped(found), links=links)


def _state(guest: Guest) -> State:
    if guest.domain.at_work():
        return "busy"
    return "running" if guest.domain.running() else "paused"


def _regions(guest: Guest) -> dict[str, str]:
    """By peer; other devices of that kind are none of ours."""
    attached = xml.attached_regions(guest.domain.describe())
    named = ((naming.parse_region_alias(alias), region) for alias, region in attached.items())
    return {peer: region for peer, region in named if peer is not None}


def _links(testbed: Testbed, guest: Guest) -> dict[str, SeenLink] | None:
    """What its agent says; None when it does not answer."""
    try:
        links = guest.agent.ask(Links, "links", within=ANSWER_SECONDS).links
    except TestbedError:
        return None
    astray = [*filter(_is_astray, links)]
    said = whereabouts.said_by(guest) if astray else {}
    seen = {link.peer: _link(link) for link in links}
    return seen | {link.peer: _where(testbed, guest, link, said) for link in astray}


def _link(link: Link) -> SeenLink:
    return SeenLink(link.state == "up", link.path, link.phase in ("idle", "committed"))


def _is_astray(link: Link) -> bool:
    """Whether it goes through the hosts although the two have a network in common."""
    return link.by == "relay" and bool(link.address)


def _where(testbed: Testbed, guest: Guest, link: Link, said: Addresses) -> SeenLink:
    first, second = sorted((guest.name, link.peer))
    grant = testbed.grant_between((first, second))
    at = whereabouts.on_network(grant, guest, said) if grant else ""
    return replace(_link(link), dials=link.address, listens_at=at)
