"""What has to be done outside a lab, around whatever runs inside it."""

from __future__ import annotations

import os
from pathlib import Path

from harness import config, run
from harness.cli.signals import ignore_signals
from harness.errors import UsageError
from harness.events import EventLog
from harness.hosts.checks import failures
from harness.hosts.lab.lab import Lab
from harness.hosts.lab.spec import LabSpec
from harness.images.micro import build_micro
from harness.model.topology import Topology
from harness.testbed import capacity, files, limits, record
from harness.testbed.machines import take_down
from harness.testbed.record import TestbedRecord


def check_machine(topology: Topology) -> None:
    """Raises UsageError for the first thing that this machine lacks. Touches nothing."""
    capacity.check(topology)
    limits.check(topology)
    files.check(topology)
    limits.check_emulators(topology, run.run)
    for failed in failures(capacity.needs(topology)):
        raise UsageError(
            f"{failed.name}: {failed.found}", why=failed.why, fix=failed.fix or "testbed doctor"
        )


def refuse_if_taken(name: str) -> None:
    """Raises UsageError when a testbed of that name stands already, or its folder is not ours."""
    record.refuse_anothers(name)
    found = record.read(name)
    if found is not None and found.machines is not None:
        hosts = ", ".join(found.machines.hosts)
        if found.state == "up":
            raise UsageError(
                f"{name} is up already, on {hosts}", fix=f"testbed down {name} ends it"
            )
        raise UsageError(f"{name} was begun on {hosts} and never stood", fix="testbed gc")
    if Lab.load(record.lab_folder(name)) is not None:
        raise UsageError(
            f"{name} is up already", fix=f"testbed inspect {name} shows it, testbed down ends it"
        )


def start(topology: Topology, events: EventLog) -> tuple[TestbedRecord, Lab]:
    """Image, record and lab of a new testbed; the lab is bound to this process.

    The owner is recorded before anything is made.
    """
    with events.span("image") as done:
        image = build_micro(config.cache_dir(), config.REPOSITORY, events)
        done["digest"] = image.digest
    made = TestbedRecord.new(topology, image.digest)
    made.write()
    spec = LabSpec(
        name=topology.name,
        hosts=tuple(topology.hosts),
        shm_bytes=max(host.shm for host in topology.hosts.values()),
    )
    return made, Lab.start(spec, record.lab_folder(topology.name), events)


def stop(name: str, events: EventLog) -> None:
    """End the testbed's lab, wait until it is swept, forget its record. On real machines: take
    off them what is its own; when one does not answer, the record stays, for another try.

    Ctrl-C does not stop it half way: it takes a moment, and is what Ctrl-C is for.
    """
    ignore_signals()
    found = record.read(name)
    if found is not None and found.machines is not None:
        take_down(found, events)
    lab = Lab.load(record.lab_folder(name))
    if lab is not None:
        with events.span("lab.stop"):
            lab.stop()
    record.forget(name)


def results_folder(run_id: str) -> Path:
    """A new folder for a run's evidence. Raises UsageError when it cannot be written."""
    folder = config.results_dir() / run_id
    try:
        folder.mkdir(parents=True)
        (folder / ".probe").write_text("")
        (folder / ".probe").unlink()
    except OSError as error:
        raise UsageError(
            "the results folder cannot be written",
            where=str(folder),
            why=error.strerror or str(error),
            fix="set TESTBED_RESULTS to a folder of yours",
        ) from None
    return folder


def point_latest(folder: Path) -> None:
    """results/latest → this run."""
    fresh = folder.parent / f".latest.{os.getpid()}"
    fresh.unlink(missing_ok=True)
    fresh.symlink_to(folder.name)
    fresh.replace(folder.parent / "latest")


def commit() -> str:
    """The commit of this tree, with a + when it was changed since."""
    git = ["git", "-C", str(config.REPOSITORY)]
    head = run.run([*git, "rev-parse", "--short", "HEAD"], check=False)
    if head.returncode:
        return "unknown"
    changed = run.run([*git, "status", "--porcelain"], check=False).stdout
    return head.stdout.strip() + ("+" if changed else "")
