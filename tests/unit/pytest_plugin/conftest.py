"""A project of its own, whose testbeds are fakes."""

from __future__ import annotations

from pathlib import Path

import pytest

FAKES = """
from pathlib import Path
from harness.errors import TestbedError, UsageError
from harness.pytest_plugin.fake import FakeRunning

HERE = Path(__file__).parent

class Noted(FakeRunning):
    def end(self, *, keep):
        super().end(keep=keep)
        note(f"end keep={keep}")

def note(line):
    with (HERE / "life.txt").open("a") as life:
        life.write(line + "\\n")

def pytest_testbed_start(topology, folder):
    note(f"start {'-'.join(topology.guests)}")
    if (HERE / "broken").exists():
        raise TestbedError("the lab did not start", why="no reason")
    if (HERE / "lacking").exists():
        raise UsageError("memory: 1 MiB free", fix="buy some")
    (folder / "events.jsonl").write_text("boot\\n")
    return Noted(topology)
"""


class Project:
    """A user's project: its tests are run by pytest in this process."""

    def __init__(self, pytester: pytest.Pytester) -> None:
        self.pytester, self.folder = pytester, pytester.path
        pytester.makeconftest(FAKES)

    def run(self, source: str, *options: str) -> pytest.RunResult:
        """Run these tests."""
        self.pytester.makepyfile(test_it=source)
        return self.pytester.runpytest(*options)

    @property
    def life(self) -> list[str]:
        """How its testbeds started and ended."""
        file = self.folder / "life.txt"
        return file.read_text().splitlines() if file.exists() else []

    def evidence(self) -> list[Path]:
        """The folders of failed tests."""
        return sorted(self.folder.glob("results/*-pytest-*/failed/*"))


@pytest.fixture
def project(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> Project:
    monkeypatch.delenv("TESTBED_RESULTS", raising=False)
    return Project(pytester)
