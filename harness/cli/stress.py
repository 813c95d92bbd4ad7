"""testbed stress: migrations under load, each one checked, from nothing to a verdict."""

from __future__ import annotations

import os
import secrets
import shlex
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness import clock, config, report
from harness.campaign.runner import Runner, RunSpec, worth_keeping
from harness.cli import inside, outside, places, show
from harness.cli.campaigns import read_campaign
from harness.cli.printable import printable
from harness.cli.signals import ignore_signals, stop_at_first_signal
from harness.cli.stress_progress import StressProgress
from harness.cli.whole_job import exit_code, in_a_lab, reason
from harness.errors import TestbedError
from harness.events import EventLog
from harness.evidence import evidence
from harness.hosts import leftovers
from harness.images.micro import build_micro
from harness.model.campaign import Campaign
from harness.model.campaign_result import CampaignResult
from harness.model.topology import lab_topology
from harness.report.campaign import NAME as REPORT
from harness.testbed import record

CAMPAIGN_FILE = "campaign.json"


@dataclass(frozen=True)
class Asked:
    """What was typed. `only` are numbers of cases; the other options replace the campaign's."""

    campaign: str
    seed: int | None
    only: tuple[int, ...]
    migrations: int | None
    seconds: float | None

    def resolved(self) -> Campaign:
        """The campaign with what the options change. Raises UsageError."""
        found = read_campaign(self.campaign)
        changes: dict[str, object] = {}
        if self.seed is not None:
            changes["seed"] = self.seed
        if self.migrations is not None:
            changes |= {"migrations": self.migrations, "duration": None}
        if self.seconds is not None:
            changes |= {"duration": self.seconds, "migrations": None}
        return found.model_copy(update=changes)


@dataclass(frozen=True)
class Run:
    """One run: its testbed's name, its evidence, what it was asked for."""

    name: str
    folder: Path
    asked: Asked
    campaign: Campaign

    @property
    def command(self) -> str:
        """The command line that repeats it."""
        return f"testbed stress {shlex.quote(self.asked.campaign)} --seed {self.campaign.seed}"

    @property
    def arguments(self) -> list[str]:
        """The command line of its inner half."""
        only = [word for index in self.asked.only for word in ("--case", str(index))]
        return ["stress", self.asked.campaign, *only, "--run-id", self.folder.name]

    @property
    def result(self) -> CampaignResult | None:
        """What the inner half found; None when it left nothing that can be read."""
        try:
            text = (self.folder / "summary.json").read_text()
            return CampaignResult.model_validate_json(text)
        except (OSError, ValueError):
            return None


def stress(asked: Asked) -> int:
    """Run it, take everything down, say what was found. Gives the exit code."""
    stop_at_first_signal()
    campaign = asked.resolved()
    os.environ.setdefault(leftovers.MARK, secrets.token_hex(8))
    before = leftovers.snapshot()
    run = _new_run(asked, campaign)
    console, code, error = Console(), 0, None
    try:
        topology = lab_topology().model_copy(update={"name": run.name})
        code = in_a_lab(topology, run.folder, run.arguments, console)
    except (Exception, KeyboardInterrupt) as caught:
        error, code = caught, exit_code(caught)
    finally:
        ignore_signals()  # what is left is quick, and makes the evidence whole
    result = conclude(run, code, error, leftovers.difference(before, leftovers.snapshot()))
    _tell(result, run.folder, console)
    if error is not None:
        raise error
    return code or (0 if result.verdict == "pass" else 1)


def _new_run(asked: Asked, campaign: Campaign) -> Run:
    places.check("TESTBED_STATE", "TESTBED_CACHE", "TESTBED_RESULTS")
    outside.check_machine(lab_topology())
    name = f"stress-{secrets.token_hex(3)}"
    folder = outside.results_folder(f"{clock.utc():%Y%m%d-%H%M%S}-{name}")
    (folder / CAMPAIGN_FILE).write_text(campaign.model_dump_json(indent=2) + "\n")
    return Run(name, folder, asked, campaign)


def _tell(result: CampaignResult, folder: Path, console: Console) -> None:
    """What was found, and where more of it is."""
    for leg in result.legs:
        if leg.streams:
            console.print("", show.streams(leg.streams), "")
    console.print(report.terminal(result))
    for what, place in (("evidence", folder), ("report", folder / REPORT)):
        console.print(Text(f"{what}: {printable(str(place))}"), soft_wrap=True)


def inner_half(asked: Asked, run_id: str) -> int:
    """Everything that talks to hosts and guests."""
    stop_at_first_signal()
    name, folder = "stress-" + run_id.rpartition("-")[2], config.results_dir() / run_id
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} is gone")
    campaign = Campaign.model_validate_json((folder / CAMPAIGN_FILE).read_text())
    run = Run(name, folder, asked, campaign)
    spec = RunSpec(
        campaign=campaign,
        seed=campaign.seed,
        only=asked.only or None,
        run_id=run_id,
        folder=folder,
        command=run.command,
        commit=outside.commit(),
    )
    events = EventLog(folder / "events.jsonl", wanted=worth_keeping)
    progress = StressProgress(Console())
    progress.watch(events)
    image = build_micro(config.cache_dir(), config.REPOSITORY, events)
    try:
        verdict = Runner(found, inside.hosts_of(name), image, spec, events).run()
    finally:
        progress.stop()
    return 0 if verdict.verdict == "pass" else 1


def conclude(run: Run, code: int, error: BaseException | None, left: list[str]) -> CampaignResult:
    """The result of the inner half, with how it ended and what was left behind."""
    outside.point_latest(run.folder)
    found, why = run.result or _broken(run), reason(code, error)
    more = [f"left behind: {thing}" for thing in left]
    if why and why not in found.findings and (error is not None or found.verdict == "pass"):
        more.insert(0, why)
    findings = (*found.findings, *more)
    result = found.model_copy(
        update={
            "findings": findings,
            "verdict": "fail" if findings else "pass",
            "left_behind": tuple(left),
        }
    )
    evidence.write_result(result, run.folder)
    report.write_junit(result, run.folder)
    report.write(result, run.folder)
    return result


def _broken(run: Run) -> CampaignResult:
    """The result of a run that broke before it measured anything."""
    return CampaignResult(
        campaign=run.campaign.name,
        command=run.command,
        run_id=run.folder.name,
        seed=run.campaign.seed,
        commit=outside.commit(),
        began=clock.utc().isoformat(timespec="seconds"),
        seconds=0.0,
        verdict="pass",
        accelerator="none",
        versions={},
        legs=(),
    )
