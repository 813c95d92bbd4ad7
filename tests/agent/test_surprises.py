"""What nobody announces: every stream carries on complete, or ends at both ends; nothing hangs."""

from __future__ import annotations

import contextlib
import shutil
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from agents import Agent, Pair, Proxy, Refused, wait_until
from hand_made import (
    ACK,
    BY_TCP,
    DATA,
    EXPORT,
    KICK,
    OPEN,
    OPENED,
    OPENING,
    OPENING_LIFE,
    PREPARE,
    RESYNC,
    RST,
    STATE,
    Peer,
    serve,
)
from programs import await_motion, both_ways, connect, open_streams
from remapped import go_on, make_private, pull_device, stop

from harness import clock

UNSHARED = "one side has a private copy"


def await_path(pair: Pair, path: str) -> None:
    """Wait until both agents say so, and are at rest."""
    for agent in (pair.g1, pair.g2):
        wait_until(
            lambda a=agent: (a.link()["path"], a.link()["phase"]) == (path, "idle"),
            f"{agent.name}'s link is on {path}",
        )


@contextlib.contextmanager
def stopped(agent: Agent) -> Iterator[None]:
    """An agent that does nothing for a while; whatever happens, it goes on."""
    stop(agent)
    try:
        yield
    finally:
        go_on(agent)


def pass_time(seconds: float) -> None:
    """Let something last: what is tested is that nothing happens meanwhile."""
    over = clock.Deadline(seconds)
    clock.wait_until(lambda: over.expired, within=seconds + 10, what="time to pass", every=0.1)


# ---- a region that is not what it was ----


@pytest.mark.parametrize("surprise", [pull_device, make_private])
@pytest.mark.parametrize("which", ["g1", "g2"])
def test_a_view_that_turns_under_load(
    on_shm: Pair, surprise: Callable[[Agent, Path], None], which: str
) -> None:
    flows = both_ways(open_streams(on_shm, 8))
    await_motion(flows)
    surprise(getattr(on_shm, which), on_shm.region[0])
    await_path(on_shm, "tcp")
    await_motion(flows)
    on_shm.share_memory()
    await_motion(flows)
    for flow in flows:
        flow.finish()


@pytest.mark.parametrize("surprise", [pull_device, make_private])
@pytest.mark.parametrize("which", ["g1", "g2"])
def test_a_view_that_turns_while_nothing_moves(
    on_shm: Pair, surprise: Callable[[Agent, Path], None], which: str
) -> None:
    ends = open_streams(on_shm, 2)
    surprise(getattr(on_shm, which), on_shm.region[0])
    await_path(on_shm, "tcp")
    for client, server in ends:
        client.sendall(b"still here")
        assert server.recv(100) == b"still here"


def test_a_region_that_is_a_copy_from_the_start(pair: Pair) -> None:
    path, nonce = pair.make_region()
    copy = path.with_name("copy")
    shutil.copy(path, copy)
    pair.g1.call("region.attach", peer="g2", nonce=nonce, file=str(path))
    pair.g2.call("region.attach", peer="g1", nonce=nonce, file=str(copy))
    with pytest.raises(Refused, match=f"aborted.*{UNSHARED}"):
        pair.hand_over("shm")
    pair.share_memory()


def on_shm_with(unlinked: Pair) -> Peer:
    """A hand-made peer in the place of g2, on shared memory."""
    unlinked.g1.call("link.add", peer="g2", peer_id=4, address="127.0.0.1", port=1, key=Pair.KEY)
    path, nonce = unlinked.make_region()
    peer = Peer(unlinked.g1)
    peer.prove_itself()
    peer.send(RESYNC)
    peer.send(EXPORT, b"there")
    wait_until((unlinked.g1.run_dir / "g2" / "there").exists, "the export is known")
    unlinked.g1.call("region.attach", peer="g2", nonce=nonce, file=str(path))
    peer.hand_over_to_shm(nonce)
    return peer


def test_a_peer_whose_heartbeat_is_not_to_be_seen(unlinked: Pair) -> None:
    """Said by a hand-made peer, between two beats: the message alone gives it away."""
    peer = on_shm_with(unlinked)
    peer.send(KICK, epoch=1, offset=7)
    assert peer.wait_for(PREPARE)[:4] == bytes(4)  # to tcp
    assert UNSHARED in unlinked.g1.log.read_text()


def lost_and_met_again(peer: Peer, g1: Agent, *states: tuple[int, ...]) -> Peer:
    """g1 finds out that its region is a copy; what was said since comes to nothing: a new
    connection.
    """
    peer.send(KICK, epoch=1, offset=1 << 40)
    wait_until(lambda: UNSHARED in g1.log.read_text(), "it is noticed")
    peer.socket.close()
    again = Peer(g1)
    again.prove_itself()
    again.send(RESYNC, b"".join(STATE.pack(*state) for state in states), epoch=1)
    return again


def ring_of(opening: bytes) -> int:
    """The first ring's place in an OPEN or OPENED; 0: there is none."""
    return int(OPENING.unpack_from(opening)[4])


def test_an_offer_in_a_region_that_is_lost_is_not_said_again(unlinked: Pair) -> None:
    """Who opens said where the rings are, and the peer has not heard it. It may see the place
    still, with another stream's bytes.
    """
    peer = on_shm_with(unlinked)
    with connect(unlinked.g1.run_dir / "g2" / "there"):
        assert ring_of(peer.wait_for(OPEN))
        again = lost_and_met_again(peer, unlinked.g1)
        assert not ring_of(again.wait_for(OPEN))


def test_a_ring_in_a_region_that_is_lost_is_not_confirmed_again(unlinked: Pair) -> None:
    """Who opened has not heard where the rings are: all travels by tcp, from the first byte."""
    peer = on_shm_with(unlinked)
    server = serve(unlinked.g1)
    peer.send(OPEN, BY_TCP + b"sink", stream=3, epoch=1)
    assert ring_of(peer.wait_for(OPENED))
    with server.accept()[0] as program:
        program.sendall(b"words")
        again = lost_and_met_again(peer, unlinked.g1, (3, OPENING_LIFE, 0, 0))
        assert not ring_of(again.wait_for(OPENED))
        assert again.wait_for(DATA) == b"words"


# ---- a peer that stands still ----


def test_a_stopped_peer_is_not_harmed(on_shm: Pair) -> None:
    """It stands still for longer than its heartbeat may, and does not even lose the path."""
    flows = both_ways(open_streams(on_shm, 4))
    await_motion(flows)
    with stopped(on_shm.g2):
        pass_time(4)
    await_motion(flows)
    assert (on_shm.g1.link()["path"], on_shm.g1.link()["epoch"]) == ("shm", 1)
    assert not any(UNSHARED in agent.log.read_text() for agent in (on_shm.g1, on_shm.g2))
    for flow in flows:
        flow.finish()


def test_a_handover_with_a_stopped_peer(folder: Path) -> None:
    """It is given up, the connection too; when the peer goes on, everything does."""
    pair = Pair(folder)
    try:
        pair.connect()
        pair.share_memory()
        flows = both_ways(open_streams(pair, 4))
        await_motion(flows)
        with stopped(pair.g2):
            with pytest.raises(Refused, match=r"aborted.*deadline"):
                pair.hand_over("tcp", deadline_ms=300)
            wait_until(lambda: pair.g1.link()["state"] != "up", "the connection is given up")
        await_motion(flows)
        pair.hand_over("tcp")
        pair.share_memory()
        for flow in flows:
            flow.finish()
    finally:
        pair.stop()


# ---- agents that die ----


@pytest.mark.parametrize("which", ["g1", "g2"])
def test_an_agent_killed_under_load(somewhere: Pair, which: str) -> None:
    """Its streams end at both ends, and it is met anew."""
    flows = both_ways(open_streams(somewhere, 4))
    await_motion(flows)
    agent: Agent = getattr(somewhere, which)
    assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
    for flow in flows:
        flow.await_end()
    agent.start(f"127.0.0.1:{agent.port}")
    somewhere.connect()
    again = both_ways(open_streams(somewhere, 2))
    somewhere.share_memory()
    await_motion(again)
    for flow in again:
        flow.finish()


# ---- the way between them ----


def outage(pair: Pair, seconds: float) -> None:
    """Nothing passes for a while; then the link is as before, and every byte is there."""
    path = pair.g1.link()["path"]
    flows = both_ways(open_streams(pair, 4))
    await_motion(flows)
    pair.proxy.stall(True)
    pass_time(seconds)
    pair.proxy.stall(False)
    await_motion(flows)
    await_path(pair, path)
    for flow in flows:
        flow.finish()


def test_a_short_outage(somewhere: Pair) -> None:
    outage(somewhere, 2)


@pytest.mark.long
@pytest.mark.parametrize("path", ["tcp", "shm"])
def test_an_outage_of_forty_seconds(folder: Path, path: str) -> None:
    pair = Pair(folder)
    try:
        pair.connect()
        if path == "shm":
            pair.share_memory()
        outage(pair, 40)
    finally:
        pair.stop()


def test_the_peer_has_another_address(somewhere: Pair) -> None:
    """The network is renumbered: who dials is told where to, and the streams go on."""
    flows = both_ways(open_streams(somewhere, 4))
    await_motion(flows)
    elsewhere = Proxy(somewhere.g1.port)
    try:
        somewhere.proxy.stall(True)  # nobody answers at the old one
        where = {"address": "127.0.0.1", "port": elsewhere.port, "key": Pair.KEY}
        somewhere.g2.call("link.add", peer="g1", peer_id=3, **where)
        await_motion(flows)
        for flow in flows:
            flow.finish()
    finally:
        elsewhere.stop()


# ---- a peer that was put back ----


def test_a_peer_put_back_to_before_its_last_bytes(unlinked: Pair) -> None:
    """It has acknowledged bytes, and then knows nothing of them: nobody trims, the stream ends."""
    g1 = unlinked.g1
    g1.call("link.add", peer="g2", peer_id=4, address="127.0.0.1", port=1, key=Pair.KEY)
    server = serve(g1)
    peer = Peer(g1)
    peer.open_stream()
    program, _ = server.accept()
    program.settimeout(10)
    program.sendall(b"once")
    assert peer.wait_for(DATA) == b"once"
    peer.send(ACK, stream=3, offset=4)
    wait_until(lambda: g1.streams()[0]["acked"] == 4, "it is acknowledged")
    peer = Peer(g1)  # the same incarnation: it does not know that time has passed
    peer.prove_itself()
    peer.send(RESYNC, STATE.pack(3, 0, 0, 0))
    assert b"put back to an older state" in peer.wait_for(RST)
    assert program.recv(1) == b""
    server.close()
