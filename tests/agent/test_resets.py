"""An orderly end is told from a reset, whatever the peer, its agent or the link came to."""

from __future__ import annotations

import pytest
from agents import Pair, wait_until
from shimmed import Program, await_direct, program

RESET = "Connection reset by peer"
KINDS = {"bytes": "socket.SOCK_STREAM", "messages": "socket.SOCK_SEQPACKET"}

# Tells how its stream ends: what came before, the end, and what there is behind it.
HEAR = """
def hear(one):
    for _ in range(3):
        try: say(one.recv(100).decode() or "end")
        except OSError as error: say(error.strerror)
"""
CALLER = (
    HEAR
    + """
one = socket.socket(socket.AF_VSOCK, KIND); one.connect((4, 5000))
for number in range(int(sys.argv[1])): one.send(b"%08d" % number); assert one.recv(8)
say("connected"); sys.stdin.readline(); hear(one); sys.stdin.read()
"""
)
SERVER = """
s = socket.socket(socket.AF_VSOCK, KIND); s.bind((socket.VMADDR_CID_ANY, 5000)); s.listen(1)
say("listening"); one, _ = s.accept()
for number in range(int(sys.argv[1])): one.send(one.recv(8))
sys.stdin.readline()
"""


def heard(client: Program) -> list[str]:
    """What the end of a stream looks like."""
    client.tell()
    return [client.line() for _ in range(3)]


def play(pair: Pair, kind: str, rest: str, busy: int = 0) -> list[str]:
    """Connect, let the server do the rest, and return what the caller hears."""
    server_code, client_code = (code.replace("KIND", KINDS[kind]) for code in (SERVER, CALLER))
    with program(pair.g2, server_code + rest, busy) as server:
        assert server.line() == "listening"
        with program(pair.g1, client_code, busy) as client:
            assert client.line() == "connected"
            if busy:
                await_direct(pair.g2)
            server.tell()
            assert server.line() == "done"
            return heard(client)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "end",
    [
        "one.close()",
        "one.shutdown(socket.SHUT_WR)",
        "one.shutdown(socket.SHUT_RDWR)",
        "os._exit(0)",
    ],
)
def test_an_orderly_end(somewhere: Pair, kind: str, end: str) -> None:
    rest = f"one.send(b'last'); say('done'); {end}; sys.stdin.read()"
    assert play(somewhere, kind, rest) == ["last", "end", "end"]


UNREAD = """
if os.fork() == 0:
    select.select([one], [], []); say("done"); os.kill(os.getpid(), 9)
one.close(); sys.stdin.read()
"""


@pytest.mark.parametrize("busy", [0, 1000])
def test_a_program_is_killed_with_bytes_unread(somewhere: Pair, busy: int) -> None:
    """They were sent and nobody has them: that is no orderly end."""
    caller = CALLER.replace('say("connected");', "one.send(b'unread'); say(\"connected\");")
    with program(somewhere.g2, SERVER.replace("KIND", KINDS["bytes"]) + UNREAD, busy) as server:
        assert server.line() == "listening"
        with program(somewhere.g1, caller.replace("KIND", KINDS["bytes"]), busy) as client:
            assert client.line() == "connected"
            server.tell()
            assert server.line() == "done"
            assert heard(client) == [RESET, "end", "end"]
    wait_until(lambda: not somewhere.g1.streams(), "the stream ends")


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_that_is_removed(somewhere: Pair, kind: str) -> None:
    server_code, client_code = (code.replace("KIND", KINDS[kind]) for code in (SERVER, CALLER))
    with program(somewhere.g2, server_code + HEAR + "hear(one)", 0) as server:
        assert server.line() == "listening"
        with program(somewhere.g1, client_code, 0) as client:
            assert client.line() == "connected"
            somewhere.g1.call("link.remove", peer="g2", policy="reset")
            somewhere.g2.call("link.remove", peer="g1", policy="reset")
            assert heard(client) == [RESET, "end", "end"]
            assert heard(server) == [RESET, "end", "end"]


def test_an_agent_that_is_killed(somewhere: Pair) -> None:
    """Nobody has vouched for the end."""
    server_code, client_code = (code.replace("KIND", KINDS["bytes"]) for code in (SERVER, CALLER))
    with program(somewhere.g2, server_code, 0) as server:
        assert server.line() == "listening"
        with program(somewhere.g1, client_code, 0) as client:
            assert client.line() == "connected"
            somewhere.g1.process.kill()
            somewhere.g1.process.wait()
            assert heard(client) == [RESET, "end", "end"]


def test_a_reset_is_an_error_of_the_socket(somewhere: Pair) -> None:
    asks = "select.select([one], [], []); say(ERROR, ERROR, one.recv(1)); sys"
    code = CALLER.replace("hear(one); sys", asks)
    code = code.replace("ERROR", "one.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)")
    with program(somewhere.g2, SERVER.replace("KIND", KINDS["bytes"]), 0) as server:
        assert server.line() == "listening"
        with program(somewhere.g1, code.replace("KIND", KINDS["bytes"]), 0) as client:
            assert client.line() == "connected"
            somewhere.g1.call("link.remove", peer="g2", policy="reset")
            client.tell()
            assert client.line() == "104 0 b''"


def test_one_who_does_not_read_any_more(somewhere: Pair) -> None:
    """That one sees an end of its own making."""
    code = CALLER.replace("hear(one); sys", "one.shutdown(socket.SHUT_RD); hear(one); sys")
    with program(somewhere.g2, SERVER.replace("KIND", KINDS["bytes"]), 0) as server:
        assert server.line() == "listening"
        with program(somewhere.g1, code.replace("KIND", KINDS["bytes"]), 0) as client:
            assert client.line() == "connected"
            assert heard(client) == ["end", "end", "end"]
