"""KVM is chosen only after a guest has booted under it."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from harness import run
from harness.run import Completed
from harness.virt import accelerator
from harness.virt.accelerator import Accelerator, Probe

PROBE = Probe("/images/kernel", "/images/initrd", "console=ttyS0 domsock.probe")
BOOTED = "Linux version 6.1\r\ntestbed: ready probe 0.84\r\n"


class Host:
    """Answers the three questions that are asked of a host, and counts probes."""

    def __init__(self, *, device: str = "", probe: str = BOOTED, release: str = "6.1.0") -> None:
        self.device, self.probe, self.release, self.probes = device, probe, release, 0

    def run(self, argv: Sequence[str], *, within: float, check: bool = True) -> Completed:
        assert within > 0
        if argv[0] == "timeout":
            self.probes += 1
            failed = 0 if "ready" in self.probe else 124
            return Completed(tuple(argv), failed, self.probe, "")
        facts = f"boot-1\n{self.release}\nneither vmx nor svm\n"
        return Completed(
            tuple(argv), 0, self.device if argv[2] == accelerator.DEVICE else facts, ""
        )


def choose(host: Host, cache: Path) -> Accelerator:
    return accelerator.choose(host.run, PROBE, cache)


def test_a_probe_that_booted_means_kvm(tmp_path: Path) -> None:
    chosen = choose(Host(), tmp_path)
    assert chosen.name == "kvm" and "0.84 s" in chosen.why


def test_a_device_that_lies_means_tcg(tmp_path: Path) -> None:
    chosen = choose(Host(probe="Probing EDD (edd=off to disable)... ok\n"), tmp_path)
    assert chosen.name == "tcg"
    assert "not within" in chosen.why and "neither vmx nor svm" in chosen.why


@pytest.mark.parametrize("device", ["missing", "closed"])
def test_no_device_means_tcg_without_a_probe(device: str, tmp_path: Path) -> None:
    host = Host(device=f"{device}\n")
    assert choose(host, tmp_path).name == "tcg"
    assert host.probes == 0


def test_the_answer_is_kept(tmp_path: Path) -> None:
    host = Host()
    assert choose(host, tmp_path) == choose(host, tmp_path)
    assert host.probes == 1


def test_another_kernel_asks_again(tmp_path: Path) -> None:
    choose(Host(), tmp_path)
    later = Host(release="6.12.0")
    choose(later, tmp_path)
    assert later.probes == 1


@pytest.mark.parametrize("kept", ["", "{", "[]", '{"name": "xen", "why": ""}', '{"name": 1}'])
def test_a_damaged_answer_asks_again(kept: str, tmp_path: Path) -> None:
    choose(Host(), tmp_path)
    for file in (tmp_path / "accelerator").iterdir():
        file.write_text(kept)
    host = Host()
    assert choose(host, tmp_path).name == "kvm"
    assert host.probes == 1


def test_the_ready_line_must_be_the_guests_own(tmp_path: Path) -> None:
    """The kernel prints its command line; a name in there is no proof of life."""
    echoed = "Kernel command line: x=testbed: ready probe 1.0\n"
    assert choose(Host(probe=echoed), tmp_path).name == "tcg"


def test_the_command_line_ends_by_itself_and_asks_for_kvm() -> None:
    argv = accelerator.probe_argv(PROBE)
    assert argv[0] == "timeout"
    assert "pc,accel=kvm" in argv
    assert argv[argv.index("-append") + 1] == PROBE.command_line


def test_tcg_guests_have_no_erms_and_two_possible_cpus() -> None:
    argv = accelerator.machine_arguments("tcg")
    assert argv[argv.index("-cpu") + 1] == "max,-erms"
    assert argv[argv.index("-smp") + 1] == "1,maxcpus=2"


def test_this_machine_can_be_asked(tmp_path: Path) -> None:
    """The real shell commands; the probe has no kernel here, so the answer must be TCG."""
    nothing = Probe(str(tmp_path / "kernel"), str(tmp_path / "initrd"), "")
    assert accelerator.choose(run.run, nothing, tmp_path).name == "tcg"
