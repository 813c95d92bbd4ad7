"""Two users of one domain: neither reads, takes or disturbs what is the other's."""

from __future__ import annotations

import errno
import os
import socket
import struct
from pathlib import Path

import pytest
from agents import Pair, wait_until
from programs import Server, connect
from remapped import Tracee, take_descriptor
from shimmed import program
from users import AGENT_UID, as_user

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes two users")

ALICE, BOB, NOBODY = 4001, 4002, 65534
BIND, CONNECT, PROMOTE = 2, 3, 4  # abi/shim.h
TX, RX = 1, 2


def ask(run_dir: Path, kind: int, *words: int, stream: int = 0) -> tuple[int, int, int]:
    """A request as the shim makes it; returns error, stream, and how many descriptors came."""
    ends = socket.socketpair() if kind != PROMOTE else ()
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as asking:
        asking.connect(str(run_dir / "shim.sock"))
        request = struct.pack("<6I2Q", kind, *words, stream, 0)
        socket.send_fds(asking, [request], [ends[1].fileno()] if ends else [])
        answer, fds, _, _ = socket.recv_fds(asking, 64, 4)
    error, _, _, _, stream = struct.unpack("<iIIIQ", answer)
    _kept.extend(ends)
    return error, stream, len(fds)


_kept: list[socket.socket] = []  # a stream lives for as long as its program's end


def promote(run_dir: Path, stream: int, which: int) -> int:
    """Ask for one end of a stream's ring; return the error."""
    error, _, fds = ask(run_dir, PROMOTE, 0, 0, 0, which, 0, stream=stream)
    assert bool(error) != bool(fds)
    return error


def test_no_user_gets_at_a_ring(on_shm: Pair) -> None:
    """A region shows all streams: not even one's own ring is given to anybody but root."""
    run_dir = on_shm.g1.run_dir
    code = "s = listener(5000); say('listening'); one, _ = s.accept(); sys.stdin.read()"
    with program(on_shm.g2, code) as server:
        assert server.line() == "listening"
        error, stream, _ = ask(run_dir, CONNECT, 4, 5000, 0xFFFFFFFF, 0, 0)
        assert error == 0
        for user in (ALICE, BOB, NOBODY):
            for which in (RX, TX):
                assert as_user(user, lambda w=which: promote(run_dir, stream, w)) == errno.EPERM
        assert promote(run_dir, stream, TX) == 0
    while _kept:
        _kept.pop().close()


def test_no_user_gets_at_the_memory_or_the_agent(on_shm: Pair) -> None:
    agent = on_shm.g1
    pid = agent.process.pid
    region = str(on_shm.region[0])

    def dial() -> int:
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(str(agent.run_dir / "agent.sock"))
        return 0

    def trace() -> int:
        Tracee(pid).ask(16)
        return 0

    for user in (ALICE, NOBODY):
        assert as_user(user, lambda: os.open(region, os.O_RDONLY)) == errno.EACCES
        assert as_user(user, dial) == errno.EACCES
        assert as_user(user, trace) == errno.EPERM
        assert as_user(user, lambda: take_descriptor(pid, 3)) == errno.EPERM
        assert as_user(user, lambda: len(list(Path(f"/proc/{pid}/fd").iterdir()))) == errno.EACCES
        assert as_user(user, lambda: os.open(f"/proc/{pid}/mem", os.O_RDONLY)) == errno.EACCES


def test_no_user_takes_a_name_away(pair: Pair) -> None:
    """Sockets of RUN_DIR are the agent's; what is in `self` belongs to who has put it there."""
    server = Server(pair.g2.run_dir, "service")
    imported = pair.g1.run_dir / "g2" / "service"
    connect(imported).close()
    server.accept().close()
    mine = pair.g1.run_dir / "mine"

    def make(path: Path) -> int:
        return os.open(path, os.O_CREAT | os.O_WRONLY)

    def put_away(path: Path) -> int:
        path.rename(path.with_name("away"))
        return 0

    for user in (ALICE, NOBODY):
        for path in (mine, imported.with_name("mine"), pair.g1.run_dir / "self" / "mine"):
            assert as_user(user, lambda p=path: make(p)) == errno.EACCES
        for path in (imported, pair.g1.run_dir / "shim.sock", pair.g1.run_dir / "self"):
            assert as_user(user, lambda p=path: put_away(p)) == errno.EACCES
    folder = pair.g1.run_dir / "self"  # the agent's own user can write beside it
    assert as_user(AGENT_UID, lambda: put_away(folder)) == errno.EPERM


def test_no_user_takes_a_port_that_another_has(pair: Pair) -> None:
    with program(pair.g2, "s = listener(5000); say('listening'); sys.stdin.read()") as server:
        assert server.line() == "listening"
        for user in (ALICE, NOBODY):
            taken = as_user(user, lambda: ask(pair.g2.run_dir, BIND, 0, 5000, 0, 0, 0)[0])
            assert taken == errno.EADDRINUSE
            low = as_user(user, lambda: ask(pair.g2.run_dir, BIND, 0, 80, 0, 0, 0)[0])
            assert low == errno.EACCES


def test_what_only_some_may_use(pair: Pair) -> None:
    """Of a server that lets one user in, root and the group `domsock` see the other end."""
    server = Server(pair.g2.run_dir, "some")
    os.chown(server.path, NOBODY, 0)
    server.path.chmod(0o600)
    imported = pair.g1.run_dir / "g2" / "some"
    wait_until(lambda: imported.exists() and not imported.stat().st_mode & 0o002, "it is closed")

    def call() -> int:
        with socket.socket(socket.AF_UNIX) as end:
            end.connect(str(imported))
        return 0

    for user in (ALICE, NOBODY):
        assert as_user(user, call) == errno.EACCES
