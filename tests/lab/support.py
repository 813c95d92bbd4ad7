"""A user at the command line: root, or an ordinary user of this machine."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil

from harness import clock, run
from harness.hosts import leftovers
from harness.hosts.lab.lab import Lab

TESTBED = Path(sys.executable).parent / "testbed"
RUN_SECONDS = 300.0
INSIDE_SECONDS = 280.0


@dataclass(frozen=True)
class User:
    """Who types the commands, and where this user's state and results go."""

    home: Path
    login: str | None = None
    testbed: Path = TESTBED
    extra: dict[str, str] = field(default_factory=dict)

    @property
    def env(self) -> dict[str, str]:
        """The environment of this user's commands."""
        own = {
            "TESTBED_STATE": str(self.home / "state"),
            "TESTBED_CACHE": str(self.home / "cache"),
            "TESTBED_RESULTS": str(self.home / "results"),
        }
        return {**os.environ, **own, **self.extra}

    def argv(self, *arguments: str) -> list[str]:
        """The command line of ``testbed arguments``, typed by this user."""
        return self._typed([str(self.testbed), *arguments])

    def _typed(self, command: list[str]) -> list[str]:
        if self.login is None:
            return command
        kept = ",".join(["TESTBED_STATE", "TESTBED_CACHE", "TESTBED_RESULTS", *self.extra])
        return ["runuser", "-u", self.login, "-w", kept, "--", *command]

    def run(self, *arguments: str, within: float = RUN_SECONDS) -> run.Completed:
        """Run it to its end; any exit code is fine."""
        return run.run(
            self.argv(*arguments), within=within, env=self.env, cwd=self.home, check=False
        )

    def ok(self, *arguments: str, within: float = RUN_SECONDS) -> str:
        """Run it; it must succeed. Gives what it printed."""
        done = self.run(*arguments, within=within)
        assert done.returncode == 0, f"{done.argv}\n{done.stdout}\n{done.stderr}"
        return done.stdout

    def json(self, *arguments: str) -> Any:
        """Run it with --json, and parse what it printed."""
        return json.loads(self.ok(*arguments, "--json"))

    @contextmanager
    def started(self, *arguments: str) -> Iterator[run.Process]:
        """Run it in the background; ended with the block."""
        log = (self.home / "background.log").open("ab")
        process = run.spawn(
            self.argv(*arguments),
            env=self.env,
            cwd=self.home,
            stdin=run.DEVNULL,
            stdout=log,
            stderr=log,
            new_session=True,
        )
        try:
            yield process
        finally:
            run.terminate(process, 30)
            log.close()

    @contextmanager
    def standing(self, name: str, topology: str) -> Iterator[None]:
        """A testbed of that name stands while the block runs, and nothing of it is left."""
        (self.home / f"{name}.yaml").write_text(topology)
        with nothing_left():
            self.ok("up", f"{name}.yaml")
            try:
                yield
            finally:
                self.ok("down", name)

    def lab_of(self, testbed: str) -> Lab:
        """The lab of a testbed that stands."""
        found = Lab.load(self.home / "state/testbeds" / testbed / "lab")
        assert found is not None
        return found

    def inside_argv(self, testbed: str, module: str, *arguments: str) -> list[str]:
        """The command line that runs a module inside that testbed's lab."""
        return self.lab_of(testbed).enter_argv([sys.executable, "-m", module, *arguments])

    def inside(self, testbed: str, module: str, *arguments: str) -> dict[str, Any]:
        """Run it to its end; gives the JSON of its last line."""
        argv = self._typed(self.inside_argv(testbed, module, *arguments))
        done = run.run(argv, within=INSIDE_SECONDS, env=self.env, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        seen: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
        print(*arguments, seen)
        return seen

    @property
    def latest(self) -> Path:
        """The newest run's evidence."""
        return self.home / "results" / "latest"

    def summary(self) -> dict[str, Any]:
        """The newest run's summary."""
        found: dict[str, Any] = json.loads((self.latest / "summary.json").read_text())
        return found


def controller(process: run.Process) -> psutil.Process:
    """The testbed command itself, below runuser if there is one."""
    top = psutil.Process(process.pid)
    family = [top, *top.children(recursive=True)]
    return next(p for p in family if "runuser" not in p.cmdline()[0])


def emulator(guest: str, ancestor: int) -> psutil.Process:
    """The QEMU of that guest among all that the process with this pid has started."""
    return next(
        child
        for child in psutil.Process(ancestor).children(recursive=True)
        if child.name().startswith("qemu-system") and f"guest={guest}," in " ".join(child.cmdline())
    )


def press_ctrl_c(process: run.Process) -> None:
    """As a terminal does: SIGINT to every process of the foreground group."""
    os.killpg(process.pid, signal.SIGINT)


def kill(process: run.Process) -> None:
    """SIGKILL of the testbed command alone."""
    controller(process).kill()


def await_event(folder: Callable[[], Path | None], name: str, process: run.Process) -> bool:
    """Wait until `name` stands in a run's events.jsonl; False when the run ended before."""

    def seen() -> str:
        place = folder()
        file = place / "events.jsonl" if place else None
        if file and file.exists() and f'"event": "{name}"' in file.read_text():
            return "seen"
        return "ended" if process.poll() is not None else ""

    return clock.wait_until(seen, within=180, what=f"event {name}", every=0.005) == "seen"


@contextmanager
def nothing_left(settle: float = 20.0) -> Iterator[None]:
    """What the block starts must be gone after it."""
    os.environ[leftovers.MARK] = secrets.token_hex(8)
    before = leftovers.snapshot()
    yield
    clock.wait_until(
        lambda: not leftovers.difference(before, leftovers.snapshot()),
        within=settle,
        what=f"everything to be gone, but: {leftovers.difference(before, leftovers.snapshot())}",
        every=0.2,
    )
