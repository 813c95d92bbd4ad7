"""A whole job: a lab of its own, a command that works in it, a verdict, and nothing left behind.

The outer half starts the lab and runs the inner half in it, which is the same command with
``--run-id``; then it takes everything down, and concludes from what the inner half left on disk.
"""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

from pydantic import BaseModel
from rich.console import Console
from rich.text import Text

from harness import clock, config
from harness.cli import inside, keeping, outside, places, reach, results
from harness.cli.commands.options import RESULTS_CAP, When
from harness.cli.deadline import Overtime
from harness.cli.printable import printable
from harness.cli.progress import Progress
from harness.cli.signals import ignore_signals, stop_at_first_signal
from harness.errors import INTERRUPTED, TestbedError
from harness.events import EventLog
from harness.hosts import leftovers
from harness.images.micro import build_micro
from harness.model.overrides import Overrides
from harness.model.topology import Topology
from harness.report.campaign import NAME as REPORT
from harness.testbed import record
from harness.testbed.lock import exclusive
from harness.testbed.makings import Makings
from harness.testbed.record import TestbedRecord

M = TypeVar("M", bound=BaseModel)
SUMMARY = "summary.json"


@dataclass(frozen=True)
class Wishes:
    """What every whole job can be asked for. `ttl` in seconds, `results_cap` in bytes."""

    given: Overrides = field(default_factory=Overrides)
    keep: When = When.NEVER
    ttl: float | None = None
    results_cap: int = RESULTS_CAP
    keep_results: int | None = None


@dataclass(frozen=True)
class Run:
    """One run: the testbed it makes, and the folder of its evidence."""

    topology: Topology
    folder: Path
    wishes: Wishes = field(default_factory=Wishes)

    @property
    def name(self) -> str:
        """Its testbed's name."""
        return self.topology.name

    def saved(self, kind: type[M]) -> M | None:
        """What the inner half found; None when it left nothing that can be read."""
        try:
            return kind.model_validate_json((self.folder / SUMMARY).read_text())
        except (OSError, ValueError):
            return None


@dataclass(frozen=True)
class Ending:
    """How a run ended: its exit code, the error if there was one, what was left on the machine
    (None: nobody looked, for its testbed stays up), and that testbed's record.
    """

    code: int = 0
    error: BaseException | None = None
    left: tuple[str, ...] | None = ()
    kept: TestbedRecord | None = None

    @property
    def reason(self) -> str:
        """Why it did not end well, in a sentence; nothing when it did."""
        if self.code == INTERRUPTED:
            return "interrupted"
        if self.error is not None:
            return str(self.error) or type(self.error).__name__
        return f"the run ended with exit code {self.code}" if self.code else ""

    def told(self, findings: tuple[str, ...]) -> tuple[str, ...]:
        """The inner half's findings, and why it ended, where they do not say so already."""
        missing = self.reason not in findings and (self.error is not None or not findings)
        return (*findings, self.reason) if self.reason and missing else findings


def begin(kind: str, wanted: Topology, wishes: Wishes) -> Run:
    """A run of that kind, with a name and a folder of its own; nothing else is made.

    Raises UsageError when this machine or our folders cannot serve.
    """
    stop_at_first_signal()
    places.check("TESTBED_STATE", "TESTBED_CACHE", "TESTBED_RESULTS")
    name = f"{kind}-{secrets.token_hex(3)}"
    topology = wishes.given.onto(wanted).model_copy(update={"name": name})
    outside.check_machine(topology)
    return Run(topology, outside.results_folder(f"{clock.utc():%Y%m%d-%H%M%S}-{name}"), wishes)


def carry_out(run: Run, arguments: list[str], kind: type[BaseModel]) -> Ending:
    """Run the inner half in a lab, and take everything down, unless it is to stay. It must leave
    a summary of that kind. Whatever goes wrong is in the ending: no error is raised.
    """
    os.environ.setdefault(leftovers.MARK, secrets.token_hex(8))
    before, code, error = leftovers.snapshot(), 0, None
    try:
        code = _in_a_lab(run, [*arguments, "--run-id", run.folder.name])
        if code in (0, 1) and run.saved(kind) is None:
            raise TestbedError("the run left no summary", where=str(run.folder))
    except (Exception, KeyboardInterrupt) as caught:
        code, error = exit_code(caught), caught
    finally:
        ignore_signals()  # what is left is quick, and makes the evidence whole
    outside.point_latest(run.folder)
    kept = record.read(run.name)
    left = None if kept else tuple(leftovers.difference(before, leftovers.snapshot()))
    return Ending(code, error, left, kept)


def _in_a_lab(run: Run, arguments: list[str]) -> int:
    """Start a lab, run a testbed command in it, take everything down unless it is to stay. Gives
    the command's exit code.
    """
    events, progress = EventLog(run.folder / "events.jsonl"), Progress(Console())
    progress.watch(events)
    kept = False
    try:
        with exclusive(run.name):
            try:
                _, lab = outside.start(run.topology, events)
                progress.stop()
                code = inside.run_inside(lab, arguments)
                if keeping.wanted(run.wishes.keep, code):
                    keeping.keep(lab, run.name, run.wishes.ttl)
                    kept = True
                return code
            finally:
                if not kept:
                    outside.stop(run.name, events)
    finally:
        progress.stop()
        events.close()


def exit_code(error: BaseException) -> int:
    """The exit code that an error stands for."""
    if isinstance(error, KeyboardInterrupt) and not isinstance(error, Overtime):
        return INTERRUPTED
    return error.exit_code if isinstance(error, TestbedError) else TestbedError.exit_code


def end(run: Run, ending: Ending, verdict: str, console: Console) -> int:
    """Say where things are, and tidy up. Gives the exit code, or raises what ended the run."""
    page = printable(str(run.folder / REPORT))
    console.print(Text(f"report: {page}"), soft_wrap=True)
    results.tidy(console, run.folder, run.wishes.results_cap, run.wishes.keep_results)
    if ending.kept:
        keeping.say(console, ending.kept, run.wishes.ttl)
    if ending.error is not None:
        raise ending.error
    return ending.code or (0 if verdict == "pass" else 1)


@contextmanager
def inner_half(run_id: str, progress: Progress, events: EventLog) -> Iterator[Makings]:
    """What the inner half works with; `progress` shows it meanwhile.

    Raises TestbedError when the outer half's record is gone.
    """
    stop_at_first_signal()
    name = run_id.split("-", 2)[2]
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} is gone")
    progress.watch(events)
    image = build_micro(config.cache_dir(), config.REPOSITORY, events)
    try:
        yield Makings(found, reach.hosts_of(name), image, events)
    finally:
        progress.stop()


def evidence_of(run_id: str) -> Path:
    """The folder of a run's evidence."""
    return config.results_dir() / run_id
