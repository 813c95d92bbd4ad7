"""The fake host keeps the promises of a real one."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness.errors import CommandFailed, TestbedError
from harness.hosts.base import Host
from harness.hosts.fake import FakeHost
from harness.run import Completed


def answer(argv: Sequence[str], _input: str | None) -> Completed | None:
    return Completed(tuple(argv), 0, "x86_64\n", "") if argv[0] == "uname" else None


def test_it_answers_and_remembers() -> None:
    host: Host = FakeHost("h1", answer)
    assert host.run(["uname", "-m"]).stdout == "x86_64\n"
    assert isinstance(host, FakeHost)
    assert host.calls == [("uname", "-m")]


def test_an_unknown_command_fails_like_a_missing_one() -> None:
    host = FakeHost("h1", answer)
    assert host.run(["reboot"], check=False).returncode == 127
    with pytest.raises(CommandFailed, match="reboot"):
        host.run(["reboot"])


def test_files_come_back_as_they_went(tmp_path: Path) -> None:
    host, local = FakeHost("h1"), tmp_path / "a"
    local.write_bytes(b"\0\xff")
    host.put(local, "/x", mode=0o755)
    host.get("/x", tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"\0\xff"
    assert host.files["/x"] == (b"\0\xff", 0o755)
    with pytest.raises(TestbedError, match="no such file"):
        host.get("/y", tmp_path / "c")


def test_a_pulled_cable_makes_every_call_fail() -> None:
    host = FakeHost("h1", answer)
    host.reachable = False
    with pytest.raises(TestbedError, match="cannot be reached"):
        host.run(["uname"])
