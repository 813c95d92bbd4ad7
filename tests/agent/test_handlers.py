"""Signal handlers that use the stream whose use they interrupt, or jump out of it
(guest-agent/tests/handlers.c): nobody hangs, no byte is lost or overtaken.
"""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from agents import BUILD, PATIENCE_S, Agent, Pair
from shimmed import await_direct, program

from harness.config import REPOSITORY
from harness.run import run

AGENT = REPOSITORY / "guest-agent"
PROGRAM = BUILD / "handlers"
SERVER = 's = listener(6000); say("listening"); one, _ = s.accept()\n'
# What main() sends in order; a handler's bytes are all the same.
COUNTS = """
pattern = bytes(range(250)) * 4200; at = marks = 0
while data := one.recv(1 << 20):
    plain = data.translate(None, b"\\xff"); marks += len(data) - len(plain); begin = at % 250
    if plain != pattern[begin : begin + len(plain)]: say("wrong near", at); break
    at += len(plain)
say(at, marks)
"""
ECHOES = "while data := one.recv(1 << 16): one.sendall(data)\n"
SINKS = 'while one.recv(1 << 20): pass\nsay("ended")\n'


@pytest.fixture(scope="module", autouse=True)
def compiled() -> None:
    run(["make", "-C", str(AGENT), f"BUILD={BUILD}", str(PROGRAM)], within=120)


@contextmanager
def disturbed(agent: Agent, how: str) -> Iterator[subprocess.Popen[str]]:
    """The program, in a domain; its stream goes to g2."""
    argv = [str(BUILD / "domsock"), "run", "--run-dir", str(agent.run_dir), "--", str(PROGRAM)]
    with subprocess.Popen([*argv, how, "4", "6000"], stdout=subprocess.PIPE, text=True) as made:
        try:
            yield made
        finally:
            made.kill()


def said(pair: Pair, how: str) -> str:
    """What it prints at its end."""
    with disturbed(pair.g1, how) as client:
        if pair.g1.link()["path"] == "shm":
            await_direct(pair.g1)
        out, _ = client.communicate(timeout=PATIENCE_S)
        assert client.returncode == 0, out
        return out.strip()


def test_a_handler_writes_to_the_stream_that_is_written_to(somewhere: Pair) -> None:
    with program(somewhere.g2, SERVER + COUNTS) as server:
        assert server.line() == "listening"
        sent = said(somewhere, "write")
        assert server.line() == sent
        assert int(sent.split()[1]) > 100


def test_a_handler_jumps_out_of_a_write(somewhere: Pair) -> None:
    with program(somewhere.g2, SERVER + SINKS) as server:
        assert server.line() == "listening"
        assert said(somewhere, "jump") == "1"
        assert server.line() == "ended"


def test_a_handler_writes_to_a_stream_that_is_waited_for(somewhere: Pair) -> None:
    with program(somewhere.g2, SERVER + ECHOES) as server:
        assert server.line() == "listening"
        assert said(somewhere, "wait") == "1"


def test_a_program_sees_the_actions_that_it_has_set(pair: Pair) -> None:
    plain = run([str(PROGRAM), "actions"])
    argv = [str(BUILD / "domsock"), "run", "--run-dir", str(pair.g1.run_dir), "--"]
    assert run([*argv, str(PROGRAM), "actions"]).stdout == plain.stdout != ""
