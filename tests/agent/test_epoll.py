"""Programs that wait with epoll keep their rings, lose no byte, and sleep when nothing comes."""

from __future__ import annotations

from pathlib import Path

import pytest
from agents import Pair, wait_until
from shimmed import answered, await_direct, finish, flow, program

FLOW = Path(__file__).parent / "epoll_flow.py"


@pytest.mark.parametrize("way", ["level", "edge", "once"])
def test_every_byte_arrives_while_rings_come_and_go(on_shm: Pair, way: str) -> None:
    with flow(on_shm, way, script=FLOW) as (client, server):
        for by in (on_shm.g1, on_shm.g2):
            await_direct(on_shm.g1)
            await_direct(on_shm.g2)
            on_shm.hand_over("tcp", by)
            assert not any(stream["direct"] for stream in on_shm.g1.streams())
            on_shm.attach(on_shm.make_region())
            on_shm.hand_over("shm", by)
        await_direct(on_shm.g1)
        on_shm.proxy.cut()
        wait_until(lambda: on_shm.g1.link()["state"] == "up", "the link is up again")
        await_direct(on_shm.g1)
        finish(client, server)
    wait_until(lambda: not on_shm.g1.streams(), "the stream ends")


ECHO = """
import asyncio
async def serve(reader, writer):
    while data := await reader.read(65536): writer.write(data); await writer.drain()
    writer.close()
async def main():
    server = await asyncio.start_server(serve, sock=listener(6000, 64)); say("listening")
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(main())
"""
CALLS = """
import asyncio
async def call(number, turns):
    reader, writer = number
    for turn in range(turns):
        writer.write(b"%08d" % turn); assert await reader.readexactly(8) == b"%08d" % turn
async def main():
    count = int(sys.argv[1]); turns = 8000 // (count + 9)
    ends = [await asyncio.open_connection(sock=end(4, 6000)) for _ in range(count)]
    await asyncio.gather(*(call(one, turns) for one in ends)); say("busy")
    loop = asyncio.get_running_loop()
    await loop.run_in_executor(None, os.read, 0, 1)
    await asyncio.gather(*(call(one, turns) for one in ends)); say("again")
    await loop.run_in_executor(None, os.read, 0, 1)
    for _, writer in ends: writer.close(); await writer.wait_closed()
    say(len(os.listdir("/proc/self/fd")) < 20)
asyncio.run(main())
"""


@pytest.mark.parametrize("count", [1, 40])
def test_asyncio_stays_direct_and_sleeps(on_shm: Pair, count: int) -> None:
    """Awake it is told by its rings; asleep it costs nothing, and a kick wakes it.

    Some streams are direct, not all: one that is not read for 50 ms, on a busy machine, goes back.
    """
    with program(on_shm.g2, ECHO) as server:
        assert server.line() == "listening"
        with program(on_shm.g1, CALLS, count) as client:
            assert client.line() == "busy"
            await_direct(on_shm.g1)
            await_direct(on_shm.g2)
            before = on_shm.g1.cpu_s() + on_shm.g2.cpu_s()
            begun = on_shm.g1.call("hello")["uptime_ms"]
            wait_until(lambda: on_shm.g1.call("hello")["uptime_ms"] > begun + 1000, "time passes")
            assert on_shm.g1.cpu_s() + on_shm.g2.cpu_s() - before < 0.5
            await_direct(on_shm.g1)
            client.tell()
            assert client.line() == "again"
            await_direct(on_shm.g1)
            client.tell()
            assert client.line() == "True"
        wait_until(lambda: not on_shm.g2.streams(), "the streams end")


BUSY = """
import ctypes
one = end(4, 6000); p = select.epoll(); p.register(one, select.EPOLLIN)
def turn(number): one.sendall(b"%08d" % number); p.poll(); assert one.recv(8) == b"%08d" % number
for number in range(500): turn(number)
say("ready"); sys.stdin.readline()
"""


@pytest.mark.parametrize(
    "rest",
    [
        # A child has its parent's epoll, and the stream.
        """
if os.fork() == 0: turn(1); os._exit(0)
say(os.wait()[1])
turn(2)
""",
        # A program that is started has them, too.
        """
os.set_inheritable(p.fileno(), True); one.set_inheritable(True)
told = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
code = f'''
import select, os
p = select.epoll.fromfd({p.fileno()})
os.write({one.fileno()}, b"from one"); print(p.poll(20) == [({one.fileno()}, 1)] and 0)
'''
os.execve(sys.executable, [sys.executable, "-c", code], told)
""",
        # A wait that is not followed.
        """
class Event(ctypes.Structure): _fields_ = [("said", ctypes.c_int * 3)]
one.sendall(b"x" * 8); event = Event()
ready = ctypes.CDLL(None).epoll_pwait2(p.fileno(), ctypes.byref(event), 1, None, None)
say(0 if (ready, *event.said[:2]) == (1, 1, one.fileno()) else (ready, *event.said))
assert one.recv(8) == b"x" * 8
turn(2)
""",
    ],
)
def test_an_epoll_that_cannot_be_followed_is_the_kernels(on_shm: Pair, rest: str) -> None:
    with answered(on_shm, BUSY + rest) as client:
        assert client.line() == "ready"
        await_direct(on_shm.g1)
        client.tell()
        assert client.line() == "0"
        client.end()


def test_the_agent_is_killed(on_shm: Pair) -> None:
    """Nobody would ever write to the eventfd: the socket's end wakes the program."""
    code = BUSY + "say(p.poll())\ntry: one.recv(8)\nexcept OSError as error: say(error.strerror)"
    with answered(on_shm, code.replace("sys.stdin.readline()", "")) as client:
        assert client.line() == "ready"
        await_direct(on_shm.g1)
        on_shm.g1.process.kill()
        on_shm.g1.process.wait()
        client.line()
        assert client.line() == "Connection reset by peer"


LOOKS_ONCE = """
import select
one = end(4, 6000); watched = select.epoll(); watched.register(one, select.EPOLLIN)
for number in range(2000): one.sendall(b"%08d" % number); watched.poll(); assert one.recv(8)
say("busy"); sys.stdin.readline()
ONCE = select.EPOLLIN | select.EPOLLONESHOT
watched = select.epoll(); watched.register(one, ONCE)
one.sendall(b"the last"); watched.poll(); say("told"); sys.stdin.readline()
say(watched.poll(0, 1)); watched.modify(one, ONCE); say(len(watched.poll(0, 1)))
"""


def test_a_ring_that_is_taken_back_hides_nothing(on_shm: Pair) -> None:
    """Neither what it had, nor, with room for one event and no time, the stream itself."""
    with answered(on_shm, LOOKS_ONCE) as client:
        assert client.line() == "busy"
        await_direct(on_shm.g1)
        client.tell()
        assert client.line() == "told"
        wait_until(
            lambda: not any(stream["direct"] for stream in on_shm.g1.streams()),
            "what lies unread makes the agent take the ring back",
        )
        client.tell()
        assert client.line() == "[]", "it has been told of once"
        assert client.line() == "1"
