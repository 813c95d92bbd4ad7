"""Ctrl-C and SIGKILL of the controller, at every event a run has: nothing is left."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest

from harness import run
from tests.lab.support import User, await_event, kill, nothing_left, press_ctrl_c

# In the order they come. Checked against a real run by `test_the_list_is_complete`.
EVENTS = (
    "lab.start.begin",
    "lab.start.end",
    "provision.begin",
    "provision.task",
    "provision.end",
    "images.begin",
    "images.end",
    "accelerator.begin",
    "accelerator.end",
    "boot.begin",
    "boot.end",
    "routes.begin",
    "routes.end",
    "domains.begin",
    "domains.end",
    "link.begin",
    "link.end",
    "share.begin",
    "handover.begin",
    "handover.end",
    "share.end",
    "traffic.start.begin",
    "traffic.start.end",
    "phase.begin",
    "phase.end",
    "move.begin",
    "part.begin",
    "part.end",
    "migrate.begin",
    "migrate.end",
    "move.end",
    "traffic.stop.begin",
    "traffic.stop.end",
    "evidence.begin",
    "evidence.end",
    "lab.stop.begin",
    "lab.stop.end",
)
# Names that depend on what the image cache has, and on what the agents have to say.
RARE = ("image.", "agent")
# One step's end and the next one's begin are the same moment, so most ends are left out.
APART = ("lab.start.end", "boot.end", "handover.end", "traffic.start.end", "lab.stop.end")
DISTINCT = tuple(event for event in EVENTS if not event.endswith(".end") or event in APART)
EVERY = os.environ.get("TESTBED_EVERY_SIGNAL") == "1"
LONG = os.environ.get("TESTBED_LONG") == "1"


def folder(user: User) -> Path | None:
    results = user.home / "results"
    runs = [entry for entry in results.glob("*-demo-*") if entry.is_dir()]
    return runs[0] if runs else None


def interrupt_at(user: User, event: str, number: signal.Signals) -> None:
    with nothing_left(), user.started("demo", "--seconds", "0.3") as command:
        reached = await_event(lambda: folder(user), event, command)
        assert reached, f"the run never came to {event}"
        press_ctrl_c(command) if number == signal.SIGINT else kill(command)
        code = run.wait(command, 60)
    if number == signal.SIGINT:
        over = event in ("evidence.end", "lab.stop.begin", "lab.stop.end")
        assert code == 130 or (over and code == 0)
        assert json.loads((user.latest / "summary.json").read_text())["left_behind"] == []
    user.ok("gc")
    assert not list((user.home / "state" / "testbeds").glob("*"))


def cases(leg: int) -> list[tuple[str, signal.Signals]]:
    """Every event with both signals for both users when asked for.

    Else each distinct event once, the four combinations in turn: `leg` 0 is root's half. Without
    TESTBED_LONG it is every sixth event: the rest is `make soak`'s.
    """
    both = (signal.SIGINT, signal.SIGKILL)
    if EVERY:
        return [(event, number) for event in EVENTS for number in both]
    chosen = DISTINCT if LONG else DISTINCT[::6]
    dealt = [(event, both[index // 2 % 2], index % 2) for index, event in enumerate(chosen)]
    return [(event, number) for event, number, whose in dealt if whose == leg]


@pytest.mark.parametrize(("event", "number"), cases(0))
def test_root(root: User, event: str, number: signal.Signals) -> None:
    interrupt_at(root, event, number)


@pytest.mark.ordinary_user
@pytest.mark.parametrize(("event", "number"), cases(1))
def test_ordinary_user(ordinary: User, event: str, number: signal.Signals) -> None:
    interrupt_at(ordinary, event, number)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_up_is_ended_half_way(root: User, number: signal.Signals) -> None:
    """`up` is bound to its starter until everything stands; until then a second one is refused."""
    state = root.home / "state" / "testbeds"
    with nothing_left(), root.started("up") as command:
        assert await_event(lambda: state / "lab", "provision.begin", command)
        second = root.run("up")
        assert second.returncode == 2 and "another command is working on lab" in second.stderr
        press_ctrl_c(command) if number == signal.SIGINT else kill(command)
        assert run.wait(command, 60) == (130 if number == signal.SIGINT else -number)
    root.ok("gc")
    assert not list(state.glob("*"))
