"""From a campaign and a seed to its cases: pure, so that each can be run again by its number."""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice

from harness.model.campaign import Campaign, Scenario
from harness.model.migration_mode import MigrationMode
from harness.model.result import Path

HOSTS = ("h1", "h2")
GUESTS = ("g1", "g2")
Positions = tuple[str, str]  # the hosts of g1 and g2

# Each scenario starts and ends with both guests on one host; a step names who moves at once.
STEPS: dict[Scenario, tuple[tuple[int, ...], ...]] = {
    "ping-pong": ((0,), (0,)),
    "in-turn": ((0,), (1,)),
    "opposite": ((0,), (0, 1), (1,)),
    "side-by-side": ((0, 1),),
}


@dataclass(frozen=True)
class CaseSpec:
    """One case: who moves where, how, from where, and which path the streams must take."""

    index: int
    scenario: Scenario
    mode: MigrationMode
    moves: tuple[tuple[str, str], ...]  # guest, destination
    start: Positions
    apart: Path = "tcp"

    @property
    def end(self) -> Positions:
        """Where the guests must be afterwards."""
        if self.mode.stays:
            return self.start
        moved = dict(self.moves)
        first, second = (moved.get(g, h) for g, h in zip(GUESTS, self.start, strict=True))
        return first, second

    @property
    def migrations(self) -> int:
        """How many guests it migrates for real."""
        return 0 if self.mode.stays else len(self.moves)

    @property
    def name(self) -> str:
        """A sentence for people: ``g1→h2, postcopy: shm to tcp``."""
        moves = " and ".join(f"{guest}→{host}" for guest, host in self.moves)
        before, after = self.expected(granted=True)
        return f"{moves}, {self.mode.name}: {before} to {after}"

    def expected(self, granted: bool) -> tuple[Path, Path]:
        """The paths before and after it; without a grant streams are plain TCP always."""
        if not granted:
            return "none", "none"
        return self.path_at(self.start), self.path_at(self.end)

    def path_at(self, positions: Positions) -> Path:
        """The path that streams take between guests that live there."""
        return "shm" if positions[0] == positions[1] else self.apart


def cases(campaign: Campaign, seed: int) -> Iterator[CaseSpec]:
    """All cases, without end: the same for the same seed, however many are taken."""
    deck, positions, index = _Deck(campaign, seed), (HOSTS[0], HOSTS[0]), 0
    while True:
        scenario = deck.scenario()
        for movers in STEPS[scenario]:
            moved = False
            while not moved:
                mode = deck.mode(positions)
                case = _case(index, scenario, mode, movers, positions, campaign.apart)
                yield case
                positions, index, moved = case.end, index + 1, not mode.stays


def plan(campaign: Campaign, seed: int) -> list[CaseSpec]:
    """The cases of a campaign that counts migrations: as many as it takes to reach the count."""
    taken, migrations = [], 0
    for case in cases(campaign, seed):
        if migrations >= (campaign.migrations or 0):
            break
        taken.append(case)
        migrations += case.migrations
    return taken


def case_at(campaign: Campaign, seed: int, index: int) -> CaseSpec:
    """The case of that number."""
    return next(islice(cases(campaign, seed), index, None))


def _case(
    index: int,
    scenario: Scenario,
    mode: MigrationMode,
    movers: tuple[int, ...],
    positions: Positions,
    apart: Path,
) -> CaseSpec:
    """A case that moves nobody tries it with one guest: an abort of one says all."""
    who = movers[:1] if mode.stays else movers
    moves = tuple((GUESTS[guest], _other(positions[guest])) for guest in who)
    return CaseSpec(index, scenario, mode, moves, positions, apart)


def _other(host: str) -> str:
    return HOSTS[1 - HOSTS.index(host)]


class _Deck:
    """Draws scenarios and modes at random, each of them once before any comes again."""

    def __init__(self, campaign: Campaign, seed: int) -> None:
        self._rng = random.Random(f"{campaign.name}/{seed}")
        self._all_scenarios, self._all_modes = campaign.scenarios, campaign.migration_modes
        self._scenarios: list[Scenario] = []
        self._modes: list[MigrationMode] = []

    def scenario(self) -> Scenario:
        """The next scenario."""
        if not self._scenarios:
            self._scenarios = self._rng.sample(self._all_scenarios, len(self._all_scenarios))
        return self._scenarios.pop()

    def mode(self, positions: Positions) -> MigrationMode:
        """The next mode; one that is about a plugged region waits until there is one."""
        if not self._modes:
            self._modes = self._rng.sample(self._all_modes, len(self._all_modes))
        together = positions[0] == positions[1]
        fitting = [mode for mode in self._modes if together or not mode.with_region]
        if not fitting:
            self._modes = [*self._rng.sample(self._all_modes, len(self._all_modes)), *self._modes]
            fitting = [mode for mode in self._modes if not mode.with_region]
        drawn = fitting[-1]
        self._modes.remove(drawn)
        return drawn
