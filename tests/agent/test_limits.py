"""What an agent does when something runs out, or when a peer owes it an answer."""

from __future__ import annotations

import contextlib
import itertools
import os
import resource
import shutil
import signal
import socket
import struct
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
from agents import Agent, Pair, Refused, stop_all, wait_until
from hand_made import (
    ACK,
    ACK_FIN,
    BY_TCP,
    DRAINED,
    EXPORT,
    FENCE,
    FIN,
    HEADER,
    HELLO,
    KICK,
    MARK,
    OPEN,
    PREPARE,
    PREPARED,
    RESYNC,
    RST,
    SLOT,
    Peer,
    serve,
)
from programs import Server, both_ways, connect, open_streams
from users import AGENT_UID, as_user

from harness import clock

MANY = resource.getrlimit(resource.RLIMIT_NOFILE)[1]


@pytest.fixture
def g1(unlinked: Pair) -> Agent:
    unlinked.g1.call("link.add", peer="g2", peer_id=4, address="127.0.0.1", port=1, key=Pair.KEY)
    return unlinked.g1


def leave_descriptors(agent: Agent, count: int) -> None:
    """Let the agent open only so many more files."""
    used = {int(file.name) for file in Path(f"/proc/{agent.process.pid}/fd").iterdir()}
    free = (number for number in itertools.count() if number not in used)
    limit = next(itertools.islice(free, count, None))

    def set_limit() -> int:
        resource.prlimit(agent.process.pid, resource.RLIMIT_NOFILE, (limit, MANY))
        return 0

    if os.geteuid() == 0:  # not even root may, unless it may do everything
        assert as_user(AGENT_UID, set_limit) == 0
    else:
        set_limit()


@pytest.fixture
def crowd() -> Iterator[list[socket.socket]]:
    callers: list[socket.socket] = []
    yield callers
    for caller in callers:
        caller.close()


def test_callers_without_a_descriptor_for_them_cost_no_processor_time(
    g1: Agent, crowd: list[socket.socket]
) -> None:
    leave_descriptors(g1, 3)
    for _ in range(8):
        crowd.append(socket.socket(socket.AF_UNIX))
        crowd[-1].connect(str(g1.run_dir / "agent.sock"))
        crowd.append(socket.create_connection(("127.0.0.1", g1.port)))
    assert g1.call("ping")["ok"]
    before = g1.cpu_s()
    measured = clock.Deadline(0.5)
    clock.wait_until(lambda: measured.expired, within=5, what="half a second to pass", every=0.1)
    assert g1.cpu_s() - before < 0.1


def test_exports_do_not_vanish_for_want_of_a_descriptor(g1: Agent) -> None:
    servers = [Server(g1.run_dir, name) for name in ("one", "two")]
    wait_until(lambda: len(g1.call("exports")["local"]) == 2, "the exports are known")
    leave_descriptors(g1, 0)
    servers[0].close()  # an event: the folder is looked at, but cannot be read
    watched = clock.Deadline(0.1)
    while not watched.expired:
        assert "two" in g1.call("exports")["local"]
    leave_descriptors(g1, 10)
    wait_until(lambda: g1.call("exports")["local"] == ["two"], "it is looked at again")


def test_a_name_that_could_not_be_exported_gets_another_chance(g1: Agent) -> None:
    path = g1.run_dir / "self" / "name"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as first:
        first.bind(str(path))
        wait_until(lambda: "not a stream socket" in g1.log.read_text(), "it is refused")
    with socket.socket(socket.AF_UNIX) as second:
        second.bind(str(path.with_name("aside")))
        path.with_name("aside").rename(path)
        wait_until(lambda: "name" in g1.call("exports")["local"], "it is exported")


def test_a_long_path_in_letters_of_two_bytes_is_answered(g1: Agent) -> None:
    with pytest.raises(Refused) as refusal:
        path = "/" + "ü" * 100
        g1.call("region.attach", peer="g2", nonce="00" * 16, file=path, deadline_ms=0)
    assert refusal.value.code == "no-region"


def test_exports_whose_names_differ_in_a_tilde(pair: Pair) -> None:
    folder = pair.g2.run_dir / "g1"
    servers = {}
    for name in ("name~", "name"):
        servers[name] = Server(pair.g1.run_dir, name)
        wait_until((folder / name).exists, f"{name} appears")
    for name, server in servers.items():
        with connect(folder / name) as client:
            client.sendall(name.encode())
            assert server.accept().recv(100) == name.encode()


def test_a_region_file_that_is_cut_short(pair: Pair) -> None:
    pair.region = pair.make_region()
    pair.attach(pair.region)
    pair.hand_over("shm")
    flows = both_ways(open_streams(pair, 4))
    wait_until(lambda: all(flow.checked > 1 << 20 for flow in flows), "all flows move")
    os.truncate(pair.region[0], 64 << 10)
    wait_until(lambda: pair.g1.link()["path"] == "tcp", "the link goes on by tcp")
    for flow in flows:
        flow.finish()


def test_the_last_stream_that_fits_makes_room_for_the_next(g1: Agent) -> None:
    """Connections that wait for a place get it as soon as there is one."""
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    peer.send(EXPORT, b"there")
    server = serve(g1)
    for number in range(1024):
        peer.send(OPEN, BY_TCP + b"sink", stream=2 * number + 3)
    wait_until(lambda: g1.link()["streams"] == 1024, "as many as may be")
    waiting = connect(g1.run_dir / "g2" / "there")
    program, _ = server.accept()
    program.shutdown(socket.SHUT_WR)
    peer.wait_for(FIN)
    peer.send(FIN, stream=3)
    assert program.recv(1) == b""
    peer.wait_for(ACK)
    peer.send(ACK, stream=3, flags=ACK_FIN)
    assert peer.wait_for(OPEN)[len(BY_TCP) :] == b"there"
    waiting.close()
    server.close()


def test_the_exports_folder_comes_back(g1: Agent) -> None:
    server = Server(g1.run_dir, "deep/one")
    wait_until(lambda: g1.call("exports")["local"] == ["deep/one"], "it is exported")
    shutil.rmtree(g1.run_dir / "self")
    server.socket.close()
    wait_until((g1.run_dir / "self").exists, "the folder is there again")
    Server(g1.run_dir, "two")
    wait_until(lambda: g1.call("exports")["local"] == ["two"], "it is exported")


def test_nothing_of_a_killed_agents_imports_stays(pair: Pair) -> None:
    server = Server(pair.g1.run_dir, "deep/one")
    imported = pair.g2.run_dir / "g1" / "deep" / "one"
    wait_until(imported.exists, "it appears")
    assert pair.g2.stop(signal.SIGKILL) == -signal.SIGKILL
    server.close()
    assert imported.exists()
    pair.g2.start("127.0.0.1:0")
    pair.add_links()
    assert not imported.exists()


# ---- answers that do not come ----


def prepared_to_shm(pair: Pair, peer: Peer) -> Path:
    """Bring the hand-made peer's handover to where only it can end it."""
    path, nonce = pair.make_region()
    pair.g1.call("region.attach", peer="g2", nonce=nonce, file=str(path))
    peer.send(PREPARE, struct.pack("<II", 1, 300) + bytes.fromhex(nonce))
    peer.wait_for(PREPARED)
    peer.send(FENCE)
    peer.wait_for(DRAINED)
    return path


def test_who_joins_a_handover_that_never_ends_is_answered(unlinked: Pair, g1: Agent) -> None:
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    prepared_to_shm(unlinked, peer)
    with pytest.raises(Refused, match="aborted"):
        g1.call("handover", peer="g2", to="shm", deadline_ms=200)


def test_a_commit_that_never_comes_ends_the_connection(unlinked: Pair, g1: Agent) -> None:
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    prepared_to_shm(unlinked, peer)
    assert peer.is_hung_up_on()
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)  # the same epoch: it was not committed
    wait_until(lambda: g1.link()["phase"] == "idle", "it is settled")
    assert g1.link()["path"] == "tcp"


def incarnation(agent: Agent) -> int:
    """Of the link, as it is told to whoever calls."""
    peer = Peer(agent)
    said = peer.say_hello(peer.hello())
    peer.socket.close()
    return int(HELLO.unpack(said[HEADER.size :])[5])


def test_a_peer_put_back_to_an_older_epoch_is_met_anew(unlinked: Pair, g1: Agent) -> None:
    server = serve(g1)
    peer = Peer(g1)
    peer.open_stream()
    peer.socket.close()
    before = incarnation(g1)
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC, epoch=7)
    assert peer.is_hung_up_on()
    assert g1.streams() == []
    assert incarnation(g1) != before, "the peer has to hear that everything is over"
    peer = Peer(g1)
    peer.prove_itself()
    peer.send(RESYNC)
    wait_until(lambda: g1.link()["state"] == "up", "the link is up again")
    server.close()


def test_bytes_in_the_ring_behind_the_end(unlinked: Pair, g1: Agent) -> None:
    server = serve(g1)
    peer = Peer(g1)
    peer.open_stream()
    program, _ = server.accept()
    path, nonce = unlinked.make_region()
    g1.call("region.attach", peer="g2", nonce=nonce, file=str(path))
    _, _, _, ring = SLOT.unpack(peer.hand_over_to_shm(nonce, MARK.pack(3, 0, 0)))
    peer.send(FIN, stream=3, offset=2)
    wait_until(lambda: g1.streams()[0]["fin_received"], "the end is known")
    with path.open("r+b") as file:
        file.seek(ring)
        file.write(struct.pack("<Q", 5))
    peer.send(KICK)
    assert b"after the end" in peer.wait_for(RST)
    program.close()
    server.close()


def test_called_by_the_peer_while_dialling_it(folder: Path) -> None:
    """Two connections to the same peer come up at once: one stays, and nothing else remains."""
    busy = socket.socket()
    busy.bind(("127.0.0.1", 0))
    busy.listen(0)
    where = busy.getsockname()
    fillers = [socket.socket() for _ in range(4)]
    for filler in fillers:
        filler.setblocking(False)
        filler.connect_ex(where)
    agent = Agent(folder, "g3", 5)
    agent.call("link.add", peer="g2", peer_id=4, address=where[0], port=where[1], key=Pair.KEY)
    caller = Peer(agent, to=5)
    caller.prove_itself()
    caller.send(RESYNC)
    wait_until(lambda: agent.link()["state"] == "up", "the caller has come through")
    busy.setblocking(True)
    busy.settimeout(1.5)  # the kernel tries again after a second
    accepted = []
    try:
        while True:  # now its own attempts come through, too
            accepted.append(busy.accept()[0])
    except TimeoutError:
        pass
    caller.socket.close()
    wait_until(lambda: agent.link()["state"] != "up", "the end is noticed")
    assert agent.call("ping")["ok"]
    for end in (busy, *fillers, *accepted):
        end.close()
    assert agent.stop() == 0


def fill(end: socket.socket) -> None:
    """Write until nothing more is taken for now."""
    end.setblocking(False)
    with contextlib.suppress(BlockingIOError):
        while True:
            end.send(bytes(65536))


@pytest.mark.parametrize("path", ["tcp", "shm"])
def test_what_a_link_holds_unacknowledged_is_bounded(pair: Pair, path: str) -> None:
    """By the sum of its windows, which is 8 MiB at most; streams beyond it get small ones."""
    if path == "shm":
        pair.attach(pair.make_region())
        pair.hand_over("shm")
    server = Server(pair.g1.run_dir, "deaf")
    ends = []
    for _ in range(100):
        client = connect(pair.g2.run_dir / "g1" / "deaf")
        ends.append((client, server.accept()))
    streams = wait_until(lambda: full_windows(pair.g2, ends), "the windows are full")
    assert sum(stream["ring_bytes"] for stream in streams) <= 8 << 20
    assert {4096, 262144} <= {stream["ring_bytes"] for stream in streams}


def test_the_links_of_a_guest_share_eight_mebibytes(pair: Pair, folder: Path) -> None:
    """One has taken nearly all, so the other one's streams get small windows."""
    g3 = Agent(folder, "g3", 5)
    try:
        for agent, peer in ((pair.g1, g3), (g3, pair.g1)):
            where = {"address": "127.0.0.1", "port": peer.port, "key": Pair.KEY}
            agent.call("link.add", peer=peer.name, peer_id=peer.id, **where)
        wait_until(lambda: g3.link()["state"] == "up", "g3's link is up")
        server = Server(pair.g1.run_dir, "deaf")
        ends = []
        for agent in [pair.g2] * 72 + [g3] * 8:
            client = connect(agent.run_dir / "g1" / "deaf")
            ends.append((client, server.accept()))
        windows = [stream["ring_bytes"] for stream in pair.g1.streams()]
        large = [window for window in windows if window > 4096]  # so much everybody is given
        assert len(windows) == 80 > len(large)
        assert 7 << 20 < 2 * sum(large) <= 8 << 20
    finally:
        stop_all([g3])


def full_windows(agent: Agent, ends: Sequence[tuple[socket.socket, ...]]) -> list[dict[str, Any]]:
    """The agent's streams, once none of them may send more; else nothing."""
    for client, *_ in ends:
        fill(client)
    streams = agent.streams()
    full = all(stream["sent"] - stream["acked"] == stream["ring_bytes"] for stream in streams)
    return streams if full else []
