"""Inventory files: real machines, each with all that SSH, Ansible and libvirt need to reach it."""

from __future__ import annotations

import difflib
import hashlib
import os
import shlex
from collections.abc import Iterable
from pathlib import Path
from urllib.parse import urlencode

from harness import config
from harness.errors import UsageError
from harness.hosts.base import SshTarget
from harness.model import topology_text
from harness.model.inventory import Inventory, Machine


def read(file: Path) -> Inventory:
    """The inventory of a file; its paths are made absolute, from the file's own folder.

    Raises UsageError with file and line, or for a key or known_hosts file that cannot be read.
    """
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(topology_text.MAX_CHARACTERS + 1)  # of what may never end
    except (OSError, ValueError) as error:
        raise UsageError("the inventory cannot be read", where=str(file), why=str(error)) from None
    found = topology_text.parse_as(Inventory, text, str(file))
    base = file.resolve().parent
    hosts = {
        name: machine.model_copy(update={"key": _file(machine.key, base, f"the key of {name}")})
        for name, machine in found.hosts.items()
    }
    known = _file(found.known_hosts, base, "the known_hosts file")
    return found.model_copy(update={"hosts": hosts, "known_hosts": known})


def _file(path: Path | None, base: Path, what: str) -> Path | None:
    """The file, absolute. Raises UsageError when it cannot be read."""
    if path is None:
        return None
    full = (base / path.expanduser()).absolute()
    if not os.access(full, os.R_OK):
        fix = "log in once with ssh, and check the key you are shown" if "known" in what else ""
        raise UsageError(f"{what} cannot be read", where=str(full), fix=fix)
    return full


def choose(inventory: Inventory, names: Iterable[str]) -> Inventory:
    """Only the machines of these names, in this order.

    Raises UsageError for a host that the inventory does not have.
    """
    chosen = {}
    for name in names:
        if name not in inventory.hosts:
            near = difflib.get_close_matches(name, inventory.hosts, 1, 0.5)
            have = f"it has {', '.join(inventory.hosts)}"
            raise UsageError(
                f"the inventory has no host {name!r}",
                why=have,
                fix=f"did you mean {near[0]!r}?"
                if near
                else "name the topology's hosts like those",
            )
        chosen[name] = inventory.hosts[name]
    return inventory.model_copy(update={"hosts": chosen})


def targets(inventory: Inventory) -> list[SshTarget]:
    """How to reach each machine."""
    return [_target(name, machine, inventory) for name, machine in inventory.hosts.items()]


def _target(name: str, machine: Machine, inventory: Inventory) -> SshTarget:
    return SshTarget(
        name=name,
        address=machine.address,
        libvirt_uri=_our_uri(machine, inventory.known_hosts),
        known_hosts=inventory.known_hosts,
        key=machine.key,
        port=machine.port,
        user=machine.user,
        peer_uri=f"qemu+ssh://root@{machine.address}:{machine.port}/system?no_tty=1",
    )


def _our_uri(machine: Machine, known_hosts: Path) -> str:
    """libvirt over SSH, from here: with the machine's key, and as strict as our own SSH is."""
    options = {"no_tty": "1", "command": str(_strict_ssh(known_hosts))}
    if machine.key:
        options["keyfile"] = str(machine.key)
    place = f"{machine.user}@{machine.address}:{machine.port}"
    return f"qemu+ssh://{place}/system?{urlencode(options)}"


def _strict_ssh(known_hosts: Path) -> Path:
    """A program that is ssh with this known_hosts file: libvirt has no other way to be told."""
    text = (
        "#!/bin/sh\n"
        f"exec ssh -o UserKnownHostsFile={shlex.quote(str(known_hosts))} "
        '-o StrictHostKeyChecking=yes -o ConnectTimeout=10 -o ServerAliveInterval=5 "$@"\n'
    )
    name = hashlib.sha256(text.encode()).hexdigest()[:16]
    program = config.cache_dir() / "ssh" / name
    if not os.access(program, os.X_OK):
        program.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        fresh = program.with_suffix(f".{os.getpid()}")
        fresh.write_text(text)
        fresh.chmod(0o700)
        fresh.replace(program)
    return program
