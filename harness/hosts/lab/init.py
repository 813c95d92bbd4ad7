"""PID 1 of the lab's outer namespace: ``python -m harness.hosts.lab.init FD STATE_DIR SPEC``.

::

    the machine
    └── outer namespace (user, mount, network, PID): this program is its PID 1
        ├── mgmt0 10.98.0.1/24     the harness works here
        ├── h1: port-0 ── eth0 10.98.0.11   (network, mount, UTS, IPC, PID; lab/host.py, sshd)
        └── h2: port-1 ── eth0 10.98.0.12

There is no default route: nothing leaves. When this program ends, the kernel removes everything
above. It ends when its starter does, unless the starter said ``keep``; then when its
time has come (lifetime.py), if it was given any.
"""

from __future__ import annotations

import os
import shutil
import socket
import sys
import threading
from pathlib import Path

from harness import run
from harness.clock import wait_until
from harness.errors import TestbedError
from harness.hosts.lab import lifetime
from harness.hosts.lab import spec as lab
from harness.hosts.lab.channel import Channel
from harness.hosts.lab.reaper import reap_until
from harness.hosts.lab.spec import LabSpec

SSHD_WITHIN = 20.0


def main(argv: list[str]) -> None:
    """Build the lab, say so, and reap for as long as it lasts."""
    channel, state_dir, spec = Channel.inherited(int(argv[0])), Path(argv[1]), argv[2]
    os.set_inheritable(channel.fileno(), False)
    os.chdir("/")  # we may last; the starter's folder need not
    threading.Thread(target=_attend, args=(channel, state_dir), daemon=True).start()
    try:
        _build(LabSpec.from_json(spec), state_dir)
    except TestbedError as error:
        channel.say("failed", what=error.what, where=error.where, why=error.why[-2000:])
        sys.exit(1)
    channel.say("ready")
    reap_until()


def _attend(channel: Channel, state_dir: Path) -> None:
    """End with the starter, or when the time of a kept lab has come. Runs beside the build, for
    the starter may die during it.
    """
    forget: str | None = None
    try:
        while message := channel.hear():
            if message["word"] == "keep":
                forget = message["forget"]
                channel.say("kept")
        if forget is not None:
            lifetime.live_out(state_dir)
            if forget:
                shutil.rmtree(forget, ignore_errors=True)
    finally:
        os._exit(0)


def _build(spec: LabSpec, state_dir: Path) -> None:
    run.run(["mount", "-t", "tmpfs", "-o", "mode=755", "lab-run", "/run"])
    for host in spec.hosts:
        run.run(["ip", "netns", "add", host])
    run.run(["ip", "-batch", "-"], input=network_batch(spec))
    for host in spec.hosts:
        run.run(["ip", "-netns", host, "-batch", "-"], input=host_batch(spec, host))
    processes = {host: _start_host(spec, host, state_dir) for host in spec.hosts}
    for host, process in processes.items():
        _await_sshd(spec, host, process, state_dir)


def network_batch(spec: LabSpec) -> str:
    """The ip commands that make the management network."""
    lines = [
        "link set lo up",
        f"link add {lab.BRIDGE} type bridge",
        f"address add {lab.HARNESS_ADDRESS}/{lab.PREFIX_LENGTH} dev {lab.BRIDGE}",
        f"link set {lab.BRIDGE} up",
    ]
    for host in spec.hosts:
        lines.append(f"link add {spec.port(host)} type veth peer name eth0 netns {host}")
        lines.append(f"link set {spec.port(host)} master {lab.BRIDGE} up")
    return "\n".join(lines) + "\n"


def host_batch(spec: LabSpec, host: str) -> str:
    """The ip commands that plug a host in. Done before it starts: a connection that is tried
    while nobody answers for the address is tried again only after a second.
    """
    address = f"{spec.address(host)}/{lab.PREFIX_LENGTH}"
    return f"link set lo up\naddress add {address} dev eth0\nlink set eth0 up\n"


def _start_host(spec: LabSpec, host: str, state_dir: Path) -> run.Process:
    argv = ["ip", "netns", "exec", host]
    argv += ["unshare", "--mount", "--uts", "--ipc", "--pid", "--fork", "--mount-proc"]
    argv += ["--kill-child=KILL", sys.executable, "-P", "-m", "harness.hosts.lab.host"]
    argv += [host, str(state_dir), spec.as_json()]
    with (state_dir / f"{host}.log").open("wb") as log:
        return run.spawn(argv, stdin=run.DEVNULL, stdout=log, stderr=log)


def _await_sshd(spec: LabSpec, host: str, process: run.Process, state_dir: Path) -> None:
    def answers() -> bool:
        if process.poll() is not None:
            log = (state_dir / f"{host}.log").read_text(errors="replace")
            raise TestbedError("the host ended while it started", where=host, why=log.strip())
        return _greets(spec.address(host))

    wait_until(answers, within=SSHD_WITHIN, what=f"sshd of {host}")


def _greets(address: str) -> bool:
    try:
        with socket.create_connection((address, lab.SSH_PORT), timeout=1.0) as connection:
            return connection.recv(4) == b"SSH-"
    except OSError:
        return False


if __name__ == "__main__":
    main(sys.argv[1:])
