from __future__ import annotations

from pathlib import Path

import pytest

from tests.style import doors, import_time, tree

MODULE = Path("harness/guests/guest.py")
MODEL = Path("harness/model/plan.py")
TEST = Path("tests/unit/test_x.py")


def test_processes_and_time_have_one_door() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".py", below="harness")
        for violation in doors.door_violations(path, tree.text(path))
    )


def test_the_model_does_no_io() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".py", below="harness/model")
        for violation in doors.model_violations(path, tree.text(path))
    )


def test_tests_do_not_sleep() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".py", below="tests")
        for violation in doors.sleep_violations(path, tree.text(path))
    )


def test_an_import_does_no_io_and_makes_no_state() -> None:
    tree.expect_none(
        violation
        for path in tree.files(".py", below="harness")
        for rule in (import_time.io_violations, import_time.state_violations)
        for violation in rule(path, tree.text(path))
    )


@pytest.mark.parametrize(
    "source",
    [
        "import subprocess",
        "from subprocess import run",
        "def f():\n    import time",
        "from time import monotonic",
        "import os\nos.system('true')",
    ],
)
def test_a_second_door_is_seen(source: str) -> None:
    assert list(doors.door_violations(MODULE, source))


@pytest.mark.parametrize(
    ("path", "source"),
    [("harness/run.py", "import subprocess"), ("harness/clock.py", "import time")],
)
def test_a_door_itself_passes(path: str, source: str) -> None:
    assert not list(doors.door_violations(Path(path), source))


@pytest.mark.parametrize(
    "source", ["import socket", "from os import path", "import libvirt", "x = f().read_text()"]
)
def test_io_in_the_model_is_seen(source: str) -> None:
    assert list(doors.model_violations(MODEL, source))


@pytest.mark.parametrize("source", ["time.sleep(1)", "def f():\n    clock.sleep(0.1)"])
def test_a_sleeping_test_is_seen(source: str) -> None:
    assert list(doors.sleep_violations(TEST, source))


@pytest.mark.parametrize(
    "source",
    [
        "text = open('x')",
        "text = Path('x').read_text()",
        "class A:\n    there = Path('x').exists()",
        "def f(a=run(['true'])):\n    pass",
        "@cache(open('x'))\ndef f():\n    pass",
        "if True:\n    print('hello')",
    ],
)
def test_io_at_import_is_seen(source: str) -> None:
    assert list(import_time.io_violations(MODULE, source))


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    return open('x')",
        "f = lambda: open('x')",
        "if __name__ == '__main__':\n    print('x')",
    ],
)
def test_io_at_call_passes(source: str) -> None:
    assert not list(import_time.io_violations(MODULE, source))


@pytest.mark.parametrize(
    "source",
    [
        "_cache = {}",
        "lock = threading.Lock()",
        "seen: list[str] = []",
        "SEEN = []\ndef f(x):\n    SEEN.append(x)",
        "TABLE = {}\ndef f(x):\n    TABLE[x] = 1",
        "n = 0\ndef f():\n    global n\n    n = 1",
    ],
)
def test_state_of_a_module_is_seen(source: str) -> None:
    assert list(import_time.state_violations(MODULE, source))


@pytest.mark.parametrize(
    "source",
    [
        "NAMES = ['a', 'b']",
        "__all__ = ['f']",
        "_loops = []  # state: libvirt has one event loop per process",
        "def f():\n    seen = []\n    seen.append(1)",
    ],
)
def test_constants_and_excused_state_pass(source: str) -> None:
    assert not list(import_time.state_violations(MODULE, source))
