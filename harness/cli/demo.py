"""testbed demo: the main job from nothing to a verdict."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from harness import clock, config
from harness.cli import inside, outside, places, show
from harness.cli.progress import Progress
from harness.cli.signals import ignore_signals, stop_at_first_signal
from harness.cli.whole_job import exit_code, in_a_lab, reason
from harness.demo.job import JobSpec
from harness.demo.junit import write_junit
from harness.demo.runner import Runner
from harness.demo.verdict import with_left_behind
from harness.errors import TestbedError
from harness.events import EventLog
from harness.evidence import evidence
from harness.hosts import leftovers
from harness.images.micro import build_micro
from harness.model.overrides import Overrides
from harness.model.result import Summary
from harness.model.topology import Topology, lab_topology
from harness.report.campaign import NAME as REPORT
from harness.report.demo import write as write_report
from harness.testbed import record

COMMAND = "testbed demo"


@dataclass(frozen=True)
class Run:
    """One demo: its testbed's name, its evidence, its options."""

    name: str
    folder: Path
    seed: int
    seconds: float
    topology: Topology = field(default_factory=lab_topology)

    @property
    def arguments(self) -> list[str]:
        """The command line of its inner half."""
        options = ["--seed", str(self.seed), "--seconds", str(self.seconds)]
        return ["demo", *options, "--run-id", self.folder.name]

    @property
    def summary(self) -> Summary | None:
        """What the inner half found; None when it left nothing that can be read."""
        try:
            return Summary.model_validate_json((self.folder / "summary.json").read_text())
        except (OSError, ValueError):
            return None


def demo(seed: int | None, seconds: float, given: Overrides) -> int:
    """Run it, take everything down, say what was found. Gives the exit code."""
    stop_at_first_signal()
    os.environ.setdefault(leftovers.MARK, secrets.token_hex(8))
    before = leftovers.snapshot()
    topology = given.onto(lab_topology())
    run = _new_run(secrets.randbits(31) if seed is None else seed, seconds, topology)
    console, code, error = Console(), 0, None
    try:
        code = _outer_half(run, console)
    except (Exception, KeyboardInterrupt) as caught:
        error, code = caught, exit_code(caught)
    finally:
        ignore_signals()  # what is left is quick, and makes the evidence whole
    left = leftovers.difference(before, leftovers.snapshot())
    verdict = conclude(run, code, error, left)
    show.summary(console, verdict, str(run.folder))
    console.print(f"report: {run.folder / REPORT}", markup=False, highlight=False, soft_wrap=True)
    if error is not None:
        raise error
    return code or (0 if verdict.verdict == "pass" else 1)


def _new_run(seed: int, seconds: float, topology: Topology) -> Run:
    places.check("TESTBED_STATE", "TESTBED_CACHE", "TESTBED_RESULTS")
    outside.check_machine(topology)
    name = f"demo-{secrets.token_hex(3)}"
    folder = outside.results_folder(f"{clock.utc():%Y%m%d-%H%M%S}-{name}")
    return Run(name, folder, seed, seconds, topology)


def _outer_half(run: Run, console: Console) -> int:
    """Start the lab, run the inner half in it, take everything down. Gives its exit code."""
    topology = run.topology.model_copy(update={"name": run.name})
    code = in_a_lab(topology, run.folder, run.arguments, console)
    if code in (0, 1) and run.summary is None:
        raise TestbedError("the run left no summary", where=str(run.folder))
    return code


def inner_half(run_id: str, seed: int, seconds: float) -> int:
    """Everything that talks to hosts and guests."""
    stop_at_first_signal()
    folder = config.results_dir() / run_id
    name = "demo-" + run_id.rpartition("-")[2]
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} is gone")
    spec = JobSpec(
        run_id=run_id,
        folder=folder,
        command=COMMAND,
        seed=seed,
        commit=outside.commit(),
        steady_seconds=seconds,
    )
    events = EventLog(folder / "events.jsonl")
    progress = Progress(Console())
    progress.watch(events)
    image = build_micro(config.cache_dir(), config.REPOSITORY, events)
    try:
        verdict = Runner(found, inside.hosts_of(name), image, spec, events).run()
    finally:
        progress.stop()
    return 0 if verdict.verdict == "pass" else 1


def conclude(run: Run, code: int, error: BaseException | None, left: list[str]) -> Summary:
    """The summary of the inner half, with how it ended and what was left behind."""
    outside.point_latest(run.folder)
    found, why = run.summary, reason(code, error)
    if found is None:
        found = Summary.broken(COMMAND, run.folder.name, run.seed, outside.commit(), why)
    elif why not in found.findings and (error is not None or (code and found.verdict == "pass")):
        found = found.model_copy(update={"findings": (*found.findings, why)})
    summary = with_left_behind(found, left)
    evidence.write_result(summary, run.folder)
    write_junit(summary, run.folder)
    write_report(summary, run.folder)
    return summary
