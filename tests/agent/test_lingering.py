"""Programs that are stopped in the middle of a copy while their stream ends.

Once they go on they write where they were. The region has room for one stream's rings: who has got
them is told by whether the next stream is in shared memory.
"""

from __future__ import annotations

import contextlib
import fcntl
import mmap
import os
import signal
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import PATIENCE_S, Agent, Pair, Refused, stands_still, wait_until
from programs import open_streams
from shimmed import PORT, Program, await_direct, program

from harness import clock

SENDER = """
one = end(int(sys.argv[1]), int(sys.argv[2])); say("connected"); block = bytes(65536)
while True: one.send(block)
"""
# Passing a descriptor is what ends its stream at once.
READER = """
import threading
s = listener(int(sys.argv[1])); say("listening"); one, _ = s.accept(); say("connected")
def read():
    while one.recv(65536): pass
threading.Thread(target=read, daemon=True).start()
sys.stdin.readline(); socket.send_fds(one, [b"x"], [0]); sys.stdin.read()
"""
TURNS = (0, 64)  # where the locks of the two ends are, in a stream's page


def in_a_copy(pid: int) -> bool:
    """Whether it has the lock of a ring's end."""
    with Path(f"/proc/{pid}/mem").open("rb", buffering=0) as memory:
        for line in Path(f"/proc/{pid}/maps").read_text().splitlines():
            if "domsock-stream" not in line:
                continue
            memory.seek(int(line.split("-")[0], 16))
            page = memory.read(128)
            if any(struct.unpack_from("<I", page, turn)[0] for turn in TURNS):
                return True
    return False


def stop_in_a_copy(made: Program) -> None:
    """Stop it until it is in the middle of one."""
    pid = made.process.pid

    def caught() -> bool:
        made.process.send_signal(signal.SIGSTOP)
        wait_until(lambda: stands_still(pid), "it stands still")
        if in_a_copy(pid):
            return True
        made.process.send_signal(signal.SIGCONT)
        return False

    wait_until(caught, "it is stopped in the middle of a copy")


def path_of_the_next(pair: Pair) -> str:
    """Open another stream, see how it goes, and end it."""
    wait_until(lambda: not pair.g1.streams() and not pair.g2.streams(), "there is no stream")
    ((client, server),) = open_streams(pair, 1)
    (stream,) = pair.g1.streams()
    client.close()
    server.close()
    wait_until(lambda: not pair.g1.streams() and not pair.g2.streams(), "it has ended")
    return str(stream["path"])


@pytest.fixture
def narrow(pair: Pair) -> Pair:
    """On a region with room for the rings of one stream."""
    pair.share_memory(1 << 20)
    assert path_of_the_next(pair) == "shm"
    return pair


@contextlib.contextmanager
def stopped_in_a_copy(
    own: Agent, other: Agent, reads: str = READER
) -> Iterator[tuple[Program, Program]]:
    """A program that stands still while it sends, and the one at the other end."""
    with program(other, reads, PORT) as reader:
        assert reader.line() == "listening"
        with program(own, SENDER, other.id, PORT) as sender:
            assert (sender.line(), reader.line()) == ("connected", "connected")
            await_direct(own)
            stop_in_a_copy(sender)
            yield sender, reader


@pytest.fixture(params=["g1", "g2"])
def lingerer(narrow: Pair, request: pytest.FixtureRequest) -> Iterator[Program]:
    """A program of either's that was stopped in the middle of a copy before its stream ended."""
    own, other = (narrow.g1, narrow.g2) if request.param == "g1" else (narrow.g2, narrow.g1)
    with stopped_in_a_copy(own, other) as (sender, reader):
        reader.tell()
        assert path_of_the_next(narrow) == "tcp"
        yield sender


def await_the_place(pair: Pair) -> None:
    wait_until(lambda: path_of_the_next(pair) == "shm", "the place is free again")


def pass_beats(agent: Agent, count: int = 3) -> None:
    """So often an agent looks whether they have let go."""
    begun = agent.call("hello")["uptime_ms"]
    wait_until(lambda: agent.call("hello")["uptime_ms"] > begun + 500 * count, "time passes")


@pytest.mark.parametrize("end", [signal.SIGCONT, signal.SIGKILL])
def test_nobody_gets_the_place_before_it_has_let_go(
    narrow: Pair, lingerer: Program, end: signal.Signals
) -> None:
    pass_beats(narrow.g1)
    assert path_of_the_next(narrow) == "tcp"
    lingerer.process.send_signal(end)
    lingerer.process.wait()  # its stream has ended
    await_the_place(narrow)


def test_a_connection_that_breaks_meanwhile(narrow: Pair, lingerer: Program) -> None:
    """Neither the break nor what is said after it gives the place away."""
    for _ in range(2):
        narrow.proxy.cut()
        wait_until(lambda: narrow.g1.link()["state"] == "up", "the link is up again")
        pass_beats(narrow.g1)
        assert path_of_the_next(narrow) == "tcp"
    lingerer.process.kill()
    lingerer.process.wait()
    await_the_place(narrow)


def test_it_lets_go_while_there_is_no_connection(narrow: Pair, lingerer: Program) -> None:
    narrow.proxy.stall(True)
    narrow.proxy.cut()
    wait_until(lambda: narrow.g1.link()["state"] != "up", "the link is down")
    lingerer.process.kill()
    lingerer.process.wait()
    narrow.proxy.stall(False)
    wait_until(lambda: narrow.g1.link()["state"] == "up", "the link is up again")
    await_the_place(narrow)


@pytest.mark.usefixtures("lingerer")
def test_it_holds_up_no_handover(narrow: Pair) -> None:
    """There is a fresh region after it, in which it is not."""
    narrow.hand_over("tcp")
    narrow.share_memory(1 << 20)
    assert path_of_the_next(narrow) == "shm"


def test_it_holds_up_nobody_else(on_shm: Pair) -> None:
    """Its stream waits for it, with an end of the other side's that is not told yet: the agent
    looks again and again, and is not kept by that.
    """
    with stopped_in_a_copy(on_shm.g1, on_shm.g2) as (_, reader):
        reader.process.kill()
        wait_until(lambda: on_shm.g1.streams()[0]["fin_received"], "its end has come")
        enough = clock.Deadline(PATIENCE_S)
        for _ in range(200):
            on_shm.g1.call("ping")
        assert not enough.expired


# ---- a region is used once ----


def test_a_region_that_was_in_use(on_shm: Pair) -> None:
    path, nonce = on_shm.region
    on_shm.hand_over("tcp")
    with pytest.raises(Refused, match="used once"):
        on_shm.g1.call("region.attach", peer="g2", nonce=nonce, file=str(path), deadline_ms=0)


def test_a_region_of_an_earlier_life(on_shm: Pair) -> None:
    """Programs of an agent that was killed may still be at it."""
    path, nonce = on_shm.region
    on_shm.g2.stop(signal.SIGKILL)
    on_shm.g2.start(f"127.0.0.1:{on_shm.g2.port}")
    on_shm.connect()
    with pytest.raises(Refused, match="used once"):
        on_shm.g2.call("region.attach", peer="g1", nonce=nonce, file=str(path), deadline_ms=0)
    on_shm.share_memory()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root finds another process's pages")
@pytest.mark.parametrize("how", ["cut short", "another user's"])
def test_a_forged_page_of_an_earlier_life_is_left_alone(pair: Pair, how: str) -> None:
    """It would end each start of the agent, or linger for ever."""
    status = pair.g2.run_dir.stat()
    name = f"domsock-stream-{status.st_dev:x}-{status.st_ino:x}"
    with os.fdopen(os.memfd_create(name, os.MFD_ALLOW_SEALING), "r+b") as file:
        file.write(struct.pack("<I", os.getpid()).ljust(4096, b"\0"))
        file.flush()
        page = mmap.mmap(file.fileno(), 4096)
        if how == "cut short":
            file.truncate(0)
        else:
            fcntl.fcntl(file, fcntl.F_ADD_SEALS, fcntl.F_SEAL_SHRINK)
            os.fchown(file.fileno(), 12345, 12345)
        pair.g2.stop(signal.SIGKILL)
        pair.g2.start(f"127.0.0.1:{pair.g2.port}")
        assert not pair.g2.call("hello")["lingering"]
        page.close()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root finds another process's pages")
def test_a_killed_agents_programs_are_found_by_its_next_life(narrow: Pair) -> None:
    """One that goes on is parted from its ring, one that is in the middle of a copy is known."""
    endless = READER.replace("sys.stdin.readline(); ", "sys.stdin.read(); ")
    with stopped_in_a_copy(narrow.g2, narrow.g1, endless) as (sender, _):
        narrow.g2.stop(signal.SIGKILL)
        narrow.g2.start(f"127.0.0.1:{narrow.g2.port}")
        assert narrow.g2.call("hello")["lingering"]
        sender.process.send_signal(signal.SIGCONT)
        assert sender.process.wait(PATIENCE_S)  # by an error: its stream has ended
        assert not narrow.g2.call("hello")["lingering"]
    assert narrow.g1.call("hello")["lingering"] == 0
