"""What the plugin's parts find in a session: settings, topologies, testbeds."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.pytest_plugin import options
from harness.pytest_plugin.hookspecs import Running

if TYPE_CHECKING:
    from harness.model.topology import Topology
    from harness.pytest_plugin.session import TestbedSession
    from harness.pytest_plugin.topologies import Topologies

FIXTURE, MODULE = "testbed", "harness.pytest_plugin.plugin"
SETTINGS = pytest.StashKey[options.Settings]()
SESSION = pytest.StashKey["TestbedSession"]()
TOPOLOGIES = pytest.StashKey["Topologies"]()
NOTES = pytest.StashKey[list[str]]()


def uses(item: pytest.Item) -> bool:
    """Whether a test has to do with our testbed: a project may well have a fixture of its own that
    has this name.
    """
    info = getattr(item, "_fixtureinfo", None)
    found = info.name2fixturedefs.get(FIXTURE, ()) if info else ()
    return any(definition.func.__module__ == MODULE for definition in found[-1:])


def topologies(config: pytest.Config) -> Topologies:
    """The topologies of this session."""
    from harness.pytest_plugin.topologies import Topologies

    if TOPOLOGIES not in config.stash:
        config.stash[TOPOLOGIES] = Topologies(config.stash[SETTINGS].topology)
    return config.stash[TOPOLOGIES]


def topology(item: pytest.Item) -> Topology:
    """The topology of a test that was collected."""
    chosen = getattr(item, "callspec", None)
    found: Topology | None = chosen.params.get(FIXTURE) if chosen else None
    return found or topologies(item.config).of(item)


def session(config: pytest.Config) -> TestbedSession:
    """The testbeds of this session; they come from the hook `pytest_testbed_start`."""
    from harness.pytest_plugin.session import TestbedSession

    def start(topology: Topology, folder: Path) -> Running:
        made: Running = config.hook.pytest_testbed_start(topology=topology, folder=folder)
        return made

    if SESSION not in config.stash:
        config.stash[SESSION] = TestbedSession(config.stash[SETTINGS], start)
    return config.stash[SESSION]
