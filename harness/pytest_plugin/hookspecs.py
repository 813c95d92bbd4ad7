"""The plugin's own hook: where a testbed comes from."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import pytest

if TYPE_CHECKING:
    from harness.model.topology import Topology
    from harness.pytest_plugin.contract import Standing, Steward


class Running(Protocol):
    """A testbed that stands, and how it ends."""

    steward: Steward
    standing: Standing

    def end(self, *, keep: bool) -> None:
        """End it, or leave it running and let go of it."""


@pytest.hookspec(firstresult=True)
def pytest_testbed_start(topology: Topology, folder: Path) -> Running | None:
    """Make a testbed stand; its events and logs go into `folder`. By default: a lab.

    Whatever is raised, nothing may be left. Stops at the first result that is not None.
    """
