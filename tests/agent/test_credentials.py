"""Who acts for a remote domain, what that user may reach, and how a server learns who calls."""

from __future__ import annotations

import os
import re
import shlex
import socket
import stat
import struct
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import BUILD, Agent, Pair, wait_until
from programs import Server, connect
from shimmed import program

NOBODY = 65534
AGENT_USER = os.geteuid()
ROOT = pytest.mark.skipif(AGENT_USER != 0, reason="only root's agent can become somebody else")
ACTS_AS = NOBODY if AGENT_USER == 0 else AGENT_USER
ACL = "system.posix_acl_access"


def caller_of(end: socket.socket) -> int:
    """The user id that the kernel has for whoever connected."""
    credentials = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
    return int(struct.unpack("iII", credentials)[1])


def serves(pair: Pair, name: str = "service") -> int:
    """g2 serves, g1 connects; gives the user that the server has met."""
    server = Server(pair.g2.run_dir, name)
    client = connect(pair.g1.run_dir / "g2" / name)
    met = caller_of(server.accept())
    client.close()
    return met


def shown(pair: Pair, name: str) -> bool:
    return (pair.g1.run_dir / "g2" / name).exists()


def withheld(agent: Agent) -> dict[str, str]:
    return {item["name"]: item["why"] for item in agent.call("exports")["withheld"]}


def test_a_server_meets_no_root_and_is_told_who_calls(pair: Pair) -> None:
    server = Server(pair.g2.run_dir, "service")
    client = connect(pair.g1.run_dir / "g2" / "service")
    accepted = server.accept()
    assert caller_of(accepted) == ACTS_AS
    name = accepted.getpeername()
    assert re.fullmatch(rb"\0domsock/g1/%d/\d+\.[0-9a-f]{8}" % os.getuid(), name), name
    for agent in (pair.g1, pair.g2):
        assert [stream["user"] for stream in agent.streams()] == [os.getuid()]
    client.close()


@ROOT
def test_what_the_user_may_not_reach_is_not_shown(pair: Pair) -> None:
    server = Server(pair.g2.run_dir, "private")
    for mode, seen in ((0o600, False), (0o666, True), (0o755, False), (0o777, True)):
        server.path.chmod(mode)
        wait_until(lambda s=seen: shown(pair, "private") == s, f"{mode:o} is obeyed")
        wait_until(lambda s=seen: ("private" in withheld(pair.g2)) != s, f"{mode:o} is told")
    server.path.parent.chmod(0o700)
    wait_until(lambda: not shown(pair, "private"), "a folder that is closed hides it")
    server.path.parent.chmod(0o755)
    wait_until(lambda: shown(pair, "private"), "it is back")
    log = pair.g2.log.read_text()
    assert "private is not shown to g1: user 65534, who would connect, may not; next: " in log


@ROOT
def test_a_name_for_some_is_no_name_for_all(pair: Pair) -> None:
    """The user owns the socket, or an ACL admits it: then others of the other domain stay out."""
    server = Server(pair.g2.run_dir, "some")
    path = pair.g1.run_dir / "g2" / "some"
    wait_until(path.exists, "it appears")
    assert stat.S_IMODE(path.stat().st_mode) == 0o666
    os.chown(server.path, NOBODY, 0)
    server.path.chmod(0o600)
    wait_until(lambda: stat.S_IMODE(path.stat().st_mode) == 0o660, "it is closed to others")
    client = connect(path)
    assert caller_of(server.accept()) == NOBODY
    client.close()


def acl(*entries: tuple[int, int, int]) -> bytes:
    """Access control lists as the kernel reads them: version, then tag, permission and id."""
    return struct.pack("<I", 2) + b"".join(struct.pack("<HHI", *entry) for entry in entries)


@ROOT
def test_an_acl_admits_the_user(pair: Pair) -> None:
    server = Server(pair.g2.run_dir, "listed")
    server.path.chmod(0o600)
    wait_until(lambda: not shown(pair, "listed"), "it is hidden")
    none = 0xFFFFFFFF
    listed = acl((1, 6, none), (2, 6, NOBODY), (4, 0, none), (16, 6, none), (32, 0, none))
    try:
        os.setxattr(server.path, ACL, listed)
    except OSError:
        pytest.skip("this file system has no access control lists")
    wait_until(lambda: shown(pair, "listed"), "the list is obeyed")


# ---- which user that is ----


@pytest.fixture
def users(folder: Path) -> Iterator[Path]:
    """A machine's list of users, with one for the domain g1."""
    path = folder / "passwd"
    path.write_text("root:x:0:0::/:/bin/sh\ndomsock-g1:x:4321:4321::/:/bin/false\n")
    yield path


@ROOT
def test_a_domain_has_a_user_of_its_own(folder: Path, users: Path) -> None:
    script = f"mount --bind {shlex.quote(str(users))} /etc/passwd && exec " + '"$@"'
    under = ["unshare", "--mount", "sh", "-c", script, "sh"]
    pair = Pair(folder, under=under)
    try:
        pair.connect()
        assert serves(pair) == 4321
    finally:
        pair.stop()


@ROOT
def test_the_user_of_all_other_domains_is_configured(folder: Path) -> None:
    pair = Pair(folder, "--remote-user", "4322")
    try:
        pair.connect()
        assert serves(pair) == 4322
    finally:
        pair.stop()


@pytest.mark.parametrize("user", ["root", "0", "nobody-of-that-name", "-1", ""])
def test_it_is_never_root(user: str) -> None:
    argv = [str(BUILD / "domsockd"), "--name", "g1", "--id", "3", "--remote-user", user]
    result = subprocess.run(argv, capture_output=True, text=True, check=False)
    assert result.returncode == 2
    assert "--remote-user" in result.stderr


# ---- what inotify cannot see ----


def test_a_failed_connect_withdraws_the_name_until_it_changes(pair: Pair) -> None:
    server = Server(pair.g2.run_dir, "service")
    path = pair.g1.run_dir / "g2" / "service"
    wait_until(path.exists, "it appears")
    server.socket.close()  # it dies, and its name stays: nobody can see that
    assert pair.g2.call("exports")["local"] == ["service"]
    assert connect(path).recv(1) == b""
    wait_until(lambda: not path.exists(), "it is withdrawn")
    assert withheld(pair.g2) == {"service": "nobody listens there"}
    server.path.unlink()
    again = Server(pair.g2.run_dir, "service")
    client = connect(path)
    client.sendall(b"hello")
    assert again.accept().recv(10) == b"hello"


def test_a_server_that_listens_late(pair: Pair) -> None:
    path = pair.g2.run_dir / "self" / "late"
    with socket.socket(socket.AF_UNIX) as late:
        late.bind(str(path))
        path.chmod(0o666)
        imported = pair.g1.run_dir / "g2" / "late"
        assert connect(imported).recv(1) == b""
        wait_until(lambda: not imported.exists(), "it is withdrawn")
        late.listen(1)
        wait_until(imported.exists, "it is back")
        client = connect(imported)
        client.sendall(b"now")
        assert late.accept()[0].recv(10) == b"now"


# ---- by port ----


def test_a_port_tells_who_calls(pair: Pair) -> None:
    code = """
import ctypes, subprocess
s = listener(5000); say("listening"); one, _ = s.accept()
who, size = (ctypes.c_uint32 * 3)(), ctypes.c_uint32(12)
ctypes.CDLL(None).getsockopt(one.fileno(), 1, socket.SO_PEERCRED, who, ctypes.byref(size))
say(who[1], one.getsockopt(socket.AF_VSOCK, 0x4453))
ask = "import socket, struct; s = socket.socket(fileno=0)\\n"
ask += "print(struct.unpack('iII', s.getsockopt(1, socket.SO_PEERCRED, 12))[1])"
told = {k: v for k, v in os.environ.items() if k != "LD_PRELOAD"}
done = subprocess.run([sys.executable, "-c", ask], stdin=one, stdout=-1, env=told)
say(int(done.stdout))
"""
    with program(pair.g2, code) as server:
        assert server.line() == "listening"
        with program(pair.g1, "one = end(4, 5000); sys.stdin.read()"):
            assert server.line() == f"{0xFFFFFFFF} {os.getuid()}"
            assert server.line() == f"{ACTS_AS}"
