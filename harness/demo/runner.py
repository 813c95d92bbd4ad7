"""From hosts that answer SSH to a summary on disk, whatever happens in between."""

from __future__ import annotations

from collections.abc import Sequence

from harness import clock
from harness.demo import evidence, job
from harness.demo.job import JobSpec, Outcome
from harness.errors import TestbedError
from harness.events import EventLog
from harness.hosts.ssh import SshHost
from harness.images.image import Image
from harness.model.result import Summary
from harness.testbed.apply import apply
from harness.testbed.record import TestbedRecord
from harness.testbed.testbed import Testbed


def run(
    record: TestbedRecord,
    hosts: Sequence[SshHost],
    image: Image,
    spec: JobSpec,
    events: EventLog,
) -> Summary:
    """Bring the testbed up, do the job, collect the evidence, write the summary.

    Raises TestbedError when the testbed could not be brought up.
    """
    begun = clock.now()
    testbed = apply(record, hosts, image, events)
    outcome = Outcome()
    try:
        _attempt(testbed, spec, outcome)
    finally:
        versions = job.versions(testbed, list(testbed.guests))
        evidence.collect(testbed, spec.folder, events)
        summary = job.summarise(testbed, spec, outcome, versions, clock.now() - begun)
        evidence.write_summary(summary, spec.folder)
        testbed.close()
    return summary


def _attempt(testbed: Testbed, spec: JobSpec, outcome: Outcome) -> None:
    try:
        job.run(testbed, spec, outcome)
    except TestbedError as error:
        outcome.findings.append(str(error))
        raise
    except KeyboardInterrupt:
        outcome.findings.append("interrupted")
        raise
