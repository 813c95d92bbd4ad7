"""The controller's steps, done to a real testbed. Each may be cut short, and be done again."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

from harness import clock
from harness.agent.answers import Links
from harness.errors import TestbedError
from harness.grants.grant import Grant, remove_link
from harness.grants.member import Member
from harness.grants.region import destroy_files
from harness.model.grant_table import Granted, Pair, row_of
from harness.model.topology import GrantSpec
from harness.testbed import granting
from harness.testbed.testbed import Testbed
from harness.watch import whereabouts
from harness.watch.decide import Action, Verb


def attempt(action: Action, testbed: Testbed) -> None:
    """Do it. What keeps it from being done now is told in the events."""
    what = {"verb": action.verb, "guests": list(action.guests), "why": action.why}
    begun = testbed.events.emit("act.begin", **what).at
    try:
        STEPS[action.verb](testbed, *action.guests)
    except TestbedError as error:
        failed = {"seconds": clock.now() - begun, "error": str(error)}
        testbed.events.emit("act.failed", **what, **failed)
    else:
        testbed.events.emit("act.end", **what, seconds=clock.now() - begun)


def _note(testbed: Testbed, name: str) -> None:
    guest = testbed.guest(name)
    testbed.routes.tell()  # first: whoever is killed in between is followed by one who does both
    testbed.domains.tell((guest,))
    guest.domain.write_note(guest.stay)


def _renew(testbed: Testbed, name: str) -> None:
    """What its agent remembers was true once: its peers find it in a new life instead."""
    guest = testbed.guest(name)
    for link in guest.agent.ask(Links, "links").links:
        remove_link(guest, link.peer, testbed.record.testbed_id)
    _note(testbed, name)


def _introduce(testbed: Testbed, *pair: str) -> None:
    testbed.routes.tell()
    found = _grant(testbed, pair)
    testbed.domains.tell((found.low, found.high))
    found.tell(whereabouts.of_members(found))


def _share(testbed: Testbed, *pair: str) -> None:
    _grant(testbed, pair).share()


def _part(testbed: Testbed, *pair: str) -> None:
    found = _grant(testbed, pair)
    found.part()
    found.tidy()


def _forget(testbed: Testbed, *pair: str) -> None:
    granting.withdraw(_grant(testbed, pair), forget=True)


def _forsake(testbed: Testbed, name: str, peer: str) -> None:
    granting.forsake(testbed, name, peer)


def _tidy(testbed: Testbed, *pair: str) -> None:
    one, other = pair
    there: dict[str, Member] = {**testbed.guests, **testbed.hosts}
    members = [there[name] for name in pair if name in there]
    hosts = (place.host for place in testbed.places.values())
    destroy_files(hosts, testbed.record.testbed_id, (one, other), used=_plugged(members))


def _plugged(members: list[Member]) -> set[str]:
    return {region for member in members for region in member.regions().values()}


def _grant(testbed: Testbed, pair: tuple[str, ...]) -> Grant:
    """The grant of these two as the hosts show it; one that no table has is to be undone."""
    one, other = pair
    for name in pair:
        testbed.member(name)  # refuses one that has gone meanwhile
    row = row_of(testbed.record.grants, (one, other)) or _nobodys((one, other))
    found = testbed.grant_of(row)
    found.recover(place.host for place in testbed.places.values())
    return found


def _nobodys(pair: Pair) -> Granted:
    return Granted(spec=GrantSpec(between=pair), since="", shares=False)


STEPS: Mapping[Verb, Callable[..., None]] = MappingProxyType(
    {
        "note": _note,
        "renew": _renew,
        "introduce": _introduce,
        "share": _share,
        "part": _part,
        "forget": _forget,
        "forsake": _forsake,
        "tidy": _tidy,
    }
)
