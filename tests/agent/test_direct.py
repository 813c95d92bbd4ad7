"""Direct mode: the programs hold their rings themselves. Every byte is checked by offset."""

from __future__ import annotations

import os
import signal

import pytest
from agents import Pair, wait_until
from shimmed import (
    PONG,
    PORT,
    PRELUDE,
    Program,
    answered,
    await_direct,
    finish,
    flow,
    program,
    started,
)


def test_rings_are_held_by_their_programs(on_shm: Pair) -> None:
    with flow(on_shm) as (client, server):
        await_direct(on_shm.g1)
        await_direct(on_shm.g2)
        finish(client, server)
    wait_until(lambda: not on_shm.g1.streams(), "the stream ends")


def test_handovers_take_the_rings_back(on_shm: Pair) -> None:
    with flow(on_shm) as (client, server), flow(on_shm, port=PORT + 1) as (client2, server2):
        for by in (on_shm.g1, on_shm.g2, on_shm.g1):
            await_direct(on_shm.g1, 2)
            await_direct(on_shm.g2, 2)
            on_shm.hand_over("tcp", by)
            assert not any(stream["direct"] for stream in on_shm.g1.streams())
            on_shm.attach(on_shm.make_region())
            on_shm.hand_over("shm", by)
        finish(client, server)
        finish(client2, server2)


def test_a_broken_connection_takes_the_rings_back(on_shm: Pair) -> None:
    with flow(on_shm) as (client, server):
        for _ in range(3):
            await_direct(on_shm.g1)
            on_shm.proxy.cut()
            wait_until(lambda: on_shm.g1.link()["state"] == "up", "the link is up again")
        finish(client, server)


# Writes its letter, and does so again when it is told to.
LETTERS = """
one = end(int(sys.argv[1]), int(sys.argv[2])); letter = sys.argv[3].encode()
try:
    for _ in range(20): one.send(letter)
    say("written")
    while sys.stdin.readline():
        for _ in range(20): one.send(letter)
        say("written")
except OSError: say("ended")
"""
SPELT = """
s = listener(int(sys.argv[1])); say("listening"); one, _ = s.accept(); got = set()
while data := one.recv(1024): got.update(data)
say(bytes(got).decode())
"""


def test_a_program_that_has_not_noticed_its_end_gets_no_other_streams_ring(pair: Pair) -> None:
    """Its agent was started anew, and counts its streams from the beginning again."""
    with (
        program(pair.g2, SPELT, PORT) as old_reader,
        program(pair.g2, SPELT, PORT + 1) as new_reader,
    ):
        assert (old_reader.line(), new_reader.line()) == ("listening", "listening")
        with program(pair.g1, LETTERS, pair.g2.id, PORT, "o") as old:
            assert old.line() == "written"
            pair.g1.stop(signal.SIGKILL)
            pair.g1.start(f"127.0.0.1:{pair.g1.port}")
            pair.connect()
            pair.share_memory()
            with program(pair.g1, LETTERS, pair.g2.id, PORT + 1, "n") as new:
                assert new.line() == "written"
                await_direct(pair.g1)
                old.tell()
                assert old.line() == "ended"
                new.tell()
                assert new.line() == "written"
                new.end()
                assert new_reader.line() == "n"


@pytest.mark.parametrize("who", [0, 1])
def test_a_program_is_killed(on_shm: Pair, who: int) -> None:
    with flow(on_shm) as ends:
        await_direct(on_shm.g1)
        await_direct(on_shm.g2)
        ends[who].process.send_signal(signal.SIGKILL)
        ends[1 - who].end()  # it hears of it, by an end or an error
    wait_until(lambda: not on_shm.g1.streams() and not on_shm.g2.streams(), "the stream ends")
    with flow(on_shm) as (client, server):
        finish(client, server)


def test_a_region_that_vanishes(on_shm: Pair) -> None:
    """Bytes that lay in it may be gone: then the stream ends, and never with wrong bytes."""
    with flow(on_shm) as (client, server):
        await_direct(on_shm.g1)
        path = on_shm.region[0]
        with path.open("r+b") as file:
            file.write(bytes(4096))
        for agent in (on_shm.g1, on_shm.g2):
            wait_until(lambda a=agent: a.link()["path"] == "tcp", "the link goes on by tcp")
        client.go_on()
        server.go_on()
        for said in (client.line(), server.line()):
            assert said.startswith("sent ") or "failed" in said, said


PING = """
one = end(4, 6000)
for number in range(2000): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
say("done"); sys.stdin.read()
for number in range(20): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
say("again")
"""


IN_ANOTHER_NAMESPACE = """
import os, sys
new = ["--user", "--map-current-user", "--pid", "--fork", "--kill-child"]
os.execvp("unshare", ["unshare", *new, sys.executable, "-c", *sys.argv[1:]])
"""


def test_who_counts_threads_otherwise_gets_no_ring(on_shm: Pair) -> None:
    """The lock of a ring's end names threads: in another PID namespace these are others."""
    with program(on_shm.g2, PONG) as server:
        assert server.line() == "listening"
        with started(Program(on_shm.g1, "-c", IN_ANOTHER_NAMESPACE, PRELUDE + PING)) as client:
            assert client.line() == "done"
            await_direct(on_shm.g2)
            assert not any(stream["direct"] for stream in on_shm.g1.streams())
            client.go_on()
            assert client.line() == "again"


def test_an_idle_stream_costs_nothing_and_wakes_up(on_shm: Pair) -> None:
    with answered(on_shm, PING) as client:
        assert client.line() == "done"
        await_direct(on_shm.g1)
        before = on_shm.g1.cpu_s() + on_shm.g2.cpu_s()
        kicks = on_shm.g1.link()["kicks_sent"]
        begun = on_shm.g1.call("hello")["uptime_ms"]
        wait_until(lambda: on_shm.g1.call("hello")["uptime_ms"] > begun + 2000, "time passes")
        assert on_shm.g1.cpu_s() + on_shm.g2.cpu_s() - before < 0.5
        assert on_shm.g1.link()["kicks_sent"] - kicks < 50
        client.go_on()
        assert client.line() == "again"


NOW_AND_THEN = """
one = end(4, 6000)
def ping(): one.sendall(b"1" * 8); assert one.recv(8, socket.MSG_WAITALL)
for _ in range(1000): ping()
say("done")
while sys.stdin.readline(): ping(); say("again")
"""


def test_who_says_little_keeps_the_ring(on_shm: Pair) -> None:
    """What has just come after a pause has not been left unread."""
    with answered(on_shm, NOW_AND_THEN) as client:
        assert client.line() == "done"
        await_direct(on_shm.g1)
        await_direct(on_shm.g2)
        for _ in range(8):
            begun = on_shm.g1.call("hello")["uptime_ms"]
            wait_until(lambda b=begun: on_shm.g1.call("hello")["uptime_ms"] > b + 120, "a pause")
            client.tell()
            assert client.line() == "again"
            for agent in (on_shm.g1, on_shm.g2):
                assert agent.streams()[0]["direct"]


@pytest.mark.parametrize(
    "wait",
    [
        "select.select([one], [], [])",
        "p = select.epoll(); p.register(one, select.EPOLLIN); p.poll()",
        "p = select.poll(); p.register(one, select.POLLIN); p.poll()",
        "p = select.poll(); p.register(one, 1); p.register(0, 0); p.poll()",
    ],
)
def test_ways_to_wait(on_shm: Pair, wait: str) -> None:
    """A stream in direct mode can be waited for by every way the kernel has."""
    code = f"""
one = end(4, 6000)
for number in range(1000): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
say("ready"); os.read(0, 1)
for number in range(50): one.sendall(b"%08d" % number); {wait}; assert one.recv(8)
say("done")
"""
    with answered(on_shm, code) as client:
        assert client.line() == "ready"
        await_direct(on_shm.g1)
        client.tell()
        assert client.line() == "done"


@pytest.mark.parametrize("wait", ["select.select([one, 0], [one], [])", "p.poll()"])
def test_a_busy_program_that_waits_for_several_stays_direct(on_shm: Pair, wait: str) -> None:
    """As long as something is ready it never leaves its rings; nor does it lose anything."""
    code = f"""
one = end(4, 6000); p = select.poll(); p.register(one, select.POLLIN); p.register(0, 0)
for number in range(64): one.sendall(b"%08d" % number)
def turns(first, last):
    for number in range(first, last):
        {wait}
        assert one.recv(8, socket.MSG_WAITALL) == b"%08d" % number
        one.sendall(b"%08d" % (number + 64))
turns(0, 20000); say("busy"); number = 20000
while not select.select([0], [], [], 0)[0]: turns(number, number + 1000); number += 1000
left = len(os.listdir("/proc/self/fd")); say(left < 40, left); sys.stdin.read()
"""
    with answered(on_shm, code) as client:
        assert client.line() == "busy"
        await_direct(on_shm.g1)
        client.tell()
        assert client.line().startswith("True ")


def test_a_program_that_waits_for_several_and_sleeps(on_shm: Pair) -> None:
    """It gives its rings back to sleep, again and again: nothing piles up."""
    code = """
one = end(4, 6000)
for number in range(3000):
    one.sendall(b"%08d" % number); select.select([one, 0], [], []); assert one.recv(8)
left = len(os.listdir("/proc/self/fd")); say(left < 40, left)
"""
    with answered(on_shm, code) as client:
        assert client.line().startswith("True ")


def test_a_reader_that_the_shim_does_not_see(on_shm: Pair) -> None:
    """A stream that was direct is read by a program without the shim: nothing is lost."""
    code = """
import subprocess
one = end(4, 6000)
for number in range(1000): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
one.sendall(b"to a child")
told = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
done = subprocess.run(["head", "-c", "8"], stdin=one.fileno(), stdout=-1, env=told)
say(done.stdout)
"""
    with answered(on_shm, code) as client:
        assert client.line() == "b'to a chi'"


def test_a_timeout_is_kept(on_shm: Pair) -> None:
    code = """
import ctypes, struct
one = end(4, 6000)
for number in range(1000): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
ctypes.CDLL(None).setsockopt(one.fileno(), 1, 20, struct.pack("qq", 0, 50000), 16)
try: one.recv(8)
except BlockingIOError: say("would block")
one.setblocking(False)
try: one.recv(8)
except BlockingIOError: say("would block")
"""
    with answered(on_shm, code) as client:
        assert (client.line(), client.line()) == ("would block", "would block")


def test_the_agent_is_killed(on_shm: Pair) -> None:
    """Nobody would ever wake the program: it finds out by itself, and does not hang."""
    code = """
one = end(4, 6000)
for number in range(1000): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
say("waiting")
try: say(one.recv(8))
except OSError as error: say(error.strerror)
"""
    with answered(on_shm, code) as client:
        assert client.line() == "waiting"
        await_direct(on_shm.g1)
        on_shm.g1.process.kill()
        on_shm.g1.process.wait()
        assert client.line() == "Connection reset by peer"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_another_user_sees_no_region(on_shm: Pair) -> None:
    """A region shows every stream of its grant: another user's program gets no end of a ring."""
    code = """
os.setuid(65534)
try: listener(80)
except OSError as error: say(error.strerror)
one = end(4, 6000)
for number in range(1000): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
say("done"); sys.stdin.read()
"""
    with answered(on_shm, code) as client:
        assert (client.line(), client.line()) == ("Permission denied", "done")
        assert [stream["direct"] for stream in on_shm.g1.streams()] == [False]
        await_direct(on_shm.g2)
