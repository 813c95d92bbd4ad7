"""What pytest loads: fixtures, markers, options and hooks. The work is done by `session`."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from harness.errors import TestbedError, UsageError
from harness.pytest_plugin import hookspecs, junit, options, ordering, shared
from harness.pytest_plugin.api import Guest, Host, Testbed
from harness.pytest_plugin.traffic import Traffic

if TYPE_CHECKING:
    from harness.model.topology import Topology


def pytest_addoption(parser: pytest.Parser) -> None:
    """Options and ini keys."""
    options.add(parser)


def pytest_addhooks(pluginmanager: pytest.PytestPluginManager) -> None:
    """The hook that says where testbeds come from."""
    pluginmanager.add_hookspecs(hookspecs)


def pytest_configure(config: pytest.Config) -> None:
    """Markers, settings, and what a worker of pytest-xdist shares with the others."""
    for line in options.MARKERS:
        config.addinivalue_line("markers", line)
    config.stash[shared.SETTINGS] = options.Settings.of(config)
    config.stash[shared.NOTES] = []
    config.pluginmanager.register(junit.Properties(config), "testbed-junit")


def pytest_collection_finish(session: pytest.Session) -> None:
    """What accompanies each test is loaded where a test has to do with a testbed."""
    if any(shared.uses(item) for item in session.items):
        from harness.pytest_plugin.course import Course, Refusal

        session.config.pluginmanager.register(Refusal(), "testbed-refusal")
        session.config.pluginmanager.register(Course(), "testbed-course")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    """pytest-xdist starts a worker: seed and folder are those of the whole run."""
    node.workerinput["testbed"] = node.config.stash[shared.SETTINGS].shared


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """A worker of pytest-xdist has ended: its notes are for our summary."""
    node.config.stash[shared.NOTES].extend(getattr(node, "workeroutput", {}).get("testbed", []))


@pytest.hookimpl(trylast=True)
def pytest_testbed_start(topology: Topology, folder: Path) -> hookspecs.Running:
    """By default a testbed stands in a lab of its own."""
    from harness.pytest_plugin.lab import LabTestbed

    return LabTestbed.start(topology, folder)


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Tests of one topology share one testbed; their names do not show it."""
    if not shared.uses(metafunc.definition):
        return
    try:
        topology = shared.topologies(metafunc.config).of(metafunc.definition)
    except UsageError as error:
        pytest.fail(str(error), pytrace=False)
    metafunc.parametrize(
        shared.FIXTURE, [topology], indirect=True, scope="session", ids=[pytest.HIDDEN_PARAM]
    )


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests of one topology one after the other, so that each is made once."""
    items[:] = ordering.grouped(
        items, lambda item: id(shared.topology(item)) if shared.uses(item) else None
    )


@pytest.fixture(scope="session")
def testbed(request: pytest.FixtureRequest) -> Iterator[Testbed]:
    """Hosts and guests that stand: by default a lab, two hosts, and two guests sharing memory."""
    session = shared.session(request.config)
    try:
        topology = getattr(request, "param", None) or shared.topologies(request.config).default
        made = session.open(topology)
    except UsageError as error:
        if session.settings.lacking == "skip":
            pytest.skip(str(error))
        pytest.fail(str(error), pytrace=False)
    except TestbedError as error:
        pytest.fail(str(error), pytrace=False)
    yield made
    session.close()


@pytest.fixture
def guest(testbed: Testbed) -> Callable[[str], Guest]:
    """The guest of a name: ``guest("g1")``."""
    return testbed.guest


@pytest.fixture
def host(testbed: Testbed) -> Callable[[str], Host]:
    """The host of a name: ``host("h1")``."""
    return testbed.host


@pytest.fixture
def traffic(testbed: Testbed) -> Iterator[Callable[..., Traffic]]:
    """Verified streams until the test ends: ``traffic(g1, g2)``; see `Testbed.traffic`."""
    with ExitStack() as stack:
        yield lambda *between, **how: stack.enter_context(testbed.traffic(*between, **how))


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """What is to be told at the end; a worker hands it to its starter."""
    made = session.config.stash.get(shared.SESSION, None)
    if made is None:
        return
    if hasattr(session.config, "workeroutput"):
        session.config.workeroutput["testbed"] = made.notes
    else:
        session.config.stash[shared.NOTES].extend(made.notes)


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    """Testbeds that were kept, and how to get in."""
    notes = config.stash[shared.NOTES]
    if notes:
        terminalreporter.section("testbed")
        for note in notes:
            terminalreporter.line(note)
