"""qemu-guest-agent for images that have none: what goes along, and what is said of the rest."""

from __future__ import annotations

import shutil
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.config import REPOSITORY
from harness.images.disk import qemu_ga
from harness.images.disk.qemu_ga import FOLDER, UNIT_THERE, build_qemu_ga
from harness.run import Completed

LIBRARIES = Path("/usr/lib/x86_64-linux-gnu")
PROGRAM = Path("/usr/bin/env")  # stands in for qemu-ga: any program that loads libraries


def machine(calls: list[str]) -> Any:
    """apt, and a package that has a program and all libraries of this machine."""

    def answer(argv: Sequence[str], *, cwd: Path | None = None, **_: Any) -> Completed:
        calls.append(argv[0])
        said = ""
        if "policy" in argv:
            said = "qemu-guest-agent:\n  Candidate: 1\n"
        elif "download" in argv and cwd:
            (cwd / "qemu-guest-agent_1_amd64.deb").write_text("")
        elif "-x" in argv:
            root = Path(argv[3])
            (root / "usr/sbin").mkdir(parents=True)
            shutil.copy(PROGRAM, root / "usr/sbin/qemu-ga")
            (root / "usr/lib").mkdir()
            (root / "usr/lib/x86_64-linux-gnu").symlink_to(LIBRARIES)
        return Completed(tuple(argv), 0, said, "")

    return answer


@pytest.mark.skipif(not LIBRARIES.is_dir(), reason="this machine has its libraries elsewhere")
def test_it_runs_with_nothing_but_what_it_brings(tmp_path: Path) -> None:
    archive = build_qemu_ga(tmp_path / "cache", REPOSITORY, machine([]))
    with tarfile.open(archive) as packed:
        assert {member.uid for member in packed} == {0}
    (tmp_path / "guest").mkdir()
    run.run(["tar", "-xf", str(archive), "-C", str(tmp_path / "guest")])
    place = tmp_path / "guest" / FOLDER
    argv = [str(place / "loader"), "--inhibit-cache", "--library-path", str(place)]
    said = run.run([*argv, str(place / "qemu-ga"), "echo", "works"], env={"PATH": "/usr/bin"})
    assert said.stdout == "works\n"
    unit = (tmp_path / "guest" / UNIT_THERE).read_text()
    assert f"ExecStart=/{FOLDER}/loader --library-path /{FOLDER} /{FOLDER}/qemu-ga" in unit


@pytest.mark.skipif(not LIBRARIES.is_dir(), reason="this machine has its libraries elsewhere")
def test_it_is_made_once(tmp_path: Path) -> None:
    calls: list[str] = []
    first = build_qemu_ga(tmp_path, REPOSITORY, machine(calls))
    calls.clear()
    assert build_qemu_ga(tmp_path, REPOSITORY, machine(calls)) == first and calls == []
    assert first.name == qemu_ga.ARCHIVE
