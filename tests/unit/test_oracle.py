"""The byte oracle, run for real: it must tell each kind of damage from the others, exactly."""

from __future__ import annotations

import json
import random
import signal
import socket
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from harness import clock, run
from harness.config import REPOSITORY

STEP = 0x9E3779B97F4A7C15
MASK = (1 << 64) - 1
SEED = 5
SIZE = 300_001  # several chunks, and no whole number of words


@pytest.fixture(scope="session")
def oracle() -> Path:
    """The native build."""
    run.run(["make", "-C", str(REPOSITORY / "workloads")], within=120)
    return REPOSITORY / "workloads/build/oracle"


def start_of(seed: int) -> int:
    x = (seed + STEP) & MASK
    x = ((x ^ (x >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    x = ((x ^ (x >> 27)) * 0x94D049BB133111EB) & MASK
    return x ^ (x >> 31)


def pattern(seed: int, size: int) -> bytes:
    """What a sender with this seed sends: a second opinion on pattern.c."""
    start = start_of(seed)
    words = [(start + i * STEP) & MASK for i in range(size // 8 + 2)]
    return struct.pack(f"<{len(words)}Q", *words)[:size]


def end_mark(seed: int, size: int) -> bytes:
    due = pattern(seed, size + 8)[size:]
    return bytes(~byte & 0xFF for byte in due) + struct.pack("<QQ", size, ~size & MASK)


GOOD = pattern(SEED, SIZE)
END = end_mark(SEED, SIZE)


@dataclass(frozen=True)
class Verdict:
    code: int
    final: dict[str, Any]

    @property
    def counts(self) -> tuple[int, int, int, int]:
        names = ("lost", "duplicated", "reordered", "corrupted")
        lost, duplicated, reordered, corrupted = (self.final[name] for name in names)
        return lost, duplicated, reordered, corrupted


def check(oracle: Path, folder: Path, data: bytes) -> Verdict:
    """What the oracle says about these bytes, in reads of a random size."""
    file = folder / "bytes"
    file.write_bytes(data)
    argv = [str(oracle), "--expect-seed", str(SEED), "--exec", "--"]
    size = random.Random(len(data)).choice((100, 4096, 65536))
    done = run.run([*argv, "dd", f"if={file}", f"bs={size}", "status=none"], check=False)
    return Verdict(done.returncode, json.loads(done.stdout))


def test_a_clean_stream_is_clean(oracle: Path, tmp_path: Path) -> None:
    verdict = check(oracle, tmp_path, GOOD + END)
    assert (verdict.code, verdict.counts) == (0, (0, 0, 0, 0))
    assert verdict.final["bytes_verified"] == SIZE
    assert verdict.final["ended"] and verdict.final["eof"]
    assert verdict.final["first_error_offset"] is None and verdict.final["error"] is None


@pytest.mark.parametrize("size", [0, 1, 7, 8, 9, 31, 65536])
def test_any_length_may_end(oracle: Path, tmp_path: Path, size: int) -> None:
    verdict = check(oracle, tmp_path, pattern(SEED, size) + end_mark(SEED, size))
    assert (verdict.code, verdict.final["bytes_verified"]) == (0, size)


def test_a_stream_that_stops_early_is_broken(oracle: Path, tmp_path: Path) -> None:
    verdict = check(oracle, tmp_path, GOOD[:1000])
    assert (verdict.code, verdict.counts) == (3, (0, 0, 0, 0))
    assert "end mark" in verdict.final["error"]


@pytest.mark.parametrize("at", [0, 1, 8, 4099, 200_000, SIZE - 1])
@pytest.mark.parametrize("size", [1, 3, 8, 24, 1000, 70_000])
def test_a_cut(oracle: Path, tmp_path: Path, at: int, size: int) -> None:
    size = min(size, SIZE - at)
    verdict = check(oracle, tmp_path, GOOD[:at] + GOOD[at + size :] + END)
    assert (verdict.code, verdict.counts) == (1, (size, 0, 0, 0))
    assert verdict.final["bytes_verified"] == SIZE - size
    # A byte behind the cut equals the lost one now and then: the cut is seen that much later.
    assert at <= verdict.final["first_error_offset"] <= at + 2


@pytest.mark.parametrize("at", [100, 4099, 200_000])
@pytest.mark.parametrize("size", [1, 16, 1000, 70_000])
def test_a_duplicated_block(oracle: Path, tmp_path: Path, at: int, size: int) -> None:
    size = min(size, at)
    verdict = check(oracle, tmp_path, GOOD[:at] + GOOD[at - size :] + END)
    assert (verdict.code, verdict.counts) == (1, (0, size, 0, 0))
    assert verdict.final["bytes_verified"] == SIZE


@pytest.mark.parametrize(("first", "middle", "last"), [(8, 24, 56), (1000, 5003, 9999)])
def test_swapped_blocks(oracle: Path, tmp_path: Path, first: int, middle: int, last: int) -> None:
    data = GOOD[:first] + GOOD[middle:last] + GOOD[first:middle] + GOOD[last:] + END
    verdict = check(oracle, tmp_path, data)
    assert (verdict.code, verdict.counts) == (1, (0, 0, middle - first, 0))
    assert verdict.final["first_error_offset"] == first


@pytest.mark.parametrize("places", [(0,), (5000,), (SIZE - 1,), (100, 103, 110, 131, 9000)])
def test_flipped_bytes(oracle: Path, tmp_path: Path, places: tuple[int, ...]) -> None:
    data = bytearray(GOOD)
    for place in places:
        data[place] ^= 0x40
    verdict = check(oracle, tmp_path, bytes(data) + END)
    assert (verdict.code, verdict.counts) == (1, (0, 0, 0, len(places)))
    assert verdict.final["first_error_offset"] == places[0]
    assert verdict.final["bytes_verified"] == SIZE - len(places)


def test_a_shift_by_one_byte(oracle: Path, tmp_path: Path) -> None:
    strange = bytes([GOOD[5000] ^ 1])
    verdict = check(oracle, tmp_path, GOOD[:5000] + strange + GOOD[5000:] + END)
    assert (verdict.code, verdict.counts) == (1, (0, 0, 0, 1))
    assert verdict.final["bytes_verified"] == SIZE


def test_zeros_out_of_a_device_that_is_gone(oracle: Path, tmp_path: Path) -> None:
    data = bytearray(GOOD)
    data[8192:12288] = bytes(4096)
    verdict = check(oracle, tmp_path, bytes(data) + END)
    zeros = sum(byte == 0 for byte in GOOD[8192:12288])  # these are right by chance
    assert verdict.counts == (0, 0, 0, 4096 - zeros)


def test_bytes_behind_the_end(oracle: Path, tmp_path: Path) -> None:
    verdict = check(oracle, tmp_path, GOOD + END + b"x" * 100)
    assert (verdict.code, verdict.final["corrupted"]) == (1, 100)


def test_a_lost_tail_is_counted_by_the_end_mark(oracle: Path, tmp_path: Path) -> None:
    assert check(oracle, tmp_path, GOOD[:-777] + END).counts == (777, 0, 0, 0)


def test_random_damage_never_passes(oracle: Path, tmp_path: Path) -> None:
    """Whatever is done to a stream: nothing is clean, and no byte is booked twice as received."""
    chance = random.Random(7)
    for _ in range(60):
        data = bytearray(GOOD[:20_000])
        for _ in range(chance.randrange(1, 6)):
            at, size = chance.randrange(len(data)), chance.choice((1, 5, 64, 4096))
            piece = bytes(data[at : at + size])
            damage = chance.choice(("cut", "move", "double", "zero"))
            if damage in ("cut", "move"):
                del data[at : at + size]
            if damage == "zero":
                data[at : at + size] = bytes(len(piece))
            if damage in ("move", "double"):
                to = chance.randrange(len(data) + 1)
                data[to:to] = piece
        if bytes(data) == GOOD[:20_000]:
            continue
        verdict = check(oracle, tmp_path, bytes(data) + end_mark(SEED, 20_000))
        assert verdict.code == 1
        assert verdict.final["bytes_verified"] + verdict.final["lost"] <= 20_000


class Pair:
    """Two oracles on one UNIX socket."""

    def __init__(self, oracle: Path, folder: Path, options: list[str]) -> None:
        self.path = folder / "stream"
        self.reports = [folder / "listener.jsonl", folder / "connector.jsonl"]
        ends = [("--listen", "1", "2"), ("--connect", "2", "1")]
        self.processes = []
        for (flag, own, other), report in zip(ends, self.reports, strict=True):
            seeds = ["--send-seed", own, "--expect-seed", other]
            reports = ["--report", str(report), "--interval", "20"]
            argv = [str(oracle), flag, str(self.path), *seeds, *reports, *options]
            self.processes.append(run.spawn(argv))

    def lines(self, end: int) -> list[dict[str, Any]]:
        text = self.reports[end].read_text() if self.reports[end].exists() else ""
        return [json.loads(line) for line in text.splitlines() if line.endswith("}")]

    def wait(self) -> list[dict[str, Any]]:
        assert [process.wait(20) for process in self.processes] == [0, 0]
        return [self.lines(end)[-1] for end in (0, 1)]

    def close(self) -> None:
        for process in self.processes:
            run.terminate(process)


@pytest.fixture
def unbounded(oracle: Path, tmp_path: Path) -> Iterator[Pair]:
    pair = Pair(oracle, tmp_path, ["--stop-file", str(tmp_path / "stop")])
    yield pair
    pair.close()


def flowing(pair: Pair) -> bool:
    return all(pair.lines(end)[-1:] and pair.lines(end)[-1]["verified"] > 0 for end in (0, 1))


def test_two_ends_until_told_to_stop(unbounded: Pair, tmp_path: Path) -> None:
    clock.wait_until(lambda: flowing(unbounded), within=10, what="bytes in both directions")
    (tmp_path / "stop").touch()
    first, second = unbounded.wait()
    assert first["bytes_sent"] == second["bytes_verified"] > 0
    assert second["bytes_sent"] == first["bytes_verified"] > 0
    assert not unbounded.path.exists()


def test_sigterm_ends_one_direction_only(unbounded: Pair) -> None:
    clock.wait_until(lambda: flowing(unbounded), within=10, what="bytes in both directions")
    unbounded.processes[0].send_signal(signal.SIGTERM)

    def no_longer_sending() -> dict[str, Any] | None:
        before, last = ([{"sent": -1}, *unbounded.lines(0)])[-2:]
        return last if before["sent"] == last["sent"] else None

    sent = clock.wait_until(no_longer_sending, within=10, what="a first end that has ended")
    clock.wait_until(
        lambda: unbounded.lines(0)[-1]["verified"] > sent["verified"],
        within=10,
        what="bytes that still come from the other end",
    )
    unbounded.processes[1].send_signal(signal.SIGTERM)
    first, second = unbounded.wait()
    assert first["bytes_sent"] == second["bytes_verified"]
    assert second["bytes_sent"] == first["bytes_verified"]


def test_a_stall_is_measured(oracle: Path, tmp_path: Path) -> None:
    pair = Pair(oracle, tmp_path, [])
    try:
        clock.wait_until(lambda: flowing(pair), within=10, what="bytes in both directions")
        pair.processes[1].send_signal(signal.SIGSTOP)
        clock.wait_until(
            lambda: pair.lines(0)[-1]["longest_receive_stall_ms"] >= 300,
            within=10,
            what="a stall of 300 ms",
        )
        pair.processes[1].send_signal(signal.SIGCONT)
        for process in pair.processes:
            process.send_signal(signal.SIGTERM)
        first, _ = pair.wait()
        assert first["longest_stall_ms"] >= 300
    finally:
        pair.close()


def test_a_paced_stream_sends_one_chunk_each_time(oracle: Path, tmp_path: Path) -> None:
    pair = Pair(oracle, tmp_path, ["--pace", "10", "--bytes", "640"])
    try:
        first, _ = pair.wait()
    finally:
        pair.close()
    assert first["bytes_sent"] == 640
    assert first["seconds"] >= 0.09


def test_half_close_through_a_stock_program(oracle: Path, tmp_path: Path) -> None:
    """nc stands between: our end must reach the peer while the peer goes on sending."""
    path = tmp_path / "stream"
    argv = [str(oracle), "--listen", str(path), "--send-seed", "1", "--expect-seed", "2"]
    listener = run.spawn([*argv, "--bytes", "5000000", "--report", str(tmp_path / "l")])
    try:
        clock.wait_until(path.exists, within=10, what="the listening socket")
        argv = [str(oracle), "--send-seed", "2", "--expect-seed", "1", "--bytes", "1000"]
        done = run.run([*argv, "--exec", "--", "nc", "-N", "-U", str(path)])
        assert json.loads(done.stdout)["bytes_verified"] == 5_000_000
        assert json.loads(done.stdout)["child_status"] == 0
        assert listener.wait(10) == 0
    finally:
        run.terminate(listener)


def test_tcp(oracle: Path, tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        argv = [str(oracle), "--tcp-connect", where, "--expect-seed", str(SEED)]
        process = run.spawn(argv, stdout=run.DEVNULL)
        peer, _ = server.accept()
        with peer:
            peer.sendall(GOOD + END)
        assert process.wait(10) == 0


def test_a_reset_is_a_broken_stream(oracle: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        where = f"127.0.0.1:{server.getsockname()[1]}"
        process = run.spawn(
            [str(oracle), "--tcp-connect", where, "--send-seed", "1"], stdout=run.DEVNULL
        )
        peer, _ = server.accept()
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        peer.close()
        assert process.wait(10) == 3


def test_a_stale_socket_file_is_replaced_but_no_other_file(oracle: Path, tmp_path: Path) -> None:
    stale, precious = tmp_path / "stale", tmp_path / "precious"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(stale))
    precious.write_text("keep me")
    options = ["--send-seed", "1", "--connect-within", "0"]
    assert run.run([str(oracle), "--listen", str(stale), *options], check=False).returncode == 3
    assert not stale.exists()
    refused = run.run([str(oracle), "--listen", str(precious), *options], check=False)
    assert refused.returncode == 2
    assert "no socket" in refused.stderr and precious.read_text() == "keep me"


@pytest.mark.parametrize(
    "argv",
    [
        [],
        ["--connect", "/nowhere"],
        ["--connect", "/a", "--listen", "/b", "--send-seed", "1"],
        ["--connect", "x" * 200, "--send-seed", "1"],
        ["--tcp-connect", "127.0.0.1", "--send-seed", "1"],
        ["--tcp-connect", "127.0.0.1:99999", "--send-seed", "1"],
        ["--exec", "--send-seed", "1"],
        ["--connect", "/a", "--send-seed", "-1"],
        ["--connect", "/a", "--send-seed", "1", "--chunk", "65537"],
        ["--connect", "/a", "--send-seed", "1", "--report", "/nowhere/report"],
        ["--connect", "/a", "--send-seed", "1", "rest"],
        ["--no-such-option"],
    ],
)
def test_wrong_usage(oracle: Path, argv: list[str]) -> None:
    done = run.run([str(oracle), *argv], check=False)
    assert done.returncode == 2
    assert done.stderr
