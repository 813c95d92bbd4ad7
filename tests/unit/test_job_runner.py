"""The frame of a whole job: a result is written, and the right error raised, however it ends."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from pydantic import BaseModel

from harness.errors import SubjectFailed, TestbedError
from harness.events import EventLog
from harness.evidence.runner import JobRunner
from harness.guests.guest import Guest
from harness.model.topology import Topology, lab_topology
from harness.testbed.makings import Makings


class Found(BaseModel):
    findings: list[str]
    crashes: list[str]


class Runner(JobRunner[Found]):
    """A job that does `job`, and looks for evidence as every other."""

    def __init__(self, folder: Path, topology: Topology, job: Callable[[], None]) -> None:
        record: Any = SimpleNamespace(topology=topology)
        image: Any = None
        super().__init__(Makings(record, (), image, EventLog()), folder)
        self.work = job  # type: ignore[method-assign]
        self.open = True

    def work(self) -> None:
        raise NotImplementedError

    def guests(self) -> Sequence[Guest]:
        return ()

    def result(self, consoles: dict[str, str]) -> Found:
        assert set(consoles) == {"g1", "g2"}
        return Found(findings=self.findings, crashes=[str(crash) for crash in self.crashes])

    def let_go(self) -> None:
        self.open = False


def runner(folder: Path, job: Callable[[], None], *sut: str) -> Runner:
    return Runner(folder, lab_topology().model_copy(update={"sut": sut}), job)


def written(made: Runner) -> dict[str, list[str]]:
    """What is on disk; the connections must be closed."""
    assert not made.open
    found: dict[str, list[str]] = json.loads((made.folder / "summary.json").read_text())
    return found


def test_a_good_run_gives_its_result(tmp_path: Path) -> None:
    made = runner(tmp_path, lambda: None)
    assert made.run() == Found(findings=[], crashes=[])
    assert written(made) == {"findings": [], "crashes": []}


@pytest.mark.parametrize("error", [TestbedError("it broke"), ValueError("it broke")])
def test_an_error_is_told_and_raised(tmp_path: Path, error: Exception) -> None:
    def breaks() -> None:
        raise error

    made = runner(tmp_path, breaks)
    with pytest.raises(type(error), match="it broke"):
        made.run()
    assert written(made)["findings"] == ["it broke"]


def test_an_interruption_leaves_a_result_too(tmp_path: Path) -> None:
    def is_interrupted() -> None:
        raise KeyboardInterrupt

    made = runner(tmp_path, is_interrupted)
    with pytest.raises(KeyboardInterrupt):
        made.run()
    assert written(made)["findings"] == ["interrupted"]


@pytest.mark.parametrize(("sut", "code"), [("qemu", 1), ("agent", 69)])
def test_a_crash_is_worth_more_than_what_it_led_to(tmp_path: Path, sut: str, code: int) -> None:
    def crashes() -> None:
        log = tmp_path / "hosts/h1/libvirt/qemu/g1.log"
        log.parent.mkdir(parents=True)
        log.write_text("2026-11-24: shutting down, reason=crashed\n")
        raise TestbedError("g1 does not answer")

    made = runner(tmp_path, crashes, sut)
    with pytest.raises(TestbedError, match="qemu of g1 on h1 crashed") as caught:
        made.run()
    assert caught.value.exit_code == code
    assert len(written(made)["crashes"]) == 1 and made.findings == ["g1 does not answer"]
    assert (tmp_path / "crashes/qemu-g1-on-h1.txt").exists()


def test_evidence_that_is_gathered_twice_tells_a_crash_once(tmp_path: Path) -> None:
    made = runner(tmp_path, lambda: None, "agent")
    early = tmp_path / "grants"
    (early / "agents").mkdir(parents=True)
    began = "4.8 info domsockd 0.1.0: domain g1 (3), port 7777\n"
    (early / "agents/g1.log").write_text(began * 2)
    made.gather(early)
    made.gather(early)
    with pytest.raises(SubjectFailed, match="agent of g1 crashed"):
        made.run()
    assert len(written(made)["crashes"]) == 1
    assert (tmp_path / "crashes/agent-g1.txt").exists()
