"""The door for processes: an interruption leaves no process that nobody knows."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
from collections.abc import Callable, Iterator
from typing import Any

import psutil
import pytest

from harness import clock, run

SLEEPS = ["sleep", "60"]


@pytest.fixture
def heard() -> Iterator[None]:
    """Ctrl-C is heard, even where whoever started the tests had it ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def interrupted(monkeypatch: pytest.MonkeyPatch, heard: None) -> list[int]:
    """Ctrl-C comes when the process runs and Popen has not returned; gives the pids."""
    pids: list[int] = []

    class Interrupted(subprocess.Popen[bytes]):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, **options)
            pids.append(self.pid)
            os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(subprocess, "Popen", Interrupted)
    return pids


@pytest.mark.parametrize("start", [run.spawn, run.run])
def test_ctrl_c_in_the_middle_of_a_start_ends_the_program(
    start: Callable[[list[str]], object], interrupted: list[int]
) -> None:
    with pytest.raises(KeyboardInterrupt):
        start(SLEEPS)
    assert not psutil.pid_exists(interrupted[0])


def test_the_handlers_are_what_they_were() -> None:
    before = [signal.getsignal(number) for number in run.RAISING]
    run.terminate(run.spawn(SLEEPS))
    assert [signal.getsignal(number) for number in run.RAISING] == before


def test_an_ignored_signal_stays_ignored(interrupted: list[int]) -> None:
    before = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        process = run.spawn(SLEEPS)
        assert process.poll() is None
        run.terminate(process)
    finally:
        signal.signal(signal.SIGINT, before)


def test_another_thread_starts_programs_too() -> None:
    started: list[run.Process] = []
    thread = threading.Thread(target=lambda: started.append(run.spawn(SLEEPS)))
    thread.start()
    thread.join()
    clock.wait_until(lambda: started, within=5, what="the program")
    run.terminate(started[0])
