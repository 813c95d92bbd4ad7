"""What a handover is to the streams under it: their stalls, beside those of windows without one.

Run by hand: `python tests/agent/stalls.py [HANDOVERS [STREAMS...]]`; so many each way, under load.
Every second window has a handover at its start. A stream's stall in a window is the longest time
in which nothing of it arrived. Its goals: p50 of the other windows on the path that the handover
leads to + 2 idle round trips of TCP, and p99 of those windows + 20. Every byte is checked, and that
all have come.
"""

from __future__ import annotations

import json
import os
import random
import select
import signal
import socket
import sys
import threading

from agents import PATIENCE_S, Pair, standing_pair
from bench import link_directly
from programs import open_streams

from harness import clock
from harness.report.figures import percentile

WINDOW_S = 0.1
CHUNK, ROOM = 16 << 10, 512 << 10
PERIOD = 1_000_003  # no window of a stream is a multiple of it: what moves by one is noticed
PATTERN = 2 * random.Random(PERIOD).randbytes(PERIOD)
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
        here.send(PATTERN[:64])
        here.recv(64)
        took.append(clock.now() - begun)
    echo.join()
    for end in (here, there, listener):
        end.close()
    return percentile(sorted(took), 50)


def piece(stream: int, offset: int, length: int) -> bytes:
    """What a stream carries there; each one has other bytes."""
    begin = (4099 * stream + offset) % PERIOD
    return PATTERN[begin : begin + length]


class Watch:
    """Reads every stream as fast as it comes, in a thread, and keeps each one's longest silence."""

    def __init__(self, ends: list[socket.socket]) -> None:
        self._ends = ends
        self._received = [0] * len(ends)
        self._fault = ""
        self._lock = threading.Lock()
        self.begin()
        self._thread = threading.Thread(target=self._read_all, daemon=True)
        self._thread.start()

    def _read_all(self) -> None:
        poller = select.epoll()
        by_number = {end.fileno(): index for index, end in enumerate(self._ends)}
        for number in by_number:
            poller.register(number, select.EPOLLIN)
        while by_number and not self._fault:
            ready = poller.poll()
            with self._lock:
                for number, _ in ready:
                    if not self._read(by_number[number]):
                        poller.unregister(number)
                        del by_number[number]

    def _read(self, stream: int) -> bool:
        """Take and check what there is; False at the end."""
        data, now = self._ends[stream].recv(ROOM), clock.now()
        if data != piece(stream, self._received[stream], len(data)):
            self._fault = f"wrong bytes in stream {stream}, near {self._received[stream]}"
        self._received[stream] += len(data)
        self._worst[stream] = max(self._worst[stream], now - self._last[stream])
        self._last[stream] = now
        return bool(data)

    def begin(self) -> None:
        """Forget what was; a silence that lasts already counts from now."""
        with self._lock:
            self._last = [clock.now()] * len(self._ends)
            self._worst = [0.0] * len(self._ends)

    def end(self) -> list[float]:
        """Return each stream's stall since then, one that still lasts included."""
        with self._lock:
            now = clock.now()
            return [
                max(worst, now - last) for worst, last in zip(self._worst, self._last, strict=True)
            ]

    def finish(self, sent: list[int]) -> int:
        """Nothing more is sent: check that all of it comes; gives how much."""
        self._thread.join(PATIENCE_S)
        assert not self._fault, self._fault
        assert not self._thread.is_alive(), "a stream does not end"
        assert self._received == sent, "not everything that was sent has come"
        return sum(sent)


class Writer:
    """The writing programs, in a process of their own: they fill every stream until told to end."""

    def __init__(self, ends: list[socket.socket]) -> None:
        self._said, says = os.pipe()
        self._child = os.fork()
        if not self._child:
            try:
                os.write(says, json.dumps(write_all(ends)).encode())
            finally:
                os._exit(0)
        os.close(says)

    def finish(self) -> list[int]:
        """End every stream, and return how much was sent on each."""
        os.kill(self._child, signal.SIGTERM)
        with os.fdopen(self._said) as said:
            sent: list[int] = json.load(said)
        os.waitpid(self._child, 0)
        return sent


def write_all(ends: list[socket.socket]) -> list[int]:
    """Fill every stream until SIGTERM; then end them, and return what was sent on each."""
    stopped = threading.Event()
    signal.signal(signal.SIGTERM, lambda *_: stopped.set())
    poller = select.epoll()
    streams = {end.fileno(): stream for stream, end in enumerate(ends)}
    sent = [0] * len(ends)
    for number, stream in streams.items():
        ends[stream].setblocking(False)
        poller.register(number, select.EPOLLOUT)
    while not stopped.is_set():
        for number, _ in poller.poll(0.1):
            stream = streams[number]
            sent[stream] += ends[stream].send(piece(stream, sent[stream], CHUNK))
    for end in ends:
        end.shutdown(socket.SHUT_WR)
    return sent


class Handovers:
    """Windows with one and without, all of a length: a slow handover makes no longer one."""

    def __init__(self, pair: Pair, watch: Watch) -> None:
        self._pair, self._watch = pair, watch
        self.stalls: dict[str, list[float]] = {kind: [] for kind in KINDS}
        self.took_s: dict[str, list[float]] = {kind: [] for kind in KINDS}

    def there_and_back(self) -> None:
        """Onto a fresh region and off it, a window without before each."""
        region = self._pair.make_region(32 << 20)
        self._pair.attach(region)
        for old, to in (("tcp", "shm"), ("shm", "tcp")):
            self._look(f"none, {old}")
            self._look(f"to {to}", to)
        region[0].unlink()

    def _look(self, kind: str, to: str | None = None) -> None:
        over = clock.Deadline(WINDOW_S)
        self._watch.begin()
        asked = to and self._pair.g1.channel.send("handover", peer="g2", to=to, deadline_ms=10000)
        clock.wait_until(lambda: over.expired, within=5, what="the window to pass", every=0.002)
        self.stalls[kind] += self._watch.end()
        if asked:
            answer = self._pair.g1.channel.result(asked)
            self.took_s[kind].append(answer["duration_us"] / 1e6)


def report(count: int, seen: Handovers, idle_s: float) -> None:
    """One line per kind of window, in milliseconds."""
    for kind in KINDS:
        ranked, other = (sorted(seen.stalls[one]) for one in (kind, f"none, {kind[-3:]}"))
        took_s = sorted(seen.took_s[kind])
        line = f"{count:4} streams, handover: {kind:9}"
        for percent, trips in ((50, 2), (99, 20)):
            line += f"  p{percent} {1000 * percentile(ranked, percent):7.2f}"
            if took_s:
                line += f" (goal {1000 * (percentile(other, percent) + trips * idle_s):7.2f})"
        if took_s:
            line += (
                f", took {1000 * percentile(took_s, 50):.2f}, {1000 * percentile(took_s, 99):.2f}"
            )
        print(f"{line}  ({len(ranked)} stalls)", flush=True)


def run(count: int, handovers: int, idle_s: float) -> None:
    """Measure with so many streams."""
    with standing_pair("/dev/shm") as pair:
        link_directly(pair)
        ends = open_streams(pair, count)
        writer = Writer([client for client, _ in ends])
        watch = Watch([server for _, server in ends])
        seen = Handovers(pair, watch)
        for _ in range(handovers):
            seen.there_and_back()
        print(f"{watch.finish(writer.finish())} bytes: none lost, repeated or reordered")
        report(count, seen, idle_s)


def main() -> None:
    """Run with the arguments of the command line."""
    handovers = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    idle_s = idle_round_trip()
    print(f"idle round trip of TCP: {1e6 * idle_s:.0f} µs")
    for count in [int(word) for word in sys.argv[2:]] or [1, 16, 256]:
        run(count, handovers, idle_s)


if __name__ == "__main__":
    main()
