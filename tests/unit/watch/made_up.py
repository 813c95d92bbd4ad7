"""A testbed that obeys: what each of the controller's steps does to what it sees."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace

from harness.model import naming
from harness.model.grant_table import Granted, Pair
from harness.model.topology import GrantSpec
from harness.watch.decide import Action
from harness.watch.world import SeenGuest, SeenLink, State, Wanted, World

TESTBED = "t-1"
UP = SeenLink()


def region(pair: Pair, generation: int) -> str:
    return naming.region_name(TESTBED, pair, generation)


def row(one: str, other: str, *, shares: bool = True) -> Granted:
    return Granted(spec=GrantSpec(between=(one, other)), since="", shares=shares)


def guest(host: str = "h1", state: State = "running", **more: object) -> SeenGuest:
    """One that was looked after where it is."""
    stay = f"{host}/1"
    made = SeenGuest(state=state, host=host, stay=stay, known=stay)
    return replace(made, **more)  # type: ignore[arg-type]


def linked(guests: Mapping[str, SeenGuest], pairs: Iterable[Pair]) -> dict[str, SeenGuest]:
    """The same guests, each pair of them with a link on TCP that is up."""
    made = dict(guests)
    for one, other in pairs:
        for name, peer in ((one, other), (other, one)):
            made[name] = replace(made[name], links={**made[name].links, peer: UP})
    return made


@dataclass
class Stage:
    """The world, and a way to act on it."""

    world: World
    wanted: Wanted
    generation: int = 100
    done: list[Action] = field(default_factory=list)

    def perform(self, action: Action) -> None:
        """Do it, having seen that it may be done."""
        self.done.append(action)
        getattr(self, f"_{action.verb}")(*action.guests)

    def _of(self, name: str) -> SeenGuest:
        return self.world.guests[name]

    def _set(self, name: str, **more: object) -> None:
        changed = replace(self._of(name), **more)  # type: ignore[arg-type]
        self.world = replace(self.world, guests={**self.world.guests, name: changed})

    def _note(self, name: str) -> None:
        assert self._of(name).state == "running" and not self._of(name).put_back
        self._set(name, known=self._of(name).stay)

    def _renew(self, name: str) -> None:
        assert self._of(name).state == "running"
        self._set(name, known=self._of(name).stay, links={})

    def _introduce(self, one: str, other: str) -> None:
        for name, peer in ((one, other), (other, one)):
            self._both_run(one, other)
            known = self._of(name).links.get(peer, UP)
            path = "tcp" if peer not in self._of(name).links else known.path
            self._link(name, peer, SeenLink(up=True, path=path))
        paths = {link.path for link in self.world.links((one, other)) if link}
        if len(paths) > 1:  # one has begun a new life: the other one finds that out
            for name, peer in ((one, other), (other, one)):
                self._link(name, peer, UP)

    def _share(self, one: str, other: str) -> None:
        self._both_run(one, other)
        links = self.world.links((one, other))
        assert self._of(one).host == self._of(other).host
        assert all(link and link.up and link.path == "tcp" for link in links)
        self._drop_files((one, other))
        self.generation += 1
        name = region((one, other), self.generation)
        self._plug((one, other), name)
        files = self.world.files | {(self._of(one).host, name)}
        self.world = replace(self.world, files=files)

    def _plug(self, pair: Pair, name: str) -> None:
        for this, peer in (pair, pair[::-1]):
            self._set(this, regions={**self._of(this).regions, peer: name})
            self._link(this, peer, SeenLink(path="shm"))

    def _part(self, one: str, other: str) -> None:
        self._both_run(one, other)
        for name, peer in ((one, other), (other, one)):
            self._unplug(name, peer)
            self._link(name, peer, UP)
        self._drop_files((one, other))

    def _forget(self, one: str, other: str) -> None:
        self._both_run(one, other)
        for name, peer in ((one, other), (other, one)):
            self._unplug(name, peer)
            self._unlink(name, peer)
        self._drop_files((one, other))

    def _forsake(self, name: str, peer: str) -> None:
        assert self._of(name).state == "running" and self._of(peer).state == "gone"
        self._unplug(name, peer)
        self._unlink(name, peer)
        self._drop_files((name, peer))

    def _tidy(self, one: str, other: str) -> None:
        pair = (one, other)
        used = set(self.world.plugged(pair))
        left = {f for f in self.world.files if f[1] in used or not _of_pair(f[1], pair)}
        self.world = replace(self.world, files=frozenset(left))

    def _both_run(self, one: str, other: str) -> None:
        assert {self._of(one).state, self._of(other).state} == {"running"}

    def _link(self, name: str, peer: str, link: SeenLink) -> None:
        self._set(name, links={**self._of(name).links, peer: link})

    def _unlink(self, name: str, peer: str) -> None:
        self._set(name, links={k: v for k, v in self._of(name).links.items() if k != peer})

    def _unplug(self, name: str, peer: str) -> None:
        self._set(name, regions={k: v for k, v in self._of(name).regions.items() if k != peer})

    def _drop_files(self, pair: Pair) -> None:
        left = {file for file in self.world.files if not _of_pair(file[1], pair)}
        self.world = replace(self.world, files=frozenset(left))


def _of_pair(name: str, pair: Pair) -> bool:
    parsed = naming.parse_region_name(name)
    return parsed is not None and sorted(parsed[1]) == sorted(pair)
