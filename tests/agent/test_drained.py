"""A program that has just got the end of the ring it receives from: what its agent had put into
the socket before comes first, and one call takes from both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import pytest
from agents import Pair
from shimmed import Program, await_direct, program

IN_SOCKET, IN_RING = 1000, 500

# The socket has 1000 bytes when the ring is asked for; they stay there.
READER = """
import fcntl, struct, termios
def there(): return struct.unpack("i", fcntl.ioctl(one, termios.FIONREAD, bytes(4)))[0]
s = listener(6000); say("listening"); one = s.accept()[0]
one.recv(1000, socket.MSG_PEEK | socket.MSG_WAITALL); say("there")
while not select.select([0], [], [], 0)[0]: one.recv(1, socket.MSG_PEEK)
sys.stdin.readline()
"""
WRITER = """
one = end(4, 6000); one.sendall(b"s" * 1000); sys.stdin.readline()
one.sendall(b"r" * 500); sys.stdin.read()
"""


@contextlib.contextmanager
def both(pair: Pair, code: str) -> Iterator[tuple[Program, Program]]:
    """Who reads, with a ring and a full socket, and who writes more when it is told to."""
    with program(pair.g2, READER + code) as reader:
        assert reader.line() == "listening"
        with program(pair.g1, WRITER) as writer:
            assert reader.line() == "there"
            await_direct(pair.g2)
            reader.tell()
            yield reader, writer


@pytest.mark.parametrize(
    "how",
    [
        "got = one.recv(1500, socket.MSG_WAITALL)",
        "got = bytearray(1500); pieces = [memoryview(got)[:700], memoryview(got)[700:]]\n"
        "one.recvmsg_into(pieces, 0, socket.MSG_WAITALL)",
        "one.setsockopt(socket.SOL_SOCKET, socket.SO_RCVLOWAT, 1500); got = one.recv(4096)",
    ],
    ids=["MSG_WAITALL", "pieces", "SO_RCVLOWAT"],
)
def test_a_call_that_waits_for_more(on_shm: Pair, how: str) -> None:
    code = f"\nsay('waiting'); {how}\nsay(got.count(b's'), got.count(b'r'))"
    with both(on_shm, code) as (reader, writer):
        assert reader.line() == "waiting"
        writer.tell()
        assert reader.line() == f"{IN_SOCKET} {IN_RING}"


def test_what_is_there_is_counted(on_shm: Pair) -> None:
    """The socket is empty, and nobody has looked yet whether it is."""
    code = """
say(there()); one.recv(1000); say(there()); select.select([one], [], []); say(there() > 0)
"""
    with both(on_shm, code) as (reader, writer):
        assert (reader.line(), reader.line()) == (f"{IN_SOCKET}", "0")
        writer.tell()
        assert reader.line() == "True"
