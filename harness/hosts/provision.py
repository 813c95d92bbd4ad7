"""Makes hosts ready by the roles in playbooks/, through ansible-runner."""

from __future__ import annotations

import os
import shlex
import shutil
import sys
import tempfile
import threading
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ansible_runner
import psutil

from harness import clock, config
from harness.errors import DeadlineExceeded, TestbedError
from harness.events import EventLog
from harness.hosts import agent_archive
from harness.hosts.base import SshTarget
from harness.hosts.inventory import inventory

PLAYBOOKS = config.REPOSITORY / "playbooks"
WITHIN = 600.0
STOP_WITHIN = 15.0
CANCEL_EVERY = 0.2  # seconds between looks at whether to go on
RUN = "provision"
SYSTEM = "/usr/sbin:/sbin"
SHM = Path("/dev/shm")
# The processes of a play share semaphores: who is killed while it makes one leaves its file behind.
# A lab's play has a place of its own for them, which ends with it.
_WITH_OWN_SHM = """#!/bin/sh
exec unshare --mount \\
    sh -c 'mount -t tmpfs -o mode=1777 play-shm {shm} && exec "$0" "$@"' {play} "$@"
"""


@dataclass(frozen=True)
class ProvisionReport:
    """What the play did: tasks that are fine and tasks that changed something, over all hosts."""

    ok: int
    changed: int
    changes: tuple[str, ...]


class _Play:
    """Follows one run of the playbook by its events."""

    def __init__(self, events: EventLog) -> None:
        self.events = events
        self.changes: list[str] = []
        self.failures: list[TestbedError] = []
        self.stats: dict[str, dict[str, int]] = {}

    def hear(self, event: dict[str, Any]) -> bool:
        """ansible-runner's event handler; False keeps it from writing a file per event."""
        kind, data = event.get("event", ""), event.get("event_data") or {}
        if kind in ("playbook_on_task_start", "playbook_on_handler_task_start"):
            self.events.emit("provision.task", task=data.get("task", ""), role=data.get("role", ""))
        elif kind == "runner_on_ok" and data["res"].get("changed"):
            self.changes.append(f"{data['host']}: {data.get('task', '')}")
        elif kind == "runner_on_failed" and not data.get("ignore_errors"):
            self.failures.append(_failure(data))
        elif kind == "runner_on_unreachable":
            self.failures.append(_unreachable(data))
        elif kind == "playbook_on_stats":
            self.stats = {key: dict(data.get(key) or {}) for key in ("ok", "changed")}
        return False

    def report(self, targets: Sequence[SshTarget], output: str) -> ProvisionReport:
        """What was done, or the error that says why it was not."""
        if self.failures:
            raise self.failures[0]
        ok = self.stats.get("ok", {})
        missed = [target.name for target in targets if target.name not in ok]
        if missed or not targets:
            raise TestbedError(
                "the playbook did not run to its end", where=", ".join(missed), why=output[-2000:]
            )
        changed = sum(self.stats.get("changed", {}).values())
        return ProvisionReport(sum(ok.values()), changed, tuple(self.changes))


def provision(
    targets: Sequence[SshTarget],
    variables: Mapping[str, Any],
    events: EventLog,
    state_dir: Path,
    *,
    check: bool = False,
    within: float = WITHIN,
) -> ProvisionReport:
    """Make every target a host. Idempotent: a second run changes nothing.

    `check` only tells what would change. Variables are those named in playbooks/host.yml, and
    `agent_binary`: the folder of the agent's programs, of which `agent_archive` is made.
    """
    folder = state_dir.resolve() / "ansible"
    _end_processes_of(folder)
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(mode=0o700, parents=True)
    play = _Play(events)
    names = [target.name for target in targets]
    with events.span("provision", hosts=names) as more, _control_path() as sockets:
        options = {
            "private_data_dir": str(folder),
            "playbook": str(PLAYBOOKS / "host.yml"),
            "inventory": inventory(targets, _with_archive(variables, folder)),
            "forks": max(1, len(targets)),
            "cmdline": "--check" if check else None,
            "envvars": _environment(
                folder, Path(sockets), isolated=bool(variables.get("isolated"))
            ),
        }
        _run_to_end(options, play, within)
        report = play.report(targets, _output(folder))
        more.update(ok=report.ok, changed=report.changed)
    return report


def _with_archive(variables: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """The play's variables: the agent's programs travel in one piece."""
    if "agent_binary" not in variables:
        return dict(variables)
    archive = agent_archive.write(Path(variables["agent_binary"]), folder / "agent.tar")
    return {**variables, "agent_archive": str(archive)}


def _run_to_end(options: dict[str, Any], play: _Play, within: float) -> None:
    """Run in a thread, so that Ctrl-C and the deadline can end the play and its children."""
    cancel = threading.Event()
    thread, _runner = ansible_runner.run_async(
        **options,
        ident=RUN,
        quiet=True,
        settings={"pexpect_timeout": CANCEL_EVERY},  # dropped if suppress_env_files were set
        event_handler=play.hear,
        cancel_callback=cancel.is_set,
    )
    try:
        thread.join(within)
        if thread.is_alive():
            raise DeadlineExceeded(f"the playbook ran longer than {within:g} s")
    finally:
        cancel.set()
        thread.join(STOP_WITHIN)
        _end_processes_of(Path(options["private_data_dir"]))


def _end_processes_of(folder: Path) -> None:
    """End what a play left: Ansible's workers have sessions of their own, so a play that is
    killed leaves those that are at work, and they would go on to change their hosts.
    """

    def ended() -> bool:
        left = _processes_of(folder)
        for process in left:
            with suppress(psutil.NoSuchProcess):
                process.kill()
        return not left

    clock.wait_until(ended, within=STOP_WITHIN, what="the end of all processes of the play")


def _processes_of(folder: Path) -> list[psutil.Process]:
    """A play's processes, whoever their parents are: all have inherited its environment."""
    home, found = str(_home(folder)), []
    for process in psutil.process_iter():
        with suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if process.environ().get("ANSIBLE_HOME") == home:
                found.append(process)
    return found


def _home(folder: Path) -> Path:
    return folder / "home"


def _environment(folder: Path, sockets: Path, *, isolated: bool) -> dict[str, str]:
    programs = [Path(sys.executable).parent]
    if isolated and not any(map(_lies_in_shm, (folder, PLAYBOOKS, *programs))):
        programs.insert(0, with_own_shm(programs[0] / "ansible-playbook", folder / "bin"))
    return {
        "LC_ALL": "C.UTF-8",  # Ansible refuses any other encoding
        "PATH": ":".join([*map(str, programs), os.environ.get("PATH", os.defpath), SYSTEM]),
        "ANSIBLE_CONFIG": str(PLAYBOOKS / "ansible.cfg"),
        "ANSIBLE_HOME": str(_home(folder)),
        "ANSIBLE_LOCAL_TEMP": str(folder / "tmp"),
        "ANSIBLE_SSH_CONTROL_PATH_DIR": str(sockets),
    }


def _lies_in_shm(path: Path) -> bool:
    return path.resolve().is_relative_to(SHM)


def with_own_shm(play: Path, folder: Path) -> Path:
    """A folder with a program of that name, which runs it with an empty /dev/shm of its own. Who
    runs it has to have the right to mount.
    """
    folder.mkdir()
    program = folder / play.name
    program.write_text(_WITH_OWN_SHM.format(shm=SHM, play=shlex.quote(str(play))))
    program.chmod(0o700)
    return folder


def _output(folder: Path) -> str:
    path = folder / "artifacts" / RUN / "stdout"
    return path.read_text(errors="replace").strip() if path.exists() else "it printed nothing"


def _control_path() -> tempfile.TemporaryDirectory[str]:
    """A folder for SSH's shared connections, which end with the play.

    Its name is short, because socket names are; a lab's own /run goes with the lab.
    """
    place = "/run" if os.access("/run", os.W_OK) else "/tmp"
    return tempfile.TemporaryDirectory(prefix="domsock-", dir=place)


def _failure(data: dict[str, Any]) -> TestbedError:
    result = data.get("res") or {}
    items = [item for item in result.get("results") or [] if item.get("failed")]
    said = items[0] if items else result
    parts = (said.get(key) for key in ("msg", "stderr", "module_stderr", "stdout"))
    why = "; ".join(str(part).strip() for part in parts if part)
    return TestbedError(
        f"task {data.get('task', '')!r} failed",
        where=f"host {data.get('host', '')}, role {data.get('role', '')}",
        why=why[-2000:] or "it does not say why",
        fix="testbed doctor",
    )


def _unreachable(data: dict[str, Any]) -> TestbedError:
    why = str((data.get("res") or {}).get("msg", "")).strip()
    return TestbedError(
        "Ansible cannot reach the host",
        where=str(data.get("host", "")),
        why=why[-2000:],
        fix="testbed doctor",
    )
