"""Several threads of one program at one socket."""

from __future__ import annotations

from agents import Pair
from remapped import go_on, stop
from shimmed import program

SINK = """
s = listener(6000); say("listening"); one = s.accept()[0]; got = b""
while data := one.recv(4096): got += data
say(got)
"""
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
