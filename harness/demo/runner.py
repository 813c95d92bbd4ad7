"""The main job from hosts that answer SSH to a summary on disk."""

from __future__ import annotations

from collections.abc import Sequence

from harness.demo import verdict
from harness.demo.job import Job, JobSpec
from harness.evidence import evidence
from harness.evidence.runner import JobRunner
from harness.evidence.versions import versions
from harness.guests.guest import Guest
from harness.model.result import Summary
from harness.testbed.apply import apply
from harness.testbed.makings import Makings


class Runner(JobRunner[Summary]):
    """One run of the main job."""

    def __init__(self, makings: Makings, spec: JobSpec) -> None:
        super().__init__(makings, spec.folder)
        self.spec = spec
        self.job: Job | None = None

    def work(self) -> None:
        """Bring up, and do the job."""
        testbed = apply(self.record, self.makings.hosts, self.makings.image, self.events)
        self.record, self.versions = testbed.record, versions(testbed)
        self.job = Job(testbed, self.spec)
        self.job.run()

    def guests(self) -> Sequence[Guest]:
        """Those of the job."""
        return list(self.job.testbed.guests.values()) if self.job else ()

    def let_go(self) -> None:
        """Close the connections."""
        if self.job:
            self.job.testbed.close()

    def result(self, consoles: dict[str, str]) -> Summary:
        """The summary; the streams' reports are read for it."""
        job, spec = self.job, self.spec
        if job:
            evidence.attempt(job.judge, "the streams' reports", self.events)
        phases, streams = (job.phases, job.streams) if job else ([], [])
        findings = self._findings(consoles)
        return Summary(
            command=spec.command,
            run_id=spec.run_id,
            seed=spec.seed,
            commit=spec.commit,
            verdict="fail" if findings else "pass",
            findings=findings,
            accelerator=self.record.accelerator or "none",
            versions=self.versions,
            paths=verdict.sequence(phases),
            phases=tuple(phases),
            streams=tuple(streams),
            migrations=tuple(job.migrations) if job else (),
            figures=verdict.figures(phases, job.migrations if job else []),
            network_bytes_in_shm_phases=verdict.network_bytes_in_shm(phases)[0],
            boot_ms=self.record.boot_ms,
            seconds=self.seconds(),
        )

    def _findings(self, consoles: dict[str, str]) -> tuple[str, ...]:
        """Of a run that ended early only what was wrong with bytes that did arrive."""
        early = (*self.findings, *map(str, self.crashes))
        if early or self.job is None:
            return (*early, *verdict.damage(self.job.streams if self.job else []))
        return tuple(verdict.findings(self.job.phases, self.job.streams, consoles))
