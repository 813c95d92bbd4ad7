"""The model as spin's verifier: built once for a window and a mutant, run for many configurations.

The model's table of transitions is the agent's own (guest-agent/src/link/handover_rows.h), so the
preprocessor runs from the repository.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from harness.config import REPOSITORY
from harness.run import run

MODEL = REPOSITORY / "model" / "link.pml"
DEPTH = 2_000_000
TABLE_BITS = 24  # of the table of an exact search: 128 MiB
FIELD_BITS = 36  # of the field in which a hashed search marks states: 8 GiB
MARKS = 8  # a state's, in that field
# The field is read at random: with small pages most of the time is spent on finding them.
HUGE_PAGES = {"GLIBC_TUNABLES": "glibc.malloc.hugetlb=1"}
STATES = re.compile(r"^\s*([\d.e+]+) states, stored", re.MULTILINE)  # of eight digits at most
ELAPSED = re.compile(r"elapsed time (\S+) seconds")
VIOLATION = re.compile(r"^pan:\d+: (.*) \(at depth", re.MULTILINE)
INCOMPLETE = re.compile(r"Search not completed|max search depth too small|out of memory")


@dataclass(frozen=True)
class Verdict:
    """What one search found. `violation` is None when every property holds everywhere."""

    states: int
    seconds: float
    violation: str | None

    @classmethod
    def read(cls, text: str) -> Verdict:
        """From what the verifier printed. Raises ValueError when it did not search everything."""
        violation = VIOLATION.search(text)
        states = STATES.search(text)
        if states is None or (violation is None and INCOMPLETE.search(text)):
            raise ValueError(f"the search was not completed:\n{text[-2000:]}")
        elapsed = ELAPSED.search(text)
        seconds = float(elapsed.group(1)) if elapsed else 0.0
        return cls(int(float(states.group(1))), seconds, violation.group(1) if violation else None)


def overlooked(states: int) -> float:
    """How many states a hashed search is expected to have overlooked.

    A state whose marks are all there already passes for one that has been seen: a Bloom filter's
    false positive, at most (1 - exp(-kn/m))^k for each of n states (Bloom, "Space/time trade-offs
    in hash coding with allowable errors", 1970).
    """
    taken = -math.expm1(-MARKS * states / 2**FIELD_BITS)
    return float(states * taken**MARKS)


@dataclass(frozen=True)
class Verifier:
    """A compiled model in a folder of its own."""

    folder: Path
    livelocks: bool
    hashed: bool

    @classmethod
    def build(
        cls,
        folder: Path,
        *,
        window: int,
        mutant: str = "",
        livelocks: bool = False,
        hashed: bool = False,
        remember: bool = False,
    ) -> Verifier:
        """Compile the model. With `livelocks` it looks for endless loops, else for violations.

        With `hashed` it keeps marks of the states instead of the states (`overlooked`); with
        `remember`, what makes no difference any more (`oblivion.pml`) tells states apart, too.
        """
        folder.mkdir(parents=True, exist_ok=True)
        switches = [f"-DW={window}", *([f"-DMUTANT_{mutant}"] if mutant else [])]
        switches += ["-DREMEMBER"] if remember else []
        flat = folder / "link.pml"
        run(["gcc", "-E", "-P", "-x", "c", *switches, str(MODEL), "-o", str(flat)])
        run(["spin", "-a", flat.name], cwd=folder)
        search = ["-DNP"] if livelocks else ["-DSAFETY"]
        # A mutant falls at once: its verifier is worth no optimisation. One that runs for long is.
        level = "-O0" if mutant else "-O3" if hashed else "-O1"
        store = "-DBITSTATE" if hashed else "-DCOLLAPSE"
        flags = [level, "-w", "-DNOREDUCE", store, *search]
        run(["gcc", *flags, "-o", "pan", "pan.c"], within=240, cwd=folder)
        return cls(folder, livelocks, hashed)

    def check(self, settings: Mapping[str, int], *, within: float) -> Verdict:
        """Search every state of one configuration. Raises DeadlineExceeded after `within` s."""
        own = self.folder / "-".join(f"{name}{value}" for name, value in settings.items())
        own.mkdir(exist_ok=True)
        env = {**os.environ, **HUGE_PAGES, **{name: str(value) for name, value in settings.items()}}
        table = [f"-w{FIELD_BITS}", f"-k{MARKS}"] if self.hashed else [f"-w{TABLE_BITS}"]
        command = [str(self.folder / "pan"), f"-m{DEPTH}", *table]
        command += ["-l"] if self.livelocks else []
        done = run(command, within=within, env=env, cwd=own, check=False)
        return Verdict.read(done.stdout)
