"""A stress run from hosts that answer SSH to a result on disk."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import takewhile
from pathlib import Path
from typing import Any

import libvirt

from harness import clock
from harness.campaign import verdict
from harness.campaign.attribution import attribution
from harness.campaign.control import without_grants
from harness.campaign.leg import Kind, LegRun, Repeat
from harness.evidence import evidence
from harness.evidence.runner import JobRunner
from harness.evidence.versions import versions
from harness.guests.guest import Guest
from harness.hosts import certificates
from harness.model.campaign import Campaign
from harness.model.campaign_plan import CaseSpec, case_at, cases, plan
from harness.model.campaign_result import CampaignResult, Leg
from harness.testbed.apply import apply
from harness.testbed.makings import Makings
from harness.testbed.testbed import Testbed


def worth_keeping(name: str, fields: dict[str, Any]) -> bool:
    """All events but the agents' of single streams: short connections make hundreds a minute."""
    said = fields.get("said")
    return name != "agent" or not str(dict(said or {}).get("event")).startswith("stream.")


@dataclass(frozen=True)
class RunSpec:
    """What to run. `only` are the numbers of the cases to run; None: all of them.

    `command` runs all of it again; `repeat` runs a case again, once its number is added.
    """

    campaign: Campaign
    seed: int
    only: tuple[int, ...] | None
    run_id: str
    folder: Path
    command: str
    repeat: str
    commit: str


class Runner(JobRunner[CampaignResult]):
    """One stress run: a leg with the campaign's grants, and one without them as the control."""

    def __init__(self, makings: Makings, spec: RunSpec) -> None:
        super().__init__(makings, spec.folder)
        self.spec = spec
        self.legs: list[LegRun] = []
        self._done: dict[int, CaseSpec] = {}
        self._date = clock.utc().isoformat(timespec="seconds")

    def work(self) -> None:
        """Bring up, and run the legs."""
        made = self.makings
        testbed = apply(self.record, made.hosts, made.image, self.events, self._certificates())
        self.record, self.versions = testbed.record, versions(testbed)
        self._run_leg(testbed, "grants", self._noted(self._cases()))
        wanted = self._for_control()
        if wanted:
            self.gather(self.folder / "grants")  # before the guests that know of it are gone
            self._run_leg(without_grants(testbed, made), "control", wanted)

    def _certificates(self) -> dict[str, str]:
        """The variable of the play that brings certificates to the hosts, if any are needed."""
        if not self.spec.campaign.uses_tls:
            return {}
        folder = self.record.folder / "certificates"
        certificates.make(folder, {host.name: host.address for host in self.makings.hosts})
        return {"certificates": str(folder)}

    def _run_leg(self, testbed: Testbed, kind: Kind, specs: Iterable[CaseSpec]) -> None:
        leg = LegRun(testbed, kind, self.spec.campaign, self.spec.seed, self._repeat(kind))
        self.legs.append(leg)
        with self.events.span("leg", leg=kind):
            leg.run(specs)
            leg.stop()

    def _repeat(self, kind: Kind) -> Repeat:
        """How a case of that leg is run again: the control's only comes behind the other."""
        more = " --control always" if kind == "control" else ""
        return lambda case: f"{self.spec.repeat} --case {case.index}{more}"

    def _cases(self) -> Iterator[CaseSpec]:
        campaign, seed = self.spec.campaign, self.spec.seed
        if self.spec.only is not None:
            return (case_at(campaign, seed, index) for index in self.spec.only)
        if campaign.duration is None:
            return iter(plan(campaign, seed))
        deadline = clock.Deadline(campaign.duration)
        return takewhile(lambda _: not deadline.expired, cases(campaign, seed))

    def _noted(self, specs: Iterable[CaseSpec]) -> Iterator[CaseSpec]:
        """The cases as they are taken: those are what the control repeats."""
        for spec in specs:
            self._done[spec.index] = spec
            yield spec

    def _for_control(self) -> list[CaseSpec]:
        """The cases to run again without grants; what is about a plugged region cannot be."""
        control = self.spec.campaign.control
        failed = {case.index for leg in self.legs for case in leg.cases if case.verdict == "fail"}
        repeated = failed if control == "failed" else ()
        return [
            spec
            for index, spec in self._done.items()
            if not spec.mode.with_region and (control == "always" or index in repeated)
        ]

    def guests(self) -> Sequence[Guest]:
        """Those of the leg that ran last."""
        return list(self.legs[-1].testbed.guests.values()) if self.legs else ()

    def let_go(self) -> None:
        """Close the connections."""
        if self.legs:
            with suppress(libvirt.libvirtError):
                self.legs[-1].testbed.close()

    def result(self, consoles: dict[str, str]) -> CampaignResult:
        """The campaign's result."""
        legs, spec = tuple(leg.result() for leg in self.legs), self.spec
        findings = self._findings(legs, consoles)
        return CampaignResult(
            campaign=spec.campaign.name,
            command=spec.command,
            run_id=spec.run_id,
            seed=spec.seed,
            commit=spec.commit,
            began=self._date,
            seconds=self.seconds(),
            verdict="fail" if findings else "pass",
            findings=findings,
            attribution=attribution(legs, network=spec.campaign.network),
            accelerator=self.record.accelerator or "none",
            versions=self.versions,
            environment={"cores": str(os.cpu_count()), "testbed": self.record.testbed_id},
            figures=verdict.figures(legs),
            legs=legs,
        )

    def _findings(self, legs: Sequence[Leg], consoles: dict[str, str]) -> tuple[str, ...]:
        """Of a run that ended early only what was wrong with bytes that did arrive."""
        crashed = map(str, self.crashes)
        if self.findings:
            return (*self.findings, *crashed, *verdict.damage(legs))
        limits = self.spec.campaign.limits
        said = evidence.console_findings(consoles)
        return (*crashed, *verdict.findings(legs, limits), *said)
