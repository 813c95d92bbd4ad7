"""How a playbook's events become a report or an error."""

from __future__ import annotations

import os
import signal
from pathlib import Path
from typing import Any

import pytest

from harness import run
from harness.errors import TestbedError
from harness.events import EventLog
from harness.hosts.base import SshTarget
from harness.hosts.inventory import host_keys, inventory
from harness.hosts.provision import SHM, _environment, _Play, with_own_shm

KEY = "AAAAC3NzaC1lZDI1NTE5AAAAIJvFHR3EnMmw0vLr2zmvJ0Ft5+6mcnhxmYJ8wVbbBYDB"


@pytest.fixture
def targets(tmp_path: Path) -> list[SshTarget]:
    known = tmp_path / "known_hosts"
    known.write_text(f"10.98.0.11,h1 ssh-ed25519 {KEY}\n[10.98.0.12]:2222 ssh-ed25519 {KEY}\n")
    return [
        SshTarget("h1", "10.98.0.11", "qemu+tcp://10.98.0.11/system", known, tmp_path / "id"),
        SshTarget("h2", "10.98.0.12", "qemu+ssh://10.98.0.12/system", known, port=2222),
    ]


def play(*events: dict[str, Any]) -> _Play:
    made = _Play(EventLog())
    for event in events:
        assert made.hear(event) is False
    return made


def stats(**hosts: int) -> dict[str, Any]:
    return {"event": "playbook_on_stats", "event_data": {"ok": hosts, "changed": {"h1": 2}}}


def test_what_a_play_leaves_in_shared_memory_goes_with_it(tmp_path: Path) -> None:
    left = SHM / f"left-{os.getpid()}"
    play = tmp_path / "ansible-playbook"
    play.write_text(f'#!/bin/sh\ntouch {left} && ls {SHM} && echo "$@" && kill -KILL $$\n')
    play.chmod(0o700)
    program = with_own_shm(play, tmp_path / "a folder") / play.name
    may_mount = ["unshare", "--user", "--map-root-user"] if os.geteuid() else []
    done = run.run([*may_mount, str(program), "some  words"], check=False)
    assert done.stdout == f"{left.name}\nsome  words\n" and done.returncode == -signal.SIGKILL
    assert not left.exists()


@pytest.mark.parametrize("isolated", [True, False])
def test_only_a_labs_play_has_a_place_of_its_own(tmp_path: Path, isolated: bool) -> None:
    first = _environment(tmp_path, tmp_path, isolated=isolated)["PATH"].split(":")[0]
    assert (Path(first) == tmp_path / "bin") is isolated


def test_a_full_run_is_reported(targets: list[SshTarget]) -> None:
    changed = {"host": "h1", "task": "Configure", "res": {"changed": True}}
    made = play({"event": "runner_on_ok", "event_data": changed}, stats(h1=5, h2=4))
    report = made.report(targets, "")
    assert (report.ok, report.changed, report.changes) == (9, 2, ("h1: Configure",))


def test_a_host_that_was_not_reached_is_a_failure(targets: list[SshTarget]) -> None:
    with pytest.raises(TestbedError, match=r"did not run to its end.*h2"):
        play(stats(h1=5)).report(targets, "[WARNING]: no hosts matched")


def test_no_hosts_at_all_is_a_failure() -> None:
    with pytest.raises(TestbedError, match="no hosts matched"):
        play(stats()).report([], "no hosts matched")


def test_a_failed_task_names_host_role_and_reason(targets: list[SshTarget]) -> None:
    result = {"msg": "non-zero return code", "stderr": "bridge: not found"}
    data = {"host": "h2", "role": "network", "task": "Join", "res": result}
    with pytest.raises(TestbedError) as caught:
        play({"event": "runner_on_failed", "event_data": data}).report(targets, "")
    assert "'Join'" in str(caught.value)
    assert "host h2, role network" in str(caught.value)
    assert "bridge: not found" in str(caught.value)


def test_a_failed_item_gives_its_own_reason(targets: list[SshTarget]) -> None:
    result = {"msg": "one or more items failed", "results": [{"failed": True, "msg": "disk full"}]}
    data = {"host": "h1", "task": "Copy", "res": result}
    with pytest.raises(TestbedError, match="disk full"):
        play({"event": "runner_on_failed", "event_data": data}).report(targets, "")


def test_an_ignored_failure_is_none(targets: list[SshTarget]) -> None:
    data = {"host": "h1", "task": "Try", "res": {"msg": "no"}, "ignore_errors": True}
    made = play({"event": "runner_on_failed", "event_data": data}, stats(h1=1, h2=1))
    assert made.report(targets, "").ok == 2


def test_an_unreachable_host_is_told(targets: list[SshTarget]) -> None:
    data = {"host": "h1", "res": {"msg": "Connection timed out"}}
    with pytest.raises(TestbedError, match="timed out"):
        play({"event": "runner_on_unreachable", "event_data": data}).report(targets, "")


def test_strange_events_do_no_harm(targets: list[SshTarget]) -> None:
    made = play({}, {"event": "verbose"}, {"event": "playbook_on_start", "event_data": None})
    assert made.failures == []


def test_the_inventory_has_what_the_roles_need(targets: list[SshTarget]) -> None:
    group = inventory(targets, {"isolated": True})["all"]["children"]["hosts"]
    assert group["vars"] == {"isolated": True}
    first, second = group["hosts"]["h1"], group["hosts"]["h2"]
    assert (first["domain_id"], second["domain_id"]) == (1000, 1001)
    assert first["ansible_ssh_private_key_file"].endswith("/id")
    assert "ansible_ssh_private_key_file" not in second
    assert "StrictHostKeyChecking=yes" in second["ansible_ssh_common_args"]


def test_host_keys_are_found_by_address_and_port(targets: list[SshTarget]) -> None:
    assert host_keys(targets[0]) == [f"10.98.0.11 ssh-ed25519 {KEY}"]
    assert host_keys(targets[1]) == [f"[10.98.0.12]:2222 ssh-ed25519 {KEY}"]
