"""The agent's own C tests, the simulation among them, under address and undefined-behaviour
sanitizers."""

from __future__ import annotations

import pytest

from harness.config import REPOSITORY
from harness.run import run

AGENT = REPOSITORY / "guest-agent"
BUILD = "build-san"
TESTS = sorted(path.stem for path in (AGENT / "tests").glob("test_*.c"))


@pytest.fixture(scope="module")
def sanitized() -> None:
    programs = [f"{BUILD}/tests/{name}" for name in TESTS]
    run(["make", "-j2", "-C", str(AGENT), "SAN=1", f"BUILD={BUILD}", *programs], within=280)


@pytest.mark.slow
@pytest.mark.parametrize("name", TESTS)
def test_c(sanitized: None, name: str) -> None:
    run([f"{BUILD}/tests/{name}"], within=280, cwd=AGENT)


def schedule(first: int, count: int) -> list[str]:
    """Of the last of so many runs of the simulation: what happened, in which phases."""
    argv = [f"{BUILD}/tests/test_simulation", "--seed", str(first), "--count", str(count)]
    said = run([*argv, "--trace"], within=120, cwd=AGENT).stderr.splitlines()
    steps = [line for line in said if " side " in line and line[:5].strip().isdigit()]
    return steps[-len(steps) // count :]


def test_a_seed_of_the_simulation_is_replayed_alone(sanitized: None) -> None:
    """Nothing of the runs before it is left: one of them suspends a guest at its last step."""
    assert schedule(8, 2) == schedule(9, 1) != []
