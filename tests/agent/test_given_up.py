"""A connect that its program does not wait for any more: nothing of it is left for the next one."""

from __future__ import annotations

import signal
from pathlib import Path

from agents import Agent, Pair, wait_until
from remapped import go_on, stop
from shimmed import Program, program

PPOLL = "271"

# A socket whose connect ends by a signal, and which connects again when it is told to.
CALLER = """
import ctypes, signal, struct
class Signal(Exception): pass
def handle(*_): raise Signal
signal.signal(signal.SIGUSR1, handle); one = vsock(); where = (int(sys.argv[1]), 5000)
ctypes.CDLL(None).setsockopt(one.fileno(), socket.AF_VSOCK, 6, struct.pack("qq", 60, 0), 16)
try: say("connecting"); one.connect(where); say("connected")
except Signal: say("given up")
sys.stdin.readline(); one.connect(where); one.sendall(b"words"); say("sent"); sys.stdin.read()
"""
EACH = """
s = listener(5000); say("listening")
while True:
    one = s.accept()[0]; one.settimeout(5)
    try: say(one.recv(10))
    except OSError as error: say(error.strerror or "nothing came")
"""


def await_question(client: Program) -> None:
    """Wait until the program waits for its agent."""
    assert client.line() == "connecting"
    told = Path(f"/proc/{client.process.pid}/syscall")
    wait_until(lambda: told.read_text().split()[0] == PPOLL, "the agent is asked")


def give_up(client: Program) -> None:
    client.process.send_signal(signal.SIGUSR1)
    assert client.line() == "given up"


def has_unread(agent: Agent) -> bool:
    """Whether something lies in one of its connections that it has not read."""
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    queues = [line[4] for line in lines if line[1].endswith(f":{agent.port:04X}")]
    return any(int(queue.split(":")[1], 16) for queue in queues)


def test_before_the_agent_has_heard_of_it(pair: Pair) -> None:
    """The agent does not connect for somebody who has gone: the server is called once."""
    with program(pair.g1, EACH) as server:
        assert server.line() == "listening"
        stop(pair.g1)
        with program(pair.g1, CALLER, pair.g1.id) as client:
            await_question(client)
            give_up(client)
            go_on(pair.g1)
            client.tell()
            assert (client.line(), server.line()) == ("sent", "b'words'")
        with program(pair.g1, "one = end(3, 5000); one.sendall(b'others')"):
            assert server.line() == "b'others'"


def test_while_its_answer_is_under_way(pair: Pair) -> None:
    """The peer has opened the stream, and the program's agent has not told the program."""
    with program(pair.g2, EACH) as server:
        assert server.line() == "listening"
        pair.proxy.stall(True)
        with program(pair.g1, CALLER, pair.g2.id) as client:
            await_question(client)
            wait_until(pair.g1.streams, "it is being opened")
            stop(pair.g1)
            pair.proxy.stall(False)
            wait_until(pair.g2.streams, "it is open")
            wait_until(lambda: has_unread(pair.g1), "the answer has come")
            give_up(client)
            go_on(pair.g1)
            assert server.line() == "Connection reset by peer"
            client.tell()
            assert (client.line(), server.line()) == ("sent", "b'words'")


def test_a_bind_outlasts_signals(pair: Pair, tmp_path: Path) -> None:
    """Its answer comes at once, or there is no agent: it is waited for."""
    (tmp_path / "signals").touch()
    code = """
import signal
noted = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_NONBLOCK)
signal.signal(signal.SIGALRM, lambda *_: None); signal.set_wakeup_fd(noted)
s = vsock(); say("connecting"); signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
s.bind((socket.VMADDR_CID_ANY, 5000)); say("bound")
"""
    stop(pair.g1)
    with program(pair.g1, code, tmp_path / "signals") as binder:
        await_question(binder)
        before = (tmp_path / "signals").stat().st_size
        wait_until(lambda: (tmp_path / "signals").stat().st_size > before + 5, "signals come")
        go_on(pair.g1)
        assert binder.line() == "bound"
