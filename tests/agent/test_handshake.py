"""Who may become a link's connection: nobody who only listens, repeats, reflects or alters."""

from __future__ import annotations

import contextlib

import pytest
from agents import Agent, Pair
from hand_made import AUTH, EPHEMERAL, HEADER, HELLO, HELLO_TYPE, RESYNC, VERSION, Peer

ANOTHER_KEY = "cd" * 32
PAYLOAD_MAX = 65536
LENGTH_BITS = range(8 * 4, 8 * 8)  # of a message
X25519_ZERO = bytes(32)  # times anything it is zero: whoever took it would have a known secret


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


def test_a_conversation_that_is_replayed(g1: Agent) -> None:
    """All that once was good, record by record: the agent's X25519 key is another one now."""
    heard = Peer(g1)
    heard.seal(heard.say_hello(heard.hello()))
    said = heard.sealed[0].close(heard.message(AUTH)) if heard.sealed else b""
    heard.socket.sendall(said)
    heard.wait_for(RESYNC)
    heard.socket.close()
    peer = Peer(g1)
    peer.secret = heard.secret
    peer.say_hello(peer.hello())
    peer.socket.sendall(said)
    assert is_refused(peer, g1)


def test_a_proof_that_is_reflected(g1: Agent) -> None:
    """The agent's own first record, sent back to it."""
    peer = Peer(g1)
    peer.say_hello(peer.hello())
    peer.socket.sendall(peer.receive_record())
    assert is_refused(peer, g1)


def test_a_hello_that_is_reflected(g1: Agent) -> None:
    peer = Peer(g1)
    theirs = peer.say_hello(peer.hello())
    mirror = Peer(g1)
    mirror.socket.sendall(theirs)
    assert is_refused(mirror, g1)


def test_another_key_under_the_right_ones_name(g1: Agent) -> None:
    peer = Peer(g1)
    peer.seal(peer.say_hello(peer.hello()), key=ANOTHER_KEY)
    peer.send(AUTH)
    assert is_refused(peer, g1)
    assert "a record does not open" in g1.log.read_text()


def test_a_key_that_the_agent_does_not_know(g1: Agent) -> None:
    peer = Peer(g1)
    peer.send(HELLO_TYPE, peer.hello(key=ANOTHER_KEY))
    assert is_refused(peer, g1)
    assert "does not know the link's key" in g1.log.read_text()


def test_an_x25519_key_that_makes_the_secret_known(g1: Agent) -> None:
    peer = Peer(g1)
    mine = bytearray(peer.hello())
    mine[EPHEMERAL] = X25519_ZERO
    peer.send(HELLO_TYPE, bytes(mine))
    assert is_refused(peer, g1)
    assert "no X25519 key" in g1.log.read_text()


@pytest.mark.parametrize("whose", ["the peer's", "the agent's"])
def test_no_bit_of_a_hello_may_be_altered_on_the_way(g1: Agent, whose: str) -> None:
    """Each one is told to one side as it is, and to the other one with a bit turned round."""
    for bit in range(8 * (HEADER.size + HELLO.size)):
        peer = Peer(g1)
        said = peer.message(HELLO_TYPE, peer.hello())
        more = bytes(PAYLOAD_MAX if bit in LENGTH_BITS else 0)  # it would be waited for
        with contextlib.suppress(ConnectionError):  # where it is not even answered
            peer.socket.sendall((flipped(said, bit) if whose == "the peer's" else said) + more)
            theirs = peer.receive_hello()
            peer.seal(theirs if whose == "the peer's" else flipped(theirs, bit), said)
            peer.send(AUTH)
        assert is_refused(peer, g1), f"bit {bit}"


def flipped(data: bytes, bit: int) -> bytes:
    """The same with one bit turned round."""
    return (int.from_bytes(data, "little") ^ 1 << bit).to_bytes(len(data), "little")


@pytest.mark.parametrize("version", [0, VERSION - 1, VERSION + 1])
def test_another_version(g1: Agent, version: int) -> None:
    """There is nothing older to be talked down to."""
    peer = Peer(g1)
    peer.send(HELLO_TYPE, peer.hello(version=version))
    assert is_refused(peer, g1)
    assert "speaks no version" in g1.log.read_text()


def test_a_domain_that_has_no_link(g1: Agent) -> None:
    peer = Peer(g1)
    peer.send(HELLO_TYPE, peer.hello(peer_id=9))
    assert is_refused(peer, g1)
