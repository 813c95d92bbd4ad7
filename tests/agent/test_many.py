"""Many streams, many connections, and programs that do not read."""

from __future__ import annotations

import os
import selectors
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import Agent, Pair, wait_until
from programs import Server, both_ways, connect, open_streams

STREAMS = 1000
IN_MEMORY = 256  # with the default region
DEFAULT_REGION = 32 << 20
STORM = 10_000
WARM_UP = 2_000
WARM_UP_HANDOVERS = 20
ROOM_KIB = 4096  # heaps differ by what was open at once; a leak of 0.5 KiB each would be more
AT_ONCE = 50


@pytest.fixture
def on_shm(pair: Pair) -> Pair:
    pair.share_memory(DEFAULT_REGION)
    return pair


@pytest.fixture
def crowd() -> Iterator[list[tuple[socket.socket, socket.socket]]]:
    ends: list[tuple[socket.socket, socket.socket]] = []
    yield ends
    for end in [end for both in ends for end in both]:
        end.close()


def everybody_talks(ends: list[tuple[socket.socket, socket.socket]], word: bytes) -> None:
    """Every stream carries something both ways."""
    for number, (client, server) in enumerate(ends):
        client.sendall(b"%s %d" % (word, number))
        server.sendall(b"%s %d" % (word, -number))
    for number, (client, server) in enumerate(ends):
        assert server.recv(100) == b"%s %d" % (word, number)
        assert client.recv(100) == b"%s %d" % (word, -number)


def test_a_thousand_streams_survive_handovers(
    on_shm: Pair, crowd: list[tuple[socket.socket, socket.socket]]
) -> None:
    server = Server(on_shm.g2.run_dir, "many")
    path = on_shm.g1.run_dir / "g2" / "many"
    for _ in range(STREAMS):
        client = connect(path)
        crowd.append((client, server.accept()))
    assert sum(stream["path"] == "shm" for stream in on_shm.g1.streams()) >= IN_MEMORY
    everybody_talks(crowd, b"before")
    on_shm.hand_over("tcp")
    everybody_talks(crowd, b"apart")
    on_shm.attach(on_shm.make_region(DEFAULT_REGION))
    on_shm.hand_over("shm", on_shm.g2)
    assert sum(stream["path"] == "shm" for stream in on_shm.g1.streams()) >= IN_MEMORY
    everybody_talks(crowd, b"together")
    assert len(on_shm.g1.streams()) == len(on_shm.g2.streams()) == STREAMS


# ---- handovers, and connecting and closing, again and again ----


def resources(agent: Agent) -> tuple[int, int]:
    """Open descriptors, and resident memory in KiB."""
    process = Path(f"/proc/{agent.process.pid}")
    resident = int((process / "statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    return len(list((process / "fd").iterdir())), resident >> 10


def there_and_back(pair: Pair, times: int) -> None:
    """Onto a fresh region and off it, so many times."""
    for _ in range(times):
        pair.share_memory(1 << 20)
        pair.hand_over("tcp")
        pair.region[0].unlink()


THOUSAND = pytest.param(1000, marks=(pytest.mark.long, pytest.mark.timeout(1200)))


@pytest.mark.parametrize("handovers", [40, THOUSAND])
def test_handovers_under_load_leave_nothing(pair: Pair, handovers: int) -> None:
    flows = both_ways(open_streams(pair, 16))
    agents = (pair.g1, pair.g2)
    there_and_back(pair, WARM_UP_HANDOVERS // 2)  # what is kept for the next ones is there now
    before = [resources(agent) for agent in agents]
    there_and_back(pair, handovers // 2)
    for agent, (descriptors, resident) in zip(agents, before, strict=True):
        now = resources(agent)
        assert now[0] == descriptors
        assert now[1] < resident + ROOM_KIB
        assert "region-" not in Path(f"/proc/{agent.process.pid}/maps").read_text()
    assert pair.g1.link()["epoch"] == WARM_UP_HANDOVERS + handovers
    for flow in flows:
        flow.finish()


def serve_for_ever(listener: socket.socket) -> None:
    """Echo one message to each caller."""
    waiting = selectors.DefaultSelector()
    waiting.register(listener, selectors.EVENT_READ)
    while True:
        for key, _ in waiting.select():
            end = key.fileobj
            assert isinstance(end, socket.socket)
            if end is listener:
                try:
                    waiting.register(listener.accept()[0], selectors.EVENT_READ)
                except OSError:
                    return
                continue
            if data := end.recv(100):
                end.sendall(data)
            else:
                waiting.unregister(end)
                end.close()


def short_connections(path: Path, count: int) -> None:
    for number in range(count):
        with connect(path) as client:
            client.sendall(b"%d" % number)
            assert client.recv(100) == b"%d" % number


def storm(path: Path, count: int) -> None:
    """So many short connections, several at a time."""
    threads = [
        threading.Thread(target=short_connections, args=(path, count // AT_ONCE))
        for _ in range(AT_ONCE)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_ten_thousand_short_connections_leave_nothing(on_shm: Pair) -> None:
    server = Server(on_shm.g2.run_dir, "short")
    server.socket.settimeout(None)
    threading.Thread(target=serve_for_ever, args=(server.socket,), daemon=True).start()
    path = on_shm.g1.run_dir / "g2" / "short"
    agents = (on_shm.g1, on_shm.g2)
    storm(path, WARM_UP)  # what the agents keep for the next ones, they have after this
    wait_until(lambda: not any(agent.streams() for agent in agents), "all streams are closed")
    before = [resources(agent) for agent in agents]
    storm(path, STORM)
    wait_until(lambda: not any(agent.streams() for agent in agents), "all streams are closed")
    for agent, (descriptors, resident) in zip(agents, before, strict=True):
        now = resources(agent)
        assert now[0] == descriptors
        assert now[1] < resident + ROOM_KIB
    (flow, back) = both_ways(open_streams(on_shm, 1))  # the rings are free, too
    assert {stream["path"] for stream in on_shm.g1.streams()} == {"shm"}
    flow.finish()
    back.finish()


# ---- readers that sleep ----


def fill(end: socket.socket) -> None:
    """Write until nobody takes any more."""
    end.settimeout(0.3)
    with pytest.raises(TimeoutError):
        while True:
            end.send(b"x" * 65536)


@pytest.mark.parametrize("path", ["tcp", "shm"])
def test_sleeping_readers_hold_up_nobody(pair: Pair, path: str) -> None:
    if path == "shm":
        pair.attach(pair.make_region(DEFAULT_REGION))
        pair.hand_over("shm")
    *asleep, lively = open_streams(pair, 12)
    fillers = [threading.Thread(target=fill, args=(client,)) for client, _ in asleep]
    for filler in fillers:
        filler.start()
    for filler in fillers:
        filler.join()
    (flow, back) = both_ways([lively])
    wait_until(lambda: flow.checked > 8 << 20 and back.checked > 8 << 20, "8 MiB each way")
    flow.finish()
    back.finish()
