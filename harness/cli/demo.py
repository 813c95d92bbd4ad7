"""testbed demo: the main job from nothing to a verdict."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass, field
from pathlib import Path

from rich.console import Console

from harness import clock, config
from harness.cli import inside, keeping, outside, places, results, show
from harness.cli.commands.options import RESULTS_CAP, Keep
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
from harness.testbed.record import TestbedRecord


@dataclass(frozen=True)
class Wishes:
    """What a run is asked for. `ttl` in seconds, `results_cap` in bytes."""

    seed: int | None = None
    seconds: float = 4.0
    given: Overrides = field(default_factory=Overrides)
    sut: tuple[str, ...] = ()
    keep: Keep = Keep.NEVER
    ttl: float | None = None
    results_cap: int = RESULTS_CAP
    keep_results: int | None = None


@dataclass(frozen=True)
class Run:
    """One run of the main job: its testbed's name, its evidence, its options."""

    name: str
    folder: Path
    seed: int
    wishes: Wishes
    topology: Topology = field(default_factory=lab_topology)

    @property
    def command(self) -> str:
        """What the user typed for it."""
        return command_of(self.name)

    @property
    def arguments(self) -> list[str]:
        """The command line of its inner half."""
        options = ["--seed", str(self.seed), "--seconds", str(self.wishes.seconds)]
        return ["demo", *options, "--run-id", self.folder.name]

    @property
    def summary(self) -> Summary | None:
        """What the inner half found; None when it left nothing that can be read."""
        try:
            return Summary.model_validate_json((self.folder / "summary.json").read_text())
        except (OSError, ValueError):
            return None


@dataclass(frozen=True)
class Ended:
    """A run that is over. `kept` is its testbed's record if that stays up."""

    run: Run
    code: int
    error: BaseException | None
    summary: Summary
    kept: TestbedRecord | None


def demo(wishes: Wishes) -> int:
    """Run it, take everything down, say what was found. Gives the exit code."""
    ended, console = run_job("demo", wishes), Console()
    folder = ended.run.folder
    show.summary(console, ended.summary, str(folder))
    console.print(f"report: {folder / REPORT}", markup=False, highlight=False, soft_wrap=True)
    results.tidy(console, folder, wishes.results_cap, wishes.keep_results)
    if ended.kept:
        keeping.say(console, ended.kept, wishes.ttl)
    if ended.error is not None:
        raise ended.error
    return ended.code or (0 if ended.summary.verdict == "pass" else 1)


def run_job(kind: str, wishes: Wishes) -> Ended:
    """The main job from nothing to its evidence, whatever goes wrong in between."""
    stop_at_first_signal()
    os.environ.setdefault(leftovers.MARK, secrets.token_hex(8))
    before = leftovers.snapshot()
    run = _new_run(kind, wishes)
    code, error = 0, None
    try:
        code = _outer_half(run, Console())
    except (Exception, KeyboardInterrupt) as caught:
        error, code = caught, exit_code(caught)
    finally:
        ignore_signals()  # what is left is quick, and makes the evidence whole
    kept = record.read(run.name)
    left = [] if kept else leftovers.difference(before, leftovers.snapshot())
    return Ended(run, code, error, conclude(run, code, error, left), kept)


def command_of(name: str) -> str:
    """The command that makes testbeds of such names: ``demo-8fa4ac`` is of ``testbed demo``."""
    return f"testbed {name.partition('-')[0]}"


def _new_run(kind: str, wishes: Wishes) -> Run:
    places.check("TESTBED_STATE", "TESTBED_CACHE", "TESTBED_RESULTS")
    topology = wishes.given.onto(lab_topology())
    outside.check_machine(topology)
    name = f"{kind}-{secrets.token_hex(3)}"
    folder = outside.results_folder(f"{clock.utc():%Y%m%d-%H%M%S}-{name}")
    seed = secrets.randbits(31) if wishes.seed is None else wishes.seed
    return Run(name, folder, seed, wishes, topology)


def _outer_half(run: Run, console: Console) -> int:
    """Start the lab, run the inner half in it, take everything down unless it is to stay. Gives
    the inner half's exit code.
    """
    wishes = run.wishes
    topology = run.topology.model_copy(update={"name": run.name, "sut": wishes.sut})
    code = in_a_lab(topology, run.folder, run.arguments, console, wishes.keep, wishes.ttl)
    if code in (0, 1) and run.summary is None:
        raise TestbedError("the run left no summary", where=str(run.folder))
    return code


def inner_half(run_id: str, seed: int, seconds: float) -> int:
    """Everything that talks to hosts and guests."""
    stop_at_first_signal()
    folder = config.results_dir() / run_id
    name = run_id.split("-", 2)[2]
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} is gone")
    spec = JobSpec(
        run_id=run_id,
        folder=folder,
        command=command_of(name),
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
        found = Summary.broken(run.command, run.folder.name, run.seed, outside.commit(), why)
    elif why not in found.findings and (error is not None or (code and found.verdict == "pass")):
        found = found.model_copy(update={"findings": (*found.findings, why)})
    summary = with_left_behind(found, left)
    evidence.write_result(summary, run.folder)
    write_junit(summary, run.folder)
    write_report(summary, run.folder)
    return summary
