"""What a program is told when something is not there, is full, or dies: at once or within a bounded
time, in both families. More of the kind: test_vsock.py, test_resets.py, test_surprises.py.
"""

from __future__ import annotations

import signal
import socket
from pathlib import Path

import pytest
from agents import Pair
from programs import Server, connect
from shimmed import await_direct, program


def refusal(path: Path) -> type[OSError]:
    """The error of a connect to a path."""
    with socket.socket(socket.AF_UNIX) as client, pytest.raises(OSError) as caught:
        client.connect(str(path))
    return caught.type


# ---- by path ----


def test_a_domain_without_a_grant_has_no_paths(pair: Pair) -> None:
    assert refusal(pair.g1.run_dir / "g9" / "anything") is FileNotFoundError
    server = Server(pair.g2.run_dir, "one")
    path = pair.g1.run_dir / "g2" / "one"
    connect(path).close()
    pair.g1.call("link.remove", peer="g2", policy="reset")
    assert refusal(path) is FileNotFoundError
    server.close()


def test_a_path_that_nobody_serves(pair: Pair) -> None:
    Server(pair.g2.run_dir, "one")
    connect(pair.g1.run_dir / "g2" / "one").close()
    assert refusal(pair.g1.run_dir / "g2" / "two") is FileNotFoundError


def test_two_servers_want_one_path(pair: Pair) -> None:
    Server(pair.g2.run_dir, "one")
    with pytest.raises(OSError, match="Address already in use"):
        Server(pair.g2.run_dir, "one")


@pytest.mark.parametrize(
    ("how", "said"),
    [(signal.SIGTERM, FileNotFoundError), (signal.SIGKILL, ConnectionRefusedError)],
)
def test_paths_of_an_agent_that_is_not_running(
    pair: Pair, how: signal.Signals, said: type[OSError]
) -> None:
    Server(pair.g2.run_dir, "one")
    path = pair.g1.run_dir / "g2" / "one"
    connect(path).close()
    pair.g1.stop(how)
    assert refusal(path) is said


@pytest.mark.parametrize("in_time", [True, False])
def test_a_server_whose_backlog_is_full(somewhere: Pair, in_time: bool) -> None:
    """It is waited for, five seconds; then the stream ends."""
    server = Server(somewhere.g2.run_dir, "one")
    server.socket.listen(0)
    first, second = (connect(somewhere.g1.run_dir / "g2" / "one") for _ in range(2))
    with first, second:
        for end in (first, second):
            end.sendall(b"hello")
        if not in_time:
            with pytest.raises(ConnectionResetError):
                second.recv(1)
        taken = [server.accept() for _ in range(1 + in_time)]
        assert [end.recv(10) for end in taken] == [b"hello"] * len(taken)
    log = somewhere.g2.log.read_text()
    assert ("the server does not accept" in log) is not in_time


# ---- by port: more in test_vsock.py ----


def test_a_domain_whose_grant_is_taken_away(pair: Pair) -> None:
    code = """
def call():
    try: end(4, 5000); say("connected")
    except OSError as error: say(error.strerror)
call(); sys.stdin.readline(); call()
"""
    with program(pair.g2, 'one = listener(5000); say("listening"); sys.stdin.read()') as server:
        assert server.line() == "listening"
        with program(pair.g1, code) as client:
            assert client.line() == "connected"
            pair.g1.call("link.remove", peer="g2", policy="reset")
            client.tell()
            assert client.line() == "No route to host"


# ---- agents that are killed, under the shim: by path, test_surprises.py ----

ECHO = """
one = listener(5000); say("listening"); one, _ = one.accept()
while data := one.recv(65536): one.sendall(data)
"""
BUSY = """
one = end(4, 5000)
for number in range(1000): one.sendall(b"%08d" % number); assert one.recv(8) == b"%08d" % number
say("busy")
"""
DEAF = """
one = listener(5000); say("listening"); one, _ = one.accept()
for number in range(1000): one.sendall(one.recv(8))
sys.stdin.read()
"""
READS = """
try: say(one.recv(8))
except OSError as error: say(error.strerror)
"""
WRITES = """
try:
    while True: one.sendall(bytes(65536))
except OSError as error: say(error.strerror)
"""


@pytest.mark.parametrize("which", ["g1", "g2"])
@pytest.mark.parametrize(
    ("server", "then"), [(ECHO, READS), (DEAF, WRITES)], ids=["reading", "writing"]
)
def test_an_agent_is_killed_in_mid_stream(
    somewhere: Pair, which: str, server: str, then: str
) -> None:
    """Nobody hangs: not who reads, and not who writes what nobody reads."""
    agent = getattr(somewhere, which)
    with program(somewhere.g2, server) as other:
        assert other.line() == "listening"
        with program(somewhere.g1, BUSY + then) as client:
            assert client.line() == "busy"
            if somewhere.g1.link()["path"] == "shm":
                await_direct(somewhere.g1)
            assert agent.stop(signal.SIGKILL) == -signal.SIGKILL
            assert client.line() in ("Connection reset by peer", "Broken pipe")
