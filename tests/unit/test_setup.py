"""scripts/setup.sh with stand-ins for the machine: what it refuses, asks and never does."""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest

from harness.config import REPOSITORY
from harness.hosts import checks
from harness.run import Completed, run

UNAVAILABLE = 69


@dataclass(frozen=True)
class Machine:
    """A machine made of stand-ins for the programs that the script asks."""

    folder: Path

    def program(self, name: str, body: str) -> None:
        """Put a stand-in program in front of the real one."""
        path = self.folder / "bin" / name
        path.write_text(f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)

    def system(self, text: str) -> None:
        """What /etc/os-release says."""
        (self.folder / "os-release").write_text(text)

    def set_up(self, *parts: str) -> Completed:
        """Run the script as somebody who is not root, without a terminal."""
        path = f"{self.folder / 'bin'}:{os.environ['PATH']}"
        environment = {"PATH": path, "SETUP_OS_RELEASE": str(self.folder / "os-release")}
        # In a user namespace without a map root has no uid 0, but still may read its files.
        not_root = ["unshare", "--user"] if os.geteuid() == 0 else []
        script = self.folder / "scripts" / "setup.sh"
        return run([*not_root, str(script), *parts], env=environment, check=False)

    def asked_apt(self) -> bool:
        """Whether the script went as far as to call apt-get or sudo."""
        return (self.folder / "called").exists()


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """Debian 12 on x86-64 where no package is installed."""
    made = Machine(tmp_path)
    (tmp_path / "bin").mkdir()
    shutil.copytree(REPOSITORY / "scripts", tmp_path / "scripts")
    made.system("ID=debian\nVERSION_ID=12\n")
    made.program("uname", "echo x86_64")
    made.program("dpkg-query", "exit 1")
    for name in ("apt-get", "sudo"):
        made.program(name, f"touch {tmp_path}/called")
    return made


def install_everything(machine: Machine) -> None:
    """Let every package be installed already."""
    listing = 'for name; do case $name in -*|*{*) ;; *) echo "installed $name" ;; esac; done'
    machine.program("dpkg-query", listing)


@pytest.mark.parametrize(
    ("system", "architecture"),
    [
        ("ID=fedora\nVERSION_ID=41\n", "x86_64"),
        ("ID=debian\nVERSION_ID=11\n", "x86_64"),
        ("ID=ubuntu\nVERSION_ID=20.04\n", "x86_64"),
        ("ID=debian\n", "x86_64"),
        ("", "x86_64"),
        ("ID=debian\nVERSION_ID=12\n", "aarch64"),
    ],
)
def test_another_machine_is_refused(machine: Machine, system: str, architecture: str) -> None:
    machine.system(system)
    machine.program("uname", f"echo {architecture}")
    done = machine.set_up()
    assert done.returncode == UNAVAILABLE
    assert "the project runs on x86-64 with Debian 12 or 13" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not machine.asked_apt()


@pytest.mark.parametrize(
    "system",
    [
        "ID=debian\nVERSION_ID='13'\n",
        "ID=ubuntu\nVERSION_ID=22.04\n",
        "ID=ubuntu\nVERSION_ID=26.04",
    ],
)
def test_a_machine_with_everything_is_left_alone(machine: Machine, system: str) -> None:
    machine.system(system)
    install_everything(machine)
    done = machine.set_up()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert not machine.asked_apt()


def test_without_root_and_terminal_nobody_is_asked(machine: Machine) -> None:
    done = machine.set_up()
    assert done.returncode == UNAVAILABLE
    assert "apt-get install --no-install-recommends python3 " in done.stderr
    assert "no terminal to ask on" in done.stderr
    assert f"as root, run {machine.folder}/scripts/setup.sh" in done.stderr
    assert not machine.asked_apt()


def test_only_what_is_missing_is_named(machine: Machine) -> None:
    machine.program("dpkg-query", "echo installed python3; echo config-files gcc")
    (line,) = (row for row in machine.set_up("run").stderr.splitlines() if "apt-get" in row)
    assert " python3 " not in line
    assert " gcc " in line


def test_parts_are_told_apart(machine: Machine) -> None:
    assert "shellcheck" not in machine.set_up("run").stderr
    assert "shellcheck" in machine.set_up("test").stderr


def test_a_system_gets_its_own_names(machine: Machine) -> None:
    assert "python3.11" not in machine.set_up().stderr
    machine.system("ID=ubuntu\nVERSION_ID=22.04\n")
    assert " python3.11 " in machine.set_up().stderr


def test_an_unknown_part_is_a_usage_error(machine: Machine) -> None:
    done = machine.set_up("everything")
    assert done.returncode == 2
    assert "`everything` is no part of scripts/packages.txt" in done.stderr


def packages(part: str) -> set[str]:
    """The names in scripts/packages.txt of one part."""
    rows = (REPOSITORY / "scripts" / "packages.txt").read_text().splitlines()
    fields = [row.split() for row in rows if row and not row.startswith("#")]
    return {field[2] for field in fields if field[0] == part}


def test_no_package_brings_services() -> None:
    names = packages("run") | packages("test")
    assert "libvirt-daemon" in names
    assert not {"libvirt-daemon-system", "libvirt-daemon-config-network"} & names


def test_what_doctor_looks_for_is_what_is_installed() -> None:
    looked_for = checks.PROGRAMS | checks.ORDINARY_PROGRAMS
    assert set(looked_for.values()) <= packages("run")


# An apt-get that behaves like packages with services: they ask the policy, and enable themselves.
APT_WITH_A_SERVICE = """
case "$*" in *--simulate*) exit 0 ;; esac
/usr/sbin/policy-rc.d ssh start
[ $? = 101 ] || touch {folder}/started
mkdir -p /etc/systemd/system/multi-user.target.wants
ln -s /lib/systemd/system/ssh.service /etc/systemd/system/multi-user.target.wants/ssh.service
exit {code}
"""
THE_MACHINES_POLICY = "#!/bin/sh\nexit 0\n"


def set_up_as_root(machine: Machine, code: int = 0) -> Completed:
    """Install as root of an own namespace, which has its own /usr/sbin and /etc/systemd."""
    machine.program("apt-get", APT_WITH_A_SERVICE.format(folder=machine.folder, code=code))
    (machine.folder / "sbin").mkdir(exist_ok=True)
    (machine.folder / "systemd" / "system").mkdir(parents=True, exist_ok=True)
    inside = (
        f"mount --bind {machine.folder}/sbin /usr/sbin && "
        f"mount --bind {machine.folder}/systemd /etc/systemd && "
        f"exec {machine.folder}/scripts/setup.sh"
    )
    path = f"{machine.folder / 'bin'}:/usr/bin:/bin"
    environment = {"PATH": path, "SETUP_OS_RELEASE": str(machine.folder / "os-release")}
    namespace = ["unshare", "--user", "--map-root-user", "--mount"]
    return run([*namespace, "sh", "-c", inside], env=environment, check=False)


def left_enabled(machine: Machine) -> list[str]:
    """Units that would start at the next boot."""
    return [path.name for path in (machine.folder / "systemd").rglob("*.service")]


def test_installing_starts_and_enables_no_service(machine: Machine) -> None:
    done = set_up_as_root(machine)
    assert done.returncode == 0, done.stderr
    assert left_enabled(machine) == []
    assert not (machine.folder / "started").exists()
    assert list((machine.folder / "sbin").iterdir()) == []


def test_a_unit_that_was_enabled_before_stays(machine: Machine) -> None:
    wanted = machine.folder / "systemd" / "system" / "sockets.target.wants"
    wanted.mkdir(parents=True)
    (wanted / "own.service").symlink_to("/lib/systemd/system/own.service")
    set_up_as_root(machine)
    assert left_enabled(machine) == ["own.service"]


def test_a_failed_installation_leaves_no_trace(machine: Machine) -> None:
    done = set_up_as_root(machine, code=100)
    assert done.returncode == UNAVAILABLE
    assert "the packages could not be installed" in done.stderr
    assert left_enabled(machine) == []
    assert list((machine.folder / "sbin").iterdir()) == []


def test_the_machines_own_policy_is_put_back(machine: Machine) -> None:
    policy = machine.folder / "sbin" / "policy-rc.d"
    policy.parent.mkdir()
    policy.write_text(THE_MACHINES_POLICY)
    policy.chmod(0o755)
    set_up_as_root(machine)
    assert not (machine.folder / "started").exists()
    assert policy.read_text() == THE_MACHINES_POLICY


def test_what_a_killed_run_left_is_mended(machine: Machine) -> None:
    sbin = machine.folder / "sbin"
    sbin.mkdir()
    (sbin / "policy-rc.d").write_text(
        "#!/bin/sh\n# for the time of one scripts/setup.sh\nexit 101\n"
    )
    (sbin / "policy-rc.d.before-domsock").write_text(THE_MACHINES_POLICY)
    set_up_as_root(machine)
    assert [path.name for path in sbin.iterdir()] == ["policy-rc.d"]
    assert (sbin / "policy-rc.d").read_text() == THE_MACHINES_POLICY
