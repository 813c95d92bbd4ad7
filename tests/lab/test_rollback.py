"""When a migration fails, the guest runs on the source, its streams never broke, and its links
share memory again."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import psutil
import pytest

from harness import clock, run
from harness.traffic import oracle
from harness.traffic.oracle import Kind, parse_report
from tests.lab.support import User, press_ctrl_c

CONNECTING = 240.0  # seconds: a connection just begun is given up by the kernel after 130
SLOW = "2"  # MiB/s: slow enough to act while the migration runs
NAMES: tuple[tuple[str, Kind], ...] = (("r1", "unix"), ("r2", "netcat"))


class Streams:
    """Verified streams between g2 (serves) and g1 (connects), started by hand."""

    def __init__(self, user: User) -> None:
        self.user = user

    def start(self) -> None:
        for index, (name, kind) in enumerate(NAMES):
            seeds = (100 + index, 200 + index)
            self._background("g2", oracle.serve_argv(kind, name, seeds))
            self._await(lambda n=name: self._exists("g1", f"/run/domsock/g2/{n}"), name)
            self._background("g1", oracle.connect_argv(kind, name, seeds[::-1], "g2"))
        for name, _ in NAMES:
            self._await(lambda n=name: self.verified(n) > 0, f"bytes on {name}")

    def _background(self, guest: str, argv: list[str]) -> None:
        script = 'mkdir -p /run/oracle; setsid "$@" >/dev/null 2>&1 </dev/null &'
        self.user.ok("exec", guest, "--", "sh", "-c", script, "sh", *argv)

    def _exists(self, guest: str, path: str) -> bool:
        return self.user.run("exec", guest, "--", "test", "-S", path).returncode == 0

    def _await(self, condition: Any, what: str) -> None:
        clock.wait_until(condition, within=60, what=what, every=0.1)

    def _report(self, guest: str, name: str) -> oracle.Report:
        return parse_report(
            self.user.run("exec", guest, "--", "cat", oracle.report_path(name)).stdout
        )

    def verified(self, name: str) -> int:
        samples = self._report("g2", name).samples
        return samples[-1].verified if samples else 0

    def carry_on(self) -> None:
        """Bytes still move on every stream."""
        before = {name: self.verified(name) for name, _ in NAMES}
        for name, _ in NAMES:
            self._await(lambda n=name: self.verified(n) > before[n] + 100_000, f"more on {name}")

    def stop(self) -> None:
        """Servers end first: a listening netcat leaves when its peer has ended."""
        self.user.run("exec", "g2", "--", "killall", "-TERM", "oracle")
        for name, _ in NAMES:
            self._await(lambda n=name: self._ended("g1", n), f"the end mark on {name}")
        self.user.run("exec", "g1", "--", "killall", "-TERM", "oracle")
        for guest in ("g1", "g2"):
            for name, _ in NAMES:
                self._await(lambda g=guest, n=name: self._report(g, n).final, f"{name} to end")

    def _ended(self, guest: str, name: str) -> bool:
        report = self._report(guest, name)
        return bool(report.final or report.samples[-1].ended)

    def finals(self) -> list[dict[str, Any]]:
        return [self._report(guest, name).final for guest in ("g1", "g2") for name, _ in NAMES]


@pytest.fixture(scope="module")
def streams(lasting: User) -> Iterator[Streams]:
    found = Streams(lasting)
    found.start()
    yield found
    found.stop()
    for final in found.finals():
        wrong = [final[key] for key in ("lost", "duplicated", "reordered", "corrupted")]
        assert wrong == [0, 0, 0, 0] and final["eof"]


def arrivals(user: User) -> dict[int, psutil.Process]:
    """The QEMUs in this testbed's lab that were started to receive a guest."""
    found = {}
    for process in psutil.Process(user.lab_of("lab").record.init.pid).children(recursive=True):
        with contextlib.suppress(psutil.ZombieProcess, psutil.NoSuchProcess):
            if "-incoming" in process.cmdline():
                found[process.pid] = process
    return found


@contextlib.contextmanager
def migrating(user: User, bandwidth: str) -> Iterator[tuple[run.Process, psutil.Process]]:
    """`testbed migrate g1 --to h2`, under way: the command, and the destination's QEMU."""
    before = arrivals(user)

    def destination() -> psutil.Process | None:
        return next((new for pid, new in arrivals(user).items() if pid not in before), None)

    with user.started("migrate", "g1", "--to", "h2", "--bandwidth", bandwidth) as command:
        yield (
            command,
            clock.wait_until(destination, within=60, what="the destination's QEMU", every=0.05),
        )


def where(user: User, name: str) -> tuple[str, str]:
    """Host and state of a guest."""
    guests = user.json("inspect", "lab")["guests"]
    return next((g["host"], g["state"]) for g in guests if g["name"] == name)


def back_on_the_source(user: User, streams: Streams) -> None:
    assert where(user, "g1") == ("h1", "running")
    found = user.json("inspect", "lab")
    assert found["grants"][0]["path"] == "shm"
    assert {stream["path"] for stream in found["streams"]} == {"shm"}
    streams.carry_on()


def test_aborted(lasting: User, streams: Streams) -> None:
    with migrating(lasting, SLOW) as (command, _):
        press_ctrl_c(command)
        assert run.wait(command, 90) == 130
    back_on_the_source(lasting, streams)


def test_destination_qemu_killed(lasting: User, streams: Streams) -> None:
    with migrating(lasting, SLOW) as (command, destination):
        destination.kill()
        assert run.wait(command, 90) == 69
    back_on_the_source(lasting, streams)


def cable(user: User, action: str) -> None:
    """`cut_between` or `heal_between` the two hosts, run inside the lab."""
    lab = user.lab_of("lab")
    code = (
        "from pathlib import Path; from harness.hosts.lab import faults;"
        "from harness.hosts.lab.lab import Lab;"
        f"faults.{action}(Lab.load(Path({str(lab.state_dir)!r})).spec, 'h1', 'h2')"
    )
    run.run(lab.enter_argv([sys.executable, "-c", code]))


def test_link_cut(lasting: User, streams: Streams) -> None:
    with migrating(lasting, SLOW) as (command, _):
        cable(lasting, "cut_between")
        try:
            code = run.wait(command, CONNECTING)
        finally:
            cable(lasting, "heal_between")
        assert code == 69
    back_on_the_source(lasting, streams)


def test_controller_killed(lasting: User, streams: Streams) -> None:
    """Nobody is left to roll back: the guest arrives, and the next command finds everything."""
    with migrating(lasting, "16") as (command, _):
        for process in [*psutil.Process(command.pid).children(recursive=True), command]:
            process.kill()
    clock.wait_until(
        lambda: where(lasting, "g1") == ("h2", "running"), within=60, what="g1 to arrive", every=0.5
    )
    assert lasting.json("grants")[0]["path"] == "tcp"
    streams.carry_on()
    lasting.ok("migrate", "g1", "--to", "h1")
    back_on_the_source(lasting, streams)
