"""testbed repl: a Python prompt inside a testbed, with its guests and hosts as objects."""

from __future__ import annotations

import code
import importlib.util
import sys
from typing import Any

from rich.console import Console

from harness.cli import reach
from harness.cli.commands.options import CHANGE_SECONDS
from harness.cli.progress import Progress
from harness.errors import CommandFailed
from harness.events import EventLog
from harness.guests import guest as running
from harness.hosts.base import Host as Reached
from harness.model.migration_mode import limited_to
from harness.model.result import Migration
from harness.run import Completed
from harness.testbed import inspect as inspection
from harness.testbed import testbed as whole


class _Machine:
    """The verbs that a guest and a host share, as tests have them."""

    name: str

    def __repr__(self) -> str:
        return f"<{type(self).__name__.lower()} {self.name}>"

    def exec(self, argv: list[str], *, within: float = 30.0) -> Completed:
        """Run a program to its end, without a shell; any exit code is fine."""
        raise NotImplementedError

    def succeed(self, command: str, *, within: float = 30.0) -> str:
        """Run a shell command; gives what it printed. Raises CommandFailed."""
        done = self.exec(["sh", "-c", command], within=within)
        if done.returncode:
            where = self.name
            raise CommandFailed(done.argv, done.returncode, done.stdout, done.stderr, where=where)
        return done.stdout


class Guest(_Machine):
    """A virtual machine."""

    def __init__(self, testbed: whole.Testbed, guest: running.Guest) -> None:
        self._testbed, self._guest, self.name = testbed, guest, guest.name

    @property
    def host(self) -> str:
        """The name of the host it runs on now."""
        return self._guest.place.name

    def exec(self, argv: list[str], *, within: float = 30.0) -> Completed:
        """Run a program in it to its end, without a shell; any exit code is fine."""
        return self._guest.exec(argv, within=within, check=False)

    def start(self, argv: list[str]) -> int:
        """Start a program in it and leave it running; gives its pid."""
        return self._guest.start(argv)

    def migrate(self, *, to: str, bandwidth_mib: int = 0) -> Migration:
        """Move it to the host `to` with its streams open."""
        return self._testbed.migrate(self.name, to, mode=limited_to(bandwidth_mib))


class Host(_Machine):
    """A machine that runs guests."""

    def __init__(self, host: Reached) -> None:
        self._host, self.name = host, host.name

    def exec(self, argv: list[str], *, within: float = 30.0) -> Completed:
        """Run a program on it to its end, without a shell; any exit code is fine."""
        return self._host.run(argv, within=within, check=False)


class Testbed:
    """The whole testbed."""

    __test__ = False

    def __init__(self, testbed: whole.Testbed) -> None:
        self._testbed, self.name = testbed, testbed.record.name
        self.guests = {name: Guest(testbed, guest) for name, guest in testbed.guests.items()}
        self.hosts = {name: Host(place.host) for name, place in testbed.places.items()}

    def __repr__(self) -> str:
        return f"<testbed {self.name}: {', '.join([*self.guests, *self.hosts])}>"

    def guest(self, name: str) -> Guest:
        """The guest of that name. Raises UsageError naming those there are."""
        self._testbed.guest(name)
        return self.guests[name]

    def host(self, name: str) -> Host:
        """The host of that name. Raises UsageError naming those there are."""
        self._testbed.place(name)
        return self.hosts[name]

    def inspect(self) -> dict[str, Any]:
        """What `testbed inspect --json` prints."""
        return inspection.inspect(self._testbed)


def repl(name: str) -> None:
    """A prompt that has the testbed for itself until it is left; IPython's where it is there."""
    events = EventLog()
    with reach.held(name, CHANGE_SECONDS, events) as found:
        Progress(Console(stderr=True)).watch(events)
        testbed = Testbed(found)
        _prompt(testbed, _names(testbed))


def _names(testbed: Testbed) -> dict[str, Any]:
    """What the prompt knows: `testbed`, and each machine under its name, - being _ in Python."""
    machines = {**testbed.hosts, **testbed.guests}
    return {name.replace("-", "_"): machine for name, machine in machines.items()} | {
        "testbed": testbed
    }


def _prompt(testbed: Testbed, names: dict[str, Any]) -> None:
    banner = (
        f"{testbed!r}\nother commands on it wait until you leave (Ctrl-D)\n"
        'try: g1.succeed("uname -a"), g1.migrate(to="h2"), testbed.inspect()'
    )
    if importlib.util.find_spec("IPython") and sys.stdin.isatty():
        from IPython import start_ipython  # type: ignore[import-not-found]

        print(banner)
        start_ipython(argv=["--no-banner"], user_ns=names)
    else:
        code.interact(banner, local=names, exitmsg="")
