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
class Search:
    """One run of a verifier; `what` names the window and the kind of search."""

    what: str
    verifier: Verifier
    settings: Settings

    @property
    def name(self) -> str:
        """As it is printed, and as it may be chosen by words."""
        options = " ".join(f"{name}={value}" for name, value in self.settings.items())
        return f"{self.what} {options}"

    def run(self) -> Verdict:
        """Search every state."""
        return self.verifier.check(self.settings, within=SECONDS)


def searches(folder: Path) -> Iterator[Search]:
    """All there are, from small to large."""
    narrow = Verifier.build(folder / "narrow", window=1)
    endless = Verifier.build(folder / "endless", window=1, livelocks=True)
    wide = Verifier.build(folder / "wide", window=2)
    hashed = Verifier.build(folder / "hashed", window=2, hashed=True)
    for settings in undisturbed():
        yield Search("W=1 safety", narrow, settings)
        yield Search("W=2 safety", wide, settings)
    yield from (Search("W=1 safety", narrow, settings) for settings in together(1, starts=2))
    yield from (Search("W=1 safety", narrow, settings) for settings in untold())
    yield from (Search("W=1 no-livelock", endless, settings) for settings in together(1, starts=1))
    yield from (Search("W=1 safety", narrow, settings) for settings in together(2, starts=1))
    yield from (Search("W=1 no-livelock", endless, settings) for settings in together(2, starts=1))
    yield from (Search("W=2 safety", wide, settings) for settings in together(1, starts=1))
    yield from (Search("W=2 hashed safety", hashed, settings) for settings in together(2, starts=1))


def line(search: Search, verdict: Verdict) -> str:
    """One search's result."""
    found = property_of(verdict.violation) if verdict.violation else "holds"
    if search.verifier.hashed:
        found += f", {overlooked(verdict.states):.0e} states overlooked"
    return f"{search.name:<52} {verdict.states:>12,} states {verdict.seconds:>8.1f} s  {found}"


def results(chosen: Sequence[Search]) -> Iterator[tuple[Search, Verdict]]:
    """Two searches at a time; those that fill the memory one after the other, at the end."""
    exact = [search for search in chosen if not search.verifier.hashed]
    with ThreadPoolExecutor(min(2, len(os.sched_getaffinity(0)))) as pool:
        yield from zip(exact, pool.map(Search.run, exact), strict=True)
    yield from ((search, search.run()) for search in chosen if search.verifier.hashed)


def main(words: Sequence[str]) -> int:
    """Run what was chosen, and say how it went."""
    begun, states, failures = clock.now(), 0, 0
    with tempfile.TemporaryDirectory(prefix="model-") as folder:
        chosen = [one for one in searches(Path(folder)) if all(word in one.name for word in words)]
        for search, verdict in results(chosen):
            print(line(search, verdict), flush=True)
            states += verdict.states
            failures += verdict.violation is not None
    spent = clock.now() - begun
    print(f"{len(chosen)} searches, {states:,} states, {failures} violations, {spent:.0f} s")
    return 1 if failures or not chosen else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
