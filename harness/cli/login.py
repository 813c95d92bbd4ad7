"""testbed ssh, console: a shell in a guest."""

from __future__ import annotations

import os
import sys
import tempfile
from pathlib import Path

from rich.console import Console

from harness import run
from harness.cli import guests, reach
from harness.cli.terminal import converse
from harness.errors import TestbedError
from harness.guests import login
from harness.guests.guest import Guest
from harness.hosts.base import SshTarget
from harness.hosts.ssh import SshHost
from harness.testbed.testbed import Testbed

REPLAYED_LINES = 24


def ssh(testbed: str, guest: str, command: list[str], within: float) -> int:
    """A shell, or a command, in a guest: by its sshd if it has one, else by what it has."""
    with reach.reached(testbed) as running:
        found = running.guest(guest)
        target = _by_key(found) if running.record.topology.networks_of(guest) else None
        if target is not None and login.has_sshd(found):
            return _by_ssh(running, found, target, command)
        if command:
            line = ["sh", "-c", " ".join(command)]  # as ssh hands it to the shell there
            return guests.pass_on(found.exec(line, within=within, check=False))
        _say(f"{guest} has no sshd: this is the shell on its serial console")
        _talk(found)
    return 0


def console(testbed: str, guest: str, log: bool) -> None:
    """The guest's serial console after what it printed last; with `log` all of that, and no more.

    What was printed while nobody looked is not lost: every host that the guest lived on keeps it.
    """
    with reach.reached(testbed) as running:
        if log:
            for host, text in _printed(running, running.guest(guest)):
                print(f"--- on {host}\n{text}")
        else:
            _talk(running.guest(guest))


def _by_key(guest: Guest) -> SshTarget | None:
    """How the guest's host is reached, if by a key of the testbed's own."""
    host = guest.place.host
    return host.target if isinstance(host, SshHost) and host.target.key else None


def _by_ssh(running: Testbed, guest: Guest, target: SshTarget, command: list[str]) -> int:
    assert target.key is not None
    network = _network(running, guest)
    login.join_guest_network(guest, network, list(running.places).index(guest.place.name))
    login.admit(guest, Path(f"{target.key}.pub").read_text())
    with tempfile.NamedTemporaryFile("w") as known:
        known.write(login.known_hosts(guest))
        known.flush()
        return run.spawn(login.argv(guest, network, target, known.name, command)).wait()


def _network(running: Testbed, guest: Guest) -> int:
    """The first network that the guest is in."""
    topology = running.record.topology
    return topology.network_index(topology.networks_of(guest.name)[0])


def _talk(guest: Guest) -> None:
    """Join our terminal to the console, as wide and high as ours is."""
    transport = guest.domain.open_console()  # before the log is read: no line falls in between
    try:
        sys.stdout.write(guest.last_words(REPLAYED_LINES) + "\n")
        sys.stdout.flush()
        if sys.stdin.isatty():
            _fit(guest)
        converse(transport)
    finally:
        transport.close()


def _fit(guest: Guest) -> None:
    """Tell the guest's terminal its size. A guest that cannot hear it is talked to all the same."""
    size = os.get_terminal_size(sys.stdin.fileno())
    shape = ["rows", str(size.lines), "columns", str(size.columns)]
    try:
        guest.exec(["stty", "-F", "/dev/ttyS0", *shape], within=5.0, check=False)
    except TestbedError:
        return


def _printed(running: Testbed, guest: Guest) -> list[tuple[str, str]]:
    """What the console printed on each host, the one where it is now last."""
    hosts = [place.host for place in running.places.values() if place is not guest.place]
    kept = [(host.name, guest.console_on(host)) for host in (*hosts, guest.place.host)]
    return [(host, text) for host, text in kept if text]


def _say(sentence: str) -> None:
    Console(stderr=True).print(sentence, highlight=False)
