"""What holds for every test: the order, the markers that follow from the folder, who may run side
by side, and honesty about the leg that an ordinary user runs."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path, PurePath

import pytest
from hypothesis import settings
from xdist.remote import Producer
from xdist.scheduler import LoadScopeScheduling

# How long an example takes tells of the machine, not of what is tested.
settings.register_profile("any machine", deadline=None)
settings.load_profile("any machine")

TESTS = Path(__file__).parent
ORDER = ("style", "unit", "model", "agent", "browser", "lab", "perf")
MARKED_FOLDERS = ("lab", "perf")
ORDINARY_USER = "TESTBED_ORDINARY_USER"
DISKS = "TESTBED_DISKS"
LONG = "TESTBED_LONG"


def folder_of(item: pytest.Item) -> str:
    """The folder below tests/ that holds this test."""
    path = item.path.relative_to(TESTS) if item.path.is_relative_to(TESTS) else item.path
    return path.parts[0]


def rank(item: pytest.Item) -> tuple[int, bool]:
    """Cheap tests first: a broken style rule is told before a guest boots. And what shares one
    testbed side by side: it comes up once.
    """
    folder = folder_of(item)
    shared = "lasting" in getattr(item, "fixturenames", ())
    return ORDER.index(folder) if folder in ORDER else len(ORDER), shared


def needs_the_machine(item: pytest.Item) -> bool:
    """Whether this test has guests, or measures: nothing else may run beside it."""
    return folder_of(item) in MARKED_FOLDERS


class SideBySide(LoadScopeScheduling):
    """One worker of pytest-xdist runs all that needs the machine; files of the rest stay whole."""

    def _split_scope(self, nodeid: str) -> str:
        file = PurePath(nodeid.partition("::")[0])
        return "guests" if set(file.parts) & set(MARKED_FOLDERS) else str(file)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Producer) -> SideBySide:
    return SideBySide(config, log)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if needs_the_machine(item):
            item.add_marker(folder_of(item))
    items.sort(key=rank)


@contextlib.contextmanager
def place_on_the_machine(*, alone: bool) -> Iterator[None]:
    """Wait for it: beside other workers' tests, or when all of them have ended."""
    descriptor = os.open(TESTS, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX if alone else fcntl.LOCK_SH)
        yield
    finally:
        os.close(descriptor)


@pytest.hookimpl(wrapper=True, tryfirst=True)  # a test's time limit begins after the wait
def pytest_runtest_protocol(item: pytest.Item) -> Generator[None, object, object]:
    if not hasattr(item.config, "workerinput"):  # no worker of pytest-xdist: nothing is beside it
        return (yield)
    alone = needs_the_machine(item) or item.get_closest_marker("alone") is not None
    with place_on_the_machine(alone=alone):
        return (yield)


def pytest_runtest_setup(item: pytest.Item) -> None:
    if item.get_closest_marker("ordinary_user") and not os.environ.get(ORDINARY_USER):
        pytest.skip(f"needs {ORDINARY_USER}=<name of an ordinary user of this machine>")
    if item.get_closest_marker("long") and not os.environ.get(LONG):
        pytest.skip(f"needs {LONG}=1: make soak runs it, make test has no time for it")
    if item.get_closest_marker("disks") and not os.environ.get(DISKS):
        pytest.skip(f"needs {DISKS}=1: guests with a disk take minutes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport]:
    """Where the ordinary user exists, a skip of that leg would hide that nobody ran it; that a long
    one was not run is said anyway.
    """
    report = yield
    if (
        report.skipped
        and item.get_closest_marker("ordinary_user")
        and os.environ.get(ORDINARY_USER)
        and not (item.get_closest_marker("long") and not os.environ.get(LONG))
    ):
        report.outcome = "failed"
        report.longrepr = f"skipped although {ORDINARY_USER} is set: {report.longrepr}"
    return report


@pytest.fixture
def ordinary_user() -> str:
    """The name of the machine's ordinary user, for tests marked `ordinary_user`."""
    return os.environ[ORDINARY_USER]
