"""Eight domains of one host, each granted to each: 28 links, each with a region of its own."""

from __future__ import annotations

import itertools
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import BUILD, Agent, Linked, stop_all, wait_until
from programs import Flow, Server, both_ways, connect

DOMAINS = 8
REGION = 4 << 20
ENOUGH = 1 << 20  # bytes in each direction of each stream

Two = tuple[Agent, Agent]


class Crowd:
    """The agents, linked, and the region of each pair."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.agents = [Agent(folder, f"g{n + 1}", 3 + n, "--grace", "3000") for n in range(DOMAINS)]
        self.pairs: list[Two] = list(itertools.combinations(self.agents, 2))
        self.regions: dict[Two, Path] = {}

    def connect(self) -> None:
        """Link each with each, and wait until all is up."""
        for one, other in itertools.permutations(self.agents, 2):
            where = {"address": "127.0.0.1", "port": other.port, "key": Linked.KEY}
            one.call("link.add", peer=other.name, peer_id=other.id, **where)
        for agent in self.agents:
            wait_until(lambda a=agent: states(a) == ["up"] * (DOMAINS - 1), f"{agent.name} is up")

    def share(self, pair: Two, generation: int) -> None:
        """A fresh region for a pair, and its link on it."""
        one, other = pair
        nonce = os.urandom(16).hex()
        path = self.folder / f"region-{one.name}-{other.name}"
        argv = [str(BUILD / "domsock"), "region", "create", str(path), "--size", str(REGION)]
        argv += ["--nonce", nonce, "--ids", f"{one.id},{other.id}"]
        argv += ["--generation", str(generation)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        for agent, peer in (pair, pair[::-1]):
            agent.call("region.attach", peer=peer.name, nonce=nonce, file=str(path))
        one.call("handover", peer=other.name, to="shm", deadline_ms=10000)
        self.regions[pair] = path


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


def traffic(pairs: list[Two]) -> list[Flow]:
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
    for generation, pair in enumerate(crowd.pairs, 1):
        crowd.share(pair, generation)
    assert len(crowd.regions) == 28
    for agent in crowd.agents:
        own = {crowd.regions[pair] for pair in crowd.pairs if agent in pair}
        assert mapped(agent) == own, "a region that is another pair's"

    quiet = [descriptors(agent) for agent in crowd.agents]
    flows = traffic(crowd.pairs)
    wait_until(lambda: all(flow.checked > ENOUGH for flow in flows), "all move", 120)
    for agent in crowd.agents:
        assert [stream["path"] for stream in agent.streams()] == ["shm"] * (DOMAINS - 1)
    for flow in flows:
        flow.finish()
    wait_until(lambda: not any(a.streams() for a in crowd.agents), "all streams are closed")
    assert [descriptors(agent) for agent in crowd.agents] == quiet

    for agent, peer in itertools.permutations(crowd.agents, 2):
        agent.call("link.remove", peer=peer.name, policy="reset")
    wait_until(lambda: not any(mapped(a) for a in crowd.agents), "no region is left")
    wait_until(lambda: [descriptors(a) for a in crowd.agents] == alone, "no descriptor is left")
