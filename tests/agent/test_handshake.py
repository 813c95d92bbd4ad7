"""Who may become a link's connection: nobody who only listens, repeats, reflects or alters."""

from __future__ import annotations

import pytest
from agents import Agent, Pair
from hand_made import AUTH, RESYNC, VERSION, Peer, proof


@pytest.fixture
def g1(unlinked: Pair) -> Agent:
    unlinked.g1.call("link.add", peer="g2", peer_id=4, address="127.0.0.1", port=1, key=Pair.KEY)
    return unlinked.g1


def is_refused(peer: Peer, agent: Agent) -> bool:
    """Whether the agent hung up, and its link has no connection."""
    return peer.is_hung_up_on() and agent.link()["state"] != "up"


def test_the_right_proof(g1: Agent) -> None:
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    assert g1.call("ping")["ok"]


def test_a_proof_that_is_replayed(g1: Agent) -> None:
    """The whole of a conversation that once was good: the challenge is another one now."""
    heard = Peer(g1)
    mine = heard.hello()
    said = proof(mine, heard.say_hello(mine))
    heard.send(AUTH, said)
    heard.wait_for(RESYNC)
    heard.socket.close()
    peer = Peer(g1)
    peer.say_hello(mine)
    peer.send(AUTH, said)
    assert is_refused(peer, g1)


def test_a_proof_that_is_reflected(g1: Agent) -> None:
    """The agent's own code, sent back to it."""
    peer = Peer(g1)
    peer.say_hello(peer.hello())
    peer.send(AUTH, peer.wait_for(AUTH))
    assert is_refused(peer, g1)


def test_a_hello_that_was_altered_on_the_way(g1: Agent) -> None:
    """The codes are about all that both sides have said: a man in the middle changes none of it."""
    peer = Peer(g1)
    mine = peer.hello()
    theirs = peer.say_hello(mine)
    peer.send(AUTH, proof(mine[:-1] + b"x", theirs))
    assert is_refused(peer, g1)


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1])
def test_another_version(g1: Agent, version: int) -> None:
    """There is nothing older to be talked down to."""
    peer = Peer(g1)
    peer.send(1, peer.hello(version=version))
    assert is_refused(peer, g1)
    assert "speaks no version" in g1.log.read_text()


def test_a_domain_that_has_no_link(g1: Agent) -> None:
    peer = Peer(g1)
    peer.send(1, peer.hello(peer_id=9))
    assert is_refused(peer, g1)
