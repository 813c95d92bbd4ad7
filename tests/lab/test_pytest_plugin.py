"""The pytest plugin with real guests, in a project of a user's own."""

from __future__ import annotations

import shutil
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from harness import run
from harness.config import REPOSITORY
from tests.lab.support import User, await_event, kill, nothing_left, press_ctrl_c

EXAMPLES = REPOSITORY / "examples" / "pytest"
COMPLAINT = """
def test_a_kernel_complains(testbed):
    testbed.guest("g1").succeed("echo '<0>BUG: made by hand' > /dev/kmsg")
"""


def project(user: User, *sources: str) -> User:
    """The example suite and more tests in the user's folder; what it types is pytest."""
    for example in EXAMPLES.glob("*.py"):
        shutil.copy(example, user.home)
    for number, source in enumerate(sources):
        (user.home / f"test_{number}.py").write_text(source)
    return replace(user, testbed=user.testbed.with_name("pytest"))


def logs(user: User) -> Path | None:
    """Where the testbed of the one session so far writes its events."""
    return next((user.home / "results").glob("*-pytest-*/pytest-*"), None)


def test_root(root: User) -> None:
    """The whole example suite; a guest whose kernel complains fails its test, with evidence."""
    with nothing_left():
        done = project(root, COMPLAINT).run("-ra")
    assert "1 failed, 5 passed" in done.stdout, done.stdout + done.stderr
    assert "during the test, a guest's console said g1: " in done.stdout
    [evidence] = (root.home / "results").glob("*-pytest-*/failed/*")
    assert f"evidence: {evidence}" in done.stdout
    assert "BUG: made by hand" in (evidence / "console-g1.log").read_text()
    assert (evidence / "events.jsonl").exists()
    assert (evidence / "agents/g2.log").stat().st_size and (evidence / "hosts/h1").is_dir()
    assert not list((root.home / "state" / "testbeds").iterdir())


@pytest.mark.ordinary_user
def test_ordinary_user(ordinary: User) -> None:
    with nothing_left():
        done = project(ordinary).run("-k", "test_stream_survives_a_move")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.long
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGKILL])
def test_a_session_that_is_ended_leaves_nothing(root: User, number: signal.Signals) -> None:
    """Lab and helper are there by then, and both are bound to the session."""
    with nothing_left(), project(root).started() as session:
        assert await_event(lambda: logs(root), "provision.task", session)
        press_ctrl_c(session) if number == signal.SIGINT else kill(session)
        code = run.wait(session, 60)
    assert code == (pytest.ExitCode.INTERRUPTED if number == signal.SIGINT else -number)
    root.ok("gc")
    assert not list((root.home / "state" / "testbeds").glob("*"))
