"""AF_VSOCK under the shim, and UNIX sockets of another domain, behave as the kernel's own do
(tests/conformance.py).
"""

from __future__ import annotations

import os
import socket
import subprocess
from pathlib import Path

import pytest
from agents import BUILD, PATIENCE_S, Agent, Pair

from tests.conformance import apart, expected, expected_by_path, lines


def command(agent: Agent, *argv: str, build: Path = BUILD) -> list[str]:
    """The program under the shim, in a domain."""
    run = [str(build / "domsock"), "run", "--run-dir", str(agent.run_dir), "--"]
    return [*run, str(build / "conformance"), *argv]


def conformance(client: Agent, *argv: str, build: Path = BUILD) -> dict[str, str]:
    """Run all cases under the shim, the clients in one domain."""
    done = subprocess.run(
        command(client, *argv, build=build),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done
    return lines(done.stdout)


def share(pair: Pair, path: str) -> None:
    """How bytes go between the two."""
    if path == "shm":
        pair.share_memory()


def free_port() -> str:
    """A TCP port that is nobody's."""
    with socket.create_server(("127.0.0.1", 0)) as made:
        return str(made.getsockname()[1])


@pytest.mark.parametrize("path", ["local", "tcp", "shm"])
def test_it_is_as_the_kernels(pair: Pair, path: str) -> None:
    where = ["4", str(pair.g2.run_dir)] if path != "local" else []
    share(pair, path)
    assert conformance(pair.g1, *where) == expected(path)


@pytest.mark.parametrize("path", ["tcp", "shm"])
def test_it_is_as_the_kernels_with_a_program_in_each_domain(pair: Pair, path: str) -> None:
    """As two machines run it (tests/lab/test_conformance.py)."""
    share(pair, path)
    port = free_port()
    with subprocess.Popen(command(pair.g2, "serve", port, "4"), stdout=subprocess.DEVNULL) as other:
        said = conformance(pair.g1, "join", "127.0.0.1", port, "4")
        assert apart(said) == apart(expected(path))
        assert other.wait(PATIENCE_S) == 0


@pytest.mark.parametrize("path", ["tcp", "shm"])
def test_paths_are_as_the_kernels(pair: Pair, path: str) -> None:
    share(pair, path)
    servers = pair.g2.run_dir / "self" / "paths"
    servers.mkdir()
    argv = [str(BUILD / "conformance"), "paths", str(servers), str(pair.g1.run_dir / "g2/paths")]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done
    assert lines(done.stdout) == expected_by_path(path)
