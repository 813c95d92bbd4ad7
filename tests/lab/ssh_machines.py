"""Machines that are reached by SSH alone, for tests.

They are hosts of a lab that nobody provisioned: sshd, an address, and nothing of ours. Commands
get an inventory and run in the lab's outer namespace, where their network is; whatever they do
to the machines goes over SSH, like to any machine of any rack.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil

from harness import run
from harness.events import EventLog
from harness.hosts.lab.lab import Lab
from harness.hosts.lab.spec import LabSpec
from tests.lab.support import User

SHM = 64 << 20


@dataclass(frozen=True)
class Controller(User):
    """A user of a machine from which the hosts are reached."""

    lab: Lab | None = None

    def argv(self, *arguments: str) -> list[str]:
        """The command line, on that machine."""
        assert self.lab
        return self.lab.enter_argv(["env", f"--chdir={self.home}", *super().argv(*arguments)])

    def on(self, host: str, *argv: str) -> run.Completed:
        """Run something on a host, by plain ssh."""
        assert self.lab
        target = next(target for target in self.lab.hosts if target.name == host)
        ssh = ["ssh", "-i", str(target.key), "-o", f"UserKnownHostsFile={target.known_hosts}"]
        return run.run(
            self.lab.enter_argv([*ssh, f"root@{target.address}", "--", *argv]), check=False
        )


def kill(process: run.Process) -> None:
    """SIGKILL of the testbed command itself: what nsenter, the process, has started."""
    [command] = psutil.Process(process.pid).children()
    command.kill()


@contextmanager
def ssh_machines(home: Path, *names: str) -> Iterator[Controller]:
    """Machines of these names, and an inventory of them: `home`/machines.yaml."""
    lab = Lab.start(LabSpec("machines", names, SHM), home / "machines", EventLog())
    try:
        (home / "machines.yaml").write_text(inventory(lab))
        yield Controller(home, lab=lab)
    finally:
        lab.stop()


def inventory(lab: Lab) -> str:
    """The inventory file of all the lab's hosts."""
    first = lab.hosts[0]
    lines = [f"known_hosts: {first.known_hosts}", "hosts:"]
    for target in lab.hosts:
        lines.append(f"  {target.name}: {{address: {target.address}, key: {target.key}}}")
    return "\n".join(lines) + "\n"
