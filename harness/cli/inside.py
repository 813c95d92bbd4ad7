"""Outside and inside: a lab's hosts are reached from within its namespace only.

A command that talks to hosts runs itself again inside, and then uses SSH and libvirt exactly as
with real machines: those are reached from where we are, and there is nothing to enter.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TypeVar

import psutil
from rich.console import Console

from harness import run
from harness.cli import deadline
from harness.cli.deadline import INSIDE
from harness.cli.main import BISECT
from harness.errors import INTERRUPTED, GuestGone, TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.inventory_file import targets
from harness.hosts.lab.lab import Lab
from harness.hosts.ssh import SshHost
from harness.testbed import record
from harness.testbed.lock import exclusive
from harness.testbed.testbed import Testbed

T = TypeVar("T")

INTERRUPT_SECONDS = 15.0
LOOKS = 3  # for a guest that is never where it just was
CHANGE_PATIENCE = 10.0
EXIT_CODES = (0, 1, 2, TestbedError.exit_code, INTERRUPTED)


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


def on_machines(name: str) -> bool:
    """Whether the hosts of that testbed are real machines."""
    found = record.read(name)
    return found is not None and found.machines is not None


def enter(name: str) -> None:
    """Replace this process by the same command inside the lab, unless its hosts are in reach."""
    if is_inside() or on_machines(name):
        return
    argv = running_lab(name).enter_argv(_testbed(sys.argv[1:]))
    deadline.disarm()
    os.environ[INSIDE] = "1"
    os.execvp(argv[0], argv)


def run_inside(lab: Lab, arguments: list[str], *, bound: bool = False) -> int:
    """Run a testbed command inside `lab`, on our terminal, to its end. Gives its exit code.

    An interrupt is passed on once, and the command is given 15 s to collect its evidence. One
    that is `bound` to us ends also when we are killed.
    Raises TestbedError for a code that no testbed command has: something else ended it.
    """
    tie = ["setpriv", "--pdeathsig", "KILL"] if bound else []
    entering = lab.enter_argv(_testbed(arguments), waits=True)
    child = run.spawn([*tie, *entering], env=_env_inside())
    deadline.postpone(INTERRUPT_SECONDS)  # it has our deadline, and says what it was doing
    try:
        return _known(child.wait())
    except deadline.Overtime:
        _interrupt(child)
        raise
    except KeyboardInterrupt:
        _interrupt(child)
        return INTERRUPTED


def ask_inside(lab: Lab, arguments: list[str]) -> str:
    """What a testbed command prints inside `lab`.

    Raises UsageError when the command refuses, TestbedError when it fails otherwise.
    """
    done = run.run(lab.enter_argv(_testbed(arguments)), env=_env_inside(), check=False)
    code = _known(done.returncode)
    if code:
        said = done.stderr.strip().removeprefix("testbed: ")
        kind = UsageError if code == UsageError.exit_code else TestbedError
        raise kind(said or f"`testbed {' '.join(arguments)}` failed inside the lab")
    return done.stdout


def _env_inside() -> dict[str, str]:
    """The environment of a command that we run inside; its exit codes are for us, not for git."""
    outer = {name: value for name, value in os.environ.items() if name != BISECT}
    return {**outer, INSIDE: "1"}


def _testbed(arguments: list[str]) -> list[str]:
    """The command line of a testbed command; -P: what lies in the current folder is not ours."""
    return [sys.executable, "-P", "-m", "harness", *arguments]


def _known(code: int) -> int:
    if code in EXIT_CODES:
        return code
    how = signal.strsignal(-code) if code < 0 else f"exit code {code}"
    raise TestbedError(
        f"what ran inside the lab was ended: {how}", fix="see what killed it, or try again"
    )


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


def hosts_of(name: str) -> list[SshHost]:
    """The testbed's hosts, ready to be reached; those of a lab from inside."""
    found = record.read(name)
    if found is not None and found.machines is not None:
        return [SshHost(target) for target in targets(found.machines)]
    return [SshHost(host) for host in running_lab(name).hosts]


@contextmanager
def reached(name: str, events: EventLog | None = None) -> Iterator[Testbed]:
    """The running testbed of that name, its agents left in peace; enters its lab first."""
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


@contextmanager
def held(name: str, patience: float, events: EventLog | None = None) -> Iterator[Testbed]:
    """The running testbed with its grants, for us alone; enters its lab first."""
    if not is_inside() and not on_machines(name):
        running_lab(name)
        with exclusive(name, patience=patience, waiting=say_waiting(name)):
            pass  # whoever has it may be taking it down: then there is no lab to enter
        enter(name)
    lock = exclusive(name, patience=patience, waiting=say_waiting(name))
    with lock, reached(name, events) as testbed:
        testbed.recover_grants()
        yield testbed


def answered(name: str, patience: float, question: Callable[[Testbed], T]) -> T:
    """What the running testbed answers. One guest that moves on meanwhile is looked for again."""
    for _ in range(LOOKS - 1):
        with suppress(GuestGone), held(name, patience) as testbed:
            return question(testbed)
    with held(name, patience) as testbed:
        return question(testbed)


def say_waiting(name: str) -> Callable[[], None]:
    """Says on stderr what a command waits for."""
    return lambda: Console(stderr=True).print(f"waiting for another command on {name} …")
