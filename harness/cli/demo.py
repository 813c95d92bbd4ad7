"""testbed demo: the main job from nothing to a verdict."""

from __future__ import annotations

import secrets
from dataclasses import dataclass, field

from rich.console import Console

from harness.cli import outside, show, whole_job
from harness.cli.progress import Progress
from harness.cli.whole_job import Ending, Run, Wishes
from harness.demo.job import JobSpec
from harness.demo.junit import write_junit
from harness.demo.runner import Runner
from harness.demo.verdict import with_left_behind
from harness.events import EventLog
from harness.evidence import evidence
from harness.model.result import Summary
from harness.model.topology import lab_topology
from harness.report.demo import write as write_report


@dataclass(frozen=True)
class Asked:
    """What was typed; no `seed` is any. `seconds` is how long each path is held."""

    seed: int | None = None
    seconds: float = 4.0
    sut: tuple[str, ...] = ()
    wishes: Wishes = field(default_factory=Wishes)


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    run: Run
    ending: Ending
    summary: Summary


def demo(asked: Asked) -> int:
    """Run it, take everything down, say what was found. Gives the exit code."""
    ended, console = run_job("demo", asked), Console()
    show.summary(console, ended.summary, str(ended.run.folder))
    return whole_job.end(ended.run, ended.ending, ended.summary.verdict, console)


def run_job(kind: str, asked: Asked) -> Ended:
    """The main job from nothing to its evidence, whatever goes wrong in between."""
    seed = secrets.randbits(31) if asked.seed is None else asked.seed
    wanted = lab_topology().model_copy(update={"sut": asked.sut})
    run = whole_job.begin(kind, wanted, asked.wishes)
    arguments = ["demo", "--seed", str(seed), "--seconds", str(asked.seconds)]
    ending = whole_job.carry_out(run, arguments, Summary)
    return Ended(run, ending, conclude(run, seed, ending))


def command_of(name: str) -> str:
    """The command that makes testbeds of such names: ``demo-8fa4ac`` is of ``testbed demo``."""
    return f"testbed {name.partition('-')[0]}"


def inner_half(run_id: str, seed: int, seconds: float) -> int:
    """Everything that talks to hosts and guests."""
    folder = whole_job.evidence_of(run_id)
    events = EventLog(folder / "events.jsonl")
    with whole_job.inner_half(run_id, Progress(Console()), events) as makings:
        spec = JobSpec(
            run_id=run_id,
            folder=folder,
            command=command_of(makings.record.name),
            seed=seed,
            commit=outside.commit(),
            steady_seconds=seconds,
        )
        summary = Runner(makings, spec).run()
    return 0 if summary.verdict == "pass" else 1


def conclude(run: Run, seed: int, ending: Ending) -> Summary:
    """The summary of the inner half, with how it ended and what was left behind."""
    found = run.saved(Summary)
    if found is None:
        command, commit = command_of(run.name), outside.commit()
        found = Summary.broken(command, run.folder.name, seed, commit, ending.reason)
    told = found.model_copy(update={"findings": ending.told(found.findings)})
    summary = with_left_behind(told, ending.left)
    evidence.write_result(summary, run.folder)
    write_junit(summary, run.folder)
    write_report(summary, run.folder)
    return summary
