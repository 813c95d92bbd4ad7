"""What the controller sees, and what is wanted: plain data that every look makes anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from harness.model.grant_table import Granted, Pair, Table, row_of
from harness.model.result import Path

State = Literal["running", "busy", "paused", "silent", "gone", "unknown"]
"""`busy`: libvirt migrates or saves it; `silent`: it runs, and its agent does not answer; `gone`:
every host says that it has no such guest; `unknown`: a host that may have it does not answer, or
the guest went away while it was looked at."""


@dataclass(frozen=True)
class SeenLink:
    """A link as one of its agents sees it; `settled` means that no handover is under way.

    While their network does not carry it, `dials` is where the other one is looked for there, and
    `listens_at` where this one says that it is itself; else both are empty.
    """

    up: bool = True
    path: Path = "tcp"
    settled: bool = True
    dials: str = ""
    listens_at: str = ""


@dataclass(frozen=True)
class SeenGuest:
    """A guest now. `regions` are those plugged, `links` what its agent knows, both by peer.

    `stay` names this time on this host (`Guest.stay`); `known` is the stay that a controller
    noted with the domain when it had last looked after it; `arrival` is why libvirt says it runs.
    """

    state: State
    host: str = ""
    stay: str = ""
    known: str = ""
    arrival: str = ""
    regions: Mapping[str, str] = field(default_factory=dict)
    links: Mapping[str, SeenLink] = field(default_factory=dict)

    @property
    def put_back(self) -> bool:
        """Whether it may have been put back to an older state since somebody looked after it.

        A new stay that is no move and no start is a restore; and where libvirt has forgotten how
        it came to run, it may be one.
        """
        if self.known == self.stay:
            return False
        if self.known:
            return self.arrival not in ("migrated", "booted")
        return self.arrival == "restored"


@dataclass(frozen=True)
class World:
    """All guests of the testbed, and the region files that lie on its hosts: (host, name)."""

    guests: Mapping[str, SeenGuest]
    files: frozenset[tuple[str, str]] = frozenset()

    def plugged(self, pair: Pair) -> tuple[str | None, str | None]:
        """The region that each of the two has for the other."""
        one, other = pair
        return self.guests[one].regions.get(other), self.guests[other].regions.get(one)

    def links(self, pair: Pair) -> tuple[SeenLink | None, SeenLink | None]:
        """The link between the two as each of them sees it."""
        one, other = pair
        return self.guests[one].links.get(other), self.guests[other].links.get(one)


@dataclass(frozen=True)
class Wanted:
    """The table of grants, and who is moved by hand: guest → the stay that it is let go from."""

    grants: Table = ()
    released: Mapping[str, str] = field(default_factory=dict)

    def row(self, pair: Pair) -> Granted | None:
        """The row of that pair."""
        return row_of(self.grants, pair)

    def shares(self, world: World, pair: Pair) -> bool:
        """Whether the two are to share memory now."""
        row, members = self.row(pair), [world.guests[name] for name in pair]
        if row is None or not row.shares or members[0].host != members[1].host:
            return False
        return not any(
            self.released.get(name) == member.stay
            for name, member in zip(pair, members, strict=True)
        )
