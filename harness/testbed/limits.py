"""What a topology may say and no testbed can do yet: refused before anything is made."""

from __future__ import annotations

from harness.errors import UsageError
from harness.model.topology import Topology
from harness.virt import emulator
from harness.virt.emulator import Runner

# What a lab's host sees of its machine lacks these: it has its own.
HOSTS_OWN = ("/root", "/tmp", "/var", "/run", "/etc", "/dev", "/proc", "/sys")


def check_emulators(topology: Topology, run: Runner) -> None:
    """Raises UsageError for a QEMU that cannot run the guests of a lab, whose hosts see this
    machine's programs.
    """
    for name, host in topology.hosts.items():
        if host.qemu is None:
            continue
        where = f"hosts.{name}.qemu"
        for folder in HOSTS_OWN:
            if host.qemu.startswith(f"{folder}/"):
                raise UsageError(
                    f"{host.qemu} cannot be seen by {name}",
                    where=where,
                    why=f"a host of the lab has its own {folder}",
                    fix="put it elsewhere: /opt, /usr/local or /home",
                )
        if not emulator.ask(run, host.qemu, where).ivshmem and topology.grants:
            raise UsageError(
                f"{host.qemu} has no ivshmem-plain",
                where=where,
                why="guests share memory by that device; some distributions build without it",
                fix="take the grants out, or give another QEMU",
            )
