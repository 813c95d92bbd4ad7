"""Plain socket programs: what users would run, with every byte checked by offset."""

from __future__ import annotations

import contextlib
import hashlib
import random
import socket
import threading
from pathlib import Path

from agents import PATIENCE_S, wait_until

BLOCK = 64 << 10


def pattern(seed: int, block: int) -> bytes:
    """Return the block-th 64 KiB of an endless stream that is the same for the same seed."""
    return hashlib.shake_128(f"{seed}/{block}".encode()).digest(BLOCK)


class Flow:
    """One direction of a stream: a thread that sends the pattern, one that checks it."""

    def __init__(self, seed: int, source: socket.socket, sink: socket.socket) -> None:
        self.seed = seed
        self.sent = 0
        self.checked = 0
        self.fault = ""
        self._stop = threading.Event()
        self._threads = [
            threading.Thread(target=self._send, args=(source,), daemon=True),
            threading.Thread(target=self._check, args=(sink,), daemon=True),
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, source: socket.socket) -> None:
        sizes = random.Random(self.seed)
        block = 0
        try:
            while not self._stop.is_set():
                data = memoryview(pattern(self.seed, block))
                while data:
                    size = min(len(data), sizes.choice((1, 100, 1000, 20000, BLOCK)))
                    source.sendall(data[:size])
                    self.sent += size
                    data = data[size:]
                block += 1
            source.shutdown(socket.SHUT_WR)
        except OSError as error:
            self.fault = f"sending failed at {self.sent}: {error}"

    def _check(self, sink: socket.socket) -> None:
        block, expected = 0, b""
        try:
            while data := sink.recv(BLOCK):
                while data:
                    if not expected:
                        expected = pattern(self.seed, block)
                        block += 1
                    size = min(len(data), len(expected))
                    if data[:size] != expected[:size]:
                        self.fault = f"wrong bytes near {self.checked}"
                        return
                    self.checked += size
                    data, expected = data[size:], expected[size:]
        except OSError as error:
            self.fault = f"receiving failed at {self.checked}: {error}"

    def await_end(self) -> None:
        """Wait until both ends have noticed that the stream is over, well or not."""
        for thread in self._threads:
            thread.join(PATIENCE_S)
            assert not thread.is_alive(), f"an end hangs: {self.sent} sent, {self.checked} read"
        assert not self.fault.startswith("wrong"), self.fault

    def finish(self) -> None:
        """Stop sending, and check that everything sent has arrived."""
        self._stop.set()
        for thread in self._threads:
            thread.join(PATIENCE_S)
        assert not self.fault, self.fault
        assert self.checked == self.sent > 0


class Server:
    """Listens on an exported path and collects connections."""

    def __init__(self, run_dir: Path, name: str) -> None:
        self.path = run_dir / "self" / name
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.socket = socket.socket(socket.AF_UNIX)
        self.socket.bind(str(self.path))
        self.path.chmod(0o666)
        self.socket.listen(64)
        self.socket.settimeout(PATIENCE_S)

    def accept(self) -> socket.socket:
        """Return the next connection."""
        connection, _ = self.socket.accept()
        connection.settimeout(PATIENCE_S)
        return connection

    def close(self) -> None:
        """Stop listening and take the path away."""
        self.socket.close()
        self.path.unlink()


def connect(path: Path) -> socket.socket:
    """Connect to an import once it is there."""
    wait_until(path.exists, f"{path} appears")
    client = socket.socket(socket.AF_UNIX)
    client.settimeout(PATIENCE_S)
    client.connect(str(path))
    return client


def hang_up(end: socket.socket) -> None:
    """Close a socket for good: close() alone keeps it open for as long as a thread waits in it."""
    with contextlib.suppress(OSError):  # the agent was first
        end.shutdown(socket.SHUT_RDWR)
    end.close()


def open_streams(pair: object, count: int) -> list[tuple[socket.socket, socket.socket]]:
    """Open streams between the agents of a pair, half of them from each side."""
    ends = []
    for index in range(count):
        here, there = (pair.g1, pair.g2) if index % 2 else (pair.g2, pair.g1)  # type: ignore[attr-defined]
        server = Server(there.run_dir, f"service{index}")
        client = connect(here.run_dir / there.name / f"service{index}")
        ends.append((client, server.accept()))
        server.close()
    return ends


def await_motion(flows: list[Flow], more: int = 1) -> None:
    """Wait until so many bytes more have come in each of them."""
    before = [flow.checked for flow in flows]
    wait_until(
        lambda: all(flow.checked >= was + more for flow, was in zip(flows, before, strict=True)),
        "all flows move",
    )


def finish_all(flows: list[Flow]) -> None:
    """End each of them whole."""
    for flow in flows:
        flow.finish()


def both_ways(ends: list[tuple[socket.socket, socket.socket]]) -> list[Flow]:
    """Start a flow in each direction of each stream."""
    flows = []
    for index, (client, server) in enumerate(ends):
        flows.append(Flow(2 * index, client, server))
        flows.append(Flow(2 * index + 1, server, client))
    return flows
