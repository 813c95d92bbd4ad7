"""Peers that do not play by the rules: through the region, and through the connection."""

from __future__ import annotations

import contextlib
import itertools
import mmap
import random
import socket
import struct
from pathlib import Path

import pytest
from agents import Agent, Pair, wait_until
from hand_made import (
    BY_TCP,
    CLOSED,
    DATA,
    EXPORT,
    HELLO_TYPE,
    KICK,
    MARK,
    OPEN,
    RESYNC,
    RST,
    SLOT,
    STATE,
    WINDOW,
    Peer,
    serve,
)
from programs import both_ways, hang_up, open_streams
from shimmed import program


def map_region(path: Path) -> mmap.mmap:
    with path.open("r+b") as file:
        return mmap.mmap(file.fileno(), 0)


def test_a_region_that_vanishes_under_the_streams(on_shm: Pair) -> None:
    ((client, server),) = open_streams(on_shm, 1)
    region = map_region(on_shm.region[0])
    region[24:40] = bytes(16)  # the nonce
    client.sendall(b"not into the void")
    assert server.recv(100) == b"not into the void"
    for agent in (on_shm.g1, on_shm.g2):
        wait_until(lambda a=agent: a.link()["path"] == "tcp", "the link goes on by tcp")
        assert "the region has vanished" in agent.log.read_text()


def test_a_region_that_vanishes_under_load(on_shm: Pair) -> None:
    flows = both_ways(open_streams(on_shm, 8))
    wait_until(lambda: all(flow.checked > 1 << 20 for flow in flows), "all flows move")
    region = map_region(on_shm.region[0])
    # What an unplugged device reads. That is all at once; memcpy may begin at the end.
    region[:4096] = bytes(4096)
    region[4096:] = bytes(len(region) - 4096)
    wait_until(lambda: on_shm.g1.link()["path"] == "tcp", "the link goes on by tcp")
    for flow in flows:
        flow.finish()


def test_scribbling_all_over_the_region(on_shm: Pair) -> None:
    ends = open_streams(on_shm, 8)
    flows = both_ways(ends)
    wait_until(lambda: all(flow.checked for flow in flows), "all flows move")
    region = map_region(on_shm.region[0])
    noise = random.Random(1)
    for _ in range(200):
        at = noise.randrange(8192, len(region) - 8)
        at -= at % 8192 if noise.random() < 0.7 else 0
        region[at : at + 8] = noise.randbytes(8)
    for end in itertools.chain(*ends):
        hang_up(end)
    for agent in (on_shm.g1, on_shm.g2):
        wait_until(lambda a=agent: not a.streams(), "the streams end")
    ((client, server),) = open_streams(on_shm, 1)
    client.sendall(b"life goes on")
    assert server.recv(100) == b"life goes on"


# ---- through the connection ----


@pytest.fixture
def g1(unlinked: Pair) -> Agent:
    unlinked.g1.call("link.add", peer="g2", peer_id=4, address="127.0.0.1", port=1, key=Pair.KEY)
    return unlinked.g1


def test_noise_before_the_proof(g1: Agent) -> None:
    noise = random.Random(2)
    for _ in range(50):
        peer = Peer(g1)
        peer.socket.sendall(noise.randbytes(noise.randrange(1, 5000)) + bytes(30))
        assert peer.is_hung_up_on()
    assert g1.call("ping")["ok"]


@pytest.mark.parametrize("kind", range(0, 64))
def test_every_type_before_the_proof(g1: Agent, kind: int) -> None:
    if kind == HELLO_TYPE:
        return
    peer = Peer(g1)
    peer.send(kind, bytes(88))
    assert peer.is_hung_up_on()


def test_silent_callers_do_not_keep_others_out(g1: Agent) -> None:
    crowd = [Peer(g1) for _ in range(40)]
    assert any(peer.is_hung_up_on() for peer in crowd[20:])
    wait_until(lambda: g1.log.read_text().count("in time") >= 16, "the silent are sent away")
    Peer(g1).prove_itself()


def test_messages_of_every_type_with_noise(g1: Agent) -> None:
    noise = random.Random(3)
    for turn in range(300):
        peer = Peer(g1, incarnation=turn + 1)
        peer.prove_itself()
        peer.send(RESYNC)
        try:
            for _ in range(noise.randrange(1, 10)):
                size = noise.choice((0, 1, 16, 24, 40, 96, 100, 1000))
                offset = noise.choice((0, 1, 2**32, 2**64 - 1))
                peer.send(noise.randrange(0, 48), noise.randbytes(size), noise.randrange(9), offset)
        except OSError:
            pass
        peer.socket.close()
    assert g1.call("ping")["ok"]


@pytest.mark.parametrize("step", [-1, 1, 2**63])
def test_a_message_that_is_not_the_next(g1: Agent, step: int) -> None:
    """It came twice, or one before it is lost."""
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    peer.send(KICK)
    peer.number += step
    peer.send(KICK)
    assert peer.is_hung_up_on()


@pytest.mark.parametrize(
    "name", [b"../../etc/x", b"/abs", b"a/../../b", b"", b"a" * 91, b"a\0b", b"with space"]
)
def test_exports_with_names_that_cannot_be(g1: Agent, name: bytes) -> None:
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    peer.send(EXPORT, name)
    peer.send(EXPORT, b"fine")
    wait_until(lambda: g1.call("exports")["remote"]["g2"] == ["fine"], "only the good one is there")
    assert not list(g1.run_dir.parent.glob("etc"))


def test_a_stream_that_is_no_more_is_told_of(g1: Agent) -> None:
    """It ended between the agent's RESYNC, which had still listed it, and the peer's."""
    opening, ended = STATE.pack(4, 1, 0, 0), STATE.pack(6, 0, 9, 9)
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC, opening + ended)
    peer.wait_for(CLOSED)
    assert peer.stream == 6


def test_too_many_exports(g1: Agent) -> None:
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    for number in range(1000):
        peer.send(EXPORT, b"export%d" % number)
    peer.send(EXPORT, b"last")
    peer.send(5, b"export0")
    wait_until(lambda: "export0" not in g1.call("exports")["remote"]["g2"], "all is dealt with")
    assert len(g1.call("exports")["remote"]["g2"]) == 255


def test_too_many_streams_and_too_much_data(g1: Agent) -> None:
    server = serve(g1)
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    for number in range(1100):
        peer.send(OPEN, BY_TCP + b"sink", stream=2 * number + 3)
    wait_until(lambda: g1.link()["streams"] == 1024, "as many as may be")
    for offset in range(0, 1 << 20, 65536):
        peer.send(DATA, bytes(65536), stream=3, offset=offset)
    wait_until(lambda: all(s["id"] != 3 for s in g1.streams()), "the greedy stream is reset")
    status = Path(f"/proc/{g1.process.pid}/status").read_text()
    resident_kib = int(status.split("VmRSS:")[1].split()[0])
    assert resident_kib < 64 << 10
    server.close()


def stream_on_shm(pair: Pair) -> tuple[Peer, mmap.mmap, tuple[int, int], socket.socket]:
    """A hand-made peer with one stream whose rings it holds the other ends of."""
    path, nonce = pair.make_region()
    server = serve(pair.g1)
    peer = Peer(pair.g1)
    peer.open_stream()
    program, _ = server.accept()
    program.settimeout(10)
    pair.g1.call("region.attach", peer="g2", nonce=nonce, file=str(path))
    _, size, to_me, from_me = SLOT.unpack(peer.hand_over_to_shm(nonce, MARK.pack(3, 0, 0)))
    assert size == WINDOW
    return peer, map_region(path), (to_me, from_me), program


def test_a_ring_that_plays_by_the_rules(unlinked: Pair, g1: Agent) -> None:
    peer, region, (to_me, from_me), program = stream_on_shm(unlinked)
    region[from_me + 4096 : from_me + 4101] = b"hello"
    region[from_me : from_me + 8] = struct.pack("<Q", 5)
    peer.send(KICK)
    assert program.recv(10) == b"hello"
    program.sendall(b"answer")
    wait_until(lambda: region[to_me : to_me + 8] == struct.pack("<Q", 6), "it is published")
    assert region[to_me + 4096 : to_me + 4102] == b"answer"


@pytest.mark.parametrize("value", [WINDOW + 1, 2**63, 2**64 - 1])
def test_an_impossible_producer_index(unlinked: Pair, g1: Agent, value: int) -> None:
    peer, region, (_, from_me), program = stream_on_shm(unlinked)
    region[from_me : from_me + 8] = struct.pack("<Q", value)
    peer.send(KICK)
    assert peer.wait_for(RST) == b"the peer's producer index is impossible"
    assert program.recv(10) == b""


def test_a_producer_index_that_goes_back(unlinked: Pair, g1: Agent) -> None:
    peer, region, (_, from_me), program = stream_on_shm(unlinked)
    region[from_me : from_me + 8] = struct.pack("<Q", 100)
    peer.send(KICK)
    assert program.recv(100) == bytes(100)
    region[from_me : from_me + 8] = struct.pack("<Q", 99)
    peer.send(KICK)
    assert peer.wait_for(RST) == b"the peer's producer index is impossible"


@pytest.mark.parametrize("value", [7, 2**63, 2**64 - 1])
def test_an_impossible_consumer_index(unlinked: Pair, g1: Agent, value: int) -> None:
    peer, region, (to_me, _), program = stream_on_shm(unlinked)
    program.sendall(b"answer")
    wait_until(lambda: region[to_me : to_me + 8] == struct.pack("<Q", 6), "it is published")
    region[to_me + 128 : to_me + 136] = struct.pack("<Q", value)
    peer.send(KICK)
    assert peer.wait_for(RST) == b"the peer's consumer index is impossible"
    assert program.recv(10) == b""


def test_a_program_says_anything_to_the_agent_behind_the_shim(pair: Pair) -> None:
    """Requests that are almost right, with every kind of descriptor, and hanging up at any time."""
    pick = random.Random(5)
    numbers = (0, 1, 2, 3, 4, 80, 1023, 5000, 0x7FFFFFFF, 0xFFFFFFFF)
    kept: list[socket.socket] = []
    for _ in range(3000):
        words = [pick.choice(numbers) for _ in range(6)]
        request = struct.pack("<6I2Q", pick.randrange(6), *words[:5], words[5] << 32, words[5])
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(str(pair.g1.run_dir / "shim.sock"))
            kind = pick.choice((socket.SOCK_STREAM, socket.SOCK_SEQPACKET, socket.SOCK_DGRAM, 0))
            ends = socket.socketpair(socket.AF_UNIX, kind) if kind else ()
            fds = [ends[0].fileno()] if ends else [asking.fileno()] if pick.random() < 0.1 else []
            cut = request if pick.random() < 0.8 else request[: pick.randrange(1, 40)]
            socket.send_fds(asking, [cut], fds)
            for end in ends:
                end.setblocking(False)
                with contextlib.suppress(OSError):
                    end.send(pick.randbytes(pick.randrange(30)))
            kept += ends
            while len(kept) > pick.randrange(60):
                kept.pop(pick.randrange(len(kept))).close()
    for end in kept:
        end.close()
    assert pair.g1.call("ping")["ok"]
    wait_until(lambda: not pair.g1.call("exports")["ports"], "what was bound is free again")
    wait_until(lambda: not pair.g1.streams(), "no stream is left")


def test_descriptors_beside_a_question_are_closed(pair: Pair) -> None:
    def ask() -> int:
        """How many the agent has while it answers."""
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(str(pair.g1.run_dir / "shim.sock"))
            socket.send_fds(asking, [struct.pack("<6I2Q", 1, *[0] * 7)], [0, 0])
            assert asking.recv(100)
            return len(list(Path(f"/proc/{pair.g1.process.pid}/fd").iterdir()))

    ask()
    before = ask()
    assert max(ask() for _ in range(30)) <= before + 1  # the last question's connection, perhaps


def test_nobody_calls_from_a_port_that_is_not_his(pair: Pair) -> None:
    """A server may trust ports below 1024: only root's programs can bind those."""
    with program(pair.g2, "s = listener(5000); say('listening'); say(s.accept()[1][1])") as server:
        assert server.line() == "listening"
        ends = socket.socketpair()
        with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
            asking.connect(str(pair.g1.run_dir / "shim.sock"))
            request = struct.pack("<6I2Q", 3, 4, 5000, 80, 0, 0, 0, 0)
            socket.send_fds(asking, [request], [ends[1].fileno()])
            assert struct.unpack_from("<i", asking.recv(100)) == (0,)
        assert int(server.line()) >= 1024
        for end in ends:
            end.close()
