"""The shim stands before functions of the C library, and shows programs no other name: one of
theirs, or of their libraries, would be taken for it.
"""

from __future__ import annotations

import re

from agents import BUILD

from harness.config import REPOSITORY
from harness.run import run

SHIM = REPOSITORY / "guest-agent/src/shim"


def listed() -> list[str]:
    """What is meant to be seen."""
    return re.findall(r"(\w+);", (SHIM / "exports.map").read_text().partition("local:")[0])


def test_no_other_name_is_seen() -> None:
    shown = run(["nm", "-D", "--defined-only", str(BUILD / "libdomsock.so")]).stdout.splitlines()
    assert sorted(line.split()[-1] for line in shown) == sorted(listed()) != []


def test_every_function_that_the_shim_stands_before_is_seen() -> None:
    real = re.findall(r"X\([^,]+, (\w+),", (SHIM / "real.h").read_text())
    assert len(real) > 50 and set(real) <= set(listed())
