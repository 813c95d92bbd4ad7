"""Everything that is checked of the model, with the number of states of each search.

``python -m tests.model.exhaustive [WORD...]`` runs the searches whose line holds every word.
A search that finds something ends the run with exit code 1.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from harness import clock
from tests.model.configurations import (
    Settings,
    property_of,
    together,
    undisturbed,
    untold,
)
from tests.model.verifier import Verdict, Verifier, overlooked

SECONDS = 7200.0


@dataclass(frozen=True)
class Kind:
    """What is looked for, with which window, and whether states are kept or marked."""

    window: int
    livelocks: bool = False
    hashed: bool = False

    @property
    def name(self) -> str:
        """As it is printed."""
        marked = "hashed " if self.hashed else ""
        return f"W={self.window} {marked}{'no-livelock' if self.livelocks else 'safety'}"

    def build(self, folder: Path) -> Verifier:
        """The verifier for it."""
        own = folder / self.name.replace(" ", "-")
        how = {"livelocks": self.livelocks, "hashed": self.hashed}
        return Verifier.build(own, window=self.window, **how)


NARROW, ENDLESS = Kind(window=1), Kind(window=1, livelocks=True)
WIDE, MARKED = Kind(window=2), Kind(window=2, hashed=True)


@dataclass(frozen=True)
class Search:
    """All states of one configuration."""

    kind: Kind
    settings: Settings

    @property
    def name(self) -> str:
        """As it is printed, and as it may be chosen by words."""
        options = " ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.kind.name} {options}"


def searches() -> Iterator[Search]:
    """All there are, from small to large."""
    for settings in undisturbed():
        yield Search(NARROW, settings)
        yield Search(WIDE, settings)
    yield from (Search(NARROW, settings) for settings in together(1, starts=2))
    yield from (Search(NARROW, settings) for settings in untold())
    yield from (Search(ENDLESS, settings) for settings in together(1, starts=1))
    yield from (Search(NARROW, settings) for settings in together(2, starts=1))
    yield from (Search(ENDLESS, settings) for settings in together(2, starts=1))
    yield from (Search(WIDE, settings) for settings in together(1, starts=1))
    yield from (Search(MARKED, settings) for settings in together(2, starts=1))


def line(search: Search, verdict: Verdict) -> str:
    """One search's result."""
    found = property_of(verdict.violation) if verdict.violation else "holds"
    if search.kind.hashed:
        found += f", {overlooked(verdict.states):.0e} states overlooked"
    return f"{search.name:<52} {verdict.states:>12,} states {verdict.seconds:>8.1f} s  {found}"


def results(chosen: Sequence[Search], folder: Path) -> Iterator[tuple[Search, Verdict]]:
    """Two searches at a time; those that fill the memory one after the other, at the end."""
    verifiers = {kind: kind.build(folder) for kind in {search.kind for search in chosen}}

    def run(search: Search) -> Verdict:
        return verifiers[search.kind].check(search.settings, within=SECONDS)

    exact = [search for search in chosen if not search.kind.hashed]
    with ThreadPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as pool:
        yield from zip(exact, pool.map(run, exact), strict=True)
    yield from ((search, run(search)) for search in chosen if search.kind.hashed)


def main(words: Sequence[str]) -> int:
    """Run what was chosen, and say how it went."""
    begun, states, failures = clock.now(), 0, 0
    chosen = [one for one in searches() if all(word in one.name for word in words)]
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        for search, verdict in results(chosen, Path(folder)):
            print(line(search, verdict), flush=True)
            states += verdict.states
            failures += verdict.violation is not None
    spent = clock.now() - begun
    print(f"{len(chosen)} searches, {states:,} states, {failures} violations, {spent:.0f} s")
    return 1 if failures or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
