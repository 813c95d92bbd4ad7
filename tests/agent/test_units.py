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
