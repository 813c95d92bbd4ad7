"""A host reached over SSH, by paramiko."""

from __future__ import annotations

import logging
import secrets
import select
import shlex
import socket
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import paramiko

from harness.clock import Deadline
from harness.errors import CommandFailed, DeadlineExceeded, TestbedError
from harness.hosts.base import SshTarget
from harness.run import Completed

CONNECT_WITHIN = 10.0
TRANSFER_WITHIN = 60.0
KEEPALIVE = 5
SILENCE_MS = 15_000  # a host whose kernel acknowledges nothing for so long is gone
CHUNK = 1 << 15
PACE = 0.02  # how soon a full send window is looked at again
SFTP_SERVER = "/usr/lib/openssh/sftp-server"  # what sudo runs; root has the subsystem
UNKNOWN_KEY = "not found in known_hosts"  # paramiko's words
GRACE = 1.0  # what a program may run on there after we stopped waiting for it

# paramiko logs with a traceback what it also raises; one report is enough.
logging.getLogger("paramiko").addHandler(logging.NullHandler())
logging.getLogger("paramiko").propagate = False


class SshHost:
    """One connection, shared by all threads, opened when needed and once more when it died."""

    def __init__(self, target: SshTarget) -> None:
        self.target = target
        self.name, self.address = target.name, target.address
        self.libvirt_uri = target.libvirt_uri
        self.peer_uri = target.peer_uri or target.libvirt_uri
        self._sudo = "" if target.user == "root" else "sudo -n "
        self._lock = threading.Lock()
        self._client: paramiko.SSHClient | None = None

    def run(
        self,
        argv: Sequence[str],
        *,
        within: float = 30.0,
        input: str | None = None,  # noqa: A002 - subprocess's own word
        check: bool = True,
    ) -> Completed:
        """Run a program there to its end. `timeout` there ends it when we no longer wait."""
        deadline, command = Deadline(within), shlex.join(argv)
        with self._errors(f"`{command}`"):
            channel = self._session(deadline)
            try:
                limit = f"{within + GRACE:.1f}"
                with self._reply(channel, deadline):
                    channel.exec_command(f"{self._sudo}timeout --kill-after=1 {limit} {command}")
                out, err = _drain(channel, (input or "").encode(), deadline)
                code = self._exit_code(channel, command, deadline)
            except DeadlineExceeded as late:
                raise DeadlineExceeded(
                    f"`{command}` ran longer than {within:g} s", where=self.name, why=late.what
                ) from None
            finally:
                channel.close()
        done = Completed(
            tuple(argv), code, out.decode(errors="replace"), err.decode("utf-8", "replace")
        )
        if check and code:
            raise CommandFailed(argv, code, done.stdout, done.stderr, where=self.name)
        return done

    @contextmanager
    def holding(self, argv: Sequence[str], *, within: float = 10.0) -> Iterator[None]:
        """Run a program there for as long as the block lasts.

        It says a line when it is ready, and ends when its standard input does: with the block,
        and just as well when we are killed. Raises TestbedError when it ends without a word.
        """
        deadline, command = Deadline(within), shlex.join(argv)
        with self._errors(f"`{command}`"):
            channel = self._session(deadline)
        try:
            with self._errors(f"`{command}`"):
                with self._reply(channel, deadline):
                    channel.exec_command(self._sudo + command)
                channel.settimeout(_rest(deadline))
                said = channel.recv(CHUNK)
            if not said:
                why = channel.recv_stderr(CHUNK).decode(errors="replace").strip()
                raise TestbedError(why or f"`{command}` ended at once", where=self.name)
            yield
        finally:
            channel.close()

    def put(self, local: Path, remote: str, *, mode: int = 0o644) -> None:
        """Copy a file there, beside its place and then into it."""
        temporary = f"{remote}.{secrets.token_hex(4)}"
        with self._errors(f"copying {local} to {remote}"), self._sftp() as sftp:
            try:
                sftp.put(str(local), temporary)
                sftp.chmod(temporary, mode)
                sftp.posix_rename(temporary, remote)
            except OSError:
                with suppress(OSError):
                    sftp.remove(temporary)
                raise

    def get(self, remote: str, local: Path) -> None:
        """Copy a file from there, beside its place and then into it."""
        temporary = local.with_name(f"{local.name}.{secrets.token_hex(4)}")
        with self._errors(f"copying {remote} to {local}"), self._sftp() as sftp:
            try:
                sftp.get(remote, str(temporary))
                temporary.replace(local)
            finally:
                temporary.unlink(missing_ok=True)

    def close(self) -> None:
        """Give the connection back; a later call opens a new one."""
        with self._lock:
            if self._client:
                self._client.close()
            self._client = None

    def _session(self, deadline: Deadline) -> paramiko.Channel:
        """A new channel. Nothing has been asked yet, so a dead connection is safely replaced."""
        for last_try in (False, True):
            try:
                return self._transport(deadline).open_session(timeout=_rest(deadline))
            except (paramiko.SSHException, EOFError, OSError):
                if last_try or deadline.expired:
                    raise
                self.close()
        raise AssertionError("the second try returns or raises")

    def _transport(self, deadline: Deadline) -> paramiko.Transport:
        if not self._lock.acquire(timeout=_rest(deadline)):
            raise paramiko.SSHException("somebody else here still waits for the connection")
        try:
            if self._client is None:
                self._client = self._connect(min(CONNECT_WITHIN, _rest(deadline)))
            transport = self._client.get_transport()
        finally:
            self._lock.release()
        if transport is None:
            raise paramiko.SSHException("the connection is closed")
        return transport

    def _connect(self, within: float) -> paramiko.SSHClient:
        """A new connection. `within` is for each step of it."""
        target, client = self.target, paramiko.SSHClient()
        client.load_host_keys(str(target.known_hosts))
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.connect(
                target.address,
                port=target.port,
                username=target.user,
                key_filename=str(target.key) if target.key else None,
                allow_agent=target.key is None,
                look_for_keys=target.key is None,
                timeout=within,
                banner_timeout=within,
                auth_timeout=within,
                channel_timeout=within,
            )
        except BaseException:
            client.close()
            raise
        if transport := client.get_transport():
            transport.set_keepalive(KEEPALIVE)
            if isinstance(transport.sock, socket.socket):
                transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                transport.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, SILENCE_MS)
        return client

    def _exit_code(self, channel: paramiko.Channel, command: str, deadline: Deadline) -> int:
        if not channel.status_event.wait(deadline.left()):
            raise DeadlineExceeded("it closed its output, but did not end")
        transport = channel.get_transport()
        if channel.exit_status < 0 and not transport.is_active():
            raise TestbedError(
                f"the connection was lost while `{command}` ran",
                where=self.name,
                why="it may have ended or not",
                fix="testbed doctor",
            )
        return channel.exit_status

    @contextmanager
    def _reply(self, channel: paramiko.Channel, deadline: Deadline) -> Iterator[None]:
        """For a request on it: paramiko waits for the reply without an end. Who waits so looks,
        whenever it is woken, whether that has come; so it is woken from the deadline on.
        """
        over = threading.Event()

        def wake() -> None:
            while not over.wait(_rest(deadline)):
                channel.event.set()

        threading.Thread(target=wake, daemon=True).start()
        try:
            yield
        except paramiko.SSHException as error:
            if not deadline.expired:
                raise
            raise DeadlineExceeded("sshd did not answer the request", where=self.name) from error
        finally:
            over.set()

    @contextmanager
    def _sftp(self) -> Iterator[paramiko.SFTPClient]:
        channel = self._session(deadline := Deadline(CONNECT_WITHIN))
        try:
            channel.settimeout(TRANSFER_WITHIN)
            with self._reply(channel, deadline):
                if self._sudo:
                    channel.exec_command(self._sudo + SFTP_SERVER)
                else:
                    channel.invoke_subsystem("sftp")
            yield paramiko.SFTPClient(channel)
        finally:
            channel.close()

    @contextmanager
    def _errors(self, doing: str) -> Iterator[None]:
        """Turn what paramiko and sockets raise into sentences."""
        try:
            yield
        except paramiko.AuthenticationException as error:
            raise self._unreachable(error, "allow this key to log in") from error
        except paramiko.BadHostKeyException as error:
            raise self._unreachable(error, "find out why the host's key has changed") from error
        except paramiko.ssh_exception.NoValidConnectionsError as error:
            first = next(iter(error.errors.values()), error)
            raise self._unreachable(first, "see that it is up, and that sshd runs there") from error
        except (paramiko.SSHException, EOFError) as error:
            fix = self._introduction() if UNKNOWN_KEY in str(error) else "testbed doctor"
            raise self._unreachable(error, fix) from error
        except OSError as error:
            raise TestbedError(f"{doing} failed", where=self.name, why=str(error)) from error

    def _introduction(self) -> str:
        """How a host becomes known: by a person who compares its key."""
        target = self.target
        known = f"-o UserKnownHostsFile={target.known_hosts}"
        return f"ssh {known} -p {target.port} {target.user}@{target.address}, and compare the key"

    def _unreachable(self, error: Exception, fix: str) -> TestbedError:
        target = self.target
        where = f"{self.name}, {target.user}@{target.address}:{target.port}"
        return TestbedError(
            "the host cannot be reached over SSH",
            where=where,
            why=str(error) or type(error).__name__,
            fix=fix,
        )


def _rest(deadline: Deadline) -> float:
    """What is left of it, for those who take 0 for something else."""
    return max(deadline.left(), 0.1)


def _drain(channel: paramiko.Channel, data: bytes, deadline: Deadline) -> tuple[bytes, bytes]:
    """Feed stdin and read both outputs to their end: an unread one would stop the program."""
    out, err = bytearray(), bytearray()
    if not data:
        channel.shutdown_write()
    while True:
        ended = channel.eof_received or channel.closed  # before the reads: what came first counts
        out_ready, err_ready = channel.recv_ready(), channel.recv_stderr_ready()
        if out_ready:
            out += channel.recv(CHUNK)
        if err_ready:
            err += channel.recv_stderr(CHUNK)
        sent = _feed(channel, data) if data else 0
        data = data[sent:]
        if out_ready or err_ready or sent:
            continue
        if ended:
            return bytes(out), bytes(err)
        if deadline.expired:
            raise DeadlineExceeded(f"so far it said: {_tail(out, err)}")
        _await_output(channel, min(deadline.left(), PACE if data else 1.0))


def _await_output(channel: paramiko.Channel, within: float) -> None:
    poll = select.poll()
    poll.register(channel.fileno(), select.POLLIN)
    poll.poll(within * 1000)


def _feed(channel: paramiko.Channel, data: bytes) -> int:
    """Send a part of stdin if there is room; what a program does not want to read is dropped."""
    if not channel.send_ready():
        return 0
    try:
        sent = channel.send(data[:CHUNK])
        if sent == len(data):
            channel.shutdown_write()
    except OSError:
        return len(data)
    return sent or len(data)


def _tail(out: bytearray, err: bytearray) -> str:
    return (bytes(err or out)[-500:]).decode(errors="replace").strip() or "nothing"
