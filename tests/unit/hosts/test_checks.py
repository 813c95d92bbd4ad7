"""Each thing a machine may lack is found, and comes with the command that mends it."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from harness.errors import TestbedError
from harness.hosts import checks
from harness.hosts.checks import Check, Machine, Needs
from harness.run import Completed

GIB = 1 << 30


def says_yes(argv: Sequence[str]) -> Completed:
    return Completed(tuple(argv), 0, "--map-auto", "")


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    """A machine that has everything, seen by an ordinary user."""
    files = {
        "etc/os-release": 'ID=debian\nVERSION_ID="12"\n',
        "etc/subuid": "other:1:65536\nann:100000:65536\n",
        "etc/subgid": "1000:100000:65536\n",
        "proc/sys/user/max_user_namespaces": "1000\n",
        "proc/meminfo": "MemTotal: 16777216 kB\nMemAvailable: 8388608 kB\n",
        "dev/net/tun": "",
        checks.QEMU_DRIVER: "",
        **{f"usr/bin/{name}": "" for name in (*checks.PROGRAMS, *checks.ORDINARY_PROGRAMS)},
    }
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
        path.chmod(0o755)
    return Machine(tmp_path, "x86_64", uid=1000, user="ann", trial=says_yes)


LITTLE = Needs(memory=GIB, shm=GIB)


def failures(machine: Machine, needs: Needs = LITTLE) -> dict[str, Check]:
    return {check.name: check for check in checks.failures(needs, machine)}


def rewrite(machine: Machine, name: str, text: str) -> None:
    path = machine.root / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def test_a_good_machine_passes(machine: Machine) -> None:
    assert failures(machine) == {}
    assert "links" in {check.name for check in checks.all_checks(LITTLE, machine)}


def test_root_needs_no_user_namespace(machine: Machine) -> None:
    (machine.root / "etc/subuid").unlink()
    (machine.root / "usr/bin/newuidmap").unlink()
    assert failures(replace(machine, uid=0)) == {}


@pytest.mark.parametrize(
    ("release", "architecture"),
    [
        ("ID=fedora\nVERSION_ID=41\n", "x86_64"),
        ("ID=debian\nVERSION_ID=11\n", "x86_64"),
        ("ID=ubuntu\nVERSION_ID=20.04\n", "x86_64"),
        ("ID=debian\nVERSION_ID=12\n", "aarch64"),
        ("garbage", "x86_64"),
    ],
)
def test_another_system_is_refused(machine: Machine, release: str, architecture: str) -> None:
    rewrite(machine, "etc/os-release", release)
    assert "system" in failures(replace(machine, architecture=architecture))


@pytest.mark.parametrize("version", ['ubuntu\nVERSION_ID="24.04"', "debian"])
def test_newer_systems_are_welcome(machine: Machine, version: str) -> None:
    rewrite(machine, "etc/os-release", f"ID={version}\n")
    assert failures(machine) == {}


def test_a_missing_program_names_its_package(machine: Machine) -> None:
    (machine.root / "usr/bin/libvirtd").unlink()
    (machine.root / "usr/bin/newgidmap").unlink()
    found = failures(machine)["programs"]
    assert "libvirtd" in found.found
    assert found.fix.startswith("sudo apt-get install")
    assert found.fix.endswith(" libvirt-daemon uidmap")


def test_a_missing_driver_names_its_package(machine: Machine) -> None:
    (machine.root / checks.QEMU_DRIVER).unlink()
    assert failures(machine)["programs"].fix.endswith(" libvirt-daemon-driver-qemu")


@pytest.mark.parametrize(
    ("key", "value", "name", "fix"),
    [
        ("user/max_user_namespaces", "0", "user namespaces", "user.max_user_namespaces=15000"),
        ("kernel/unprivileged_userns_clone", "0", "user namespaces", "userns_clone=1"),
        ("kernel/apparmor_restrict_unprivileged_userns", "1", "apparmor", "userns=0"),
    ],
)
def test_forbidden_user_namespaces(
    machine: Machine, key: str, value: str, name: str, fix: str
) -> None:
    rewrite(machine, f"proc/sys/{key}", value)
    found = failures(machine)[name]
    assert found.fix.startswith("sudo sysctl -w ")
    assert found.fix.endswith(fix)


@pytest.mark.parametrize("text", ["", "ann:100000:10\n", "bob:1:65536\n", "ann:x:y\nann\n"])
def test_too_few_subordinate_ids(machine: Machine, text: str) -> None:
    rewrite(machine, "etc/subuid", text)
    assert failures(machine)["subuid"].fix == "sudo usermod --add-subuids 100000-165535 ann"


def test_no_tun(machine: Machine) -> None:
    (machine.root / "dev/net/tun").unlink()
    assert failures(machine)["tun"].fix == "sudo modprobe tun"


def test_a_closed_tun(machine: Machine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "access", lambda _path, _mode: False)
    assert checks.tun(machine).fix == "sudo chmod 0666 /dev/net/tun"


def test_kvm_is_told_of_but_never_required(machine: Machine) -> None:
    assert "emulated" in checks.kvm(machine).found
    device = machine.root / "dev/kvm"
    device.touch(mode=0o660)
    assert checks.kvm(machine).fix == "sudo chmod 0666 /dev/kvm"
    device.chmod(0o666)
    assert checks.kvm(machine).found == "/dev/kvm can be opened"
    assert failures(machine) == {}


def test_too_little_memory(machine: Machine) -> None:
    found = failures(machine, Needs(memory=9 * GIB, shm=0))
    assert found["memory"].found == "8192 MiB free, 9216 MiB needed"
    assert "shared memory" in failures(machine, Needs(memory=0, shm=9 * GIB))


def test_an_old_unshare(machine: Machine) -> None:
    old = replace(machine, trial=lambda argv: Completed(tuple(argv), 0, "", ""))
    assert "2.38" in failures(old)["unshare"].why


def test_a_failed_trial_is_told_in_the_kernels_words(machine: Machine) -> None:
    def refuses(argv: Sequence[str]) -> Completed:
        help_asked = "--help" in argv
        words = "RTNETLINK answers: Operation not supported"
        return says_yes(argv) if help_asked else Completed(tuple(argv), 2, "", words)

    found = failures(replace(machine, trial=refuses))["links"]
    assert found.found == "RTNETLINK answers: Operation not supported"
    assert "modprobe" in found.fix


def test_a_trial_that_cannot_start_is_no_crash(machine: Machine) -> None:
    def breaks(argv: Sequence[str]) -> Completed:
        raise TestbedError("`unshare` cannot be started")

    assert not checks.links(replace(machine, trial=breaks)).ok
    assert not checks.map_auto(replace(machine, trial=breaks)).ok
