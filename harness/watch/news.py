"""What has changed since the last look, told once."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

from harness.events import EventLog
from harness.model.grant_table import Pair
from harness.watch.decide import Action
from harness.watch.world import World


class News:
    """Remembers what was told, to tell nothing twice; to decide, it is not needed."""

    def __init__(self, events: EventLog) -> None:
        self._events = events
        self._guests: dict[str, tuple[str, str]] = {}
        self._paths: dict[str, str] = {}
        self._settled = False

    def tell(self, world: World, decided: Sequence[Action]) -> None:
        """Emit an event for each change."""
        self._tell_guests(world)
        self._tell_paths(world)
        if not decided and not self._settled:
            self._events.emit("watch.settled")
        self._settled = not decided

    def _tell_guests(self, world: World) -> None:
        for name, guest in world.guests.items():
            if name == guest.host:
                continue  # it is a host, which is told of when it does not answer
            now = (guest.state, guest.host)
            if self._guests.get(name) != now:
                self._guests[name] = now
                self._events.emit("guest", guest=name, state=guest.state, host=guest.host)

    def _tell_paths(self, world: World) -> None:
        for pair in combinations(sorted(world.guests), 2):
            name, path = "-".join(pair), path_of(world, pair)
            if path is not None and path != self._paths.get(name, "none"):
                self._paths[name] = path
                self._events.emit("path", grant=name, path=path)


def path_of(world: World, pair: Pair) -> str | None:
    """The path of a link as both its ends say; "none" when neither knows the other. None when
    that is not known: one cannot answer, the link is down, or a handover is under way.
    """
    one, other = world.links(pair)
    if one is None and other is None:
        asleep = {world.guests[name].state for name in pair} != {"running"}
        return None if asleep else "none"
    return one.path if one is not None and one == other and one.up and one.settled else None
