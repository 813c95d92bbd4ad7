"""Bytes that the C library moves by itself, by calls that the shim does not see: they stay in order
with those that the program moves.
"""

from __future__ import annotations

import pytest
from agents import Pair
from shimmed import await_direct, program

# `put()` sends the next number by a call that the shim sees; `text()` is the next one. The C
# library is asked by its own names: the shim's come first, as for a program in C.
WRITER = """
import ctypes
libc = ctypes.CDLL(None); libc.fdopen.restype = libc.popen.restype = ctypes.c_void_p
one = end(4, 6000); fd = one.fileno(); number = 0
def text():
    global number
    number += 1; return b"%08d" % (number - 1)
def put(): os.write(fd, text())
for _ in range(64): put()
say("ready"); sys.stdin.readline()
"""
READER = """
s = listener(6000); say("listening"); one, _ = s.accept(); number = 0; wrong = []
while data := one.recv(8, socket.MSG_WAITALL):
    if data != b"%08d" % number: wrong.append((number, data))
    number += 1
say(number, wrong[:4])
"""
STREAM = """
libc.fputs.argtypes = [ctypes.c_char_p, ctypes.c_void_p]; libc.fflush.argtypes = [ctypes.c_void_p]
file = libc.fdopen(fd, b"w"); assert file
def said(): libc.fputs(text(), file); libc.fflush(file)
"""
STANDARD = """
kept = os.dup(1); libc.dup2(fd, 1)
def said(): libc.printf(b"%s", text()); libc.fflush(None)
"""
PRINTED = """
def said(): libc.dprintf(fd, b"%s", text())
"""
CHECKED = """
def said(): libc.__dprintf_chk(fd, 1, b"%s", text())
"""
BATCH = """
class Piece(ctypes.Structure): _fields_ = [("at", ctypes.c_char_p), ("length", ctypes.c_size_t)]
class Message(ctypes.Structure):
    _fields_ = [("name", ctypes.c_void_p), ("namelen", ctypes.c_int),
                ("pieces", ctypes.POINTER(Piece)), ("count", ctypes.c_size_t),
                ("control", ctypes.c_void_p), ("controllen", ctypes.c_size_t),
                ("flags", ctypes.c_size_t), ("length", ctypes.c_uint)]
def said():
    data = text(); half = [Piece(data[:3], 3), Piece(data[3:], 5)]
    batch = (Message * 2)(*[Message(pieces=ctypes.pointer(each), count=1) for each in half])
    assert libc.sendmmsg(fd, batch, 2, 0) == 2; assert [m.length for m in batch] == [3, 5]
"""


@pytest.mark.parametrize(
    "how",
    [STREAM, STANDARD, PRINTED, CHECKED, BATCH],
    ids=["fdopen", "dup2", "dprintf", "__dprintf_chk", "sendmmsg"],
)
def test_bytes_that_the_c_library_sends(on_shm: Pair, how: str) -> None:
    """A program that holds its ring goes on so; the reader gets all numbers, each in its place."""
    with program(on_shm.g2, READER) as reader:
        assert reader.line() == "listening"
        loop = "\nfor _ in range(2000): said(); put()"
        with program(on_shm.g1, WRITER + how + loop) as writer:
            assert writer.line() == "ready"
            await_direct(on_shm.g1)
            writer.tell()
            writer.end()
        assert reader.line() == "4064 []"


def test_a_batch_is_received(on_shm: Pair) -> None:
    """One message of it, and from the ring, where the program holds that."""
    code = (
        """
import ctypes
libc = ctypes.CDLL(None); s = listener(6000); say("listening"); one, _ = s.accept()
"""
        + BATCH.split("def said")[0]
        + """
place = ctypes.create_string_buffer(8)
pieces = [Piece(ctypes.cast(place, ctypes.c_char_p), 8) for _ in range(2)]
batch = (Message * 2)(*[Message(pieces=ctypes.pointer(each), count=1) for each in pieces])
for number in range(4000):
    if number % 2: got = one.recv(8, socket.MSG_WAITALL)
    else:
        assert libc.recvmmsg(one.fileno(), batch, 2, socket.MSG_WAITALL, None) == 1
        assert batch[0].length == 8; got = place.raw
    assert got == b"%08d" % number, (number, got)
say("all")
"""
    )
    with program(on_shm.g2, code) as reader:
        assert reader.line() == "listening"
        with program(on_shm.g1, WRITER + "\nfor _ in range(3936): put()") as writer:
            assert writer.line() == "ready"
            writer.end()
        assert reader.line() == "all"


# `run()` gives a command to a shell that has the socket, and not the shim.
CHILDREN = """
os.set_inheritable(fd, True); bare = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
libc.unsetenv(b"LD_PRELOAD"); libc.pclose.argtypes = [ctypes.c_void_p]
def forked(call, *more):
    pid = os.fork()
    if not pid: call(b"/bin/sh", b"sh", b"-c", *more); os._exit(1)
    assert os.waitpid(pid, 0)[1] == 0
def spawned(call, command, **more):
    assert os.waitpid(call("/bin/sh", ["sh", "-c", command], bare, **more), 0)[1] == 0
"""
AFTERWARDS = """
run(b":"); say("ran"); sys.stdin.readline(); print_it = b"printf %%s >&%d" % fd
for _ in range(30):
    run(print_it.replace(b"%s", text()))
    for _ in range(30): put()
"""
SPAWNED = "def run(command): spawned(os.posix_spawn, command)"
SOUGHT = "def run(command): spawned(os.posix_spawnp, command)"
GIVEN = """
os.set_inheritable(fd, False); given = [(os.POSIX_SPAWN_DUP2, fd, fd)]
def run(command): spawned(os.posix_spawn, command, file_actions=given)
"""
SYSTEM = "def run(command): assert libc.system(command) == 0"
PIPED = 'def run(command): assert libc.pclose(libc.popen(command, b"w")) == 0'
LISTED = "def run(command): forked(libc.execl, command, None)"
LISTED_AND_SOUGHT = "def run(command): forked(libc.execlp, command, None)"
SURROUNDED = "def run(command): forked(libc.execle, command, None, (ctypes.c_char_p * 1)(None))"


@pytest.mark.parametrize(
    "how",
    [SPAWNED, SOUGHT, GIVEN, SYSTEM, PIPED, LISTED, LISTED_AND_SOUGHT, SURROUNDED],
    ids=["spawn", "spawnp", "adddup2", "system", "popen", "execl", "execlp", "execle"],
)
def test_a_child_has_a_socket_without_a_ring(on_shm: Pair, how: str) -> None:
    """The ring is back before the child runs, and what the child says is in its place."""
    with program(on_shm.g2, READER) as reader:
        assert reader.line() == "listening"
        with program(on_shm.g1, WRITER + CHILDREN + how + AFTERWARDS) as writer:
            assert writer.line() == "ready"
            await_direct(on_shm.g1)
            writer.tell()
            assert writer.line() == "ran"
            assert not on_shm.g1.streams()[0]["direct"]
            writer.tell()
            writer.end()
        assert reader.line() == f"{64 + 30 * 31} []"


# A socket whose number, `fd`, the program has for something else before long.
SOCKET = """
import ctypes
libc = ctypes.CDLL(None); libc.fdopen.restype = ctypes.c_void_p
libc.fclose.argtypes = [ctypes.c_void_p]
libc.freopen.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_void_p]
s = listener(6000); other = socket.socket(socket.AF_UNIX); other.bind(""); other.listen()
caller = socket.socket(socket.AF_UNIX); caller.connect(other.getsockname())
fd = end(1, 6000).detach()
"""
PIPE_NOW = (
    "there, back = os.pipe(); assert there == fd; os.write(back, b'words'); say(os.read(fd, 9))"
)
ZERO_NOW = "say(os.read(fd, 5).replace(bytes(5), b'words'))"
UNIX_NOW = "assert now.fileno() == fd; say(b'words' if now.getsockopt(1, 39) == 1 else b'vsock')"


@pytest.mark.parametrize(
    "how",
    [
        "assert libc.fclose(libc.fdopen(fd, b'w')) == 0;" + PIPE_NOW,
        "libc.freopen(b'/dev/zero', b'r', libc.fdopen(fd, b'r'));" + ZERO_NOW,
        "assert libc.close_range(fd, fd, 0) == 0;" + PIPE_NOW,
        "libc.closefrom(fd);" + PIPE_NOW,
        "libc.syscall(3, fd); assert os.open('/dev/zero', 0) == fd;" + ZERO_NOW,
        "at = os.open('/dev', 0); libc.syscall(3, fd); assert os.open('zero', 0, dir_fd=at) == fd;"
        + ZERO_NOW,
        "libc.syscall(3, fd); now = socket.socket(socket.AF_UNIX);" + UNIX_NOW,
        "libc.syscall(3, fd); now = other.accept()[0];" + UNIX_NOW,
    ],
    ids=["fclose", "freopen", "close_range", "closefrom", "open", "openat", "socket", "accept"],
)
def test_a_number_that_stands_for_something_else(pair: Pair, how: str) -> None:
    """A descriptor that was closed unseen is not taken for the socket that it was."""
    with program(pair.g1, SOCKET + how) as only:
        assert only.end() == "b'words'"
