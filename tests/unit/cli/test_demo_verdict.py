"""A run that did not end well never passes."""

from __future__ import annotations

import os
import signal
from pathlib import Path

import pytest

from harness.cli import demo, whole_job
from harness.cli.deadline import Overtime
from harness.cli.signals import ignore_signals, stop_at_first_signal
from harness.cli.whole_job import Ending, Run
from harness.errors import TestbedError
from harness.model.result import Summary
from harness.model.topology import lab_topology


@pytest.fixture
def run(tmp_path: Path) -> Run:
    folder = tmp_path / "results" / "r-demo-1"
    folder.mkdir(parents=True)
    return Run(lab_topology().model_copy(update={"name": "demo-1"}), folder)


def leave(run: Run, verdict: str, *findings: str) -> None:
    summary = Summary.broken("testbed demo", "r", 7, "c", "x")
    made = summary.model_copy(update={"verdict": verdict, "findings": findings})
    (run.folder / "summary.json").write_text(made.model_dump_json())


def conclude(
    run: Run, code: int, error: BaseException | None = None, left: tuple[str, ...] = ()
) -> Summary:
    return demo.conclude(run, 7, Ending(code, error, left))


def test_a_good_run_passes(run: Run) -> None:
    leave(run, "pass")
    assert conclude(run, 0).verdict == "pass"


@pytest.mark.parametrize("code", [1, 2, 69, 130])
def test_an_exit_code_is_a_finding(run: Run, code: int) -> None:
    leave(run, "pass")
    found = conclude(run, code)
    assert found.verdict == "fail" and len(found.findings) == 1


def test_an_error_outside_is_added_once(run: Run) -> None:
    leave(run, "fail", "lost bytes")
    found = conclude(run, 69, TestbedError("the lab stays"))
    assert found.findings == ("lost bytes", "the lab stays")
    assert conclude(run, 69, TestbedError("the lab stays")).findings == found.findings


def test_the_report_says_how_the_run_ended(run: Run) -> None:
    leave(run, "pass")
    conclude(run, 69, TestbedError("the lab stays"), ("process 12: qemu",))
    page = (run.folder / "report.html").read_text()
    assert "fail" in page and "the lab stays" in page and "process 12: qemu" in page


def test_what_the_inner_half_found_is_enough(run: Run) -> None:
    leave(run, "fail", "lost bytes")
    assert conclude(run, 1).findings == ("lost bytes",)


def test_an_interrupt_reads_so(run: Run) -> None:
    assert conclude(run, 130, KeyboardInterrupt()).findings == ("interrupted",)


@pytest.mark.parametrize("text", ["", "{", '{"verdict": "pass"}', "\x00"])
def test_a_half_written_summary_is_none(run: Run, text: str) -> None:
    (run.folder / "summary.json").write_text(text)
    found = conclude(run, 69)
    assert found.verdict == "fail" and found.findings == ("the run ended with exit code 69",)
    assert run.saved(Summary) == found


def test_signals_stop_once_and_then_never() -> None:
    before = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        stop_at_first_signal()
        with pytest.raises(KeyboardInterrupt):
            os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGINT)
        stop_at_first_signal()
        ignore_signals()
        os.kill(os.getpid(), signal.SIGTERM)
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def test_a_run_whose_time_is_over_is_broken_and_says_what_it_did(run: Run) -> None:
    late = Overtime("--timeout 1 s has passed during: boot g1")
    assert (whole_job.exit_code(late), whole_job.exit_code(KeyboardInterrupt())) == (69, 130)
    found = conclude(run, 69, late)
    assert found.verdict == "fail" and found.findings == (str(late),)
