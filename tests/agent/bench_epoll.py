"""What epoll costs a stream: in direct mode, and in socket mode on the same shared memory.

Run by hand: `python tests/agent/bench_epoll.py [ROUNDS]`. Two programs in two domains, each with
one epoll, play ping-pong; then one sends as fast as it can. Socket mode is what a program has whose
epoll lies in another one. Figures are for the ratio, which stands beside them.
"""

from __future__ import annotations

import statistics
import sys

from agents import Pair, standing_pair
from shimmed import Program, await_direct, program

WAIT = """
import time
def watch(one):
    one.setblocking(False); p = select.epoll(); p.register(one, select.EPOLLIN)
    if sys.argv[1] == "socket": outer = select.epoll(); outer.register(p); kept.append(outer)
    return p
kept = []
def read(p, one, room):
    while True:
        p.poll()
        try: return one.recv_into(room)
        except BlockingIOError: pass
def write(p, one, data):
    while data:
        try: data = data[one.send(data):]
        except BlockingIOError:
            p.modify(one, select.EPOLLOUT); p.poll(); p.modify(one, select.EPOLLIN)
"""
SERVER = """
s = listener(6000); say("listening"); one, _ = s.accept(); p = watch(one)
room = bytearray(65536); total = 0
for _ in range(int(sys.argv[2])): read(p, one, room); write(p, one, memoryview(room)[:64])
while total < int(sys.argv[3]): total += read(p, one, room)
write(p, one, b"done"); sys.stdin.read()
"""
CLIENT = """
one = end(4, 6000); p = watch(one); room = bytearray(65536); took = []
for _ in range(int(sys.argv[2])):
    begun = time.perf_counter(); write(p, one, b"x" * 64); read(p, one, room)
    took.append(time.perf_counter() - begun)
took = sorted(took[300:]); say("half"); sys.stdin.readline()
begun = time.perf_counter(); block = memoryview(bytes(65536)); left = int(sys.argv[3])
while left > 0: write(p, one, block); left -= len(block)
read(p, one, room); speed = int(sys.argv[3]) / (time.perf_counter() - begun) / 1e6
say(1e6 * took[len(took) // 2], 1e6 * took[len(took) * 99 // 100], speed)
sys.stdin.read()
"""


def measured(pair: Pair, mode: str, rounds: int, length: int) -> list[float]:
    """Return the median and p99 of a round trip in us, and MB/s one way."""
    with program(pair.g2, WAIT + SERVER, mode, rounds, length) as server:
        assert server.line() == "listening"
        with program(pair.g1, WAIT + CLIENT, mode, rounds, length) as client:
            assert client.line() == "half"
            check_mode(pair, mode)
            client.tell()
            figures = [float(word) for word in client.line().split()]
            finish(client, server)
            return figures


def check_mode(pair: Pair, mode: str) -> None:
    """What is measured has to be what it is called."""
    if mode == "direct":
        await_direct(pair.g1)
    else:
        assert not any(stream["direct"] for stream in pair.g1.streams())


def finish(*programs: Program) -> None:
    """Let both end."""
    for one in programs:
        one.end()


def main() -> None:
    """Run with the arguments of the command line."""
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 5000
    with standing_pair() as pair:
        pair.connect()
        pair.share_memory()
        figures = {
            mode: [measured(pair, mode, rounds, 256 << 20) for _ in range(3)]
            for mode in ("socket", "direct")
        }
    medians = {
        mode: [statistics.median(column) for column in zip(*runs, strict=True)]
        for mode, runs in figures.items()
    }
    for mode, (median, p99, speed) in medians.items():
        print(f"{mode}: round trip of 64 B {median:6.1f} us, p99 {p99:6.1f}; {speed:6.0f} MB/s")
    (slow, _, low), (fast, _, high) = medians["socket"], medians["direct"]
    print(
        f"direct is {slow / fast:.0f} times faster there and back, {high / low:.1f} times one way"
    )


if __name__ == "__main__":
    main()
