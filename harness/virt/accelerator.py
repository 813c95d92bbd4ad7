"""KVM or TCG: decided by booting a guest, because /dev/kvm alone proves nothing.

There are machines where it exists, opens and makes a virtual machine that never boots. So KVM
is chosen only after a probe guest has said "ready" under it. The answer is kept per host; what
it depends on (see FACTS) is part of the key.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from harness.run import Completed
from harness.virt import emulator

Name = Literal["kvm", "tcg"]
Runner = Callable[..., Completed]

PROBE_MIB = 128
PROBE_SECONDS = 10  # under KVM a probe takes about one; the rest is for a busy machine
GRACE_SECONDS = 2

# The boot id stands for the machine: unlike the machine id it is the same in every namespace,
# and a reboot, the only time a firmware setting can change, asks again.
FACTS = """
cat /proc/sys/kernel/random/boot_id
uname -r
grep -m 1 '^model name' /proc/cpuinfo
grep -m 1 -o -w -E 'vmx|svm' /proc/cpuinfo || echo 'neither vmx nor svm'
"$0" --version
"""
DEVICE = "if [ ! -e /dev/kvm ]; then echo missing; elif [ ! -w /dev/kvm ]; then echo closed; fi"
READY = re.compile(r"^testbed: ready probe (\d+\.\d+)", re.MULTILINE)


@dataclass(frozen=True)
class Accelerator:
    """What runs the guests of a host, and why."""

    name: Name
    why: str


@dataclass(frozen=True)
class Probe:
    """The guest to boot. Paths are the host's; `command_line` makes it say ready and end."""

    kernel: str
    initrd: str
    command_line: str
    emulator: str = emulator.DEFAULT


def machine_arguments(accelerator: Name, vcpus: int = 1) -> list[str]:
    """QEMU's machine, CPU model and CPU count, as our guests have them.

    Under TCG: no ERMS, which it emulates byte by byte, and at least two possible CPUs, without
    which QEMU leaves out memory barriers that a ring shared with another guest needs.
    """
    if accelerator == "kvm":
        cpu, possible = "host", vcpus
    else:
        cpu, possible = "max,-erms", max(2, vcpus)
    machine = f"pc,accel={accelerator}"
    return ["-machine", machine, "-cpu", cpu, "-smp", f"{vcpus},maxcpus={possible}"]


def probe_argv(probe: Probe) -> list[str]:
    """Boots the probe under KVM with its console on standard output, and ends in any case."""
    limit = ["timeout", f"--kill-after={GRACE_SECONDS}", str(PROBE_SECONDS)]
    bare = ["-m", str(PROBE_MIB), "-nodefaults", "-no-user-config", "-display", "none"]
    boot = ["-kernel", probe.kernel, "-initrd", probe.initrd, "-append", probe.command_line]
    console = ["-serial", "stdio", "-no-reboot"]
    return [*limit, probe.emulator, *machine_arguments("kvm"), *bare, *boot, *console]


def judge(probed: Completed, facts: Sequence[str]) -> Accelerator:
    """What the probe's end means."""
    if ready := READY.search(probed.stdout):
        return Accelerator("kvm", f"a probe guest was ready after {ready[1]} s under KVM")
    shown = next((fact for fact in facts if fact.startswith("neither")), "")
    said = probed.stderr.strip().splitlines()[-1:] or [f"not within {PROBE_SECONDS} s"]
    hint = f"; the CPU shows {shown}" if shown else ""
    return Accelerator("tcg", f"/dev/kvm is there, but a probe guest did not boot: {said[0]}{hint}")


def choose(run: Runner, probe: Probe, cache: Path) -> Accelerator:
    """The accelerator of the host on which `run` runs programs. `cache` keeps probes' answers."""
    device = run(["sh", "-c", DEVICE], within=GRACE_SECONDS * 5).stdout.strip()
    if device == "missing":
        return Accelerator("tcg", "there is no /dev/kvm")
    if device == "closed":
        return Accelerator("tcg", "/dev/kvm may not be opened by this user")
    facts = run(["sh", "-c", FACTS, probe.emulator], within=GRACE_SECONDS * 5).stdout.splitlines()
    key = hashlib.sha256("\n".join(facts).encode()).hexdigest()[:16]
    kept = cache / "accelerator" / f"{key}.json"
    return _recall(kept) or _remember(kept, _probe(run, probe, facts))


def _probe(run: Runner, probe: Probe, facts: Sequence[str]) -> Accelerator:
    limit = PROBE_SECONDS + GRACE_SECONDS * 5
    return judge(run(probe_argv(probe), within=limit, check=False), facts)


def _recall(kept: Path) -> Accelerator | None:
    """An earlier answer; a damaged one counts as none."""
    try:
        found = json.loads(kept.read_text(encoding="utf-8"))
        answer = Accelerator(found["name"], found["why"])
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return answer if answer.name in ("kvm", "tcg") else None


def _remember(kept: Path, answer: Accelerator) -> Accelerator:
    kept.parent.mkdir(parents=True, exist_ok=True)
    fresh = kept.with_suffix(f".{os.getpid()}")
    fresh.write_text(json.dumps(asdict(answer)) + "\n", encoding="utf-8")
    fresh.replace(kept)
    return answer
