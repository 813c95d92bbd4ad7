"""Several threads of one program at one socket."""

from __future__ import annotations

from agents import Pair, wait_until
from remapped import go_on, stop
from shimmed import await_direct, program

SINK = """
s = listener(6000); say("listening"); one = s.accept()[0]; got = b""
while data := one.recv(4096): got += data
say(got)
"""
LATER = "sys.stdin.readline(); one.sendall(b'later'); sys.stdin.read()"
# `asleep(thread, call)` waits until the thread sleeps in that system call.
THREADS = """
import signal, threading, warnings
warnings.simplefilter("ignore")
def asleep(thread, call):
    told = f"/proc/self/task/{thread.native_id}/syscall"
    while open(told).read().split()[0] != call: pass
"""


def test_a_child_of_a_program_whose_other_thread_asks_for_a_ring(on_shm: Pair) -> None:
    """Nobody in the child will ever hear the answer: it uses the socket, at once."""
    code = """
def ask():
    for _ in range(10): one.send(b"a")
one = end(4, 6000); say("connected"); sys.stdin.readline()
thread = threading.Thread(target=ask); thread.start(); asleep(thread, "271"); pid = os.fork()
if not pid:
    signal.alarm(10); one.send(b"c"); os._exit(0)
say("child", os.waitpid(pid, 0)[1]); sys.stdin.readline(); thread.join()
"""
    with program(on_shm.g2, SINK) as reader:
        assert reader.line() == "listening"
        with program(on_shm.g1, THREADS + code) as writer:
            assert writer.line() == "connected"
            stop(on_shm.g1)
            writer.tell()
            assert writer.line() == "child 0"
            go_on(on_shm.g1)
            writer.end()
        assert sorted(reader.line()) == sorted("b'aaaaaaaaaac'")


def test_a_number_that_is_given_away_while_another_thread_waits(on_shm: Pair) -> None:
    """Who waited for bytes of a socket that is closed gets none of the next one's."""
    code = """
def receive():
    try: say(one.recv(100))
    except OSError as error: say(error.strerror)
s = listener(6000); say("listening"); one = s.accept()[0]
for number in range(1000): assert one.recv(8, socket.MSG_WAITALL)
say("direct"); thread = threading.Thread(target=receive); thread.start(); asleep(thread, "202")
sys.stdin.readline(); number = one.fileno(); os.close(number); other = s.accept()[0]
assert other.fileno() == number; say("accepted"); thread.join(); say(other.recv(100))
"""
    first = """
one = end(4, 6000)
for number in range(1000): one.sendall(b"%08d" % number)
say("sent"); sys.stdin.read()
"""
    with program(on_shm.g2, THREADS + code) as server:
        assert server.line() == "listening"
        with program(on_shm.g1, first) as client:
            assert (client.line(), server.line()) == ("sent", "direct")
            with program(on_shm.g1, "one = end(4, 6000); say('here')\n" + LATER) as later:
                assert later.line() == "here"
                await_direct(on_shm.g2)
                stop(on_shm.g2)
                server.tell()
                assert server.line() == "accepted"
                go_on(on_shm.g2)
                wait_until(lambda: len(on_shm.g2.streams()) == 1, "the first stream ends")
                later.tell()
                assert server.line() == "Bad file descriptor"
                assert server.line() == "b'later'"
