"""Outside and inside: a lab's hosts are reached from within its namespace only.

A command that talks to hosts runs itself again inside, and then uses SSH and libvirt exactly as
with real machines: those are reached from where we are, and there is nothing to enter. What only
the inner half needs is not imported here: it would be imported twice.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable

import psutil
from rich.console import Console

from harness import run
from harness.cli import deadline
from harness.cli.deadline import INSIDE
from harness.cli.main import BISECT
from harness.errors import INTERRUPTED, TestbedError, UsageError
from harness.hosts.lab.lab import Lab
from harness.testbed import folders
from harness.testbed.lock import exclusive

INTERRUPT_SECONDS = 15.0
EXIT_CODES = (0, 1, 2, TestbedError.exit_code, INTERRUPTED)


def is_inside() -> bool:
    """Whether this process was started inside a lab by `enter` or `run_inside`."""
    return os.environ.get(INSIDE) == "1"


def running_lab(name: str) -> Lab:
    """The lab of that testbed. Raises UsageError when it does not run."""
    lab = Lab.load(folders.lab_folder(name))
    if lab is None:
        known = ", ".join(folders.names()) or "none"
        raise UsageError(f"no testbed {name!r} runs here", why=f"known: {known}", fix="testbed up")
    return lab


def enter(name: str, patience: float | None = None) -> None:
    """Replace this process by the same command inside the lab of that name, if one runs.

    With `patience` it first waits until no other command works on it: whoever does may be taking
    it down, and then there is nothing to enter.
    """
    if is_inside() or Lab.load(folders.lab_folder(name)) is None:
        return
    if patience is not None:
        with exclusive(name, patience=patience, waiting=say_waiting(name)):
            pass
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


def say_waiting(name: str) -> Callable[[], None]:
    """Says on stderr what a command waits for."""
    return lambda: Console(stderr=True).print(f"waiting for another command on {name} …")
