"""What is checked: combinations of faults, and protocols that are broken on purpose."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

FAULTS = (
    *("BREAK", "REPEAT", "EXPIRE", "CRASH", "ZEROS", "OTHER", "STALE", "MOVE", "RESTORE"),
    "DIRECT",
)

Settings = Mapping[str, int]


def undisturbed() -> Iterator[Settings]:
    """No fault; two handovers are asked for, by either side or by both at once."""
    yield from ({"PATH_SHM": path, "STARTS": 2} for path in (0, 1))


def untold() -> Iterator[Settings]:
    """A guest was put back, and nobody has told its agent: found out if nothing else goes wrong but
    that handovers are given up.
    """
    for path in (0, 1):
        yield {"PATH_SHM": path, "STARTS": 2, "RESTORE": 1, "UNTOLD": 1, "EXPIRE": 1}


def together(faults: int, starts: int) -> Iterator[Settings]:
    """Every combination of so many faults, the same one repeated included.

    A common budget pays for any fault but a guest that is put back: states that differ only in the
    fault that led to them are searched once. A saved state makes many more, so that it has searches
    of its own, with 1, 2, ... of `faults` being that one.
    """
    for path in (0, 1):
        for back in range(faults + 1):
            budgets = {"RESTORE": back, "ANY": faults - back}
            spent = {name: budget for name, budget in budgets.items() if budget}
            yield {"PATH_SHM": path, "STARTS": starts, **spent}


# What a violated assertion of the model means, by a part of the text that spin prints for it.
PROPERTIES: Mapping[str, str] = {
    "no wrong, lost, repeated or reordered byte": "content%16",
    "no bytes of two histories": "timeline",
    "no stream ends for nothing": "(crashed||restored)",
    "an honest peer breaks no rule": "violated restored",
    "a program's bytes stay in its ring": "data[((me*",
    "every handover ends": "phase[0]!=0",
    "both sides agree": "epoch[0]==epoch[1]",
    "every byte arrives": "delivered[1]==",
}


def property_of(violation: str) -> str:
    """The property that a violated assertion stands for; its own text where there is no name."""
    return next((name for name, part in PROPERTIES.items() if part in violation), violation)


@dataclass(frozen=True)
class Mutant:
    """A protocol with one rule left out, where that is found, and by which property."""

    switch: str
    settings: Settings
    caught_by: str


def mutant(switch: str, caught_by: str, **settings: int) -> Mutant:
    """A mutant, with its configuration as keywords."""
    return Mutant(switch, settings, caught_by)


WRONG_BYTE, ONE_HISTORY, NO_RESET, HONEST, IN_RING, ENDS, AGREE, ARRIVES = PROPERTIES

MUTANTS = (
    mutant("NO_FENCE", NO_RESET, PATH_SHM=1, STARTS=1),
    mutant("EARLY_RELEASE", NO_RESET, PATH_SHM=0, BREAK=1),
    mutant("EARLY_ACK", NO_RESET, PATH_SHM=0),
    mutant("DOUBTFUL_VIEW", WRONG_BYTE, PATH_SHM=1, OTHER=1),
    mutant("CHECK_BEFORE_COPY", WRONG_BYTE, PATH_SHM=1, ZEROS=1),
    mutant("BLIND_DRAIN", WRONG_BYTE, PATH_SHM=1, STARTS=1, STALE=1),
    mutant("HEARTBEAT_IGNORED", WRONG_BYTE, PATH_SHM=0, STARTS=1, STALE=1),
    mutant("EPOCH_IGNORED", AGREE, PATH_SHM=1, STARTS=1, BREAK=1),
    mutant("BOTH_YIELD", HONEST, PATH_SHM=1, STARTS=2),
    mutant("NUMBER_IGNORED", HONEST, PATH_SHM=1, STARTS=1, REPEAT=1),
    mutant("DIRECT_KEPT", IN_RING, PATH_SHM=1, STARTS=1, DIRECT=1),
    mutant("ABORT_UNANSWERED", ENDS, PATH_SHM=1, STARTS=1, EXPIRE=1),
    mutant("HOLE", ARRIVES, PATH_SHM=1, STARTS=1, BREAK=1),
    mutant("EARLY_ATTACH", WRONG_BYTE, PATH_SHM=0, STARTS=2, EXPIRE=1),
    mutant("HANG_AFTER_RESTORE", ARRIVES, PATH_SHM=1, STARTS=1, RESTORE=1, UNTOLD=1),
    mutant("TAKEN_IN_DOUBT", ONE_HISTORY, PATH_SHM=1, STARTS=2, RESTORE=1, UNTOLD=1),
    mutant("RESTORE_UNTOLD", ONE_HISTORY, PATH_SHM=1, STARTS=1, RESTORE=1, UNTOLD=1),
)
