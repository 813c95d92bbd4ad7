"""AF_VSOCK under the shim behaves as the kernel's own does.

`golden/conformance.txt` is what the conformance program said over the kernel's AF_VSOCK in a real
guest (tests/lab/test_conformance.py proves it true). `golden/conformance-differences.txt` has, for
each case where the shim is different on purpose, what it says instead (`case@path`: on one path
only); docs/sockets.md says why.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from agents import BUILD, Agent, Pair

GOLDEN = Path(__file__).parents[1] / "golden"


def lines(text: str) -> dict[str, str]:
    """The outcome of each case."""
    return dict(line.split(":", 1) for line in text.splitlines())


def expected(path: str) -> dict[str, str]:
    """What the kernel says, but for the differences."""
    kernel = lines((GOLDEN / "conformance.txt").read_text())
    every = lines((GOLDEN / "conformance-differences.txt").read_text())
    ours = {
        case.removesuffix(f"@{path}"): said
        for case, said in every.items()
        if "@" not in case or case.endswith(f"@{path}")
    }
    assert set(ours) <= set(kernel), "a difference from a case that is not there"
    assert not [case for case in ours if ours[case] == kernel[case]], "no difference any more"
    return {**kernel, **ours}


def conformance(client: Agent, *argv: str, build: Path = BUILD) -> dict[str, str]:
    """Run all cases under the shim, the clients in one domain."""
    run = [str(build / "domsock"), "run", "--run-dir", str(client.run_dir), "--"]
    done = subprocess.run(
        [*run, str(build / "conformance"), *argv],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env={**os.environ, "LC_ALL": "C"},
    )
    assert done.returncode == 0, done
    return lines(done.stdout)


@pytest.mark.parametrize("path", ["local", "tcp", "shm"])
def test_it_is_as_the_kernels(pair: Pair, path: str) -> None:
    where = ["4", str(pair.g2.run_dir)] if path != "local" else []
    if path == "shm":
        pair.attach(pair.make_region())
        pair.hand_over("shm")
    assert conformance(pair.g1, *where) == expected(path)
