"""How fast two agents are, each alone on one processor with its programs, as in small guests.

Run by hand: `python tests/agent/bench.py [SECONDS] [STREAMS]`. Prints, for each path, what the
programs move and what the agents spend on it, and how long handovers take meanwhile. The figures
are for comparing two builds (AGENT_BUILD=...), not for comparing machines.
"""

from __future__ import annotations

import os
import select
import signal
import socket
import statistics
import sys

from agents import Agent, Pair, standing_pair, wait_until
from programs import open_streams

from harness import clock

CHUNK = bytes(64 << 10)


def play(end: socket.socket) -> None:
    """Send and receive as fast as the socket allows, until killed."""
    end.setblocking(False)
    poller = select.epoll()
    poller.register(end, select.EPOLLIN | select.EPOLLOUT)
    room = bytearray(len(CHUNK))
    while True:
        for _, events in poller.poll():
            if events & select.EPOLLIN:
                end.recv_into(room)
            if events & select.EPOLLOUT:
                end.send(CHUNK)


def start_program(end: socket.socket, processor: int) -> int:
    """Play one end of a stream in a process of its own."""
    child = os.fork()
    if child:
        return child
    os.sched_setaffinity(0, {processor})
    try:
        play(end)
    finally:
        os._exit(0)


def delivered(agents: tuple[Agent, Agent]) -> int:
    """Return how many bytes have reached programs."""
    return sum(stream["delivered"] for agent in agents for stream in agent.streams())


def measure(pair: Pair, seconds: float) -> str:
    """Watch the flows for a while."""
    agents = (pair.g1, pair.g2)
    kicks = sum(agent.link()["kicks_sent"] for agent in agents)
    cpu_s, start, moved = sum(a.cpu_s() for a in agents), clock.now(), delivered(agents)
    measured = clock.Deadline(seconds)
    clock.wait_until(lambda: measured.expired, within=seconds + 5, what="the time to pass")
    moved = delivered(agents) - moved
    took, cpu_s = clock.now() - start, sum(a.cpu_s() for a in agents) - cpu_s
    kicks = sum(agent.link()["kicks_sent"] for agent in agents) - kicks
    mib = moved / (1 << 20)
    return (
        f"{mib / took:7.0f} MiB/s  {1000 * cpu_s / (mib / 1024):5.0f} ms of agents' CPU per GiB"
        f"  {kicks / mib:6.2f} kicks per MiB"
    )


def hand_over_often(pair: Pair, times: int) -> dict[str, list[float]]:
    """Return how many milliseconds handovers under load take, as the initiator sees it."""
    took: dict[str, list[float]] = {"tcp": [], "shm": []}
    for _ in range(times):
        for to in took:
            if to == "shm":
                pair.attach(pair.make_region())
            took[to].append(pair.hand_over(to)["duration_us"] / 1000)
            flow = clock.Deadline(0.1)
            clock.wait_until(lambda f=flow: f.expired, within=5, what="bytes to flow", every=0.05)
    return took


def link_directly(pair: Pair) -> None:
    """Link the agents with nothing between them."""
    where = {"address": "127.0.0.1", "key": Pair.KEY}
    pair.g1.call("link.add", peer="g2", peer_id=4, port=1, **where)
    pair.g2.call("link.add", peer="g1", peer_id=3, port=pair.g1.port, **where)
    wait_until(lambda: pair.g1.link()["state"] == "up", "the link is up")


def run(pair: Pair, seconds: float, count: int) -> None:
    """Print all figures."""
    for processor, agent in enumerate((pair.g1, pair.g2)):
        os.sched_setaffinity(agent.process.pid, {processor})
    link_directly(pair)
    programs = []
    try:
        for index, (client, server) in enumerate(open_streams(pair, count)):
            side = index % 2  # open_streams() lets the agents take turns at opening
            programs.append(start_program(client, 1 - side))
            programs.append(start_program(server, side))
            client.close()
            server.close()
        print(f"tcp {measure(pair, seconds)}")
        pair.attach(pair.make_region())
        pair.hand_over("shm")
        print(f"shm {measure(pair, seconds)}")
        for to, took in hand_over_often(pair, 5).items():
            print(f"to {to}: {statistics.median(took):.1f} ms, at most {max(took):.1f}")
    finally:
        for program in programs:
            os.kill(program, signal.SIGKILL)
            os.waitpid(program, 0)


def main() -> None:
    """Run with the arguments of the command line."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 2.0
    count = int(sys.argv[2]) if len(sys.argv) > 2 else 4
    with standing_pair() as pair:
        run(pair, seconds, count)


if __name__ == "__main__":
    main()
