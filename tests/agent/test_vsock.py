"""AF_VSOCK through the shim: addresses, errors, and everything that has to do with descriptors."""

from __future__ import annotations

from pathlib import Path

import pytest
from agents import Pair, wait_until
from shimmed import program

PORT = 5000
ECHO = """
server = listener(int(sys.argv[1])); say("listening")
one, address = server.accept()
say(address[0] , one.getsockname(), one.getpeername() == address)
while data := one.recv(1000): one.sendall(data.upper())
"""
CALL = """
one = end(int(sys.argv[1]), int(sys.argv[2]))
say(one.getsockname()[0], one.getpeername(), one.family.name)
one.sendall(b"hello"); say(one.recv(100)); one.shutdown(socket.SHUT_WR); say(one.recv(100))
"""
REFUSED = """
try: end(int(sys.argv[1]), int(sys.argv[2]))
except OSError as error: say(error.errno and os.strerror(error.errno))
"""


def test_a_stream_between_two_domains(pair: Pair) -> None:
    with program(pair.g2, ECHO, PORT) as server:
        assert server.line() == "listening"
        with program(pair.g1, CALL, 4, PORT) as client:
            assert client.line() == f"3 (4, {PORT}) AF_VSOCK"
            assert (client.line(), client.line()) == ("b'HELLO'", "b''")
            client.end()
        assert server.line() == f"3 (4, {PORT}) True"
        server.end()


@pytest.mark.parametrize("cid", [1, 4])
def test_a_stream_within_a_domain(pair: Pair, cid: int) -> None:
    with program(pair.g2, ECHO, PORT) as server:
        assert server.line() == "listening"
        with program(pair.g2, CALL, cid, PORT) as client:
            assert client.line() == f"4 ({cid}, {PORT}) AF_VSOCK"
            assert (client.line(), client.line()) == ("b'HELLO'", "b''")


@pytest.mark.parametrize(
    ("cid", "said"),
    [(4, "Connection refused"), (3, "Connection refused"), (9, "No route to host")],
)
def test_nobody_there(pair: Pair, cid: int, said: str) -> None:
    with program(pair.g1, REFUSED, cid, PORT) as client:
        assert client.end() == said


def test_no_grant(pair: Pair) -> None:
    """Who else there is, the harness tells, anew each time, for each testbed on its own."""
    g1 = pair.g1
    for owner, number in (("lab-1", 9), ("lab-2", 10)):
        g1.call("domains.set", owner=owner, domains=[{"name": "g9", "id": number}])
    assert g1.call("links")["domains"] == [{"name": "g9", "id": 10}, {"name": "g9", "id": 9}]
    for number in (9, 10):
        with program(g1, REFUSED, number, PORT) as client:
            assert client.end() == "Permission denied"
    g1.call("domains.set", owner="lab-1", domains=[{"name": "g2", "id": 4}])
    assert g1.call("links")["domains"] == [{"name": "g9", "id": 10}]  # with g2 there is a link
    with program(g1, REFUSED, 4, PORT) as client:
        assert client.end() == "Connection refused"
    for owner in ("lab-1", "lab-2"):
        g1.call("domains.set", owner=owner, domains=[])
    with program(g1, REFUSED, 9, PORT) as client:
        assert client.end() == "No route to host"


def test_a_port_that_is_bound_but_does_not_listen(pair: Pair) -> None:
    bound = "s = vsock(); s.bind((socket.VMADDR_CID_ANY, 5000)); say('bound'); sys.stdin.read()"
    with program(pair.g2, bound) as server:
        assert server.line() == "bound"
        with program(pair.g1, REFUSED, 4, PORT) as client:
            assert client.end() == "Connection refused"


def test_two_programs_want_one_port(pair: Pair) -> None:
    again = "try: listener(5000)\nexcept OSError as error: say(error.strerror)"
    with program(pair.g2, "s = listener(5000); say('mine'); sys.stdin.read()") as server:
        assert server.line() == "mine"
        with program(pair.g2, again) as other:
            assert other.end() == "Address already in use"
        server.process.kill()
        server.process.wait()
    wait_until(lambda: _can_listen(pair), "the port of a killed program is free")


def _can_listen(pair: Pair) -> bool:
    with program(pair.g2, "try: listener(5000); say('yes')\nexcept OSError: say('no')") as attempt:
        return attempt.end() == "yes"


def test_any_port(pair: Pair) -> None:
    code = "s = vsock(); s.bind((socket.VMADDR_CID_ANY, socket.VMADDR_PORT_ANY)); "
    code += "say(s.getsockname()[1])"
    with program(pair.g2, code) as server:
        assert int(server.end()) >= 1024


def test_a_full_backlog(pair: Pair) -> None:
    """As in the kernel: a backlog of 1 has room for two, and resets the third."""
    with program(pair.g2, "s = listener(5000, 1); say('listening'); sys.stdin.read()") as server:
        assert server.line() == "listening"
        held = "ends = [end(4, 5000), end(4, 5000)]; say('two'); sys.stdin.read()"
        with program(pair.g1, held) as client:
            assert client.line() == "two"
            with program(pair.g1, REFUSED, 4, PORT) as third:
                assert third.end() == "Connection reset by peer"


def test_a_listener_can_be_waited_for(pair: Pair) -> None:
    code = """
s = listener(5000); s.setblocking(False); say("listening")
try: s.accept()
except BlockingIOError: say("nobody yet")
ready, _, _ = select.select([s], [], [], 20); one, _ = s.accept(); say(one.recv(10))
"""
    with program(pair.g2, code) as server:
        assert (server.line(), server.line()) == ("listening", "nobody yet")
        with program(pair.g1, "one = end(4, 5000); one.sendall(b'hi'); sys.stdin.read()"):
            assert server.line() == "b'hi'"


def test_children_serve(pair: Pair) -> None:
    code = """
s = listener(5000); say("listening")
for number in range(3):
    one, _ = s.accept()
    if os.fork() == 0: one.sendall(b"child %d" % number); os._exit(0)
    one.close()
"""
    with program(pair.g2, code) as server:
        assert server.line() == "listening"
        for number in range(3):
            with program(pair.g1, "one = end(4, 5000); say(one.recv(100), one.recv(1))") as client:
                assert client.end() == f"b'child {number}' b''"


def test_a_duplicate_outlives_the_first(pair: Pair) -> None:
    code = """
one = end(4, 5000); two = one.dup(); one.close()
two.sendall(b"by the copy"); say(two.getpeername(), two.recv(100))
"""
    with program(pair.g2, ECHO, PORT) as server:
        assert server.line() == "listening"
        with program(pair.g1, code) as client:
            assert client.end() == f"(4, {PORT}) b'BY THE COPY'"


def test_an_inherited_socket(pair: Pair) -> None:
    """After exec the program has a plain socket; it need not even know the shim."""
    code = """
import subprocess
one = end(4, 5000); one.set_inheritable(True)
told = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
subprocess.run(["cat"], input=b"", stdout=one.fileno(), env=told)
subprocess.run(["echo", "from a child"], stdout=one.fileno(), env=told); say(one.recv(100))
"""
    with program(pair.g2, ECHO, PORT) as server:
        assert server.line() == "listening"
        with program(pair.g1, code) as client:
            assert client.end() == "b'FROM A CHILD\\n'"


def test_options(pair: Pair) -> None:
    code = """
import fcntl, struct
s = vsock()
say(s.type.name, s.getsockopt(socket.SOL_SOCKET, socket.SO_DOMAIN) == socket.AF_VSOCK)
s.setsockopt(socket.AF_VSOCK, socket.SO_VM_SOCKETS_BUFFER_SIZE, 65536)
say(s.getsockopt(socket.AF_VSOCK, socket.SO_VM_SOCKETS_BUFFER_SIZE))
device = os.open("/dev/vsock", os.O_RDONLY)
say(struct.unpack("I", fcntl.ioctl(device, socket.IOCTL_VM_SOCKETS_GET_LOCAL_CID, bytes(4)))[0])
"""
    with program(pair.g2, code) as made:
        assert made.end().splitlines() == ["SOCK_STREAM True", "65536", "4"]


@pytest.mark.parametrize("blocking", [True, False])
def test_a_domain_that_does_not_answer(unlinked: Pair, blocking: bool) -> None:
    """A connect ends when its time is over, and the socket can be used again."""
    where = {"address": "127.0.0.1", "port": 1, "key": Pair.KEY}
    unlinked.g1.call("link.add", peer="g2", peer_id=4, **where)
    code = f"""
import ctypes, struct
s = vsock()
ctypes.CDLL(None).setsockopt(s.fileno(), socket.AF_VSOCK, 6, struct.pack("qq", 0, 200_000), 16)
s.setblocking({blocking})
for _ in range(2):
    say(os.strerror(s.connect_ex((4, 5000))))
    if not {blocking}: select.select([], [s], [], 20)
    say(os.strerror(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
"""
    with program(unlinked.g1, code) as client:
        said = client.end().splitlines()
    at_once, later = ["Connection timed out", "Success"], ["Operation now in progress"]
    assert said == 2 * (at_once if blocking else [*later, "Connection timed out"])
    assert not unlinked.g1.streams()


def test_the_agent_is_killed_while_a_program_connects(unlinked: Pair) -> None:
    where = {"address": "127.0.0.1", "port": 1, "key": Pair.KEY}
    unlinked.g1.call("link.add", peer="g2", peer_id=4, **where)
    code = """
s = vsock(); s.setblocking(False); say(os.strerror(s.connect_ex((4, 5000))))
select.select([], [s], []); say(os.strerror(s.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR)))
"""
    with program(unlinked.g1, code) as client:
        assert client.line() == "Operation now in progress"
        unlinked.g1.process.kill()
        unlinked.g1.process.wait()
        assert client.line() == "Connection reset by peer"


def test_the_agent_is_not_there(pair: Pair, tmp_path: Path) -> None:
    pair.g1.run_dir = tmp_path
    with program(pair.g1, REFUSED, 4, PORT) as client:
        assert client.end() == "No such device"


@pytest.mark.parametrize("blocking", [True, False])
def test_the_agent_was_not_there_at_first(pair: Pair, blocking: bool) -> None:
    """What kept a socket from being written to is gone: the server gets the program's bytes."""
    code = f"""
s = listener(5000); one = vsock(); one.setblocking(False); where = os.environ["DOMSOCK_RUN_DIR"]
os.environ["DOMSOCK_RUN_DIR"] = "/nowhere"; say(os.strerror(one.connect_ex((3, 5000))))
os.environ["DOMSOCK_RUN_DIR"] = where; one.setblocking({blocking}); one.connect_ex((3, 5000))
other = s.accept()[0]; other.setblocking(False)
try: say(other.recv(10))
except BlockingIOError: say("nothing"); one.send(b"words"); say(other.recv(10))
"""
    with program(pair.g1, code) as both:
        assert both.end().splitlines() == ["No such device", "nothing", "b'words'"]


def test_the_agent_is_killed(pair: Pair) -> None:
    code = "one = end(4, 5000); say('connected')\ntry: say(one.recv(10))\n"
    code += "except OSError as error: say(error.strerror)"
    with program(pair.g2, "s = listener(5000); say('listening'); sys.stdin.read()") as server:
        assert server.line() == "listening"
        with program(pair.g1, code) as client:
            assert client.line() == "connected"
            pair.g1.process.kill()
            pair.g1.process.wait()
            assert client.line() == "Connection reset by peer"
