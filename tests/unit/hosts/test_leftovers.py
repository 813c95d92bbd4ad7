"""What counts as left behind, and what plainly is not ours."""

from __future__ import annotations

import os
import signal
from dataclasses import replace
from pathlib import Path

import pytest

from harness import run
from harness.clock import wait_until
from harness.hosts import leftovers
from harness.hosts.leftovers import Process, Snapshot, difference, snapshot

pytestmark = pytest.mark.alone

OWN = Process(100, 1, 1, "harness", "ours", "run-1", frozenset({"net:[1]"}))
INIT = Process(1, 0, 0, "init", "init", "", frozenset({"net:[1]"}))
NOTHING: frozenset[str] = frozenset()
BEFORE = Snapshot(OWN, (INIT, OWN), NOTHING, NOTHING, NOTHING)


def after(*processes: Process, **fields: object) -> Snapshot:
    return replace(BEFORE, processes=(*BEFORE.processes, *processes), **fields)


def process(pid: int, **fields: object) -> Process:
    return replace(Process(pid, 50, 1, f"p{pid}", "theirs", "", OWN.namespaces), **fields)


def test_nothing_new_is_nothing_left() -> None:
    assert difference(BEFORE, BEFORE) == []


def test_a_descendant_is_ours() -> None:
    child = process(101, parent=100)
    assert difference(BEFORE, after(child, process(102, parent=101))) == [
        "process 101: p101",
        "process 102: p102",
    ]


def test_an_orphan_with_our_mark_is_ours() -> None:
    assert difference(BEFORE, after(process(101, mark="run-1"))) == ["process 101: p101"]


def test_an_orphan_in_a_new_namespace_of_ours_is_ours() -> None:
    orphan = process(101, cgroup="ours", namespaces=frozenset({"net:[2]"}))
    assert difference(BEFORE, after(orphan)) == ["process 101: p101", "namespace net:[2]"]


@pytest.mark.parametrize(
    "stranger",
    [
        process(101),
        process(101, mark="run-2"),
        process(101, namespaces=frozenset({"net:[2]"})),
        process(101, cgroup="ours"),
    ],
    ids=["new service", "another run", "somebody's container", "another shell of the user"],
)
def test_strangers_do_not_count(stranger: Process) -> None:
    assert difference(BEFORE, after(stranger)) == []


def test_another_testbed_of_the_same_user_does_not_count() -> None:
    its_namespaces = frozenset({"net:[2]", "pid:[3]"})
    init = process(101, cgroup="ours", mark="run-2", namespaces=its_namespaces)
    libvirtd = process(102, cgroup="ours", namespaces=its_namespaces)
    assert difference(BEFORE, after(init, libvirtd)) == []


def test_a_recycled_pid_is_a_new_process() -> None:
    old = process(101, parent=100)
    before = after(old)
    assert difference(before, before) == []
    assert difference(before, after(replace(old, start_time=51))) == ["process 101: p101"]


def test_what_the_caller_runs_on_purpose_is_ignored() -> None:
    assert difference(BEFORE, after(process(101, parent=100)), ignore_own=[101]) == []


def test_mounts_interfaces_and_shared_memory_count() -> None:
    now = after(
        mounts=frozenset({"/mnt tmpfs x"}),
        interfaces=frozenset({"veth0"}),
        shm=frozenset({"/dev/shm/region", "/dev/shm/browser"}),
        mapped={"/dev/shm/browser": frozenset({999})},
    )
    assert difference(BEFORE, now) == [
        "mount /mnt tmpfs x",
        "interface veth0",
        "shared memory /dev/shm/region",
    ]


def test_a_real_child_is_found_and_then_gone() -> None:
    before = snapshot()
    child = run.spawn(["sleep", "100"])
    try:
        wait_until(lambda: difference(before, snapshot()), within=5, what="the child to show")
        assert difference(before, snapshot()) == [f"process {child.pid}: sleep 100"]
        assert difference(before, snapshot(), ignore_own=[child.pid]) == []
    finally:
        run.terminate(child)
    assert difference(before, snapshot()) == []


def test_a_real_orphan_is_found_by_its_mark(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(leftovers.MARK, f"orphan-test-{os.getpid()}")
    before = snapshot()
    orphan = int(run.run(["sh", "-c", "setsid sleep 100 >/dev/null 2>&1 & echo $!"]).stdout)
    try:
        wait_until(
            lambda: difference(before, snapshot()) == [f"process {orphan}: sleep 100"],
            within=5,
            what="the orphan to show",
        )
    finally:
        os.kill(orphan, signal.SIGKILL)


def test_a_real_file_in_shared_memory_is_found(tmp_path: Path) -> None:
    before = snapshot()
    path = leftovers.SHM / f"leftovers-test.{os.getpid()}"
    path.touch()
    try:
        assert difference(before, snapshot()) == [f"shared memory {path}"]
    finally:
        path.unlink()
