"""What an unattended run must tell apart: what is under test crashed, or the testbed broke; and
that a testbed which was kept goes away by itself.
"""

from __future__ import annotations

import json
import signal
from pathlib import Path

import pytest

from harness import clock, run
from tests.lab.support import User, await_event, emulator, nothing_left
from tests.lab.test_signals import folder


def said(user: User) -> str:
    return (user.home / "background.log").read_text()


@pytest.mark.long
def test_a_crash_of_what_is_under_test_is_a_finding(root: User) -> None:
    with nothing_left(), root.started("demo", "--seconds", "8", "--sut", "qemu") as command:
        assert await_event(lambda: folder(root), "phase.begin", command)
        emulator("g2", command.pid).send_signal(signal.SIGSEGV)
        assert run.wait(command, 120) == 1, said(root)
    assert "qemu of g2 on h1 crashed" in said(root)
    assert "reason=crashed" in (root.latest / "crashes/qemu-g2-on-h1.txt").read_text()
    assert root.summary()["verdict"] == "fail" and root.summary()["left_behind"] == []


@pytest.mark.long
def test_another_crash_breaks_the_testbed_which_stays_until_its_time(root: User) -> None:
    wishes = ("--keep", "failed", "--ttl", "1h", "--results-cap", "200 KiB", "--sut", "qemu")
    state = root.home / "state" / "testbeds"
    with nothing_left(), root.started("demo", "--seconds", "15", *wishes) as command:
        assert await_event(lambda: folder(root), "phase.begin", command)
        [name] = [entry.name for entry in state.iterdir()]
        root.run("exec", "-t", name, "--timeout", "15s", "g1", "--", "sh", "-c", PANIC)
        assert run.wait(command, 120) == 69, said(root)
        assert f"testbed ssh g1 -t {name}" in said(root)
        [row] = root.json("ls")
        assert row["name"] == name and 3000 < row["seconds_left"] <= 3600
        assert "g2" in root.ok("exec", "-t", name, "g2", "--", "hostname")
        root.ok("extend", "1s", name)
        clock.wait_until(
            lambda: not state.exists() or not list(state.iterdir()),
            within=30,
            what="the testbed to end itself",
        )
    assert "Kernel panic" in (root.latest / "crashes/kernel-g1.txt").read_text()
    assert sum(f.stat().st_size for f in files(root.latest.resolve())) < 220 * 1024
    told = [json.loads(line) for line in (root.latest / "events.jsonl").read_text().splitlines()]
    assert "results.capped" in {event["event"] for event in told}


PANIC = "echo c > /proc/sysrq-trigger"


def files(place: Path) -> list[Path]:
    return [entry for entry in place.rglob("*") if entry.is_file()]
