"""testbed stress: migrations under load, each one checked, from nothing to a verdict."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness import clock, report
from harness.campaign.runner import Runner, RunSpec, worth_keeping
from harness.cli import outside, show, whole_job
from harness.cli.campaigns import changed, full_name, read_campaign
from harness.cli.printable import printable
from harness.cli.stress_progress import StressProgress
from harness.cli.whole_job import Ending, Run, Wishes
from harness.errors import UsageError
from harness.events import EventLog
from harness.evidence import evidence
from harness.model.campaign import Campaign, Control
from harness.model.campaign_result import CampaignResult
from harness.model.campaign_topology import topology_of

CAMPAIGN_FILE = "campaign.json"


@dataclass(frozen=True)
class Asked:
    """What was typed. `only` are numbers of cases, `duration` is in seconds; whatever else is
    given replaces what the campaign says.
    """

    campaign: str
    seed: int | None = None
    only: tuple[int, ...] = ()
    modes: tuple[str, ...] = ()
    migrations: int | None = None
    duration: float | None = None
    control: Control | None = None
    sut: tuple[str, ...] = ()
    wishes: Wishes = field(default_factory=Wishes)

    def resolved(self) -> Campaign:
        """The campaign with what the options change. Raises UsageError."""
        given = {"seed": self.seed, "modes": self.modes, "control": self.control, "sut": self.sut}
        changes: dict[str, object] = {k: v for k, v in given.items() if v not in (None, ())}
        if self.migrations is not None and self.duration is not None:
            raise UsageError("--migrations and --duration both say when it is over", fix="give one")
        if self.migrations is not None:
            changes |= {"migrations": self.migrations, "duration": None}
        if self.duration is not None:
            changes |= {"duration": self.duration, "migrations": None}
        return changed(read_campaign(self.campaign), changes)

    @property
    def command(self) -> str:
        """The command line that does the same again, from any folder."""
        return self._line(*self._same(), *self._extent())

    @property
    def repeat(self) -> str:
        """The command line that runs one of its cases again, once a number is added."""
        return self._line(*self._same())

    @property
    def arguments(self) -> list[str]:
        """The command line of the inner half."""
        return ["stress", self.campaign, *self._same(), *self._extent()]

    def _line(self, *words: str) -> str:
        return shlex.join(["testbed", "stress", full_name(self.campaign), *words])

    def _same(self) -> Iterator[str]:
        """What decides how a case runs."""
        if self.seed is not None:
            yield from ("--seed", str(self.seed))
        for mode in self.modes:
            yield from ("--mode", mode)
        for component in self.sut:
            yield from ("--sut", component)
        yield from self.wishes.given.words()

    def _extent(self) -> Iterator[str]:
        """What decides which cases run."""
        for index in self.only:
            yield from ("--case", str(index))
        if self.migrations is not None:
            yield from ("--migrations", str(self.migrations))
        if self.duration is not None:
            yield from ("--duration", f"{self.duration:g}s")
        if self.control is not None:
            yield from ("--control", self.control)


def stress(asked: Asked) -> int:
    """Run it, take everything down, say what was found. Gives the exit code."""
    campaign, console = asked.resolved(), Console()
    asked = replace(asked, seed=campaign.seed)
    run = whole_job.begin("stress", topology_of(campaign), asked.wishes)
    (run.folder / CAMPAIGN_FILE).write_text(campaign.model_dump_json(indent=2) + "\n")
    ending = whole_job.carry_out(run, asked.arguments, CampaignResult)
    result = conclude(run, ending, broken(run, campaign, asked.command))
    _tell(result, run.folder, console)
    return whole_job.end(run, ending, result.verdict, console)


def _tell(result: CampaignResult, folder: Path, console: Console) -> None:
    """What was found, and where more of it is."""
    for leg in result.legs:
        if leg.streams:
            console.print("", show.streams(leg.streams), "")
    console.print(report.terminal(result), crop=False)
    console.print(Text(f"evidence: {printable(str(folder))}"), soft_wrap=True)


def inner_half(asked: Asked, run_id: str) -> int:
    """Everything that talks to hosts and guests."""
    folder = whole_job.evidence_of(run_id)
    campaign = Campaign.model_validate_json((folder / CAMPAIGN_FILE).read_text())
    spec = RunSpec(
        campaign=campaign,
        seed=campaign.seed,
        only=asked.only or None,
        run_id=run_id,
        folder=folder,
        command=asked.command,
        repeat=asked.repeat,
        commit=outside.commit(),
    )
    events = EventLog(folder / "events.jsonl", wanted=worth_keeping)
    with whole_job.inner_half(run_id, StressProgress(Console()), events) as makings:
        result = Runner(makings, spec).run()
    return 0 if result.verdict == "pass" else 1


def conclude(run: Run, ending: Ending, otherwise: CampaignResult) -> CampaignResult:
    """The result of the inner half, or else that other one, with how the run ended and what was
    left behind.
    """
    found = run.saved(CampaignResult) or otherwise
    left = (f"left behind: {thing}" for thing in ending.left or ())
    findings = (*ending.told(found.findings), *left)
    result = found.model_copy(
        update={
            "findings": findings,
            "verdict": "fail" if findings else "pass",
            "left_behind": ending.left,
        }
    )
    evidence.write_result(result, run.folder)
    report.write_junit(result, run.folder)
    report.write(result, run.folder)
    return result


def broken(run: Run, campaign: Campaign, command: str) -> CampaignResult:
    """The result of a run that broke before it measured anything."""
    return CampaignResult(
        campaign=campaign.name,
        command=command,
        run_id=run.folder.name,
        seed=campaign.seed,
        commit=outside.commit(),
        began=clock.utc().isoformat(timespec="seconds"),
        seconds=0.0,
        verdict="pass",
        accelerator="none",
        versions={},
        legs=(),
    )
