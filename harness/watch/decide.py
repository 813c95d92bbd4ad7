"""From what is seen and what is wanted to what is to be done next: pure.

At most one step for each guest and each pair: after it one looks again. So nothing has to be
remembered, and whoever is killed between two steps is followed by somebody who sees the rest.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from harness.model import naming
from harness.model.grant_table import Pair
from harness.watch.world import SeenGuest, SeenLink, Wanted, World

Verb = Literal["note", "renew", "introduce", "share", "part", "forget", "forsake", "tidy"]


@dataclass(frozen=True)
class Action:
    """One step.

    ========= ================================================================================
    note      write the guest's stay down, with its domain
    renew     the guest was put back: its agent forgets all links, so that streams end
    introduce both agents are told of each other
    share     a fresh region into both, and the link onto it
    part      the link onto TCP, and the region out of both
    forget    the same, and both agents forget each other
    forsake   the second one is gone: the first forgets it, and loses the region
    tidy      remove files of regions that nobody has plugged
    ========= ================================================================================
    """

    verb: Verb
    guests: tuple[str, ...]
    why: str


def decide(world: World, wanted: Wanted) -> list[Action]:
    """What is to be done next; nothing when all is well, or has to wait."""
    of_guests = [
        action for name, guest in world.guests.items() if (action := _of_guest(name, guest))
    ]
    renewed = {action.guests[0] for action in of_guests if action.verb == "renew"}
    pairs = [pair for pair in _pairs(world, wanted) if renewed.isdisjoint(pair)]
    of_pairs = [action for pair in pairs if (action := _of_pair(pair, world, wanted))]
    return [*of_guests, *of_pairs]


def _of_guest(name: str, guest: SeenGuest) -> Action | None:
    if guest.state != "running" or guest.stay == guest.known:
        return None
    if guest.put_back:
        return Action("renew", (name,), f"it was put back to an older state, on {guest.host}")
    came = {"migrated": "it has moved here", "booted": "it was started"}.get(guest.arrival, "")
    return Action("note", (name,), f"{came or 'seen for the first time'}, on {guest.host}")


def _pairs(world: World, wanted: Wanted) -> Iterator[Pair]:
    """Those of the table, and those that have something to do with each other all the same."""
    found = {row.pair for row in wanted.grants}
    for name, guest in world.guests.items():
        found |= {_sorted(name, peer) for peer in (*guest.regions, *guest.links)}
    found |= {pair for _, region in world.files if (pair := _pair_of(region)) is not None}
    return (pair for pair in sorted(found) if all(name in world.guests for name in pair))


def _sorted(one: str, other: str) -> Pair:
    first, second = sorted((one, other))
    return first, second


def _pair_of(region: str) -> Pair | None:
    parsed = naming.parse_region_name(region)
    return parsed[1] if parsed else None


def _of_pair(pair: Pair, world: World, wanted: Wanted) -> Action | None:
    states = [world.guests[name].state for name in pair]
    if not set(states) <= {"running", "gone"}:
        return None  # somebody moves, sleeps or says nothing: it is looked at again
    if "gone" in states:
        return _without_one(pair, world)
    row, (one, other) = wanted.row(pair), world.links(pair)
    if row is None:
        return _without_grant(pair, world)
    if one is None or other is None:
        who = pair[0] if one is None else pair[1]
        return Action("introduce", pair, f"{who}'s agent does not know the other")
    if not (one.up and other.up):
        return Action("introduce", pair, "the link is down")
    if not (one.settled and other.settled):
        return None
    if stray := _stray(pair, (one, other)):
        return Action("introduce", pair, f"{stray} has another address")
    return _on_its_path(pair, (one, other), world, wanted)


def _stray(pair: Pair, links: tuple[SeenLink, SeenLink]) -> str | None:
    """Who is not where the other one looks for it."""
    for name, mine, its in zip(pair, links, links[::-1], strict=True):
        if its.dials and mine.listens_at not in ("", its.dials):
            return name
    return None


def _on_its_path(
    pair: Pair, links: tuple[SeenLink, SeenLink], world: World, wanted: Wanted
) -> Action | None:
    """Both run, know each other, and the link is up."""
    plugged, on_shm = world.plugged(pair), [link.path == "shm" for link in links]
    due, host = wanted.shares(world, pair), world.guests[pair[0]].host
    if due and all(on_shm) and plugged[0] and plugged[0] == plugged[1]:
        return _tidy(pair, world)
    if any(on_shm) or (not due and any(plugged)):
        return Action("part", pair, _why_part(due, plugged))
    if due:
        return Action("share", pair, f"both are on {host}")
    return _tidy(pair, world)


def _why_part(due: bool, plugged: tuple[str | None, str | None]) -> str:
    if not due:
        return "they are not to share memory now"
    return "a device was pulled" if not all(plugged) else "they have not the same region"


def _without_one(pair: Pair, world: World) -> Action | None:
    """At least one of them is gone; the other one keeps nothing plugged that nobody shares."""
    for name, peer in (pair, pair[::-1]):
        guest = world.guests[name]
        if guest.state == "running" and peer in guest.regions:
            return Action("forsake", (name, peer), f"{peer} is gone, and {name} has its region")
    return _tidy(pair, world)


def _without_grant(pair: Pair, world: World) -> Action | None:
    if any(world.plugged(pair)) or any(link is not None for link in world.links(pair)):
        return Action("forget", pair, "they have no grant")
    return _tidy(pair, world)


def _tidy(pair: Pair, world: World) -> Action | None:
    used = set(world.plugged(pair))
    left = sorted(name for _, name in world.files if _pair_of(name) == pair and name not in used)
    return Action("tidy", pair, f"nobody has {', '.join(left)}") if left else None
