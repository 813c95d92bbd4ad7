"""Two real agents on this machine, and a TCP proxy that can cut or stall what is between them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import socket
import subprocess
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from harness import clock
from harness.run import Process, spawn, terminate

BUILD = Path(os.environ.get("AGENT_BUILD", Path(__file__).parents[2] / "guest-agent" / "build"))
PATIENCE_S = 20.0
_started: dict[Path, list[Process]] = {}  # by their folder


def stands_still(pid: int) -> bool:
    """Whether the whole process is stopped."""
    return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] == "T"


def wait_until(condition: Callable[[], Any], what: str, patience_s: float = PATIENCE_S) -> Any:
    """Return the condition's first true value; fail with `what` when it stays false."""
    return clock.wait_until(condition, within=patience_s, what=what, every=0.005)


class Refused(Exception):
    """The agent answered a request with an error."""

    def __init__(self, error: dict[str, str]) -> None:
        super().__init__(f"{error['code']}: {error['message']}")
        self.code = error["code"]
        self.message = error["message"]


class Channel:
    """One connection to an agent's socket: requests out, answers and events in."""

    def __init__(self, path: Path) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.connect(str(path))  # blocking: it waits its turn where the backlog is full
        self._socket.settimeout(PATIENCE_S)
        self._lines = self._socket.makefile("rb")
        self._next_id = 0
        self.events: list[dict[str, Any]] = []

    def send(self, op: str, **fields: Any) -> int:
        """Send a request and return its id."""
        self._next_id += 1
        self.send_raw(json.dumps({"id": self._next_id, "op": op, **fields}).encode() + b"\n")
        return self._next_id

    def send_raw(self, data: bytes) -> None:
        """Send bytes that may be no request at all."""
        self._socket.sendall(data)

    def read(self) -> dict[str, Any]:
        """Return the next message that is not an event."""
        while True:
            line = self._lines.readline()
            assert line, "the agent closed the channel"
            message: dict[str, Any] = json.loads(line)
            if "event" not in message:
                return message
            self.events.append(message)

    def result(self, request_id: int) -> dict[str, Any]:
        """Return the answer to a request, or raise Refused."""
        answer = self.read()
        assert answer["id"] == request_id
        if not answer["ok"]:
            raise Refused(answer["error"])
        return answer

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """Send a request and return its answer."""
        return self.result(self.send(op, **fields))

    def close(self) -> None:
        """Hang up."""
        self._lines.close()
        self._socket.close()


class Agent:
    """A running domsockd."""

    def __init__(
        self,
        folder: Path,
        name: str,
        domain_id: int,
        *options: str,
        under: Sequence[str] = (),
        program: str = "domsockd",
    ) -> None:
        self.name = name
        self.id = domain_id
        self.run_dir = folder / name
        self.log = folder / f"{name}.log"
        self._argv = [*under, str(BUILD / program), "--name", name, "--id", str(domain_id)]
        self._argv += ["--run-dir", str(self.run_dir), "--log", str(self.log), *options]
        self.start("127.0.0.1:0")

    def start(self, listen: str) -> None:
        """Start the process and wait until it answers."""
        self.process = spawn([*self._argv, "--listen", listen])
        _started.setdefault(self.run_dir.parent, []).append(self.process)
        socket_path = self.run_dir / "agent.sock"
        self.channel = wait_until(lambda: self._dial(socket_path), f"{self.name} answers")
        self.port: int = self.channel.call("hello")["port"]

    def _dial(self, path: Path) -> Channel | None:
        assert self.process.poll() is None, f"{self.name} ended: {self.log.read_text()[-2000:]}"
        try:
            return Channel(path)
        except OSError:
            return None

    def call(self, op: str, **fields: Any) -> dict[str, Any]:
        """Ask the agent."""
        return self.channel.call(op, **fields)

    def link(self) -> dict[str, Any]:
        """Return the agent's only link."""
        (link,) = self.call("links")["links"]
        return dict(link)

    def streams(self) -> list[dict[str, Any]]:
        """Return all streams."""
        return list(self.call("streams")["streams"])

    def cpu_s(self) -> float:
        """Return the processor time used so far."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def stop(self, how: int = signal.SIGTERM) -> int:
        """End the process and return its exit status."""
        self.channel.close()
        self.process.send_signal(how)
        return self.process.wait(PATIENCE_S)


class Proxy:
    """Passes TCP on to a port, until told to cut, stall or refuse."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._stalled = False
        self._wake_r, self._wake_w = os.pipe()
        self._lock = threading.Lock()
        self._stopped = False
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def redirect(self, target: int) -> None:
        """Serve what comes from now on by another port."""
        self._target = target

    def cut(self) -> None:
        """Break the connections there are; new ones are served."""
        with self._lock:
            for pair in self._pairs:
                for end in pair:
                    end.close()
            self._pairs.clear()
        os.write(self._wake_w, b"x")

    def stall(self, stalled: bool) -> None:
        """Pass nothing on, without breaking anything; or go on."""
        self._stalled = stalled
        os.write(self._wake_w, b"x")

    def stop(self) -> None:
        """End the proxy."""
        self._stopped = True
        self.cut()
        self._thread.join(PATIENCE_S)
        self._listener.close()

    def _run(self) -> None:
        while not self._stopped:
            with self._lock:
                ends = [end for pair in self._pairs for end in pair]
            watched = [self._wake_r] if self._stalled else [self._wake_r, self._listener, *ends]
            try:
                ready, _, _ = select.select(watched, [], [])
            except (OSError, ValueError):
                continue  # cut while waiting
            for source in ready:
                self._serve(source)

    def _serve(self, source: Any) -> None:
        if source == self._wake_r:
            os.read(self._wake_r, 4096)
        elif source is self._listener:
            self._accept()
        else:
            self._pass_on(source)

    def _accept(self) -> None:
        caller, _ = self._listener.accept()
        try:
            callee = socket.create_connection(("127.0.0.1", self._target))
        except OSError:
            caller.close()
            return
        self._introduce(caller, callee)
        for end in (caller, callee):
            end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        with self._lock:
            self._pairs.append((caller, callee))

    def _introduce(self, caller: socket.socket, callee: socket.socket) -> None:
        """A connection begins."""

    def _alter(self, source: socket.socket, data: bytes) -> bytes:
        """What becomes of bytes that have come from one end."""
        return data

    def _pass_on(self, source: socket.socket) -> None:
        with self._lock:
            pair = next((pair for pair in self._pairs if source in pair), None)
        if pair is None:
            return
        other = pair[1] if source is pair[0] else pair[0]
        try:
            data = source.recv(65536)
            other.sendall(self._alter(source, data))
        except OSError:
            data = b""
        if not data:
            with self._lock:
                if pair in self._pairs:
                    self._pairs.remove(pair)
            for end in pair:
                end.close()


def stop_all(agents: Iterable[Agent]) -> None:
    """End those that run; each has to end well, and none is left."""
    running = [agent for agent in agents if agent.process.poll() is None]
    try:
        for agent in running:
            status = agent.stop()
            assert status == 0, f"{agent.name} ended with {status}"
    finally:
        for agent in running:
            agent.process.kill()


class Linked:
    """Two agents, g1 (lower id, listens) and g2, and what they may share."""

    KEY = "ab" * 32
    folder: Path
    g1: Agent
    g2: Agent
    region: tuple[Path, str] = (Path(), "")
    _regions = 0

    def make_region(self, size: int = 8 << 20) -> tuple[Path, str]:
        """Create a fresh region file; return it and its nonce."""
        self._regions += 1
        nonce = os.urandom(16).hex()
        path = self.folder / f"region-{self._regions}"
        argv = [str(BUILD / "domsock"), "region", "create", str(path), "--size", str(size)]
        argv += ["--nonce", nonce, "--ids", f"{self.g1.id},{self.g2.id}"]
        argv += ["--generation", str(self._regions)]
        subprocess.run(argv, check=True, stdout=subprocess.DEVNULL)
        return path, nonce

    def attach(self, region: tuple[Path, str]) -> None:
        """Attach a region on both sides."""
        path, nonce = region
        for agent, peer in ((self.g1, self.g2), (self.g2, self.g1)):
            agent.call("region.attach", peer=peer.name, nonce=nonce, file=str(path))

    def hand_over(self, to: str, by: Agent | None = None, deadline_ms: int = 10000) -> Any:
        """Hand the link over and return the initiator's answer."""
        agent = by or self.g1
        peer = self.g2 if agent is self.g1 else self.g1
        return agent.call("handover", peer=peer.name, to=to, deadline_ms=deadline_ms)

    def share_memory(self, size: int = 8 << 20) -> None:
        """A fresh region, and the link on it."""
        self.region = self.make_region(size)
        self.attach(self.region)
        self.hand_over("shm")


class Two(Linked):
    """Two agents that somebody else has started and linked."""

    def __init__(self, folder: Path, g1: Agent, g2: Agent) -> None:
        self.folder, self.g1, self.g2 = folder, g1, g2


class Pair(Linked):
    """Two linked agents with a proxy between them."""

    def __init__(self, folder: Path, *options: str, **how: Any) -> None:
        self.folder = folder
        self.g1 = Agent(folder, "g1", 3, *options, **how)
        self.g2 = Agent(folder, "g2", 4, *options, **how)
        self.proxy = Proxy(self.g1.port)

    def connect(self) -> None:
        """Link the agents and wait until both are up."""
        self.add_links()
        for agent in (self.g1, self.g2):
            wait_until(lambda a=agent: a.link()["state"] == "up", f"{agent.name}'s link is up")

    def add_links(self, g1_key: str = Linked.KEY, g2_key: str = Linked.KEY) -> None:
        """Tell both agents of each other."""
        where = {"address": "127.0.0.1"}
        self.g1.call("link.add", peer="g2", peer_id=4, port=self.g2.port, key=g1_key, **where)
        self.g2.call("link.add", peer="g1", peer_id=3, port=self.proxy.port, key=g2_key, **where)

    def stop(self) -> None:
        """End everything, also what does not want to."""
        try:
            stop_all((self.g1, self.g2))
        finally:
            self.proxy.stop()


@contextlib.contextmanager
def agents_folder(within: str | None = None) -> Iterator[Path]:
    """A folder for agents, which end with it: an interruption may come before anybody else knows of
    one. Not pytest's: a UNIX socket's path has at most 107 bytes.
    """
    with TemporaryDirectory(prefix="agent-", dir=within) as path:
        Path(path).chmod(0o755)  # an agent of root's acts as nobody for its peer
        try:
            yield Path(path)
        finally:
            for process in _started.pop(Path(path), []):
                terminate(process)


@contextlib.contextmanager
def standing_pair(within: str | None = None) -> Iterator[Pair]:
    """Two agents in a folder of their own, for what is measured by hand."""
    with agents_folder(within) as folder:
        pair = Pair(folder)
        try:
            yield pair
        finally:
            pair.stop()
