"""What the tests of the lab do inside it, and what they do as its starter.

`test_lab.py` runs this file as a program: FUNCTION STATE_DIR. A function's result is printed as
JSON.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import libvirt
import psutil

from harness import run
from harness.clock import now, wait_until
from harness.errors import CommandFailed, DeadlineExceeded, TestbedError
from harness.events import EventLog
from harness.hosts.lab import Lab, LabSpec, faults
from harness.hosts.provision import provision
from harness.hosts.ssh import SshHost

MIB = 1 << 20
SMALL = LabSpec("small", ("h1",), MIB)
VARIABLES = {"testbed": "lab", "isolated": True}
STUB = """#!/usr/bin/python3
import signal, socket, sys, os
run_dir = sys.argv[sys.argv.index("--run-dir") + 1]
os.makedirs(run_dir, exist_ok=True)
socket.socket(socket.AF_UNIX).bind(run_dir + "/agent.sock")
signal.pause()
"""
GUEST = """
<domain type='qemu'><name>g1</name><memory unit='MiB'>32</memory><vcpu>1</vcpu>
<os><type machine='pc'>hvm</type></os><features><acpi/></features>
<devices><emulator>/usr/bin/qemu-system-x86_64</emulator><console type='pty'/>
<interface type='bridge'><source bridge='guests0'/><mtu size='1450'/></interface></devices></domain>
"""


def first_provisioned(lab: Lab) -> list[str]:
    _write_agent(lab, STUB)
    return provisioned(lab)


def provisioned(lab: Lab) -> list[str]:
    variables = {**VARIABLES, "agent_binary": str(_agent_folder(lab))}
    return list(provision(lab.hosts, variables, EventLog(), lab.state_dir).changes)


def badly_provisioned(lab: Lab) -> str:
    network = {"bridge": "a-name-that-is-too-long-for-linux", "tunnel": "t", "vni": 1, "mtu": 1450}
    variables = {**VARIABLES, "guest_networks": [network]}
    try:
        provision(lab.hosts, variables, EventLog(), lab.state_dir)
    except TestbedError as error:
        return str(error)
    return "no error"


def _of_a_play(process: psutil.Process, lab: Lab) -> bool:
    """Whether a play has started it, by itself or by another: workers outlive their parents."""
    try:
        return process.environ().get("ANSIBLE_HOME", "").startswith(str(lab.state_dir))
    except (psutil.NoSuchProcess, psutil.AccessDenied):
        return False


def late_provision(lab: Lab) -> dict[str, Any]:
    """What a play that takes too long still did, and what it left."""
    sockets, events = set(Path("/run").glob("domsock-*")), EventLog()
    late = _raises(
        DeadlineExceeded,
        lambda: provision(lab.hosts, VARIABLES, events, lab.state_dir, within=1.5),
    )
    return {
        "error": str(late),
        "tasks": [event.fields.get("task") for event in events.events],
        "left": [process.name() for process in psutil.process_iter() if _of_a_play(process, lab)],
        "sockets": len(set(Path("/run").glob("domsock-*")) - sockets),
    }


def agent(lab: Lab) -> dict[str, list[str]]:
    """The role with another agent than before, and with one that does not start."""

    def provisioned_with(text: str) -> list[str]:
        _write_agent(lab, text)
        try:
            return sorted(provisioned(lab))
        except TestbedError as error:
            return [str(error)]

    return {
        "changed": provisioned_with(STUB + "# newer"),
        "broken": provisioned_with("#!/bin/sh\necho no memory >/var/log/domsockd.log"),
    }


def hostnames(lab: Lab) -> list[str]:
    return [host.run(["uname", "-n"]).stdout.strip() for host in _hosts(lab)]


def looks(lab: Lab) -> list[dict[str, Any]]:
    return [
        {
            "hostname": host.run(["uname", "-n"]).stdout.strip(),
            "machine_id": host.run(["cat", "/etc/machine-id"]).stdout,
            "shm": int(host.run(["stat", "-f", "-c", "%b", "/dev/shm"]).stdout) * 4096,
            "route": host.run(["ip", "route", "show", "default"]).stdout,
            "first_process": host.run(["cat", "/proc/1/cmdline"])
            .stdout.split("-m\0")[1]
            .split("\0")[0],
            "links": host.run(["ls", "/sys/class/net"]).stdout.split(),
        }
        for host in _hosts(lab)
    ]


def commands(lab: Lab) -> str:
    host, *_ = _hosts(lab)
    text = "0123456789abcdef" * (3 * MIB // 16)
    done = host.run(["tee", "/dev/stderr"], input=text)
    assert done.stdout == done.stderr == text
    assert host.run(["printf", "%s", "a b'\"$c\n*"]).stdout == "a b'\"$c\n*"
    assert host.run(["head", "-c1"], input=text).stdout == "0"
    assert host.run(["sh", "-c", "exit 3"], check=False).returncode == 3
    assert _raises(CommandFailed, lambda: host.run(["sh", "-c", "echo no >&2; exit 3"])).why == "no"
    begun = now()
    late = _raises(DeadlineExceeded, lambda: host.run(["sleep", "61"], within=0.5))
    assert "sleep 61" in str(late) and now() - begun < 5
    no_sleep = "! grep -lsz '^61$' /proc/[0-9]*/cmdline"
    wait_until(
        lambda: host.run(["sh", "-c", no_sleep], check=False).returncode == 0,
        within=5,
        what="the end of what ran too long",
    )
    return "fine"


def files(lab: Lab) -> str:
    host, *_ = _hosts(lab)
    local, back = lab.state_dir / "sent", lab.state_dir / "got"
    local.write_bytes(os.urandom(3 * MIB))
    host.put(local, "/tmp/file", mode=0o751)
    host.get("/tmp/file", back)
    assert back.read_bytes() == local.read_bytes()
    assert host.run(["stat", "-c", "%a", "/tmp/file"]).stdout == "751\n"
    assert host.run(["ls", "/tmp"]).stdout == "file\n"
    error = _raises(TestbedError, lambda: host.put(local, "/dev/shm/no/such/folder"))
    assert "h1" in str(error)
    local.write_bytes(bytes(32 * MIB))
    _raises(TestbedError, lambda: host.put(local, "/dev/shm/too-large"))
    assert host.run(["ls", "/dev/shm"]).stdout == ""
    _raises(TestbedError, lambda: host.get("/no/such/file", back))
    assert back.stat().st_size == 3 * MIB
    return "fine"


def lost_connection(lab: Lab) -> str:
    host, *_ = _hosts(lab)
    host.run(["true"])
    # the shell's parent is timeout, whose parent is the sshd of this connection
    kill = "kill -9 $(ps -o ppid= -p $PPID); sleep 60"
    error = _raises(TestbedError, lambda: host.run(["sh", "-c", kill]))
    assert "connection was lost" in str(error)
    assert host.run(["uname", "-n"]).stdout == "h1\n"
    return "fine"


def wrong_host_key(lab: Lab) -> str:
    first, second, *_ = lab.hosts
    known = lab.state_dir / "wrong"
    known.write_text(first.known_hosts.read_text().replace(second.address, "10.98.0.99"))
    host = SshHost(replace(second, known_hosts=known))
    return str(_raises(TestbedError, lambda: host.run(["true"])))


def migrated(lab: Lab) -> dict[str, list[str | None]]:
    first, second = (libvirt.open(target.libvirt_uri) for target in lab.hosts[:2])

    def where() -> list[str | None]:
        found = [[domain.name() for domain in c.listAllDomains()] for c in (first, second)]
        return [names[0] if names else None for names in found]

    guest = first.createXML(GUEST, libvirt.VIR_DOMAIN_START_PAUSED)
    before = where()
    flags = libvirt.VIR_MIGRATE_LIVE | libvirt.VIR_MIGRATE_PEER2PEER
    guest.migrateToURI3(lab.hosts[1].libvirt_uri, {}, flags)
    after = where()
    second.lookupByName("g1").destroy()
    return {"before": before, "after": after}


def guest_network(lab: Lab) -> list[str]:
    hosts = _hosts(lab)
    for index, host in enumerate(hosts):
        host.run(["ip", "address", "replace", f"10.99.9.{index}/24", "dev", "guests0"])
    pairs = [(one, there) for one in hosts for there, other in enumerate(hosts) if one != other]
    return ["reached" if _reaches(one, f"10.99.9.{there}") else "lost" for one, there in pairs]


def host_cut(lab: Lab) -> dict[str, dict[str, bool]]:
    def answering() -> dict[str, bool]:
        return {target.name: _answers(SshHost(target)) for target in lab.hosts}

    faults.cut_host(lab.spec, "h1")
    cut = answering()
    faults.heal_host(lab.spec, "h1")
    return {"cut": cut, "healed": answering()}


def pair_cut(lab: Lab) -> dict[str, dict[str, bool]]:
    hosts = {host.name: host for host in _hosts(lab)}
    pairs = (("h1", "h2"), ("h2", "h1"), ("h1", "h3"), ("h3", "h2"))

    def reaching() -> dict[str, bool]:
        return {
            f"{one}-{other}": _reaches(hosts[one], lab.spec.address(other)) for one, other in pairs
        }

    faults.cut_between(lab.spec, "h1", "h2")
    cut = reaching()
    faults.heal_between(lab.spec, "h1", "h2")
    return {"cut": cut, "healed": reaching()}


def starter(state_dir: Path) -> None:
    """Start a lab and wait to be killed."""
    lab = Lab.start(SMALL, state_dir, EventLog())
    while lab.alive:
        signal.pause()


def keeper(state_dir: Path) -> None:
    """Start a lab, keep it and leave."""
    Lab.start(SMALL, state_dir, EventLog()).keep()


def _hosts(lab: Lab) -> list[SshHost]:
    return [SshHost(target) for target in lab.hosts]


def _agent_folder(lab: Lab) -> Path:
    return lab.state_dir / "agent"


def _write_agent(lab: Lab, text: str) -> None:
    """Programs for the agent role; it only sees that they run and make their socket."""
    folder = _agent_folder(lab)
    folder.mkdir(exist_ok=True)
    (folder / "domsockd").write_text(text)
    for name in ("domsock", "libdomsock.so"):
        (folder / name).touch()


def _answers(host: SshHost) -> bool:
    """Whether the harness reaches it; a refused or silent TCP connection takes seconds to tell."""
    probe = f"exec 3<>/dev/tcp/{host.address}/22"
    return run.run(["timeout", "2", "bash", "-c", probe], check=False).returncode == 0


def _reaches(host: SshHost, address: str) -> bool:
    """Whether a packet gets there and back: nobody listens on port 9, so the kernel refuses."""
    probe = f"exec 3<>/dev/tcp/{address}/9"
    done = host.run(["timeout", "2", "bash", "-c", probe], check=False)
    return "refused" in done.stderr


def _raises(kind: type[TestbedError], action: Callable[[], object]) -> TestbedError:
    try:
        action()
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__}")


def main(name: str, state_dir: Path) -> None:
    """Do one thing, inside or as a starter."""
    if name in ("starter", "keeper"):
        {"starter": starter, "keeper": keeper}[name](state_dir)
        return
    lab = Lab.load(state_dir)
    assert lab
    print(json.dumps(globals()[name](lab)))


if __name__ == "__main__":
    main(sys.argv[1], Path(sys.argv[2]))
