"""A whole job's outer half: what it keeps, what it takes down, and what it takes for a failure."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from rich.console import Console

from harness.cli import inside, keeping, outside, whole_job
from harness.cli.commands.options import When
from harness.cli.whole_job import Ending, Run, Wishes
from harness.errors import SubjectFailed, TestbedError
from harness.model.result import Summary
from harness.model.topology import lab_topology


@pytest.fixture
def steps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What is done to a lab that is none; an inner half ends with the number of steps before."""
    made: list[str] = []
    monkeypatch.setenv("TESTBED_STATE", str(tmp_path / "state"))
    monkeypatch.setattr(whole_job, "ignore_signals", lambda: None)
    monkeypatch.setattr(outside, "start", lambda _topology, _events: (None, "lab"))
    monkeypatch.setattr(outside, "stop", lambda _name, _events: made.append("stop"))
    monkeypatch.setattr(keeping, "keep", lambda _lab, _name, ttl: made.append(f"keep {ttl}"))
    return made


def new_run(tmp_path: Path, **wishes: Any) -> Run:
    folder = tmp_path / "results" / "20260101-000000-demo-1"
    folder.mkdir(parents=True)
    topology = lab_topology().model_copy(update={"name": "demo-1"})
    return Run(topology, folder, Wishes(**wishes))


def carried_out(
    run: Run, monkeypatch: pytest.MonkeyPatch, code: int, summary: Summary | None
) -> Ending:
    def run_inside(_lab: Any, arguments: list[str]) -> int:
        assert arguments == ["demo", "--run-id", run.folder.name]
        if summary is not None:
            (run.folder / "summary.json").write_text(summary.model_dump_json())
        return code

    monkeypatch.setattr(inside, "run_inside", run_inside)
    return whole_job.carry_out(run, ["demo"], Summary)


FOUND = Summary.broken("testbed demo", "r", 7, "c", "lost bytes")


@pytest.mark.parametrize("code", [0, 1])
def test_a_run_without_a_summary_is_no_verdict(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path, code: int
) -> None:
    run = new_run(tmp_path)
    ending = carried_out(run, monkeypatch, code, None)
    assert ending.code == 69 and "left no summary" in ending.reason
    assert steps == ["stop"]


@pytest.mark.parametrize(
    ("keep", "code", "done"),
    [
        (When.NEVER, 1, ["stop"]),
        (When.FAILED, 0, ["stop"]),
        (When.FAILED, 1, ["keep 60.0"]),
        (When.FAILED, 130, ["stop"]),
        (When.ALWAYS, 0, ["keep 60.0"]),
    ],
)
def test_a_testbed_stays_when_it_was_asked_to(
    steps: list[str],
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    keep: When,
    code: int,
    done: list[str],
) -> None:
    run = new_run(tmp_path, keep=keep, ttl=60.0)
    assert carried_out(run, monkeypatch, code, FOUND).code == code
    assert steps == done


def test_latest_is_this_run(
    steps: list[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    run = new_run(tmp_path)
    carried_out(run, monkeypatch, 0, FOUND)
    assert (run.folder.parent / "latest").resolve() == run.folder.resolve()


def test_logs_are_cut_and_old_runs_removed(tmp_path: Path) -> None:
    run = new_run(tmp_path, results_cap=8192, keep_results=1)
    (run.folder / "agent.log").write_text("a line\n" * 20_000)
    older = run.folder.parent / "20250101-000000-demo-2"
    older.mkdir()
    (older / "summary.json").touch()
    assert whole_job.end(run, Ending(), "pass", Console(quiet=True)) == 0
    assert (run.folder / "agent.log").stat().st_size < 8192
    assert run.folder.is_dir() and not older.exists()


@pytest.mark.parametrize(
    ("ending", "verdict", "code"),
    [
        (Ending(0), "pass", 0),
        (Ending(0), "fail", 1),
        (Ending(1), "fail", 1),
        (Ending(69), "fail", 69),
    ],
)
def test_the_exit_code_is_the_worst_that_is_known(
    tmp_path: Path, ending: Ending, verdict: str, code: int
) -> None:
    assert whole_job.end(new_run(tmp_path), ending, verdict, Console(quiet=True)) == code


def test_what_ended_the_run_outside_is_raised(tmp_path: Path) -> None:
    ending = Ending(69, TestbedError("the lab stays"))
    with pytest.raises(TestbedError, match="the lab stays"):
        whole_job.end(new_run(tmp_path), ending, "fail", Console(quiet=True))


@pytest.mark.parametrize(
    ("ending", "findings", "told"),
    [
        (Ending(0), (), ()),
        (Ending(1), (), ("the run ended with exit code 1",)),
        (Ending(1), ("lost bytes",), ("lost bytes",)),
        (Ending(130, KeyboardInterrupt()), ("interrupted",), ("interrupted",)),
        (Ending(69, SubjectFailed("x")), ("lost bytes",), ("lost bytes", "x")),
    ],
)
def test_an_ending_is_told_once(
    ending: Ending, findings: tuple[str, ...], told: tuple[str, ...]
) -> None:
    assert ending.told(findings) == told
