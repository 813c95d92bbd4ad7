"""What a topology may say and no testbed can do yet: refused before anything is made."""

from __future__ import annotations

from harness.errors import UsageError
from harness.model.topology import Topology


def check(topology: Topology) -> None:
    """Raises UsageError with the reason and what would work instead."""
    for index, grant in enumerate(topology.grants):
        if topology.common_network(grant.pair) is None:
            _refuse_unreachable(topology, index, grant.pair)


def _refuse_unreachable(topology: Topology, index: int, pair: tuple[str, str]) -> None:
    """Agents make their links over the guests' network, even of guests that share memory."""
    cardless = [name for name in pair if not topology.networks_of(name)]
    lacks = f"{' and '.join(cardless)} has no network card" if cardless else "they share no network"
    raise UsageError(
        f"the grant of {' and '.join(pair)} can do nothing: {lacks}",
        where=f"grants.{index}.between",
        why="two agents meet over TCP before they share memory, and fall back on it when apart",
        fix="give both a card in one network, or take the grant out",
    )
