"""testbed demo: the main job from nothing to a verdict."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from harness import clock, config
from harness.cli import inside, outside, show
from harness.cli.main import app
from harness.cli.progress import Progress
from harness.demo import evidence
from harness.demo.job import JobSpec
from harness.demo.runner import Runner
from harness.demo.verdict import with_left_behind
from harness.errors import TestbedError
from harness.events import EventLog
from harness.hosts import leftovers
from harness.images.micro import build_micro
from harness.model.result import Summary
from harness.model.topology import lab_topology
from harness.testbed import record
from harness.testbed.lock import exclusive

Seed = Annotated[int | None, typer.Option(help="Repeat a run's byte patterns.")]
Seconds = Annotated[float, typer.Option(help="How long each path is held, in seconds.", min=0.2)]
RunId = Annotated[str, typer.Option(hidden=True)]
INTERRUPTED = 130


@dataclass(frozen=True)
class Run:
    """One demo: its testbed's name, its evidence, its options."""

    name: str
    folder: Path
    seed: int
    seconds: float

    @property
    def arguments(self) -> list[str]:
        """The command line of its inner half."""
        options = ["--seed", str(self.seed), "--seconds", str(self.seconds)]
        return ["demo", *options, "--run-id", self.folder.name]


@app.command()
def demo(seed: Seed = None, seconds: Seconds = 4.0, run_id: RunId = "") -> None:
    """Two hosts, two guests, streams, a live migration there and back, and a verdict."""
    if inside.is_inside():
        raise typer.Exit(_inner_half(run_id, seed or 0, seconds))
    inside.stop_at_first_signal()
    os.environ[leftovers.MARK] = secrets.token_hex(8)
    before = leftovers.snapshot()
    run = _new_run(secrets.randbits(31) if seed is None else seed, seconds)
    console, error = Console(), None
    try:
        code = _outer_half(run, console)
    except (TestbedError, KeyboardInterrupt) as caught:
        error, code = caught, getattr(caught, "exit_code", INTERRUPTED)
    left = leftovers.difference(before, leftovers.snapshot())
    verdict = _conclude(run, code, error, left)
    show.summary(console, verdict, str(run.folder))
    if error is not None:
        raise error
    raise typer.Exit(code or (1 if verdict.verdict == "fail" else 0))


def _new_run(seed: int, seconds: float) -> Run:
    name = f"demo-{secrets.token_hex(3)}"
    outside.check_machine(lab_topology())
    folder = outside.results_folder(f"{clock.utc():%Y%m%d-%H%M%S}-{name}")
    return Run(name, folder, seed, seconds)


def _outer_half(run: Run, console: Console) -> int:
    """Start the lab, run the inner half in it, take everything down. Gives its exit code."""
    events = EventLog(run.folder / "events.jsonl")
    progress = Progress(console)
    progress.watch(events)
    topology = lab_topology().model_copy(update={"name": run.name})
    try:
        with exclusive(run.name):
            try:
                _, lab = outside.start(topology, events)
                progress.stop()
                return inside.run_inside(lab, run.arguments)
            finally:
                outside.stop(run.name, events)
    finally:
        progress.stop()
        events.close()


def _inner_half(run_id: str, seed: int, seconds: float) -> int:
    """Everything that talks to hosts and guests."""
    inside.stop_at_first_signal()
    folder = config.results_dir() / run_id
    name = "demo-" + run_id.rpartition("-")[2]
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} is gone")
    spec = JobSpec(
        run_id=run_id,
        folder=folder,
        command="testbed demo",
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


def _conclude(run: Run, code: int, error: BaseException | None, left: list[str]) -> Summary:
    """The summary of the inner half, with what was left behind; one of our own if it has none."""
    outside.point_latest(run.folder)
    file = run.folder / "summary.json"
    if file.exists():
        summary = Summary.model_validate_json(file.read_text())
    else:
        why = str(error) if error else f"the run ended early with exit code {code}"
        summary = Summary.broken("testbed demo", run.folder.name, run.seed, outside.commit(), why)
    summary = with_left_behind(summary, left)
    evidence.write_summary(summary, run.folder)
    return summary
