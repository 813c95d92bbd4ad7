"""When a testbed stays up behind a run."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from harness.cli import keeping
from harness.cli.commands.options import When
from harness.model.topology import lab_topology
from harness.testbed.record import TestbedRecord


@pytest.mark.parametrize(
    ("keep", "stays_after"),
    [(When.NEVER, set()), (When.FAILED, {1, 2, 69}), (When.ALWAYS, {0, 1, 2, 69})],
)
def test_by_exit_code_but_never_after_ctrl_c(keep: When, stays_after: set[int]) -> None:
    assert {code for code in (0, 1, 2, 69, 130) if keeping.wanted(keep, code)} == stays_after


def test_the_ways_in_and_out_are_said() -> None:
    console = Console(file=io.StringIO(), width=80)
    keeping.say(console, TestbedRecord.new(lab_topology(), "digest"), 7200)
    assert isinstance(console.file, io.StringIO)
    said = console.file.getvalue()
    assert "lab stays up, and ends itself in 2 h 0 min" in said
    for way in ("ssh g1 -t lab", "console g1 -t lab", "logs -t lab", "repl -t lab", "down lab"):
        assert f"  testbed {way}\n" in said
