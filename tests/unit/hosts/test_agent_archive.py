"""The archive in which the agent's programs travel."""

from __future__ import annotations

import os
import tarfile
from pathlib import Path

from harness.hosts import agent_archive


def test_it_holds_the_programs_that_there_are_and_nothing_else(tmp_path: Path) -> None:
    for name in ("domsockd", "domsock", "conformance"):
        (tmp_path / name).write_text(name)
    os.utime(tmp_path / "domsock", (1.5, 1.5))
    made = agent_archive.write(tmp_path, tmp_path / "agent.tar")
    with tarfile.open(made) as archive:
        entries = {entry.name: entry for entry in archive}
    assert list(entries) == ["domsock/bin/domsockd", "domsock/bin/domsock"]
    tool = entries["domsock/bin/domsock"]
    assert (tool.uid, tool.uname, tool.mode, tool.mtime) == (0, "root", 0o755, 1)
