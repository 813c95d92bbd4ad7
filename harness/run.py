"""The one door for processes: no other module imports subprocess."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import threading
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from harness.errors import CommandFailed, DeadlineExceeded, TestbedError

PIPE = subprocess.PIPE
DEVNULL = subprocess.DEVNULL
Process = subprocess.Popen[bytes]
RAISING = (signal.SIGINT, signal.SIGTERM, signal.SIGALRM)


@dataclass(frozen=True)
class Completed:
    """A process that has ended."""

    argv: tuple[str, ...]
    returncode: int
    stdout: str
    stderr: str


def run(
    argv: Sequence[str],
    *,
    within: float = 60.0,
    input: str | None = None,  # noqa: A002 - subprocess's own word
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    check: bool = True,
) -> Completed:
    """Run a program to its end.

    Raises CommandFailed on a non-zero exit code (unless `check` is false), DeadlineExceeded
    after `within` seconds (the process is killed), TestbedError when it cannot be started.
    """
    stdin, said = (DEVNULL, None) if input is None else (PIPE, input.encode())
    try:
        process = spawn(argv, env=env, cwd=cwd, stdin=stdin, stdout=PIPE, stderr=PIPE)
    except FileNotFoundError as error:
        raise TestbedError(
            f"`{argv[0]}` cannot be started", why=str(error), fix="testbed doctor"
        ) from None
    try:
        out, err = _hear_out(process, said, within)
    except subprocess.TimeoutExpired:
        raise DeadlineExceeded(f"`{' '.join(argv)}` ran longer than {within:g} s") from None
    if check and process.returncode:
        raise CommandFailed(argv, process.returncode, out, err)
    return Completed(tuple(argv), process.returncode, out, err)


def _hear_out(process: Process, said: bytes | None, within: float) -> tuple[str, str]:
    """What it prints until it ends; whatever stops us kills it."""
    with process:
        try:
            out, err = process.communicate(said, within)
        except BaseException:
            process.kill()
            raise
    return out.decode(errors="replace"), err.decode(errors="replace")


def spawn(
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: Path | None = None,
    stdin: int | IO[bytes] | None = None,
    stdout: int | IO[bytes] | None = None,
    stderr: int | IO[bytes] | None = None,
    pass_fds: Sequence[int] = (),
    new_session: bool = False,
) -> Process:
    """Start a program and hand it to the caller, who ends it with `terminate`.

    An interruption that comes meanwhile ends it: nobody would know of it.
    """
    process = None
    try:
        with _signals_held():
            process = subprocess.Popen(
                list(argv),
                env=None if env is None else dict(env),
                cwd=cwd,
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
                pass_fds=tuple(pass_fds),
                start_new_session=new_session,
            )
    except BaseException:
        if process is not None:
            terminate(process)
        raise
    return process


@contextlib.contextmanager
def _signals_held() -> Iterator[None]:
    """Signals whose handlers may raise take effect when the block has ended: interrupted between
    fork and return, Popen has made a process that it gives to nobody.
    """
    if threading.current_thread() is not threading.main_thread():  # no handler runs here
        yield
        return
    found = {number: signal.getsignal(number) for number in RAISING}
    handlers = {number: handler for number, handler in found.items() if callable(handler)}
    came: list[int] = []
    for number in handlers:
        signal.signal(number, lambda number, _frame: came.append(number))
    try:
        yield
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    if came:
        handlers[signal.Signals(came[0])](came[0], None)


def terminate(process: Process, within: float = 5.0) -> int:
    """End a process we started: TERM, then KILL after `within` seconds; reaps it."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(within)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def wait(process: Process, within: float | None = None) -> int | None:
    """The exit code of a process we started, or None when it still runs after `within` seconds."""
    try:
        return process.wait(within)
    except subprocess.TimeoutExpired:
        return None
