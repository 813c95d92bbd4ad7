"""From hosts that answer SSH to a summary on disk, whatever happens in between."""

from __future__ import annotations

from collections.abc import Sequence

from harness import clock
from harness.demo import verdict
from harness.demo.job import Job, JobSpec
from harness.demo.junit import write_junit
from harness.errors import TestbedError
from harness.events import EventLog
from harness.evidence import evidence
from harness.evidence.versions import versions
from harness.hosts.ssh import SshHost
from harness.images.image import Image
from harness.model.result import Summary
from harness.testbed import crashes
from harness.testbed.apply import apply
from harness.testbed.crashes import Crash
from harness.testbed.record import TestbedRecord


class Runner:
    """One run: bring up, do the job, collect the evidence, write the summary."""

    def __init__(
        self,
        record: TestbedRecord,
        hosts: Sequence[SshHost],
        image: Image,
        spec: JobSpec,
        events: EventLog,
    ) -> None:
        self.record, self.hosts, self.image = record, hosts, image
        self.spec, self.events = spec, events
        self.findings: list[str] = []
        self.versions: dict[str, str] = {}
        self.job: Job | None = None
        self.crashes: list[Crash] = []

    def run(self) -> Summary:
        """Run it. Raises TestbedError when the testbed broke, SubjectFailed when a component
        under test crashed; the summary then says so.
        """
        begun, failed = clock.now(), None
        try:
            self._bring_up_and_work()
        except TestbedError as error:
            self.findings.append(str(error))
            failed = error
        except KeyboardInterrupt as stopped:
            self.findings.append(str(stopped) or "interrupted")
            raise
        finally:
            summary = self._conclude(clock.now() - begun)
        failed = crashes.blame(self.crashes, self.record.topology.sut, self.spec.folder) or failed
        if failed is not None:
            raise failed
        return summary

    def _bring_up_and_work(self) -> None:
        testbed = apply(self.record, self.hosts, self.image, self.events)
        self.record, self.versions = testbed.record, versions(testbed)
        self.job = Job(testbed, self.spec)
        self.job.run()

    def _conclude(self, seconds: float) -> Summary:
        """Evidence and summary; what cannot be had any more is said, and hides no error."""
        folder = self.spec.folder
        guests = list(self.job.testbed.guests.values()) if self.job else []
        if self.job:
            evidence.attempt(self.job.judge, "the streams' reports", self.events)
        evidence.collect(self.hosts, guests, folder, self.events)
        consoles = evidence.consoles(tuple(self.record.topology.guests), folder)
        self.crashes = crashes.find(folder, consoles, self.hosts)
        self.findings += map(str, self.crashes)
        summary = self._summary(consoles, seconds)
        evidence.write_result(summary, folder)
        write_junit(summary, folder)
        if self.job:
            self.job.testbed.close()
        return summary

    def _summary(self, consoles: dict[str, str], seconds: float) -> Summary:
        job = self.job
        phases, streams = (job.phases, job.streams) if job else ([], [])
        ended_early = bool(self.findings) or job is None
        found = (
            *self.findings,
            *(
                verdict.damage(streams)
                if ended_early
                else verdict.findings(phases, streams, consoles)
            ),
        )
        return Summary(
            command=self.spec.command,
            run_id=self.spec.run_id,
            seed=self.spec.seed,
            commit=self.spec.commit,
            verdict="fail" if found else "pass",
            findings=found,
            accelerator=self.record.accelerator or "none",
            versions=self.versions,
            paths=verdict.sequence(phases),
            phases=tuple(phases),
            streams=tuple(streams),
            migrations=tuple(job.migrations) if job else (),
            figures=verdict.figures(phases, job.migrations if job else []),
            network_bytes_in_shm_phases=verdict.network_bytes_in_shm(phases)[0],
            boot_ms=self.record.boot_ms,
            seconds=round(seconds, 1),
        )
