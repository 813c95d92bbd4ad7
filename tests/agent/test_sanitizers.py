"""Agent and shim under the thread sanitizer, memcheck, and fuzzers that are led by coverage.

Short here; `make soak` runs the long ones, and the socket suites with address sanitizers.
"""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path

import pytest
from agents import BUILD, Pair
from programs import open_streams
from test_conformance import conformance

from harness.config import REPOSITORY
from harness.run import run
from tests.conformance import expected

AGENT = REPOSITORY / "guest-agent"
FUZZERS = ("control", "region", "wire")
SECONDS = 600 if os.environ.get("TESTBED_LONG") else 1
SUITES = ("conformance", "direct", "epoll", "handover", "hosts", "packets", "resets", "vsock")
KEY, NONCE = "ab" * 32, "cd" * 16
ROUTE = {"domain": 5, "address": "127.0.0.1", "host": 9, "key": KEY}
SEEDS: tuple[dict[str, object], ...] = (
    {"op": "link.add", "peer": "g2", "peer_id": 4, "address": "127.0.0.1", "port": 1, "key": KEY},
    {"op": "region.attach", "peer": "g2", "nonce": NONCE, "file": "/nowhere", "deadline_ms": 5},
    {"op": "handover", "peer": "g2", "to": "tcp", "deadline_ms": 5},
    {"op": "links"},
    {"op": "routes.set", "owner": "h1", "routes": [ROUTE]},
    {"op": "routes"},
    {"op": "link.remove", "peer": "g2", "policy": "reset"},
)


def make(build: str, *argv: str) -> Path:
    """Build something in a folder of its own."""
    run(["make", "-j2", "-C", str(AGENT), f"BUILD={build}", *argv], within=280)
    return AGENT / build


# ---- threads: the shim's business, for the agent has one only ----


@pytest.fixture(scope="module")
def threads() -> Path:
    wanted = [f"build-tsan/{name}" for name in ("conformance", "libdomsock.so", "domsock")]
    return make("build-tsan", "TSAN=1", *wanted)


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        pytest.param("local", marks=pytest.mark.long),
        pytest.param("tcp", marks=pytest.mark.long),
        "shm",
    ],
)
def test_threads(threads: Path, pair: Pair, path: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TSAN_OPTIONS", "exitcode=66")
    where = ["4", str(pair.g2.run_dir)] if path != "local" else []
    if path == "shm":
        pair.attach(pair.make_region())
        pair.hand_over("shm")
    assert conformance(pair.g1, *where, build=threads) == expected(path)


# ---- memory ----


def checked_by_valgrind(folder: Path) -> Pair:
    """Two agents that end with another status when they lose memory or misuse it."""
    run(["make", "-C", str(AGENT), f"BUILD={BUILD}", f"{BUILD}/domsockd-dynamic"], within=280)
    valgrind = ["valgrind", "--quiet", "--leak-check=full", "--show-leak-kinds=all"]
    valgrind += ["--errors-for-leak-kinds=all", "--error-exitcode=99", "--vgdb=no"]
    return Pair(folder, under=valgrind, program="domsockd-dynamic")


def exercise(pair: Pair) -> None:
    """Streams that open, carry, move and close."""
    pair.connect()
    ends = open_streams(pair, 12)
    for path in ("shm", "tcp", "shm"):
        if path == "shm":
            pair.attach(pair.make_region())
        pair.hand_over(path)
        for client, server in ends:
            client.sendall(bytes(10000))
            server.sendall(b"answer")
            assert client.recv(100) == b"answer"
            left = 10000
            while left:
                left -= len(server.recv(left))
    for client, _ in ends[:6]:
        client.close()
    pair.g1.call("link.remove", peer="g2", policy="reset")


def test_the_agent_loses_no_memory(folder: Path) -> None:
    pair = checked_by_valgrind(folder)
    try:
        exercise(pair)
    finally:
        pair.stop()  # which looks at how they end


@pytest.mark.long
def test_memory_under_the_shim(folder: Path) -> None:
    pair = checked_by_valgrind(folder)
    try:
        pair.connect()
        pair.attach(pair.make_region())
        pair.hand_over("shm")
        conformance(pair.g1, "4", str(pair.g2.run_dir))
    finally:
        pair.stop()


@pytest.mark.long
@pytest.mark.parametrize("suite", SUITES)
def test_addresses(suite: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Everything is built with sanitizers, what Python programs preload included."""
    monkeypatch.setenv("AGENT_BUILD", str(make("build-san", "SAN=1")))
    monkeypatch.setenv("ASAN_OPTIONS", "verify_asan_link_order=0:detect_leaks=0")
    argv = [str(REPOSITORY / ".venv/bin/pytest"), "-q", f"tests/agent/test_{suite}.py"]
    run(argv, within=800, cwd=REPOSITORY)


# ---- fuzzers ----


@pytest.fixture(scope="module")
def fuzzers() -> Path:
    if not shutil.which("clang"):
        pytest.skip("clang is not installed")
    return make("build-fuzz", "FUZZ=1", "CC=clang", "fuzzers") / "fuzz"


def seeds(folder: Path) -> Path:
    """What a commander says, one by one and all together."""
    lines = [json.dumps({"id": number, **seed}) for number, seed in enumerate(SEEDS)]
    for number, text in enumerate([*lines, "\n".join(lines)]):
        (folder / str(number)).write_text(text)
    return folder


@pytest.mark.slow
@pytest.mark.timeout(SECONDS + 200)
@pytest.mark.parametrize("name", FUZZERS)
def test_fuzzing(fuzzers: Path, name: str, tmp_path: Path) -> None:
    argv = [str(fuzzers / name), f"-max_total_time={SECONDS}", "-rss_limit_mb=2048"]
    argv += ["-len_control=0", "-max_len=4096", f"-artifact_prefix={tmp_path}/found-"]
    corpus = tmp_path / "corpus"
    corpus.mkdir()
    if name == "control":
        argv += [f"-dict={AGENT}/tests/fuzz/control.dict", str(corpus), str(seeds(tmp_path))]
    run(argv, within=SECONDS + 100)
