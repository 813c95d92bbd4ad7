"""What has changed since the last look, told once."""

from __future__ import annotations

from collections.abc import Sequence

from harness.events import EventLog
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
            now = (guest.state, guest.host)
            if self._guests.get(name) != now:
                self._guests[name] = now
                self._events.emit("guest", guest=name, state=guest.state, host=guest.host)

    def _tell_paths(self, world: World) -> None:
        for pair, path in paths(world).items():
            if self._paths.get(pair) != path:
                self._paths[pair] = path
                self._events.emit("path", grant=pair, path=path)


def paths(world: World) -> dict[str, str]:
    """The path of each link both of whose ends say the same, and are up."""
    found: dict[str, str] = {}
    for name, guest in world.guests.items():
        for peer, link in guest.links.items():
            other = world.guests[peer].links.get(name) if peer in world.guests else None
            if name < peer and other is not None and link.up and other == link:
                found[f"{name}-{peer}"] = link.path
    return found
