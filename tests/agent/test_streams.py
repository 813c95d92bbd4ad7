"""Streams between two agents, without a change of path."""

from __future__ import annotations

import array
import os
import select
import signal
import socket
from pathlib import Path

import pytest
from agents import Pair, wait_until
from programs import Server, both_ways, connect, open_streams

from harness import clock


@pytest.fixture(params=["tcp", "shm"])
def linked(pair: Pair, request: pytest.FixtureRequest) -> Pair:
    if request.param == "shm":
        pair.attach(pair.make_region())
        pair.hand_over("shm")
    return pair


def test_echo(linked: Pair) -> None:
    ((client, server),) = open_streams(linked, 1)
    client.sendall(b"hello")
    assert server.recv(100) == b"hello"
    server.sendall(b"good day")
    assert client.recv(100) == b"good day"


def test_every_byte_arrives_both_ways(linked: Pair) -> None:
    flows = both_ways(open_streams(linked, 8))
    wait_until(lambda: all(flow.checked > 4 << 20 for flow in flows), "each flow moved 4 MiB")
    paths = {stream["path"] for stream in linked.g1.streams() + linked.g2.streams()}
    assert paths == {linked.g1.link()["path"]}
    for flow in flows:
        flow.finish()
    wait_until(lambda: not linked.g1.streams() + linked.g2.streams(), "all streams are closed")


def test_half_close(linked: Pair) -> None:
    ((client, server),) = open_streams(linked, 1)
    client.sendall(b"question")
    client.shutdown(socket.SHUT_WR)
    assert server.recv(100) == b"question"
    assert server.recv(100) == b""
    server.sendall(b"answer after the end")
    assert client.recv(100) == b"answer after the end"
    server.close()
    assert client.recv(100) == b""


def test_a_program_that_dies_resets_its_stream(linked: Pair) -> None:
    ((client, server),) = open_streams(linked, 1)
    server.sendall(b"never read")
    assert client.recv(1, socket.MSG_PEEK)
    client.close()
    with pytest.raises(OSError):
        while True:
            server.sendall(b"x" * 65536)
    assert "is reset" in linked.g1.log.read_text() + linked.g2.log.read_text()


def test_a_program_that_closes_is_not_written_to(linked: Pair) -> None:
    """As within a machine: the other one's next write fails, and nothing was lost."""
    ((client, server),) = open_streams(linked, 1)
    client.sendall(b"bye")
    client.close()
    poller = select.poll()
    poller.register(server, 0)
    assert poller.poll(20_000) == [(server.fileno(), select.POLLHUP)]
    with pytest.raises(BrokenPipeError):
        server.send(b"too late")
    assert server.recv(100) == b"bye"
    assert server.recv(100) == b""
    server.close()
    wait_until(lambda: not linked.g1.streams() + linked.g2.streams(), "the stream is closed")
    assert "is reset" not in linked.g1.log.read_text() + linked.g2.log.read_text()


def test_a_stalled_reader_holds_up_nobody(linked: Pair) -> None:
    stalled, lively = open_streams(linked, 2)
    stalled[0].settimeout(0.5)
    with pytest.raises(TimeoutError):
        while True:
            stalled[0].send(b"x" * 65536)
    (flow, back) = both_ways([lively])
    wait_until(lambda: flow.checked > 8 << 20, "the other stream moved 8 MiB")
    flow.finish()
    back.finish()


def test_both_write_and_nobody_reads(linked: Pair) -> None:
    ends = open_streams(linked, 2)
    for end in [end for both in ends for end in both]:
        end.settimeout(0.3)
        with pytest.raises(TimeoutError):
            while True:
                end.send(b"x" * 65536)
    for agent in (linked.g1, linked.g2):
        agent.call("ping")


def test_passing_descriptors_ends_the_stream_visibly(linked: Pair) -> None:
    ((client, server),) = open_streams(linked, 1)
    with Path(os.devnull).open() as null:
        rights = array.array("i", [null.fileno()])
        client.sendmsg([b"take this"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, rights)])
    assert server.recv(100) == b""
    log = linked.g1.log.read_text() + linked.g2.log.read_text()
    assert "file descriptors" in log


def test_a_server_that_has_gone_is_eof(linked: Pair) -> None:
    server = Server(linked.g1.run_dir, "short-lived")
    path = linked.g2.run_dir / "g1" / "short-lived"
    connect(path).close()
    server.socket.close()  # the path stays, nobody listens
    assert connect(path).recv(1) == b""


def test_exports_come_and_go_in_subfolders(linked: Pair) -> None:
    server = Server(linked.g2.run_dir, "a/b/c")
    path = linked.g1.run_dir / "g2" / "a" / "b" / "c"
    connect(path)
    assert "a/b/c" in linked.g1.call("exports")["remote"]["g2"]
    server.close()
    wait_until(lambda: not path.exists(), "the import vanishes")


def test_strange_names_and_types_are_not_exported(linked: Pair) -> None:
    folder = linked.g1.run_dir / "self"
    datagram = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
    datagram.bind(str(folder / "datagram"))
    Server(linked.g1.run_dir, "with space")
    Server(linked.g1.run_dir, "fine")
    connect(linked.g2.run_dir / "g1" / "fine")
    assert linked.g1.call("exports")["local"] == ["fine"]
    log = linked.g1.log.read_text()
    assert "datagram is not exported: it is not a stream socket" in log
    assert "with space is not exported" in log


def test_short_connections_one_after_another(linked: Pair) -> None:
    server = Server(linked.g1.run_dir, "short")
    path = linked.g2.run_dir / "g1" / "short"
    for number in range(100):
        client = connect(path)
        client.sendall(b"%d" % number)
        client.shutdown(socket.SHUT_WR)
        accepted = server.accept()
        assert accepted.recv(100) == b"%d" % number
        accepted.close()
        assert client.recv(1) == b""
        client.close()
    wait_until(lambda: not linked.g1.streams() + linked.g2.streams(), "all streams are closed")


def test_many_streams(linked: Pair) -> None:
    server = Server(linked.g1.run_dir, "many")
    path = linked.g2.run_dir / "g1" / "many"
    ends = []
    for _ in range(300):
        client = connect(path)
        ends.append((client, server.accept()))
    for number, (client, accepted) in enumerate(ends):
        client.sendall(b"%d" % number)
        accepted.sendall(b"%d" % -number)
    for number, (client, accepted) in enumerate(ends):
        assert accepted.recv(100) == b"%d" % number
        assert client.recv(100) == b"%d" % -number


def test_an_idle_link_costs_no_processor_time(linked: Pair) -> None:
    ends = open_streams(linked, 8)
    before = linked.g1.cpu_s() + linked.g2.cpu_s()
    measured = clock.Deadline(2)
    clock.wait_until(lambda: measured.expired, within=10, what="two idle seconds", every=0.5)
    assert linked.g1.cpu_s() + linked.g2.cpu_s() - before <= 0.02
    assert len(ends) == 8


def test_a_killed_peer_ends_the_streams(linked: Pair) -> None:
    ends = open_streams(linked, 2)
    linked.g2.stop(signal.SIGKILL)
    for client, server in ends:
        survivor = server if server.getsockname() == "" else client
        assert survivor is not None
    mine = [end for both in ends for end in both if str(linked.g1.run_dir) in _names(end)]
    assert mine
    for end in mine:
        assert end.recv(1) == b""


def _names(end: socket.socket) -> str:
    return f"{end.getsockname()}{end.getpeername()}"


def test_a_peer_that_starts_anew_ends_the_old_streams(linked: Pair) -> None:
    ends = open_streams(linked, 2)
    port = linked.g2.port
    linked.g2.stop(signal.SIGKILL)
    linked.g2.start(f"127.0.0.1:{port}")
    linked.g2.call(
        "link.add", peer="g1", peer_id=3, address="127.0.0.1", port=linked.proxy.port, key=Pair.KEY
    )
    wait_until(lambda: linked.g2.link()["state"] == "up", "the link is up again")
    wait_until(lambda: not linked.g1.streams(), "the old streams are gone")
    assert linked.g1.link()["path"] == "tcp"
    ((client, server),) = open_streams(linked, 1)
    client.sendall(b"new life")
    assert server.recv(100) == b"new life"
    assert len(ends) == 2
