"""The archive in which the agent's programs travel."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

import pytest

from harness.errors import TestbedError
from harness.hosts import agent_archive


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A folder with the programs, and one more."""
    for name in (*agent_archive.PROGRAMS, "conformance"):
        (tmp_path / name).write_text(name)
    return tmp_path


def packed(programs: Path) -> dict[str, tarfile.TarInfo]:
    with tarfile.open(agent_archive.write(programs, programs / "agent.tar")) as archive:
        return {entry.name.removeprefix("domsock/bin/"): entry for entry in archive}


def test_it_holds_the_programs_and_nothing_else(programs: Path) -> None:
    entries = packed(programs)
    assert tuple(entries) == agent_archive.PROGRAMS
    tool = entries["domsock"]
    assert (tool.uid, tool.uname, tool.mode, tool.size) == (0, "root", 0o755, 7)


def test_a_host_tells_another_program_by_its_time(programs: Path) -> None:
    first = packed(programs)
    (programs / "domsockd").write_text("another")
    for name in agent_archive.PROGRAMS:
        os.utime(programs / name, (1.5, 1.5))
    second = packed(programs)
    assert second["domsock"].mtime == first["domsock"].mtime
    assert second["domsockd"].mtime != first["domsockd"].mtime


def test_a_program_that_is_missing_is_told(programs: Path) -> None:
    (programs / "domsock").unlink()
    with pytest.raises(TestbedError, match="domsock is not built") as caught:
        packed(programs)
    assert caught.value.fix == "make agent"
