"""Eight domains of one host, each granted to each: 28 links, each with a region of its own."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import Agent, Linked, Two, stop_all, wait_until
from programs import Flow, Server, both_ways, connect, finish_all

DOMAINS = 8
REGION = 4 << 20
ENOUGH = 1 << 20  # bytes in each direction of each stream

Couple = tuple[Agent, Agent]


class Crowd:
    """The agents, linked, and the region of each pair."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agents = [Agent(folder, f"g{n + 1}", 3 + n, "--grace", "3000") for n in range(DOMAINS)]
        self.pairs: list[Couple] = list(itertools.combinations(self.agents, 2))
        self.regions: dict[Couple, Path] = {}

    def connect(self) -> None:
        """Link each with each, and wait until all is up."""
        for one, other in itertools.permutations(self.agents, 2):
            where = {"address": "127.0.0.1", "port": other.port, "key": Linked.KEY}
            one.call("link.add", peer=other.name, peer_id=other.id, **where)
        for agent in self.agents:
            wait_until(lambda a=agent: states(a) == ["up"] * (DOMAINS - 1), f"{agent.name} is up")

    def share(self, pair: Couple) -> None:
        """A fresh region for a pair, and its link on it."""
        one, other = pair
        own = self.folder / f"{one.name}-{other.name}"
        own.mkdir()
        linked = Two(own, one, other)
        linked.share_memory(REGION)
        self.regions[pair] = linked.region[0]


def states(agent: Agent) -> list[str]:
    return [link["state"] for link in agent.call("links")["links"]]


def mapped(agent: Agent) -> set[Path]:
    """The regions that an agent has in its memory."""
    lines = Path(f"/proc/{agent.process.pid}/maps").read_text().splitlines()
    return {Path(line.split()[-1]) for line in lines if "/region-" in line}


def descriptors(agent: Agent) -> int:
    return len(list(Path(f"/proc/{agent.process.pid}/fd").iterdir()))


@pytest.fixture
def crowd(folder: Path) -> Iterator[Crowd]:
    made = Crowd(folder)
    try:
        yield made
    finally:
        stop_all(made.agents)


def traffic(pairs: list[Couple]) -> list[Flow]:
    """A stream of each pair, both its directions busy."""
    ends = []
    for one, other in pairs:
        server = Server(other.run_dir, f"for-{one.name}")
        client = connect(one.run_dir / other.name / f"for-{one.name}")
        ends.append((client, server.accept()))
        server.close()
    return both_ways(ends)


def test_each_is_granted_to_each(crowd: Crowd) -> None:
    alone = [descriptors(agent) for agent in crowd.agents]
    crowd.connect()
    for pair in crowd.pairs:
        crowd.share(pair)
    assert len(crowd.regions) == 28
    for agent in crowd.agents:
        own = {crowd.regions[pair] for pair in crowd.pairs if agent in pair}
        assert mapped(agent) == own, "a region that is another pair's"

    quiet = [descriptors(agent) for agent in crowd.agents]
    flows = traffic(crowd.pairs)
    wait_until(lambda: all(flow.checked > ENOUGH for flow in flows), "all move", 120)
    for agent in crowd.agents:
        assert [stream["path"] for stream in agent.streams()] == ["shm"] * (DOMAINS - 1)
    finish_all(flows)
    wait_until(lambda: not any(a.streams() for a in crowd.agents), "all streams are closed")
    assert [descriptors(agent) for agent in crowd.agents] == quiet

    for agent, peer in itertools.permutations(crowd.agents, 2):
        agent.call("link.remove", peer=peer.name, policy="reset")
    wait_until(lambda: not any(mapped(a) for a in crowd.agents), "no region is left")
    wait_until(lambda: [descriptors(a) for a in crowd.agents] == alone, "no descriptor is left")
