"""The program `load`, run for real: it must see what is wrong, and lose nothing it was told."""

from __future__ import annotations

import fcntl
import json
import socket
import termios
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from harness import clock, run
from harness.config import REPOSITORY
from harness.traffic.harvest import parse_harvest
from harness.traffic.oracle import parse_report

PAGE = 4096


@pytest.fixture(scope="session")
def load() -> Path:
    """The build with sanitizers: what they find ends the program."""
    argv = ["make", "-C", str(REPOSITORY / "workloads"), "SAN=1", "BUILD=build-san"]
    run.run(argv, within=240)
    return REPOSITORY / "workloads/build-san/load"


@contextmanager
def started(*argv: object) -> Iterator[run.Process]:
    process = run.spawn([str(word) for word in argv])
    try:
        yield process
    finally:
        run.terminate(process)


def await_file(path: Path) -> None:
    clock.wait_until(path.exists, within=20, what=str(path))


def final_of(report: Path) -> dict[str, Any]:
    return parse_report(report.read_text()).final


@pytest.mark.parametrize("each", [0, 1, 3])
def test_every_request_is_answered(load: Path, tmp_path: Path, each: int) -> None:
    server, report = tmp_path / "s", tmp_path / "report"
    with started(load, "serve", server):
        options = ["--seed", 5, "--each", each, "--report", report, "--interval", 10]
        with started(load, "talk", server, *options) as client:
            clock.wait_until(
                lambda: report.exists() and parse_report(report.read_text()).samples,
                within=20,
                what="a sample",
            )
            assert run.terminate(client) == 0
    final = final_of(report)
    assert final["bytes_sent"] == final["bytes_verified"] == 64 * final["requests"] > 0
    assert sum(final["latency_us"]) == final["requests"] and final["eof"]
    needed = 1 if each == 0 else -(-final["requests"] // each)
    assert final["connections"] - needed in (0, 1)  # told to stop with one just opened


def hostile(path: Path, reply: bytes | None) -> threading.Thread:
    """A server that gives every request the same answer, or hangs up in the middle of one."""
    listener = socket.socket(socket.AF_UNIX)
    listener.bind(str(path))
    listener.listen()

    def answer() -> None:
        with listener, listener.accept()[0] as connection:
            while connection.recv(64):
                connection.sendall(reply or b"half")
                if reply is None:
                    return

    thread = threading.Thread(target=answer, daemon=True)
    thread.start()
    return thread


def test_a_wrong_answer_is_counted(load: Path, tmp_path: Path) -> None:
    server, report = tmp_path / "s", tmp_path / "report"
    hostile(server, bytes(64))
    options = ["--report", report, "--pace", 5, "--interval", 10]
    with started(load, "talk", server, *options) as client:
        clock.wait_until(
            lambda: report.exists() and parse_report(report.read_text()).samples,
            within=20,
            what="a sample",
        )
        assert run.terminate(client) == 1
    final = final_of(report)
    assert final["corrupted"] == final["bytes_sent"] > 0 and final["bytes_verified"] == 0


def test_a_server_that_hangs_up_loses_the_request(load: Path, tmp_path: Path) -> None:
    server, report = tmp_path / "s", tmp_path / "report"
    hostile(server, None)
    with started(load, "talk", server, "--report", report) as client:
        assert run.wait(client, 20) == 3
    final = final_of(report)
    assert (final["lost"], final["eof"]) == (64, False) and final["error"]


@contextmanager
def patterns(load: Path, folder: Path, dirty: int) -> Iterator[Path]:
    where, disk = folder / "p", folder / "disk"
    sizes = ["--ram", 64 * PAGE, "--disk", 50 * PAGE, "--file", disk, "--dirty", dirty]
    with started(load, "pages", "--socket", where, "--seed", 7, *sizes):
        await_file(where)
        yield disk


def ask(load: Path, folder: Path) -> dict[str, int]:
    answer: dict[str, int] = json.loads(run.run([str(load), "ask", str(folder / "p")]).stdout)
    return answer


def test_patterns_hold_while_they_are_rewritten(load: Path, tmp_path: Path) -> None:
    with patterns(load, tmp_path, dirty=2 << 20):
        clock.wait_until(
            lambda: ask(load, tmp_path)["rewritten"] > 200 * PAGE, within=20, what="rewrites"
        )
        found = ask(load, tmp_path)
    assert (found["ram_checked"], found["disk_checked"]) == (64 * PAGE, 50 * PAGE)
    assert (found["ram_bad"], found["disk_bad"]) == (0, 0)


def test_one_changed_bit_of_the_disk_is_seen(load: Path, tmp_path: Path) -> None:
    with patterns(load, tmp_path, dirty=0) as disk:
        assert ask(load, tmp_path)["disk_bad"] == 0
        with disk.open("r+b") as file:
            file.seek(20 * PAGE + 17)
            byte = file.read(1)[0]
            file.seek(-1, 1)
            file.write(bytes([byte ^ 1]))
        found = ask(load, tmp_path)
    assert (found["disk_bad"], found["disk_bad_page"], found["ram_bad"]) == (1, 20, 0)


def memory_of(process: run.Process) -> Iterator[tuple[int, bytes]]:
    """The writable stretches of a program's memory: where each begins, and its bytes."""
    with Path(f"/proc/{process.pid}/mem").open("rb") as memory:
        for line in Path(f"/proc/{process.pid}/maps").read_text().splitlines():
            span, rights, *_ = line.split()
            begin, end = (int(place, 16) for place in span.split("-"))
            if rights.startswith("rw") and end - begin < 1 << 30:
                memory.seek(begin)
                yield begin, memory.read(end - begin)


def test_one_changed_bit_of_memory_is_seen(load: Path, tmp_path: Path) -> None:
    """A twin's disk holds what the memory of this one does: so it is found there."""
    seed, twin = 7, 2**64 - 1 - 7
    where, disk = tmp_path / "twin", tmp_path / "disk"
    sizes = ["--ram", 0, "--disk", 64 * PAGE, "--file", disk]
    with started(load, "pages", "--socket", where, "--seed", twin, *sizes):
        await_file(where)
    page = disk.read_bytes()[9 * PAGE : 10 * PAGE]
    where = tmp_path / "p"
    argv = ["pages", "--socket", where, "--seed", seed, "--ram", 64 * PAGE]
    with started(load, *argv) as process:
        await_file(where)
        assert ask(load, tmp_path)["ram_bad"] == 0
        [at] = [begin + found.find(page) for begin, found in memory_of(process) if page in found]
        with Path(f"/proc/{process.pid}/mem").open("r+b") as memory:
            memory.seek(at + 17)
            memory.write(bytes([page[17] ^ 1]))
        found = ask(load, tmp_path)
        assert run.terminate(process) == 1
    assert (found["ram_bad"], found["ram_bad_page"], found["disk_bad"]) == (1, 9, 0)


def test_what_was_found_is_told_once(load: Path, tmp_path: Path) -> None:
    """So that one wrong page fails one case, and none behind it."""
    with patterns(load, tmp_path, dirty=0) as disk:
        good = disk.read_bytes()
        disk.write_bytes(good[:-1] + bytes([good[-1] ^ 1]))
        assert ask(load, tmp_path)["disk_bad"] == 1
        disk.write_bytes(good)
        assert ask(load, tmp_path)["disk_bad"] == 0


def test_a_page_that_went_back_in_time_is_seen(load: Path, tmp_path: Path) -> None:
    with patterns(load, tmp_path, dirty=1 << 20) as disk:
        old = disk.read_bytes()
        clock.wait_until(
            lambda: ask(load, tmp_path)["rewritten"] > 60 * PAGE, within=20, what="rewrites"
        )
        disk.write_bytes(old)
        assert ask(load, tmp_path)["disk_bad"] > 0


def test_a_harvest_takes_whole_lines_only_and_gives_memory_back(load: Path, tmp_path: Path) -> None:
    report = tmp_path / "r"
    lines = b"".join(b'{"n": %d}\n' % n for n in range(3000))
    report.write_bytes(lines + b'{"half')
    argv = [str(load), "harvest", str(report)]
    first = run.run([*argv, "0"]).stdout
    assert parse_harvest(first).ends == {str(report): len(lines)}
    assert first.split("\n", 1)[1].encode() == lines
    assert report.stat().st_blocks * 512 < len(lines) / 2
    with report.open("ab") as file:
        file.write(b'": 1}\n')
    assert run.run([*argv, str(len(lines))]).stdout.splitlines()[1:] == ['{"half": 1}']


def test_one_look_asks_everything(load: Path, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b'{"n": 1}\n')
    with patterns(load, tmp_path, dirty=0):
        argv = [
            load,
            "harvest",
            "--patterns",
            tmp_path / "p",
            "--size-of",
            "load",
            tmp_path / "r",
            0,
        ]
        found = parse_harvest(run.run([str(word) for word in argv]).stdout)
    assert found.patterns is not None and found.patterns.ram_checked == 64 * PAGE
    assert found.agent is not None and found.agent.agent_kib > 0 and found.agent.agent_fds > 2
    assert found.ends == {str(tmp_path / "r"): 9}


def test_a_report_that_shrank_is_refused(load: Path, tmp_path: Path) -> None:
    (tmp_path / "r").write_bytes(b"x\n")
    done = run.run([str(load), "harvest", str(tmp_path / "r"), "9"], check=False)
    assert done.returncode == 3 and "shorter than before" in done.stderr


@pytest.mark.parametrize("argv", [[], ["talk"], ["serve"], ["ask"], ["pages"], ["nonsense"]])
def test_wrong_usage_is_told(load: Path, argv: list[str]) -> None:
    done = run.run([str(load), *argv], check=False)
    assert done.returncode == 2 and done.stderr


def test_a_number_must_be_one(load: Path, tmp_path: Path) -> None:
    argv = [str(load), "pages", "--socket", str(tmp_path / "p"), "--seed", "x"]
    done = run.run(argv, check=False)
    assert done.returncode == 2 and "not a number (seed): x" in done.stderr


def unread(stream: socket.socket) -> int:
    """Bytes that the other end has not taken yet."""
    return int.from_bytes(fcntl.ioctl(stream, termios.TIOCOUTQ, bytes(4)), "little")


def test_a_silence_is_noted_unless_it_is_short(load: Path, tmp_path: Path) -> None:
    server, report = tmp_path / "s", tmp_path / "silences"
    with started(load, "drain", server, "--report", report, "--least", 200) as drain:
        await_file(server)
        with socket.socket(socket.AF_UNIX) as stream:
            clock.wait_until(lambda: stream.connect_ex(str(server)) == 0, within=20, what="drain")
            for pause in (0.0, 0.3):
                over = clock.Deadline(pause)
                clock.wait_until(lambda over=over: over.expired, within=5, what="the pause")
                stream.send(b"bytes")
                clock.wait_until(lambda: unread(stream) == 0, within=20, what="drain to read")
        assert run.terminate(drain) == 0
    for line in report.read_text().splitlines():  # two, if the first bytes were slow to be sent
        number, end, silent = map(int, line.split())
        assert number == 0
        assert 200_000_000 <= silent <= end
    assert silent


def test_every_stream_is_filled(load: Path, tmp_path: Path) -> None:
    where = tmp_path / "s"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(where))
        listener.listen()
        with started(load, "pour", where, "--streams", 3) as pour:
            streams = [listener.accept()[0] for _ in range(3)]
            for stream in streams * 2:
                assert len(stream.recv(16384, socket.MSG_WAITALL)) == 16384
            assert run.terminate(pour) == 0
        for stream in streams:
            stream.close()
