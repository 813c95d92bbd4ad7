"""What a handover is to the streams under it: their stalls, beside those of windows without one.

Run by hand: `python tests/agent/stalls.py [HANDOVERS [STREAMS...]]`; so many each way, under load.
Every second window has a handover at its start. A stream's stall in a window is the longest time
in which nothing of it arrived. Its goals: p50 of the other windows + 2 idle round trips of TCP, and
p99 of the other windows + 20.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import sys
import tempfile
import threading
from pathlib import Path

from agents import Pair
from bench import link_directly
from programs import open_streams

from harness import clock
from harness.report.figures import percentile

WINDOW_S = 0.06
CHUNK = bytes(16 << 10)
ROUND_TRIPS = 2000
KINDS = ("none, tcp", "none, shm", "to tcp", "to shm")


def idle_round_trip() -> float:
    """Seconds, median: TCP on this machine while nothing else runs."""
    listener = socket.create_server(("127.0.0.1", 0))
    here = socket.create_connection(listener.getsockname())
    there, _ = listener.accept()
    for end in (here, there):
        end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    echo = threading.Thread(target=lambda: [there.send(there.recv(64)) for _ in range(ROUND_TRIPS)])
    echo.start()
    took = []
    for _ in range(ROUND_TRIPS):
        begun = clock.now()
        here.send(CHUNK[:64])
        here.recv(64)
        took.append(clock.now() - begun)
    echo.join()
    for end in (here, there, listener):
        end.close()
    return percentile(sorted(took), 50)


class Watch:
    """Reads every stream as fast as it comes, in a thread, and keeps each one's longest silence."""

    def __init__(self, ends: list[socket.socket]) -> None:
        self._ends = {end.fileno(): end for end in ends}
        self._last = dict.fromkeys(self._ends, clock.now())
        self._worst = dict.fromkeys(self._ends, 0.0)
        self._lock = threading.Lock()
        self._ended = False
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        room = bytearray(1 << 20)
        poller = select.epoll()
        for number in self._ends:
            poller.register(number, select.EPOLLIN)
        while not self._ended:
            ready = poller.poll(0.1)
            with self._lock:
                for number, _ in ready:
                    self._ends[number].recv_into(room)
                    self._arrived(number, clock.now())

    def _arrived(self, number: int, now: float) -> None:
        self._worst[number] = max(self._worst[number], now - self._last[number])
        self._last[number] = now

    def begin(self) -> None:
        """Forget what was; a silence that lasts already counts from now."""
        with self._lock:
            self._last = dict.fromkeys(self._ends, clock.now())
            self._worst = dict.fromkeys(self._ends, 0.0)

    def end(self) -> list[float]:
        """Return each stream's stall since then, one that still lasts included."""
        with self._lock:
            now = clock.now()
            return [max(worst, now - self._last[n]) for n, worst in self._worst.items()]

    def stop(self) -> None:
        """End the thread."""
        self._ended = True
        self._thread.join()


def write_all(ends: list[socket.socket]) -> None:
    """Fill every stream, for ever."""
    poller = select.epoll()
    by_number = {end.fileno(): end for end in ends}
    for number, end in by_number.items():
        end.setblocking(False)
        poller.register(number, select.EPOLLOUT)
    while True:
        for number, _ in poller.poll():
            by_number[number].send(CHUNK)


def start_writer(ends: list[socket.socket]) -> int:
    """The writing programs, in a process of their own."""
    child = os.fork()
    if not child:
        try:
            write_all(ends)
        finally:
            os._exit(0)
    return child


def window(watch: Watch, pair: Pair, to: str | None) -> list[float]:
    """One window, with a handover or without."""
    over = clock.Deadline(WINDOW_S)
    watch.begin()
    if to:
        pair.hand_over(to)
    clock.wait_until(lambda: over.expired, within=5, what="the window to pass", every=0.002)
    return watch.end()


def measure(pair: Pair, watch: Watch, handovers: int) -> dict[str, list[float]]:
    """Stalls by kind of window: none on either path, a handover to either."""
    stalls: dict[str, list[float]] = {kind: [] for kind in KINDS}
    for _ in range(handovers):
        region = pair.make_region(32 << 20)
        pair.attach(region)
        for old, to in (("tcp", "shm"), ("shm", "tcp")):
            stalls[f"none, {old}"] += window(watch, pair, None)
            stalls[f"to {to}"] += window(watch, pair, to)
        region[0].unlink()
    return stalls


def report(count: int, stalls: dict[str, list[float]], idle_s: float) -> None:
    """One line per kind of window, in milliseconds."""
    none = sorted(stalls["none, tcp"] + stalls["none, shm"])
    goal50, goal99 = percentile(none, 50) + 2 * idle_s, percentile(none, 99) + 20 * idle_s
    for kind in KINDS:
        ranked = sorted(stalls[kind])
        p50, p99 = percentile(ranked, 50), percentile(ranked, 99)
        print(
            f"{count:4} streams, handover: {kind:9}  p50 {1000 * p50:7.2f}  p99 {1000 * p99:7.2f}"
            f"  goals {1000 * goal50:7.2f} {1000 * goal99:7.2f}  ({len(stalls[kind])} stalls)"
        )


def run(count: int, handovers: int, idle_s: float) -> None:
    """Measure with so many streams."""
    with tempfile.TemporaryDirectory(prefix="stalls-", dir="/dev/shm") as folder:
        Path(folder).chmod(0o755)  # an agent of root's acts as nobody for its peer
        pair = Pair(Path(folder))
        try:
            link_directly(pair)
            ends = open_streams(pair, count)
            writer = start_writer([client for client, _ in ends])
            watch = Watch([server for _, server in ends])
            try:
                report(count, measure(pair, watch, handovers), idle_s)
            finally:
                os.kill(writer, signal.SIGKILL)
                os.waitpid(writer, 0)
                watch.stop()
        finally:
            pair.stop()


def main() -> None:
    """Run with the arguments of the command line."""
    handovers = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    idle_s = idle_round_trip()
    print(f"idle round trip of TCP: {1e6 * idle_s:.0f} µs")
    for count in [int(word) for word in sys.argv[2:]] or [1, 16, 256]:
        run(count, handovers, idle_s)


if __name__ == "__main__":
    main()
