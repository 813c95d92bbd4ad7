"""The lab for real: namespaces, sshd, SSH, the Ansible roles, libvirtd, cables, and the sweep.

Tests run outside. What talks to hosts runs inside, like the harness itself: `inside` calls a
function of lab_inside.py there.
"""

from __future__ import annotations

import json
import os
import signal
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.clock import Deadline, wait_until
from harness.config import REPOSITORY
from harness.errors import TestbedError, UsageError
from harness.events import EventLog
from harness.hosts.lab import Lab, LabSpec
from harness.hosts.leftovers import MARK, Snapshot, difference, snapshot

MIB = 1 << 20
SPEC = LabSpec("lab", ("h1", "h2", "h3"), 16 * MIB)
SMALL = LabSpec("small", ("h1",), MIB)
SWEEP_WITHIN = 10.0
INSIDE = str(Path(__file__).with_name("lab_inside.py"))


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab of three hosts, provisioned."""
    before = snapshot()
    made = Lab.start(SPEC, tmp_path_factory.mktemp("a lab"), EventLog())
    try:
        assert inside(made, "first_provisioned")
        yield made
    finally:
        made.stop()
    assert difference(before, snapshot()) == []


def inside(lab: Lab, name: str) -> Any:
    """Call a function of lab_inside.py inside the lab, and give what it returns."""
    argv = lab.enter_argv([sys.executable, INSIDE, name, str(lab.state_dir)])
    done = run.run(argv, within=120.0, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return json.loads(done.stdout.splitlines()[-1])


def test_each_host_looks_like_a_machine_of_its_own(lab: Lab) -> None:
    hosts = inside(lab, "looks")
    assert [host["hostname"] for host in hosts] == ["h1", "h2", "h3"]
    assert len({host["machine_id"] for host in hosts}) == 3
    for host in hosts:
        assert host["shm"] == 16 * MIB
        assert host["route"] == ""
        assert host["first_process"] == "harness.hosts.lab.host"
        assert {"lo", "eth0"} <= set(host["links"])


def test_commands_over_ssh(lab: Lab) -> None:
    assert inside(lab, "commands") == "fine"


def test_files_over_ssh(lab: Lab) -> None:
    assert inside(lab, "files") == "fine"


def test_a_lost_connection_is_told_and_replaced(lab: Lab) -> None:
    assert inside(lab, "lost_connection") == "fine"


def test_a_wrong_host_key_is_refused(lab: Lab) -> None:
    assert "known_hosts" in inside(lab, "wrong_host_key")


def test_a_second_provision_changes_nothing(lab: Lab) -> None:
    assert inside(lab, "provisioned") == []


def test_a_failing_task_names_host_and_role(lab: Lab) -> None:
    said = inside(lab, "badly_provisioned")
    assert "role network" in said
    assert "host h" in said


def test_a_play_that_takes_too_long_is_stopped(lab: Lab) -> None:
    found = inside(lab, "late_provision")
    assert "longer than 1.5 s" in found["error"]
    assert "See that libvirtd answers" not in found["tasks"]
    assert (found["left"], found["sockets"]) == ([], 0)


def test_another_agent_replaces_the_first_and_a_broken_one_is_told(lab: Lab) -> None:
    found = inside(lab, "agent")
    both = ("Copy the agent", "Start the agent")
    assert found["changed"] == [f"{host}: {task}" for host in SPEC.hosts for task in both]
    assert "no memory" in found["broken"][0]


def test_libvirtd_answers_and_migrates_a_guest_over_tcp(lab: Lab) -> None:
    assert inside(lab, "migrated") == {"before": ["g1", None], "after": [None, "g1"]}


def test_the_guest_network_spans_all_hosts(lab: Lab) -> None:
    assert inside(lab, "guest_network") == ["reached"] * 6


def test_a_host_is_cut_off_and_comes_back(lab: Lab) -> None:
    assert inside(lab, "host_cut") == {
        "cut": {"h1": False, "h2": True, "h3": True},
        "healed": {"h1": True, "h2": True, "h3": True},
    }


def test_two_hosts_are_cut_from_each_other_only(lab: Lab) -> None:
    found = inside(lab, "pair_cut")
    assert found["cut"] == {"h1-h2": False, "h2-h1": False, "h1-h3": True, "h3-h2": True}
    assert all(found["healed"].values())


@pytest.mark.parametrize(("number", "waits"), [(signal.SIGINT, False), (signal.SIGTERM, True)])
def test_an_interrupt_goes_to_the_command_inside(lab: Lab, number: int, waits: bool) -> None:
    code = "import signal\nsignal.signal(signal.SIGTERM, signal.default_int_handler)\n"
    code += "try: print('up', flush=True); signal.pause()\n"
    code += "except KeyboardInterrupt: print('tidy', flush=True)"
    argv = lab.enter_argv([sys.executable, "-c", code], waits=waits)
    child = run.spawn(argv, stdout=run.PIPE, new_session=True)
    try:
        assert child.stdout and child.stdout.readline() == b"up\n"
        os.killpg(child.pid, number)
        assert child.stdout.readline() == b"tidy\n"
        assert run.wait(child, 5) == 0
    finally:
        run.terminate(child)


def test_a_command_inside_ends_with_its_entrance(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(MARK, f"entrance-{os.getpid()}")
    before = snapshot()
    child = run.spawn(lab.enter_argv(["sh", "-c", "echo up; exec sleep 1000"]), stdout=run.PIPE)
    assert child.stdout and child.stdout.readline() == b"up\n"
    child.kill()
    child.wait()
    _await_swept(before)


def test_a_second_start_is_refused(lab: Lab) -> None:
    with pytest.raises(UsageError, match="runs already"):
        Lab.start(SPEC, lab.state_dir, EventLog())


@pytest.mark.parametrize("moment", ["h1.log", "lab.json"])
def test_sigkill_of_the_starter_leaves_nothing(tmp_path: Path, moment: str) -> None:
    """`moment` is the file whose appearance means: now."""
    before = snapshot()
    child = run.spawn([sys.executable, INSIDE, "starter", str(tmp_path)])
    try:
        wait_until((tmp_path / moment).exists, within=30, what=moment, every=0.001)
        assert len(difference(before, snapshot())) > 3
    finally:
        child.kill()
        child.wait()
    _await_swept(before)
    assert Lab.load(tmp_path) is None


def test_a_kept_lab_outlives_its_starter_until_it_is_stopped(tmp_path: Path) -> None:
    before = snapshot()
    run.run([sys.executable, INSIDE, "keeper", str(tmp_path)])
    found = Lab.load(tmp_path)
    assert found and found.alive
    assert found.spec == SMALL
    assert inside(found, "hostnames") == ["h1"]
    found.stop()
    assert not found.alive
    assert Lab.load(tmp_path) is None
    assert difference(before, snapshot()) == []


def test_a_start_that_fails_says_why_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, programs = snapshot(), tmp_path / "bin"
    programs.mkdir()
    for name in ("unshare", "ssh-keygen", "mount", "newuidmap", "newgidmap"):
        (programs / name).symlink_to(f"/usr/bin/{name}")
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(TestbedError, match=r"`ip` cannot be started") as caught:
        Lab.start(SMALL, tmp_path / "state", EventLog())
    assert caught.value.fix == "testbed doctor"
    assert difference(before, snapshot()) == []


def test_a_refused_namespace_is_told_in_the_kernels_words(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake = tmp_path / "unshare"
    fake.write_text(
        "#!/bin/sh\necho 'unshare: unshare failed: Operation not permitted' >&2; exit 1"
    )
    fake.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    with pytest.raises(TestbedError, match="Operation not permitted"):
        Lab.start(SMALL, tmp_path, EventLog())


def test_a_state_folder_that_cannot_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(UsageError, match="cannot be written"):
        Lab.start(SMALL, tmp_path / "file" / "state", EventLog())
    with pytest.raises(UsageError, match="below /run"):
        Lab.start(SMALL, Path("/run/lab"), EventLog())


@pytest.mark.ordinary_user
@pytest.mark.slow
def test_all_of_this_as_an_ordinary_user(ordinary_user: str) -> None:
    tree = Path(os.environ.get("TESTBED_ORDINARY_TREE") or REPOSITORY)
    tests = tree / Path(__file__).relative_to(REPOSITORY)
    argv = ["runuser", "-u", ordinary_user, "--", str(tree / ".venv/bin/python"), "-m", "pytest"]
    argv += [str(tests), "-m", "not ordinary_user", "-p", "no:cacheprovider"]
    argv += ["-k", "not another_agent"]  # the roles are root's inside, whoever has the lab
    done = run.run(argv, within=280.0, cwd=tree, check=False)
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-1000:]


def _await_swept(before: Snapshot) -> None:
    """Wait until nothing is left; what is, is the message."""
    deadline = Deadline(SWEEP_WITHIN)
    while (left := difference(before, snapshot())) and not deadline.expired:
        pass
    assert left == []
