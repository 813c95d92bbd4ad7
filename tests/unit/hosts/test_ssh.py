"""A host over SSH that ceases to answer, at each step: nobody waits for it beyond the deadline."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path

import paramiko
import pytest

from harness import clock
from harness.clock import Deadline
from harness.errors import DeadlineExceeded, TestbedError
from harness.hosts.base import SshTarget
from harness.hosts.ssh import SILENCE_MS, SshHost

LONG = 5.0  # far more than a deadline here, and less than paramiko's own


class Sshd(paramiko.ServerInterface):
    """Lets everybody in, and answers no request on a channel before its time has come."""

    def __init__(self) -> None:
        self.may_answer = threading.Event()

    def get_allowed_auths(self, username: str) -> str:
        return "publickey"

    def check_auth_publickey(self, username: str, key: paramiko.PKey) -> int:
        return paramiko.AUTH_SUCCESSFUL

    def check_channel_request(self, kind: str, chanid: int) -> int:
        return paramiko.OPEN_SUCCEEDED

    def check_channel_exec_request(self, channel: paramiko.Channel, command: bytes) -> bool:
        self.may_answer.wait(2 * LONG)
        return False

    def check_channel_subsystem_request(self, channel: paramiko.Channel, name: str) -> bool:
        return self.check_channel_exec_request(channel, b"")


@contextmanager
def failing_soon(kind: type[TestbedError], match: str) -> Iterator[None]:
    """The block raises that, before paramiko or a server here would have ended its wait."""
    begun = clock.now()
    with pytest.raises(kind, match=match):
        yield
    assert clock.now() - begun < LONG


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    """Its kernel accepts, and nobody says anything."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        yield made


def host_at(listener: socket.socket, folder: Path, known_hosts: str = "") -> SshHost:
    (folder / "known_hosts").write_text(known_hosts)
    paramiko.ECDSAKey.generate().write_private_key_file(str(folder / "key"))
    port = listener.getsockname()[1]
    files = {"known_hosts": folder / "known_hosts", "key": folder / "key"}
    return SshHost(SshTarget("h1", "127.0.0.1", "qemu:///none", port=port, **files))


@pytest.fixture
def connected(listener: socket.socket, tmp_path: Path) -> Iterator[SshHost]:
    """One that will answer no request."""
    key, sshd, ends = paramiko.ECDSAKey.generate(), Sshd(), list[paramiko.Transport]()

    def serve() -> None:
        ends.append(paramiko.Transport(listener.accept()[0]))
        ends[0].add_server_key(key)
        ends[0].start_server(server=sshd)

    threading.Thread(target=serve, daemon=True).start()
    known = f"[127.0.0.1]:{listener.getsockname()[1]} {key.get_name()} {key.get_base64()}\n"
    with closing(host_at(listener, tmp_path, known)) as host:
        host._transport(Deadline(4 * LONG))
        yield host
        sshd.may_answer.set()
    for end in ends:
        end.close()


def test_a_command_that_is_not_answered_ends_at_its_deadline(connected: SshHost) -> None:
    with failing_soon(DeadlineExceeded, r"`true` ran longer than 1 s .*did not answer"):
        connected.run(["true"], within=1.0)


def test_a_program_to_hold_that_is_not_answered_ends_at_its_deadline(connected: SshHost) -> None:
    late = failing_soon(DeadlineExceeded, r"sshd did not answer the request \(h1\)")
    with late, connected.holding(["cat"], within=1.0):
        raise AssertionError("nobody said that it is ready")


def test_a_copy_that_is_not_answered_ends_at_its_deadline(
    connected: SshHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("harness.hosts.ssh.CONNECT_WITHIN", 1.0)
    with failing_soon(DeadlineExceeded, "did not answer"):
        connected.put(tmp_path / "key", "/nowhere")


def test_a_host_whose_kernel_says_nothing_is_given_up(connected: SshHost) -> None:
    end = connected._transport(Deadline(LONG)).sock
    assert isinstance(end, socket.socket)
    assert end.getsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT) == SILENCE_MS


def test_connecting_keeps_to_the_deadline_and_is_not_begun_again_after_it(
    listener: socket.socket, tmp_path: Path
) -> None:
    host = host_at(listener, tmp_path)
    with failing_soon(TestbedError, "cannot be reached"):
        host.run(["true"], within=0.3)
    assert _accepted(listener) == 1


def _accepted(listener: socket.socket) -> int:
    count = 0
    listener.setblocking(False)
    with suppress(BlockingIOError):
        while True:
            listener.accept()[0].close()
            count += 1
    return count


def test_who_waits_for_another_ones_connection_keeps_to_its_own_deadline(
    listener: socket.socket, tmp_path: Path
) -> None:
    host = host_at(listener, tmp_path)

    def connect() -> None:
        with suppress(TestbedError):
            host.run(["true"], within=2 * LONG)

    other = threading.Thread(target=connect)
    other.start()
    with listener.accept()[0]:  # it is at it
        with failing_soon(TestbedError, "still waits for the connection"):
            host.run(["true"], within=0.3)
        listener.close()  # a second try of it finds nobody
    other.join()
