"""Real machines at the command line: provision, up, gc with an inventory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from rich.console import Console
from rich.text import Text

from harness import clock, config
from harness.cli import inside, outside, places, reach
from harness.cli.printable import printable
from harness.cli.progress import Progress
from harness.cli.signals import ignore_signals, stop_at_first_signal
from harness.events import EventLog
from harness.hosts import inventory_file
from harness.hosts.checks import Check
from harness.hosts.provision import provision as play
from harness.hosts.ssh import SshHost
from harness.images.micro import build_micro
from harness.model.inventory import Inventory
from harness.model.topology import Topology
from harness.testbed import examine as examination
from harness.testbed import files, host_logs, machines, readiness
from harness.testbed.apply import AGENT
from harness.testbed.lock import exclusive
from harness.testbed.record import TestbedRecord
from harness.testbed.sweep import Report


@contextmanager
def _watched() -> Iterator[EventLog]:
    """Events that are shown while they happen."""
    events, progress = EventLog(), Progress(Console())
    progress.watch(events)
    try:
        yield events
    finally:
        progress.stop()


def provision(file: Path, check: bool) -> None:
    """Make every machine of the inventory a host; or, checking, say what that would change."""
    inventory = inventory_file.read(file)
    places.check("TESTBED_STATE")
    stop_at_first_signal()
    hosts = machines.hosts_of(inventory)
    config.state_dir().mkdir(mode=0o700, parents=True, exist_ok=True)
    with (
        _watched() as events,
        tempfile.TemporaryDirectory(prefix="provision-", dir=config.state_dir()) as folder,
    ):
        with events.span("reach", hosts=[host.name for host in hosts]):
            readiness.reach(hosts)
        variables = {"isolated": False, "join_guest_network": False, "agent_binary": str(AGENT)}
        targets = [host.target for host in hosts]
        report = play(targets, variables, events, Path(folder), check=check)
    _say_changes(report.changes, "would change" if check else "changed", len(hosts))


def _say_changes(changes: tuple[str, ...], verb: str, count: int) -> None:
    console = Console()
    for line in changes:
        console.print(Text.assemble((verb, "yellow"), f" {printable(line)}"), soft_wrap=True)
    if not changes:
        console.print(f"nothing to change: all {count} are hosts as they should be")


def up(wanted: Topology, file: Path) -> None:
    """Bring a testbed up on the machines that the inventory has for its hosts."""
    inventory = inventory_file.choose(inventory_file.read(file), wanted.hosts)
    places.check("TESTBED_STATE", "TESTBED_CACHE", "TESTBED_RESULTS")
    stop_at_first_signal()
    with exclusive(wanted.name), _watched() as events:
        outside.refuse_if_taken(wanted.name)
        files.check(wanted)
        with events.span("image") as done:
            image = build_micro(config.cache_dir(), config.REPOSITORY, events)
            done["digest"] = image.digest
        made = TestbedRecord.new(wanted, image.digest, inventory)
        hosts = machines.hosts_of(inventory)
        try:
            machines.bring_up(made, hosts, image, events, lambda: _save_logs(made, hosts, events))
        finally:
            for host in hosts:
                host.close()
    Console().print(f"{wanted.name} is up: [bold]testbed ls[/], [bold]testbed down[/] ends it")


def _save_logs(made: TestbedRecord, hosts: list[SshHost], events: EventLog) -> None:
    """The evidence of an `up` that failed; the guests' own part of it ends with them."""
    ignore_signals()  # what was made is taken away next: that is to come to its end
    folder = outside.results_folder(f"{clock.utc():%Y%m%d-%H%M%S}-up-{made.testbed_id}")
    host_logs.save(hosts, tuple(made.topology.guests), folder, events)
    Console().print(f"evidence: {folder}", soft_wrap=True, highlight=False)


def examine(name: str | None, file: Path | None) -> list[Check]:
    """What doctor finds on the machines of an inventory, or on the hosts of a running testbed."""
    places.check("TESTBED_CACHE")
    stop_at_first_signal()
    if name is not None:
        inside.enter(name)
    hosts = reach.hosts_of(name) if name else machines.hosts_of(_inventory(file))
    with _watched() as events:
        image = build_micro(config.cache_dir(), config.REPOSITORY, events)
        return examination.examine(hosts, image, events)


def _inventory(file: Path | None) -> Inventory:
    assert file is not None
    return inventory_file.read(file)


def gc(file: Path, ending: list[str]) -> Report:
    """Sweep what crashes left on the machines of an inventory, whoever's they were."""
    inventory = inventory_file.read(file)
    stop_at_first_signal()
    with _watched() as events:
        return machines.sweep(inventory, ending, events)
