"""Who crashed, told from the evidence, and whose fault that is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from harness.errors import SubjectFailed, TestbedError
from harness.hosts.fake import FakeHost
from harness.run import Completed
from harness.testbed import crashes

PANIC = """\
[    9.1] sysrq: Trigger a crash
[    9.2] Kernel panic - not syncing: sysrq triggered crash
[    9.3] CPU: 0
"""
QEMU = "char device redirected\n2026-11-24 15:00:00.0+0000: shutting down, reason={}\n"
AGENT = "4.8 info domsockd 0.1.0: domain g1 (3), port 7777\n"


def evidence(folder: Path, reason: str = "migrated", begins: int = 1) -> dict[str, str]:
    log = folder / "hosts/h1/libvirt/qemu/g1.log"
    log.parent.mkdir(parents=True)
    log.write_text(QEMU.format(reason))
    (folder / "agents").mkdir()
    (folder / "agents/g1.log").write_text(AGENT * begins)
    return {"g1": "testbed: ready g1 4.7\n"}


@pytest.mark.parametrize("reason", ["migrated", "destroyed", "shutdown", "failed"])
def test_an_orderly_end_is_no_crash(tmp_path: Path, reason: str) -> None:
    assert crashes.find(tmp_path, evidence(tmp_path, reason)) == []
    assert crashes.blame([], ("qemu",), tmp_path) is None


def test_each_component_is_told_apart(tmp_path: Path) -> None:
    consoles = evidence(tmp_path, "crashed", begins=2) | {"g2": "ready\n" + PANIC}
    found = crashes.find(tmp_path, consoles)
    assert {(c.component, c.where) for c in found} == {
        ("kernel", "g2"), ("qemu", "g1 on h1"), ("agent", "g1"),
    }  # fmt: skip
    for crash in found:
        crashes.keep(crash, tmp_path)
    assert "CPU: 0" in (tmp_path / "crashes/kernel-g2.txt").read_text()
    assert "reason=crashed" in (tmp_path / "crashes/qemu-g1-on-h1.txt").read_text()


LIFE = "2026-11-24 15:00:00.0+0000: starting up libvirt version: 9.0.0\n"
GIVEN_UP = "qemu-system-x86_64: load of migration failed: Invalid argument\n"


def test_a_qemu_whose_guest_never_came_did_not_crash(tmp_path: Path) -> None:
    consoles = evidence(tmp_path)
    log = tmp_path / "hosts/h1/libvirt/qemu/g1.log"
    aborted = LIFE + GIVEN_UP + QEMU.format("crashed")
    log.write_text(aborted + LIFE + QEMU.format("migrated"))
    assert crashes.find(tmp_path, consoles) == []
    log.write_text(aborted + LIFE + QEMU.format("crashed"))
    assert [crash.component for crash in crashes.find(tmp_path, consoles)] == ["qemu"]


@pytest.mark.parametrize(("ended", "count"), [(0, 1), (1, 0)])
def test_a_libvirtd_that_is_gone(tmp_path: Path, ended: int, count: int) -> None:
    class Host(FakeHost):
        def run(self, argv: Any, **_: Any) -> Completed:
            return Completed(tuple(argv), ended, "", "")

    found = crashes.find(tmp_path, {}, [Host("h1")])
    assert [c.component for c in found] == ["libvirt"] * count


def test_what_is_under_test_is_to_blame(tmp_path: Path) -> None:
    found = crashes.find(tmp_path, evidence(tmp_path, "crashed"))
    tested = crashes.blame(found, ("kernel", "qemu"), tmp_path)
    broken = crashes.blame(found, ("kernel",), tmp_path)
    assert isinstance(tested, SubjectFailed) and tested.exit_code == 1
    assert isinstance(broken, TestbedError) and broken.exit_code == 69
    assert "qemu is not listed under sut:" in str(broken)
