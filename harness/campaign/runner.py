"""From hosts that answer SSH to a result on disk, whatever happens in between."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from itertools import product, takewhile
from pathlib import Path
from typing import Any

import libvirt

from harness import clock
from harness.campaign import verdict
from harness.campaign.leg import Kind, LegRun
from harness.errors import TestbedError
from harness.events import EventLog
from harness.evidence import evidence
from harness.evidence.versions import versions
from harness.hosts import certificates
from harness.hosts.ssh import SshHost
from harness.images.image import Image
from harness.model.campaign import Campaign
from harness.model.campaign_plan import CaseSpec, case_at, cases, plan
from harness.model.campaign_result import CampaignResult
from harness.testbed.apply import apply, ask_emulators, boot, find_parts
from harness.testbed.record import TestbedRecord
from harness.testbed.testbed import Testbed
from harness.virt.domain import Domain


def worth_keeping(name: str, fields: dict[str, Any]) -> bool:
    """All events but the agents' of single streams: short connections make hundreds a minute."""
    said = fields.get("said")
    return name != "agent" or not str(dict(said or {}).get("event")).startswith("stream.")


@dataclass(frozen=True)
class RunSpec:
    """What to run. `only` are the numbers of the cases to run; None: all of them.

    `command` runs the same campaign again; a case's number can be added to it.
    """

    campaign: Campaign
    seed: int
    only: tuple[int, ...] | None
    run_id: str
    folder: Path
    command: str
    commit: str


class Runner:
    """One stress run: bring up, run the legs, collect the evidence, write the result."""

    def __init__(
        self,
        record: TestbedRecord,
        hosts: Sequence[SshHost],
        image: Image,
        spec: RunSpec,
        events: EventLog,
    ) -> None:
        self.record, self.hosts, self.image = record, hosts, image
        self.spec, self.events = spec, events
        self.findings: list[str] = []
        self.versions: dict[str, str] = {}
        self.legs: list[LegRun] = []
        self._done: dict[int, CaseSpec] = {}
        self._began, self._begun = clock.utc().isoformat(timespec="seconds"), clock.now()

    def run(self) -> CampaignResult:
        """Run it. Raises TestbedError when the testbed broke; the result then says so."""
        try:
            self._bring_up_and_work()
        except KeyboardInterrupt as stopped:
            self.findings.append(str(stopped) or "interrupted")
            raise
        except Exception as error:
            self.findings.append(str(error))
            raise
        finally:
            result = self._conclude()
        return result

    def _bring_up_and_work(self) -> None:
        testbed = apply(self.record, self.hosts, self.image, self.events, self._certificates())
        self.record, self.versions = testbed.record, versions(testbed)
        self._run_leg(testbed, "grants", self._noted(self._cases()))
        wanted = self._for_control()
        if wanted:
            self._run_leg(self._without_grants(testbed), "control", wanted)

    def _certificates(self) -> dict[str, str]:
        """The variable of the play that brings certificates to the hosts, if any are needed."""
        if not self.spec.campaign.uses_tls:
            return {}
        folder = self.record.folder / "certificates"
        certificates.make(folder, {host.name: host.address for host in self.hosts})
        return {"certificates": str(folder)}

    def _run_leg(self, testbed: Testbed, kind: Kind, specs: Iterable[CaseSpec]) -> None:
        leg = LegRun(testbed, kind, self.spec.campaign, self.spec.seed, self._repeat)
        self.legs.append(leg)
        with self.events.span("leg", leg=kind):
            leg.run(specs)
            leg.stop()

    def _repeat(self, case: CaseSpec) -> str:
        return f"{self.spec.command} --case {case.index}"

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
        return [
            spec
            for index, spec in self._done.items()
            if not spec.mode.with_region and (control is True or (control and index in failed))
        ]

    def _without_grants(self, testbed: Testbed) -> Testbed:
        """The same hosts with fresh guests that share nothing."""
        names, folder = list(testbed.guests), self.spec.folder / "grants"
        evidence.collect((), list(testbed.guests.values()), folder, self.events)
        with self.events.span("control.boot"):
            for grant in testbed.grants:
                with suppress(TestbedError):
                    if grant.plugged:
                        grant.part()
                grant.tidy()
            for guest in testbed.guests.values():
                guest.drop_agent()
            for place, name in product(testbed.places.values(), names):
                if (domain := Domain.find(place.connection, name)) is not None:
                    domain.destroy()
            topology = testbed.record.topology.model_copy(update={"grants": ()})
            record = testbed.record.model_copy(update={"topology": topology})
            made = find_parts(record, self.image, self.events)
            emulators = ask_emulators(topology, self.hosts)
            guests = boot(record, testbed.places, made, emulators, self.events)
        return Testbed(record, testbed.places, guests, self.events)

    def _conclude(self) -> CampaignResult:
        """Evidence and result; what cannot be had any more is said, and hides no error."""
        testbed = self.legs[-1].testbed if self.legs else None
        guests = list(testbed.guests.values()) if testbed else []
        evidence.collect(self.hosts, guests, self.spec.folder, self.events)
        consoles = evidence.consoles(tuple(self.record.topology.guests), self.spec.folder)
        result = self._result(consoles)
        evidence.write_result(result, self.spec.folder)
        if testbed:
            with suppress(libvirt.libvirtError):
                testbed.close()
        return result

    def _result(self, consoles: dict[str, str]) -> CampaignResult:
        legs, spec = tuple(leg.result() for leg in self.legs), self.spec
        judged = (
            [*self.findings, *verdict.damage(legs)]
            if self.findings
            else [
                *verdict.findings(legs, spec.campaign.limits),
                *evidence.console_findings(consoles),
            ]
        )
        return CampaignResult(
            campaign=spec.campaign.name,
            command=spec.command,
            run_id=spec.run_id,
            seed=spec.seed,
            commit=spec.commit,
            began=self._began,
            seconds=round(clock.now() - self._begun, 1),
            verdict="fail" if judged else "pass",
            findings=tuple(judged),
            attribution=verdict.attribution(legs),
            accelerator=self.record.accelerator or "none",
            versions=self.versions,
            environment={"cores": str(os.cpu_count()), "testbed": self.record.testbed_id},
            figures=verdict.figures(legs),
            legs=legs,
        )
