"""A testbed's lab from outside: may it be started, starting it, ending it."""

from __future__ import annotations

from harness import config, run
from harness.errors import UsageError
from harness.events import EventLog
from harness.hosts.checks import Needs, failures
from harness.hosts.lab.lab import Lab
from harness.hosts.lab.spec import LabSpec
from harness.images import catalog
from harness.images.micro import build_micro
from harness.model.topology import Topology
from harness.testbed import capacity, files, folders, limits, record
from harness.testbed.machines import take_down
from harness.testbed.record import TestbedRecord

NOTHING = Needs(memory=0, shm=0)


def check_machine(topology: Topology, beside: Needs = NOTHING) -> None:
    """Raises UsageError for the first thing that this machine lacks. Touches nothing.

    `beside` is what others are about to take, and the machine does not show yet.
    """
    capacity.check(topology)
    files.check(topology)
    limits.check_emulators(topology, run.run)
    own = capacity.needs(topology)
    for failed in failures(Needs(own.memory + beside.memory, own.shm + beside.shm)):
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
    if Lab.load(folders.lab_folder(name)) is not None:
        raise UsageError(
            f"{name} is up already", fix=f"testbed inspect {name} shows it, testbed down ends it"
        )


def start(topology: Topology, events: EventLog) -> tuple[TestbedRecord, Lab]:
    """Image, record and lab of a new testbed; the lab is bound to this process.

    The owner is recorded before anything is made.
    """
    with events.span("image") as done:
        image = build_micro(config.cache_dir(), config.REPOSITORY, events)
        catalog.others(topology, events)
        done["digest"] = image.digest
    made = TestbedRecord.new(topology, image.digest)
    made.write()
    spec = LabSpec(
        name=topology.name,
        hosts=tuple(topology.hosts),
        shm_bytes=max(host.shm for host in topology.hosts.values()),
    )
    return made, Lab.start(spec, folders.lab_folder(topology.name), events)


def stop(name: str, events: EventLog) -> None:
    """End the testbed's lab, wait until it is swept, forget its record. On real machines: take
    off them what is its own; when one does not answer, the record stays, for another try.
    """
    found = record.read(name)
    if found is not None and found.machines is not None:
        take_down(found, events)
    lab = Lab.load(folders.lab_folder(name))
    if lab is not None:
        with events.span("lab.stop"):
            lab.stop()
    folders.forget(name)
