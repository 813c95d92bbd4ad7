"""Outside and inside: a lab's hosts are reached from within its namespace only.

A command that talks to hosts runs itself again inside, and then uses SSH and libvirt exactly as
with real hosts.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

import psutil

from harness import clock, run
from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.lab.lab import Lab
from harness.hosts.ssh import SshHost
from harness.testbed import record
from harness.testbed.testbed import Testbed

INSIDE = "TESTBED_INSIDE"
INTERRUPT_SECONDS = 15.0


def is_inside() -> bool:
    """Whether this process was started inside a lab by `enter` or `run_inside`."""
    return os.environ.get(INSIDE) == "1"


def running_lab(name: str) -> Lab:
    """The lab of that testbed. Raises UsageError when it does not run."""
    lab = Lab.load(record.lab_folder(name))
    if lab is None:
        known = ", ".join(record.names()) or "none"
        raise UsageError(f"no testbed {name!r} runs here", why=f"known: {known}", fix="testbed up")
    return lab


def enter(name: str) -> None:
    """Replace this process by the same command inside the lab, unless it is there already."""
    if is_inside():
        return
    argv = running_lab(name).enter_argv(_same_command())
    os.environ[INSIDE] = "1"
    os.execvp(argv[0], argv)


def run_inside(lab: Lab, arguments: list[str]) -> int:
    """Run a testbed command inside `lab`, on our terminal, to its end. Gives its exit code.

    An interrupt is passed on once, and the command is given 15 s to collect its evidence.
    """
    child = run.spawn(
        lab.enter_argv([sys.executable, "-P", "-m", "harness", *arguments]),
        env={**os.environ, INSIDE: "1"},
    )
    try:
        return child.wait()
    except KeyboardInterrupt:
        _interrupt(child)
        return 130


def _interrupt(child: run.Process) -> None:
    for process in _descendants(child.pid):
        try:
            process.send_signal(signal.SIGINT)
        except psutil.NoSuchProcess:
            continue
    if run.wait(child, INTERRUPT_SECONDS) is None:
        run.terminate(child)


def _descendants(pid: int) -> list[psutil.Process]:
    try:
        return psutil.Process(pid).children(recursive=True)
    except psutil.NoSuchProcess:
        return []


def _same_command() -> list[str]:
    return [sys.executable, "-P", "-m", "harness", *sys.argv[1:]]


def hosts_of(name: str) -> list[SshHost]:
    """The lab's hosts, ready to be reached; for use inside."""
    return [SshHost(host) for host in running_lab(name).hosts]


@contextmanager
def connected(name: str, events: EventLog | None = None) -> Iterator[Testbed]:
    """The running testbed of that name; enters its lab first."""
    enter(name)
    found = record.read(name)
    if found is None:
        raise TestbedError(f"the record of {name} cannot be read", fix="testbed gc")
    if found.state != "up":
        raise UsageError(f"{name} is not up yet", fix="wait for testbed up, or testbed down")
    testbed = Testbed.connect(found, hosts_of(name), events or EventLog())
    try:
        yield testbed
    finally:
        testbed.close()


def stop_at_first_signal() -> None:
    """SIGINT and SIGTERM raise KeyboardInterrupt once; later ones do not disturb the clean-up."""

    def handler(_number: int, _frame: FrameType | None) -> None:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)
        raise KeyboardInterrupt

    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, handler)


def lab_stops(lab: Lab, within: float = 20.0) -> float:
    """Stop the lab; gives the seconds it took."""
    begun = clock.now()
    lab.stop(within)
    return clock.now() - begun
