"""Programs that know nothing of domsock, run by `domsock run`: AF_VSOCK is all they use."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

from agents import BUILD, PATIENCE_S, Agent, Linked, wait_until

FOLDER = Path(__file__).parent
FLOW = FOLDER / "vsock_flow.py"
PORT = 6000

# Every program begins so: `end(cid, port)` connects, `listener(port)` listens.
PRELUDE = """
import os, select, socket, sys
def vsock(): return socket.socket(socket.AF_VSOCK, socket.SOCK_STREAM)
def end(cid, port):
    made = vsock(); made.connect((cid, port)); return made
def listener(port, backlog=8):
    made = vsock(); made.bind((socket.VMADDR_CID_ANY, port)); made.listen(backlog); return made
def say(*words): print(*words, flush=True)
"""


class Program:
    """A program of one domain, and what it prints, line by line."""

    def __init__(self, agent: Agent, *argv: str) -> None:
        run = [str(BUILD / "domsock"), "run", "--run-dir", str(agent.run_dir), "--"]
        self.process = subprocess.Popen(
            [*run, sys.executable, *argv],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "PYTHONPATH": str(FOLDER.parents[1])},
        )

    def line(self) -> str:
        """Return the next line it prints."""
        assert self.process.stdout
        return self.process.stdout.readline().strip()

    def tell(self) -> None:
        """One byte on its standard input: programs wait for that between two steps."""
        assert self.process.stdin
        self.process.stdin.write("\n")
        self.process.stdin.flush()

    def go_on(self) -> None:
        """End its standard input: programs wait for that before they finish."""
        assert self.process.stdin
        self.process.stdin.close()

    def end(self) -> str:
        """Let it finish; return what else it printed. It must end well."""
        if self.process.stdin and not self.process.stdin.closed:
            self.go_on()
        assert self.process.stdout
        said = self.process.stdout.read().strip()
        assert self.process.wait(PATIENCE_S) == 0, said
        return said


@contextlib.contextmanager
def program(agent: Agent, code: str, *argv: object) -> Iterator[Program]:
    """Run Python code in a domain; ended with the block."""
    with started(Program(agent, "-c", PRELUDE + code, *map(str, argv))) as made:
        yield made


PONG = """
s = listener(6000); say("listening"); one, _ = s.accept()
while data := one.recv(8, socket.MSG_WAITALL): one.sendall(data)
"""


@contextlib.contextmanager
def answered(pair: Linked, code: str) -> Iterator[Program]:
    """A program of g1's; at port 6000 of g2 somebody sends back what comes, by 8 bytes."""
    with program(pair.g2, PONG) as server:
        assert server.line() == "listening"
        with program(pair.g1, code) as client:
            yield client


@contextlib.contextmanager
def started(made: Program) -> Iterator[Program]:
    """End a program with the block, whatever became of it."""
    try:
        yield made
    finally:
        made.process.kill()
        made.process.wait(PATIENCE_S)


def await_direct(agent: Agent, count: int = 1) -> None:
    """Wait until so many streams' rings are held by their programs."""
    wait_until(
        lambda: sum(stream["direct"] for stream in agent.streams()) >= count,
        f"{count} streams of {agent.name} in direct mode",
    )


@contextlib.contextmanager
def flow(
    pair: Linked, *how: str, script: Path = FLOW, port: int = PORT, cid: int | None = None
) -> Iterator[tuple[Program, Program]]:
    """A stream with both directions at full speed, from g1 to g2, which g1 calls by its id or as
    that `cid`; `how` is for the script.
    """
    called = str(pair.g2.id if cid is None else cid)
    with started(Program(pair.g2, str(script), *how, "listen", str(port))) as server:
        assert server.line() == "listening"
        with started(Program(pair.g1, str(script), *how, "connect", called, str(port))) as client:
            assert (client.line(), server.line()) == ("connected", "connected")
            yield client, server


def finish(client: Program, server: Program) -> None:
    """Both stop sending, and have what the other sent."""
    client.go_on()
    server.go_on()
    ours, theirs = client.end().split(), server.end().split()
    assert (ours[0], theirs[0]) == ("sent", "sent"), (ours, theirs)
    assert (ours[1], theirs[1]) == (theirs[3], ours[3])
