"""Which topology a test runs on."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness.errors import UsageError
from harness.model import topology_text
from harness.model.topology import Topology, lab_topology

MARKER = "testbed"


class Topologies:
    """Every topology of a session, each once: what is equal is the same object, which is how
    pytest sees that a fixture need not be made anew.
    """

    def __init__(self, default: Path | None) -> None:
        self._default = default
        self._known: dict[str, Topology] = {}

    def of(self, node: pytest.Item) -> Topology:
        """The topology that this test's marker asks for, else the session's.

        Raises UsageError when it cannot be had.
        """
        marker = node.get_closest_marker(MARKER)
        if marker is None:
            return self.default
        wanted = marker.kwargs.get("topology", *marker.args[:1]) if _sound(marker) else None
        if isinstance(wanted, Topology):
            return self._same(wanted)
        if isinstance(wanted, str | Path):
            return self._same(read(node.path.parent / wanted))
        raise UsageError(
            f"the marker {MARKER} of {node.name} makes no sense",
            fix='write @pytest.mark.testbed(topology="FILE beside the test")',
        )

    @property
    def default(self) -> Topology:
        """What tests run on that ask for nothing. Raises UsageError when it cannot be read."""
        return self._same(read(self._default) if self._default else lab_topology())

    def _same(self, topology: Topology) -> Topology:
        return self._known.setdefault(topology.model_dump_json(), topology)


def _sound(marker: pytest.Mark) -> bool:
    return len(marker.args) + len(marker.kwargs) == 1 and set(marker.kwargs) <= {"topology"}


def read(file: Path) -> Topology:
    """The topology of a file, paths in it being relative to its folder. Raises UsageError."""
    try:
        with file.open(encoding="utf-8") as stream:
            text = stream.read(topology_text.MAX_CHARACTERS + 1)
    except (OSError, ValueError) as error:
        raise UsageError("the topology cannot be read", where=str(file), why=str(error)) from None
    return topology_text.parse(text, str(file)).relative_to(file.resolve().parent)
