"""What an agent at work has given up; that it can do all it has to, every other test shows."""

from __future__ import annotations

import errno
import os
import signal
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

import pytest
from agents import BUILD, PATIENCE_S, Agent, Pair, wait_until
from remapped import go_on, make_call, stop, take_descriptor
from users import AGENT_UID

# As x86-64 numbers them.
REFUSED = {
    "execve": 59,
    "execveat": 322,
    "fork": 57,
    "clone3": 435,
    "kill": 62,
    "ptrace": 101,
    "process_vm_writev": 311,
    "setresuid": 117,
    "setresgid": 119,
    "setgroups": 116,
    "capset": 126,
    "mount": 165,
    "unshare": 272,
    "setns": 308,
    "pivot_root": 155,
    "init_module": 175,
    "finit_module": 313,
    "bpf": 321,
    "io_uring_setup": 425,
    "keyctl": 250,
    "reboot": 169,
    "prctl": 157,
    "a call of 32 bits' (x32)": 0x40000000,
}
GETPID, MKDIR, OPENAT, CLOSE = 39, 83, 257, 3
HERE = -100  # AT_FDCWD
DAC_OVERRIDE, SETGID, SETUID, SYS_ADMIN = 1, 6, 7, 21  # capabilities
# What an opener is asked for: daemon/opener_acts.h.
CTL, REGION, MEET_GUEST, CONNECT, PAIR = 0, 2, 3, 4, 5

SANITIZED = b"__asan_init" in (BUILD / "domsockd").read_bytes()
confined = pytest.mark.skipif(SANITIZED, reason="sanitizers make calls of their own")
ROOT = pytest.mark.skipif(os.geteuid() != 0, reason="only root's agent has anything to give up")


def status_of(pid: int) -> dict[str, str]:
    """What the kernel says of a process."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {key: value.strip() for key, _, value in (line.partition(":") for line in lines)}


def opener_of(agent: Agent) -> int:
    """The process that keeps privileges for an agent."""
    pid = agent.process.pid
    (child,) = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return int(child)


def capabilities(status: dict[str, str]) -> set[int]:
    """What a process can do and could come to do."""
    names = ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb")
    every = [int(status[name], 16) for name in names]
    return {bit for bits in every for bit in range(64) if bits >> bit & 1}


@confined
@pytest.mark.parametrize("name", REFUSED)
def test_what_an_agent_has_no_business_with_is_refused(pair: Pair, name: str) -> None:
    assert make_call(pair.g1, REFUSED[name]) == -errno.ENOSYS
    assert make_call(pair.g1, GETPID) == pair.g1.process.pid
    assert pair.g1.call("ping")["ok"]


@confined
def test_nothing_gives_it_back(pair: Pair) -> None:
    status = status_of(pair.g1.process.pid)
    assert (status["NoNewPrivs"], status["Seccomp"]) == ("1", "2")


@ROOT
def test_an_agent_is_nobody_who_can_do_anything(pair: Pair) -> None:
    status = status_of(pair.g1.process.pid)
    assert status["Uid"].split() == status["Gid"].split() == [str(AGENT_UID)] * 4
    assert status["Groups"] == ""
    assert capabilities(status) == set()
    assert f"user {AGENT_UID}" in pair.g1.log.read_text()


@ROOT
def test_it_runs_as_the_user_it_is_told(folder: Path) -> None:
    agent = Agent(folder, "g1", 3, "--user", "4323")
    assert status_of(agent.process.pid)["Uid"].split() == ["4323"] * 4
    assert agent.stop() == 0


@ROOT
@confined
def test_it_cannot_open_what_others_can(pair: Pair, folder: Path) -> None:
    """Neither root's files nor, where the kernel has Landlock, those that are everybody's."""
    assert make_call(pair.g1, OPENAT, HERE, b"/etc/shadow", os.O_RDONLY) == -errno.EACCES
    assert make_call(pair.g1, OPENAT, HERE, b"/etc/passwd", os.O_RDWR) == -errno.EACCES
    passwd = make_call(pair.g1, OPENAT, HERE, b"/etc/passwd", os.O_RDONLY)
    assert passwd >= 0 and make_call(pair.g1, CLOSE, passwd) == 0
    if "Landlock" in pair.g1.log.read_text().partition("no Landlock")[0]:
        free = folder / "free"
        free.mkdir()
        free.chmod(0o777)
        made = make_call(pair.g1, MKDIR, str(free / "folder").encode(), 0o700)
        assert made == -errno.EACCES and not list(free.iterdir())
        own = str(pair.g1.run_dir / "folder").encode()
        assert make_call(pair.g1, MKDIR, own, 0o700) == 0
        (pair.g1.run_dir / "folder").rmdir()


# ---- the opener ----


@ROOT
@pytest.mark.parametrize(
    ("options", "kept"),
    [
        ((), {SETGID, SETUID, SYS_ADMIN}),  # a guest: it enables devices
        (("--relay-listen", "127.0.0.1:0"), {SETGID, SETUID, DAC_OVERRIDE}),  # a host: QEMU's files
    ],
)
def test_an_opener_keeps_what_it_takes(
    folder: Path, options: tuple[str, ...], kept: set[int]
) -> None:
    agent = Agent(folder, "g1", 3, *options)
    filters = "0" if SANITIZED else "2"
    wait_until(lambda: status_of(opener_of(agent))["Seccomp"] == filters, "it is confined")
    status = status_of(opener_of(agent))
    assert status["Name"] == "domsock-opener"
    assert status["NoNewPrivs"] == "1"
    assert capabilities(status) == kept
    assert agent.stop() == 0


@ROOT
def test_a_host_opens_what_belongs_to_qemu(folder: Path) -> None:
    pair = Pair(folder, "--relay-listen", "127.0.0.1:0")
    try:
        pair.connect()
        region = pair.make_region()
        os.chown(region[0], 4324, 4324)  # mode 0600
        pair.attach(region)
        assert pair.hand_over("shm")["to"] == "shm"
    finally:
        pair.stop()


@ROOT
def test_neither_outlives_the_other(folder: Path) -> None:
    agent = Agent(folder, "g1", 3)
    opener = Path(f"/proc/{opener_of(agent)}")
    agent.stop(signal.SIGKILL)
    wait_until(lambda: not (opener / "exe").exists(), "the opener has ended")  # a zombie has none
    agent.start("127.0.0.1:0")  # what a killed agent has left is no hindrance
    os.kill(opener_of(agent), signal.SIGKILL)
    assert agent.process.wait(PATIENCE_S) == 1
    assert "the opener has ended, and so does the agent" in agent.log.read_text()


@pytest.fixture
def captured(pair: Pair) -> Iterator[socket.socket]:
    """An agent's channel to its opener, as whoever took over the agent would have it."""
    if os.geteuid() != 0:
        pytest.skip("an agent that root did not start has no opener")
    with socket.socket(fileno=_steal_channel(pair.g1.process.pid)) as channel:
        stop(pair.g1)  # two that ask would read each other's answers
        yield channel
        go_on(pair.g1)
    assert pair.g1.call("ping")["ok"]


def _steal_channel(pid: int) -> int:
    """Among all descriptors of an agent the one socket of packets that does not listen."""
    for entry in Path(f"/proc/{pid}/fd").iterdir():
        if not str(entry.readlink()).startswith("socket:"):
            continue
        stolen = take_descriptor(pid, int(entry.name))
        with socket.socket(fileno=os.dup(stolen)) as one:
            listens = one.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            if one.type == socket.SOCK_SEQPACKET and not listens:
                return stolen
        os.close(stolen)
    raise LookupError("the agent has no opener")


def ask(
    channel: socket.socket,
    act: int,
    *,
    domain: str = "g2",
    name: str = "",
    text: str = "",
    nonce: bytes = b"",
) -> tuple[int, list[int]]:
    """Ask an opener; return its error and what it passed."""
    packed = struct.pack(
        "<Ii32s91s256s16sx",
        *(act, socket.SOCK_STREAM, domain.encode(), name.encode(), text.encode(), nonce),
    )
    channel.sendall(packed)
    answer, fds, _, _ = socket.recv_fds(channel, 1024, 1)
    return struct.unpack_from("<i", answer)[0], fds


def test_an_opener_does_what_an_agent_needs_and_nothing_else(
    pair: Pair, folder: Path, captured: socket.socket
) -> None:
    secret = folder / "secret"
    secret.write_bytes(bytes(1 << 20))
    secret.chmod(0o600)
    assert ask(captured, REGION, text=str(secret)) == (-errno.ENODEV, [])
    region, nonce = pair.make_region()
    assert ask(captured, REGION, text=str(region), nonce=bytes(16)) == (-errno.ENODEV, [])
    error, fds = ask(captured, REGION, text=str(region), nonce=bytes.fromhex(nonce))
    assert error == 0 and len(fds) == 1
    os.close(fds[0])

    outside = folder / "outside"
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(str(outside))
        server.listen()
        outside.chmod(0o666)
        for name in ("../../outside", str(outside), "", ".", "a/../../../outside"):
            assert ask(captured, CONNECT, name=name) == (-errno.EINVAL, []), name
    for domain in ("", "../x", "self"):
        assert ask(captured, CONNECT, domain=domain, name="service") == (-errno.EINVAL, [])
    assert ask(captured, CTL) == (-errno.ENOENT, [])  # this agent has no such port
    assert ask(captured, 99) == (-errno.EINVAL, [])


@ROOT
def test_a_host_s_opener_meets_guests_and_no_other_program(folder: Path) -> None:
    agent = Agent(folder, "h1", 1000, "--relay-listen", "127.0.0.1:0")
    channel = socket.socket(fileno=_steal_channel(agent.process.pid))
    others, guests = folder / "management", folder / "domain-1" / "domsock.data"
    guests.parent.mkdir(mode=0o700)
    alias = folder / "domsock.data"
    alias.symlink_to(others)
    stop(agent)
    with channel, socket.socket(socket.AF_UNIX) as manager, socket.socket(socket.AF_UNIX) as qemu:
        for path, server in ((others, manager), (guests, qemu)):
            server.bind(str(path))
            server.listen()
        error, fds = ask(channel, MEET_GUEST, text=str(guests))
        assert error == 0 and len(fds) == 1
        os.close(fds[0])
        assert ask(channel, MEET_GUEST, text=str(others)) == (-errno.EINVAL, [])
        assert ask(channel, MEET_GUEST, text=str(alias)) == (-errno.ENOTSOCK, [])
    go_on(agent)
    assert agent.stop() == 0


def test_an_opener_is_never_root_for_a_domain(captured: socket.socket) -> None:
    for domain in ("g2", "root", "domsock"):
        error, (one,) = ask(captured, PAIR, domain=domain)
        _, (other,) = socket.recv_fds(captured, 1024, 1)[0:2]
        with socket.socket(fileno=one) as end, socket.socket(fileno=other):
            who = end.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        assert error == 0 and struct.unpack("iII", who)[1] == 65534
